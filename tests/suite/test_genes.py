from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymoo.algorithms.moo.nsga2 import NSGA2
from pymoo.core.problem import Problem
from pymoo.optimize import minimize

from pymoo_prune.chromosomes import digests
from pymoo_prune.errors import PruneError
from pymoo_prune.suite.definitions import DEFINITIONS
from pymoo_prune.suite.genes import Bits, Genes, Reals, Whole
from pymoo_prune.suite.tables import chromosomes, strides

BITS, WHOLE, REALS = Bits((3, 5)), Whole((5, 1, 32, 2)), Reals((0.0, -2.0, -2.0), (6.64, 2.0, 2.0))
ALL = [
    pytest.param(BITS, id="bits"),
    pytest.param(WHOLE, id="whole"),
    pytest.param(REALS, id="reals"),
]
LAYERS = st.lists(st.integers(1, 6), min_size=1, max_size=4).map(tuple)
BOUNDS = st.lists(st.tuples(st.floats(-9, 9), st.floats(0.1, 9)), min_size=1, max_size=5).map(
    lambda pairs: Reals(tuple(a for a, _ in pairs), tuple(a + b for a, b in pairs))
)
GENES = st.one_of(LAYERS.map(Bits), LAYERS.map(Whole), BOUNDS)
SEEDS = st.integers(0, 2**32 - 1)


def valid(genes: Genes, n: int, seed: int) -> np.ndarray[Any, Any]:
    return genes.random(n, np.random.default_rng(seed))


def refusal(genes: Genes, X: object) -> str:
    with pytest.raises(PruneError) as caught:
        genes.checked(X, "some-instance")
    message = str(caught.value)
    assert "some-instance" in message
    assert "\n" not in message
    return message


@given(GENES, SEEDS, st.integers(0, 5))
def test_random_candidates_are_valid_and_stay_as_they_are(genes: Genes, seed: int, n: int) -> None:
    X = valid(genes, n, seed)
    checked = genes.checked(X, "some-instance")
    assert checked.shape == (n, genes.n_var)
    assert checked.dtype == genes.vtype
    assert np.array_equal(checked, X)


@given(GENES, SEEDS, st.sampled_from([float, np.float64, object]))
def test_numbers_of_any_type_are_taken(genes: Genes, seed: int, kind: Any) -> None:
    X = valid(genes, 4, seed)
    for given_X in (X.astype(kind), X.astype(kind).tolist()):
        checked = genes.checked(given_X, "some-instance")
        assert checked.dtype == genes.vtype
        assert np.array_equal(checked, X)
    assert np.array_equal(genes.checked(X[0].astype(kind), "some-instance"), X[:1])


@given(
    GENES,
    SEEDS,
    st.sampled_from([np.nan, np.inf, -np.inf, 1e300, -1e300]),
    st.data(),
)
def test_the_first_wrong_gene_is_named(
    genes: Genes, seed: int, value: float, data: st.DataObject
) -> None:
    X = valid(genes, 3, seed).astype(float)
    row = data.draw(st.integers(0, 2))
    gene = data.draw(st.integers(0, genes.n_var - 1))
    X[row, gene] = value
    X[2, -1] = np.nan
    message = refusal(genes, X)
    assert message.startswith(f"gene {gene} of candidate {row} is {X[row, gene]}, but ")
    assert ("; 1 more is wrong" in message) == ((row, gene) != (2, genes.n_var - 1))


@pytest.mark.parametrize("genes", ALL)
@pytest.mark.parametrize("side", [-1, 1])
def test_values_past_each_bound_are_refused(genes: Genes, side: int) -> None:
    ends = (genes.xl if side < 0 else genes.xu).astype(float)
    genes.checked(ends, "some-instance")
    for gene in range(genes.n_var):
        X = ends.copy()
        X[gene] = np.nextafter(X[gene], side * np.inf)
        assert refusal(genes, X).startswith(f"gene {gene} of candidate 0 is ")
        X[gene] = ends[gene] + side
        low, high = genes.xl[gene], genes.xu[gene]
        message = refusal(genes, X)
        assert f"genes of some-instance are {genes.kind}" in message
        assert f"this one between {low:g} and {high:g}" in message


@pytest.mark.parametrize("genes", [WHOLE, BITS])
def test_fractions_are_refused_where_numbers_are_whole(genes: Genes) -> None:
    X = np.zeros((3, genes.n_var))
    X[1, 2] = 0.5
    assert refusal(genes, X).startswith("gene 2 of candidate 1 is 0.5, but ")
    X = np.zeros(4)
    X[2] = 2.5
    assert refusal(WHOLE, X) == (
        "gene 2 of candidate 0 is 2.5, but the genes of some-instance are whole numbers, this one "
        "between 0 and 31"
    )


