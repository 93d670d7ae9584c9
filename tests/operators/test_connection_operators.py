"""Operators on connection matrices, and the survival of Kim et al."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray
from pymoo.algorithms.moo.nsga2 import NSGA2
from pymoo.algorithms.soo.nonconvex.ga import GA
from pymoo.core.callback import Callback
from pymoo.core.population import Population
from pymoo.core.problem import Problem
from pymoo.optimize import minimize

from pymoo_prune.chromosomes import Connections
from pymoo_prune.errors import PruneError
from pymoo_prune.operators import (
    Candidates,
    DigestDuplicates,
    Elitism,
    MatrixBitFlip,
    QuadrantMatrixCrossover,
    Remeasured,
)

Array = NDArray[Any]
PAPERS = Connections(16)

codecs = st.builds(Connections, st.integers(1, 5), st.integers(1, 3)) | st.builds(
    Connections, st.lists(st.integers(1, 5), min_size=1, max_size=3)
)


def crossed(operator: Any, X: Array, seed: int = 0) -> Array:
    """Children of rows (0, 1), (2, 3), ..., (2, matings, genes)."""
    pairs, before = np.arange(len(X)).reshape(-1, 2), X.copy()
    problem, generator = Problem(n_var=X.shape[1], n_obj=1), np.random.default_rng(seed)
    off = operator.do(problem, Population.new("X", X), pairs, random_state=generator)
    np.testing.assert_array_equal(X, before)
    return off.get("X").reshape(2, len(pairs), X.shape[1])


def mutated(operator: Any, X: Array, seed: int = 0) -> Array:
    """Mutants of X; checks that X itself does not change."""
    before, generator = X.copy(), np.random.default_rng(seed)
    result = operator._do(None, X, random_state=generator)
    np.testing.assert_array_equal(X, before)
    problem, again = Problem(n_var=X.shape[1], n_obj=1), np.random.default_rng(seed)
    through = operator.do(problem, Population.new("X", X.copy()), random_state=again)
    np.testing.assert_array_equal(through.get("X"), result)
    return result


@st.composite
def couples(draw: st.DrawFn) -> tuple[Connections, Array]:
    """A codec and an even number of its chromosomes."""
    codec = draw(codecs)
    return codec, draw(hnp.arrays(bool, (2 * draw(st.integers(1, 4)), codec.n_var)))


# Crossover.


def quadrant(row: int, column: int, row_cut: int, column_cut: int) -> int:
    """The quadrant of an entry, numbered as in mathematics."""
    if row < row_cut:
        return 2 if column < column_cut else 1
    return 3 if column < column_cut else 4


@given(couples(), st.integers(0, 1000))
def test_quadrant_crossover_is_the_papers_entry_by_entry(
    given_: tuple[Connections, Array], seed: int
) -> None:
    codec, X = given_
    children = crossed(QuadrantMatrixCrossover(codec), X, seed)
    matings, nodes = len(X) // 2, codec.nodes
    generator = np.random.default_rng(seed)
    generator.random(matings)  # pymoo draws which matings take place
    limit = nodes if len(set(codec.sizes)) == 1 else np.array(codec.sizes) + 2
    cuts = generator.integers(1, limit, (2, matings, codec.blocks))
    for mating in range(matings):
        first, second = codec.matrices(X[2 * mating : 2 * mating + 2])
        one, two = first.copy(), first.copy()
        for block in range(codec.blocks):
            row_cut, column_cut = cuts[:, mating, block]
            for row in range(nodes):
                for column in range(nodes):
                    parents = first[block, row, column], second[block, row, column]
                    if quadrant(row, column, row_cut, column_cut) in (2, 4):
                        parents = parents[::-1]
                    one[block, row, column], two[block, row, column] = parents
        np.testing.assert_array_equal(children[0, mating], codec.genes(one))
        np.testing.assert_array_equal(children[1, mating], codec.genes(two))


@given(couples(), st.integers(0, 1000))
def test_each_gene_of_a_parent_is_in_one_of_the_children(
    given_: tuple[Connections, Array], seed: int
) -> None:
    codec, X = given_
    children = crossed(QuadrantMatrixCrossover(codec), X, seed)
    assert children.dtype == bool
    pairs = np.stack([X[0::2], X[1::2]])
    np.testing.assert_array_equal(np.sort(children, axis=0), np.sort(pairs, axis=0))
    same = crossed(QuadrantMatrixCrossover(codec), np.repeat(X, 2, axis=0), seed)
    np.testing.assert_array_equal(same, np.stack([X, X]))


def test_both_cuts_of_every_matrix_take_all_places_alike() -> None:
    codec, matings = Connections(3, 2), 8_000
    # One parent has all genes and the other none, so the child's matrix shows its quadrants.
    X = np.zeros((2 * matings, codec.n_var), dtype=bool)
    X[0::2] = True
    children = crossed(QuadrantMatrixCrossover(codec), X)
    np.testing.assert_array_equal(children[0], ~children[1])
    free = codec.free[0]
    expected = np.zeros(free.shape)
    for row_cut in range(1, codec.nodes):
        for column_cut in range(1, codec.nodes):
            for row, column in np.argwhere(free):
                expected[row, column] += quadrant(row, column, row_cut, column_cut) in (1, 3)
    expected /= (codec.nodes - 1) ** 2
    found = (codec.matrices(children[0]) & codec.free).mean(axis=0)
    for block in found:
        np.testing.assert_allclose(block, expected, atol=5 * np.sqrt(0.25 / matings))
    # Each block of each mating has its own cuts.
    blocks = children[0].reshape(matings, 2, -1)
    assert 0.5 < (blocks[:, 0] != blocks[:, 1]).any(axis=1).mean() < 1
    # 4 row cuts by 4 column cuts; some look the same in the free entries.
    seen = {tuple(row) for row in blocks[:, 0].tolist()}
    possible = {
        tuple(
            quadrant(row, column, row_cut, column_cut) in (1, 3)
            for row, column in np.argwhere(free)
        )
        for row_cut in range(1, 5)
        for column_cut in range(1, 5)
    }
    assert seen == possible


@pytest.mark.parametrize("codec", [Connections(1, 1), Connections(3, 2), PAPERS])
def test_cuts_are_drawn_from_one_to_the_last_but_one_node(codec: Connections) -> None:
    class Recorder:
        """A generator that remembers what it drew."""

        def __init__(self) -> None:
            self.generator, self.drawn = np.random.default_rng(0), np.zeros(0, int)

        def integers(self, *args: Any, **kwargs: Any) -> Array:
            self.drawn = self.generator.integers(*args, **kwargs)
            return self.drawn

    X, recorder = np.zeros((2, 2_000, codec.n_var), dtype=bool), Recorder()
    QuadrantMatrixCrossover(codec)._do(None, X, random_state=recorder)
    for cuts in recorder.drawn.reshape(2, 2_000, codec.blocks):
        counts = np.bincount(cuts.ravel(), minlength=codec.nodes)
        assert len(counts) == codec.nodes
        assert counts[0] == 0
        chance = 1 / (codec.nodes - 1)
        np.testing.assert_allclose(
            counts[1:] / cuts.size, chance, atol=5 * np.sqrt(chance / cuts.size)
        )


def test_without_a_mating_children_equal_their_parents() -> None:
    X = PAPERS.random(20, np.random.default_rng(0), 0.5)
    children = crossed(QuadrantMatrixCrossover(PAPERS, prob=0.0), X)
    np.testing.assert_array_equal(children, np.stack([X[0::2], X[1::2]]))


# Mutation.


@given(couples(), st.floats(0, 1), st.integers(0, 1000), st.data())
def test_a_matrix_flips_as_many_points_as_asked_or_none(
    given_: tuple[Connections, Array], rate: float, seed: int, data: st.DataObject
) -> None:
    codec, X = given_
    points = data.draw(st.integers(1, min(codec.block_genes)))
    result = mutated(MatrixBitFlip(codec, rate=rate, points=points), X, seed)
    assert result.dtype == bool
    assert result.shape == X.shape
    blocks = np.split(result != X, np.cumsum(codec.block_genes)[:-1], axis=1)
    flipped = np.array([block.sum(axis=1) for block in blocks])
    assert set(flipped.ravel().tolist()) <= {0, points}


@pytest.mark.parametrize("points", [1, 3, 136])
def test_at_rate_zero_no_matrix_mutates_and_at_rate_one_every_one(points: int) -> None:
    X = PAPERS.random(20, np.random.default_rng(0), 0.5)
    np.testing.assert_array_equal(mutated(MatrixBitFlip(PAPERS, rate=0, points=points), X), X)
    result = mutated(MatrixBitFlip(PAPERS, rate=1, points=points), X)
    flipped = (result != X).reshape(20, 3, 136).sum(axis=-1)
    assert (flipped == points).all()


def test_mutation_hits_its_rate_and_all_connections_alike() -> None:
    codec = Connections(3, 2)
    X = codec.random(20_000, np.random.default_rng(0), 0.9)
    flipped = mutated(MatrixBitFlip(codec, points=2), X) != X
    hit = flipped.reshape(20_000, 2, 6).any(axis=-1)
    np.testing.assert_allclose(hit.mean(axis=0), 0.1, atol=0.01)
    assert hit.all(axis=1).mean() == pytest.approx(0.01, abs=0.004)  # independently
    np.testing.assert_allclose(flipped.mean(axis=0), 0.1 * 2 / 6, atol=0.007)
    # Live and dead connections flip equally often.
    assert flipped[X].mean() == pytest.approx(flipped[~X].mean(), abs=0.006)


# Survival.


def individuals(F: Any, G: Any = None) -> Population:
    """Individuals whose X is their place."""
    columns = np.shape(F)[1] if np.ndim(F) == 2 else 1
    pop = Population.new("X", np.arange(len(F))[:, None], "F", np.reshape(F, (len(F), columns)))
    if G is not None:
        pop.set("G", np.reshape(G, (len(F), 1)).astype(float))
    return pop


def lives_on(
    parents: Population, children: Population | None, n: int | None = None, share: float = 0.2
) -> list[tuple[str, int]]:
    """The survivors, each as a letter (parent or child) and its old place."""
    known = {
        id(one): (letter, int(one.X[0]))
        for letter, group in (("p", parents), ("c", [] if children is None else children))
        for one in group
    }
    both = parents if children is None else Population.merge(parents, children)
    survivors = Elitism(share).do(
        Problem(n_var=1, n_obj=1),
        both,
        n_survive=len(parents) if n is None else n,
        algorithm=SimpleNamespace(pop=parents, off=children),
    )
    return [known[id(one)] for one in survivors]


def test_the_best_parent_of_five_and_the_best_four_children_live_on() -> None:
    parents, children = individuals([3, 1, 2, 0.5, 4]), individuals([9, 7, 8, 6, 0.1])
    expected = [("c", 4), ("p", 3), ("c", 3), ("c", 1), ("c", 2)]
    assert lives_on(parents, children) == expected
    # Two parents of five with 0.4, none with 0.
    assert lives_on(parents, children, share=0.4)[:3] == [("c", 4), ("p", 3), ("p", 1)]
    assert [letter for letter, _ in lives_on(parents, children, share=0.4)] == list("cppcc")
    assert [letter for letter, _ in lives_on(parents, children, share=0)] == list("ccccc")


def test_the_papers_population_of_20_keeps_four_parents_and_sixteen_children() -> None:
    generator = np.random.default_rng(0)
    parents, children = individuals(generator.random(20)), individuals(generator.random(20))
    survivors = lives_on(parents, children)
    old = [place for letter, place in survivors if letter == "p"]
    young = [place for letter, place in survivors if letter == "c"]
    assert old == np.argsort(parents.get("F")[:, 0])[:4].tolist()
    assert young == np.argsort(children.get("F")[:, 0])[:16].tolist()


def test_violation_comes_before_fitness() -> None:
    parents = individuals([-9, -8, 5, 6, 7], [2, 1, 0, -1, 0])
    children = individuals([-5, 1, 2, -7, 3], [0.5, 0, -3, 4, 0])
    assert lives_on(parents, children) == [("c", 1), ("c", 2), ("c", 4), ("p", 2), ("c", 0)]
    infeasible = individuals([0] * 5, [5, 3, 4, 1, 2])
    assert lives_on(infeasible, individuals([])) == [
        ("p", 3), ("p", 4), ("p", 1), ("p", 2), ("p", 0)
    ]  # fmt: skip


def test_individuals_without_fitness_are_never_among_the_better() -> None:
    nan = np.nan
    parents, children = individuals([nan, nan, 3, nan, nan]), individuals([nan, 9, 8, 7, nan])
    assert lives_on(parents, children) == [("p", 2), ("c", 3), ("c", 2), ("c", 1), ("c", 0)]
    # With a violation, as failed candidates have, they rank behind worse fitness too.
    parents = individuals([nan, 2, 9, 2, 2], [3, 0, 0, 0, 0])
    children = individuals([nan, 5, 6, nan, 8], [1, 0, 0, 1, 0])
    assert lives_on(parents, children) == [("p", 1), ("c", 1), ("c", 2), ("c", 4), ("c", 0)]


def test_equals_keep_their_order() -> None:
    parents, children = individuals([1, 0, 1, 0, 0]), individuals([0, 1, 0, 1, 1])
    assert lives_on(parents, children, share=0.4) == [
        ("p", 1), ("p", 3), ("c", 0), ("c", 2), ("c", 1)
    ]  # fmt: skip


@pytest.mark.parametrize(("n_children", "old"), [(4, 1), (3, 2), (1, 4), (0, 5)])
def test_further_parents_fill_up_where_there_are_too_few_children(
    n_children: int, old: int
) -> None:
    parents = individuals([5, 1, 4, 2, 3])
    children = individuals(np.arange(n_children) - 9)
    expected = [("c", i) for i in range(n_children)] + [("p", i) for i in (1, 3, 4, 2, 0)[:old]]
    assert lives_on(parents, children) == expected


def test_without_children_all_parents_live_on_sorted() -> None:
    assert lives_on(individuals([2, 0, 1]), None) == [("p", 1), ("p", 2), ("p", 0)]


def test_a_short_population_grows_back() -> None:
    # Duplicates were eliminated, two of five are left, and at most one parent is elite.
    assert lives_on(individuals([1, 0]), individuals([2, 3, 4, 5, 6]), 5) == [
        ("p", 1), ("c", 0), ("c", 1), ("c", 2), ("c", 3)
    ]  # fmt: skip
    assert len(lives_on(individuals([1, 0]), individuals([2, 3, 4]), 5, share=0.8)) == 5
    assert len(lives_on(individuals([1]), individuals([2, 3, 4, 5]), 5, share=0.8)) == 5


@given(
    st.lists(st.sampled_from([0.0, 1.0, 2.0, np.nan]), min_size=1, max_size=8),
    st.lists(st.sampled_from([0.0, 1.0, 2.0, np.nan]), max_size=12),
    st.floats(0, 1, exclude_max=True),
    st.data(),
)
def test_survivors_are_the_best_of_both_in_order(
    old: list[float], young: list[float], share: float, data: st.DataObject
) -> None:
    n = len(old)
    G = [data.draw(st.sampled_from([-1.0, 0.0, 1.0])) for _ in (*old, *young)]
    survivors = lives_on(individuals(old, G[:n]), individuals(young, G[n:]), share=share)

    def key(one: tuple[str, int]) -> tuple[Any, ...]:
        letter, i = one
        F, violation = (old[i], G[i]) if letter == "p" else (young[i], G[n + i])
        return max(violation, 0), np.isnan(F), 0 if np.isnan(F) else F, letter != "p", i

    ranked_old = sorted([("p", i) for i in range(n)], key=key)
    ranked_young = sorted([("c", i) for i in range(len(young))], key=key)
    best = ranked_young[: n - round(share * n)]
    assert survivors == sorted([*best, *ranked_old[: n - len(best)]], key=key)


def test_elitism_refuses_two_objectives_and_says_what_to_do() -> None:
    pattern = r"Elitism needs one objective.*has 2.*WeightedSum.*or use another survival"
    with pytest.raises(PruneError, match=pattern):
        lives_on(individuals(np.zeros((4, 2))), individuals(np.zeros((4, 2))))


@pytest.mark.parametrize(
    ("make", "fragment"),
    [
        (lambda: MatrixBitFlip(PAPERS, rate=-0.1), "rate must be between 0 and 1, but it is -0.1"),
        (lambda: MatrixBitFlip(PAPERS, rate=1.1), "rate must be between 0 and 1, but it is 1.1"),
        (lambda: MatrixBitFlip(PAPERS, rate=np.nan), "rate must be .* nan"),
        (lambda: MatrixBitFlip(PAPERS, points=0), "between 1 and the 136 free.*but it is 0"),
        (lambda: MatrixBitFlip(PAPERS, points=137), "between 1 and the 136 free.*but it is 137"),
        (lambda: Elitism(-0.1), "share must be at least 0 and below 1, but it is -0.1"),
        (lambda: Elitism(1), "share must be at least 0 and below 1, but it is 1"),
        (lambda: Elitism(np.nan), "share must be .* nan"),
        (lambda: crossed(QuadrantMatrixCrossover(PAPERS), np.zeros((4, 7), bool)), "be 408 bool"),
        (lambda: crossed(QuadrantMatrixCrossover(PAPERS), np.zeros((4, 408))), "they are float64"),
        (lambda: mutated(MatrixBitFlip(PAPERS), np.zeros((4, 7), bool)), "be 408 booleans"),
        (lambda: mutated(MatrixBitFlip(PAPERS), np.zeros((4, 408), int)), "they are int64"),
    ],
)  # fmt: skip
def test_wrong_arguments_are_refused(make: Callable[[], Any], fragment: str) -> None:
    with pytest.raises(PruneError, match=fragment):
        make()


# In pymoo's engines.


class Pattern(Problem):
    """To minimise: the distance to a pattern of connections; the constraint limits their number."""

    def __init__(self, codec: Connections, *, n_obj: int = 1, most: int | None = None) -> None:
        super().__init__(
            n_var=codec.n_var, n_obj=n_obj, n_ieq_constr=int(most is not None), vtype=bool
        )
        self.codec, self.most = codec, most
        self.pattern = codec.random(1, np.random.default_rng(5), 0.5)
        self.seen: list[Array] = []

    def _evaluate(self, X: Array, out: dict[str, Any], *args: Any, **kw: Any) -> None:
        assert X.dtype == bool
        self.seen.append(X.copy())
        away, live = (self.pattern != X).sum(axis=1), X.sum(axis=1)
        out["F"] = np.column_stack([away, live])[:, : self.n_obj].astype(float)
        if self.most is not None:
            out["G"] = (live - self.most).astype(float)[:, None]


class History(Callback):
    """The best individual and the populations of every generation."""

    def __init__(self) -> None:
        super().__init__()
        self.best: list[tuple[float, float]] = []
        self.pops: list[tuple[Population, Population]] = []

    def notify(self, algorithm: Any) -> None:
        F, CV = algorithm.pop.get("F", "CV")
        self.best.append(min(zip(CV[:, 0].tolist(), F[:, 0].tolist(), strict=True)))
        self.pops.append((algorithm.pop, algorithm.off))


def papers_ga(codec: Connections, *, pop_size: int = 20, kept: float = 0.9, **options: Any) -> GA:
    return GA(
        pop_size=pop_size,
        sampling=Candidates(lambda n, generator: codec.random(n, generator, kept)),
        crossover=QuadrantMatrixCrossover(codec),
        mutation=MatrixBitFlip(codec),
        **{"survival": Elitism(), "eliminate_duplicates": DigestDuplicates(), **options},
    )


@pytest.mark.parametrize("most", [None, 150])
def test_in_pymoos_ga_the_best_never_gets_worse_and_comes_first(most: int | None) -> None:
    problem, history = Pattern(PAPERS, most=most), History()
    minimize(problem, papers_ga(PAPERS), ("n_gen", 30), seed=1, callback=history)
    assert history.best == sorted(history.best, reverse=True)
    assert history.best[-1] < history.best[0]
    for (before, _), (pop, off) in zip(history.pops[:-1], history.pops[1:], strict=True):
        assert len(pop) == 20
        ranks = [(CV[0], F[0]) for CV, F in zip(*pop.get("CV", "F"), strict=True)]
        assert ranks == sorted(ranks)
        # Exactly four parents, since there were enough children.
        names = [{id(one) for one in group} for group in (pop, before, off)]
        assert len(names[0] & names[1]) == 4
        assert len(names[0] & names[2]) == 16


def test_a_first_population_that_must_survive_is_only_sorted() -> None:
    problem, history = Pattern(PAPERS), History()
    algorithm = papers_ga(PAPERS, advance_after_initial_infill=True)
    minimize(problem, algorithm, ("n_gen", 2), seed=1, callback=history)
    pop, off = history.pops[0]
    assert {id(one) for one in pop} == {id(one) for one in off}
    assert pop.get("F")[:, 0].tolist() == sorted(off.get("F")[:, 0].tolist())


@pytest.mark.slow
def test_a_search_of_so_few_chromosomes_that_children_run_out_goes_on() -> None:
    codec = Connections(2, 1)  # 8 chromosomes
    problem, history = Pattern(codec), History()
    minimize(problem, papers_ga(codec, pop_size=6), ("n_gen", 20), seed=1, callback=history)
    assert history.best == sorted(history.best, reverse=True)
    assert any(len(off) < 5 for _, off in history.pops)
    numbers = [len(pop) for pop, _ in history.pops]
    assert numbers == sorted(numbers)
    assert numbers[-1] == 6
    for pop, _ in history.pops:
        assert len(np.unique(pop.get("X"), axis=0)) == len(pop)


def test_from_one_chromosome_alone_a_population_grows() -> None:
    problem, history = Pattern(PAPERS), History()
    minimize(problem, papers_ga(PAPERS, kept=1.0), ("n_gen", 3), seed=1, callback=history)
    assert [len(pop) for pop, _ in history.pops] == [1, 20, 20]


def test_remeasuring_takes_elitism_too() -> None:
    problem, history = Pattern(PAPERS), History()
    algorithm = papers_ga(PAPERS, survival=Remeasured(Elitism()), eliminate_duplicates=False)
    minimize(problem, algorithm, ("n_gen", 4), seed=1, callback=history)
    assert [len(X) for X in problem.seen] == [20] * 7  # parents again, then children
    assert history.best == sorted(history.best, reverse=True)


def test_nsga2_takes_the_matrix_operators_too() -> None:
    algorithm = NSGA2(
        pop_size=20,
        sampling=Candidates(lambda n, generator: PAPERS.random(n, generator, 0.9)),
        crossover=QuadrantMatrixCrossover(PAPERS),
        mutation=MatrixBitFlip(PAPERS, points=2),
        eliminate_duplicates=DigestDuplicates(),
    )
    result = minimize(Pattern(PAPERS, n_obj=2), algorithm, ("n_gen", 5), seed=1)
    X = result.pop.get("X")
    assert X.dtype == bool
    assert len(np.unique(X, axis=0)) == 20


X_PAPERS = PAPERS.random(12, np.random.default_rng(7), 0.5)


@pytest.mark.parametrize(
    "draw",
    [
        lambda seed: crossed(QuadrantMatrixCrossover(PAPERS), X_PAPERS, seed),
        lambda seed: mutated(MatrixBitFlip(PAPERS, rate=0.5), X_PAPERS, seed),
        lambda seed: PAPERS.random(5, np.random.default_rng(seed), 0.5),
    ],
    ids=["crossover", "mutation", "sampling"],
)
@pytest.mark.usefixtures("untouched_global_generators")
def test_an_operator_draws_from_pymoos_generator_and_from_no_other(
    draw: Callable[[int], Array],
) -> None:
    assert draw(3).tolist() == draw(3).tolist()
    assert draw(3).tolist() != draw(4).tolist()