@pytest.mark.parametrize("genes", ALL)
@pytest.mark.parametrize("wrong", ["1", "a", None, 1 + 0j, [1]], ids=repr)
def test_what_is_no_number_is_refused(genes: Genes, wrong: object) -> None:
    X = np.zeros((2, genes.n_var), dtype=object)
    X[1, 2] = wrong
    message = refusal(genes, X)
    assert message == (
        f"gene 2 of candidate 1 is {wrong!r}, but the genes of some-instance are {genes.kind}"
    )


@pytest.mark.parametrize("genes", ALL)
@pytest.mark.parametrize("kind", ["U8", "S8", "datetime64[s]", "timedelta64[s]", complex])
def test_arrays_of_other_types_are_refused(genes: Genes, kind: Any) -> None:
    X = np.zeros((2, genes.n_var), dtype=int).astype(kind)
    assert refusal(genes, X).startswith("gene 0 of candidate 0 is ")


@pytest.mark.parametrize("genes", ALL)
def test_other_shapes_are_refused(genes: Genes) -> None:
    n = genes.n_var
    for shape in ((n + 1,), (0,), (), (2, n - 1), (n, 2), (1, 2, n), (n, 1)):
        message = refusal(genes, np.zeros(shape))
        assert message.endswith(f"shape (n, {n}), but the shape is {shape}")
    message = refusal(genes, [[0] * n, [0]])
    assert f"must have {n} genes each" in message


def test_one_candidate_is_one_candidate() -> None:
    zeros = np.zeros((1, 4))
    assert np.array_equal(WHOLE.one(zeros[0], "x"), WHOLE.one(zeros, "x"))
    for X in (np.zeros((2, 2)), np.zeros((4, 1)), np.zeros(8)):
        with pytest.raises(PruneError, match="has 4 genes"):
            WHOLE.one(X, "x")
    with pytest.raises(PruneError, match="one candidate of x is asked for, but there are 2"):
        WHOLE.one(np.zeros((2, 4)), "x")


# Rows of tables.


@given(LAYERS, st.data())
def test_rows_become_chromosomes_and_rows_again(
    choices: tuple[int, ...], data: st.DataObject
) -> None:
    total = int(np.prod(choices))
    rows = np.array(data.draw(st.lists(st.integers(0, total - 1), min_size=1)))
    X = chromosomes(rows, choices)
    assert (X >= 0).all()
    assert (X.max(axis=0) < choices).all()
    assert np.array_equal(X @ strides(choices), rows)
    assert np.array_equal(X, np.column_stack(np.unravel_index(rows, choices)))


# Operators.


class Guarded(Problem):
    """Random objectives; every candidate that is asked for must be valid."""

    def __init__(self, genes: Genes) -> None:
        super().__init__(n_var=genes.n_var, n_obj=2, xl=genes.xl, xu=genes.xu, vtype=genes.vtype)
        self.genes, self.asked = genes, 0

    def _evaluate(self, X: Any, out: dict[str, Any], *args: Any, **kwargs: Any) -> None:
        assert X.dtype == self.genes.vtype
        assert np.array_equal(self.genes.checked(X, "guarded"), X)
        assert len(set(digests(X))) == len(X)
        values = np.asarray(X, dtype=float)
        out["F"] = np.column_stack([values.sum(axis=1), np.cos(37 * values).sum(axis=1)])
        self.asked += len(X)


@pytest.mark.parametrize(
    "genes", [Bits((9, 9)), Whole((5, 1, 32, 2, 9)), Reals((0.0, -2.0, 1.0), (6.64, 2.0, 1.5))]
)
def test_children_of_many_generations_are_valid(genes: Genes) -> None:
    guarded = Guarded(genes)
    start = genes.random(20, np.random.default_rng(1))
    start = np.unique(start, axis=0)
    minimize(
        guarded, NSGA2(pop_size=20, sampling=start, **genes.operators()), ("n_gen", 40), seed=1
    )
    assert guarded.asked > 300


@pytest.mark.parametrize("name", DEFINITIONS)
def test_first_candidates_have_the_types_of_their_genes(name: str) -> None:
    genes = DEFINITIONS[name].genes
    X = genes.random(7, np.random.default_rng(0))
    assert X.shape == (7, genes.n_var)
    assert X.dtype == genes.vtype
    assert X.tobytes() == genes.random(7, np.random.default_rng(0)).tobytes()
    assert re.fullmatch(r"bits|whole numbers|real numbers", genes.kind)


@given(LAYERS, SEEDS)
def test_steps_move_at_least_one_gene_of_each_candidate(
    choices: tuple[int, ...], seed: int
) -> None:
    genes, generator = Whole(choices), np.random.default_rng(seed)
    X = genes.random(20, generator)
    mutation = genes.operators()["mutation"]
    children = mutation._do(None, X.copy(), random_state=generator)
    assert children.dtype == X.dtype
    assert np.array_equal(genes.checked(children, "x"), children)
    assert (children != X).any(axis=1).all() == (max(choices) > 1)
