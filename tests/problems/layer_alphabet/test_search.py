"""First populations, operators, rivals, searches and what is carried away."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from rich.console import Console
from torch import nn

from pymoo_prune import Data, Front, PruneError, Run, load_network
from pymoo_prune.cli import main
from pymoo_prune.engines import level_walks
from pymoo_prune.measuring import accuracy
from pymoo_prune.operators import LetterMutation
from pymoo_prune.search import Budget, Display, search
from pymoo_prune_problems import LayerAlphabet
from pymoo_prune_problems.layer_alphabet.populations import POWERS
from pymoo_prune_problems.layer_alphabet.rivals import ALIKE, CHOSEN, PRUNED, QUANTISED
from tests.support.alphabets import small


def test_first_populations_are_the_cheapest_choices(problem: LayerAlphabet) -> None:
    X = problem.alphabet.first(24, np.random.default_rng(0), ["bytes"])
    sizes = problem.preview.sizes(X)["bytes"]
    assert sizes[0] > 4 * sizes[-1]
    for place in range(len(POWERS)):
        power = POWERS[place]
        same = problem.alphabet.cheapest("bytes", sizes[place : place + 1], power)
        assert np.array_equal(problem.alphabet.genes(same)[0], X[place])


def test_mutation_trades_and_moves() -> None:
    sizes = [np.array([100.0, 50, 20, 5]), np.array([60.0, 40, 10]), np.array([7.0])]
    generator = np.random.default_rng(0)
    trades, moves = LetterMutation(sizes, switching=1), LetterMutation(sizes, switching=0)
    X = np.tile([1, 1, 0], (200, 1))
    before = X.copy()
    switched = trades._do(None, X, random_state=generator)
    moved = moves._do(None, X, random_state=generator)
    assert np.array_equal(X, before)
    for found in (switched, moved):
        assert (found >= 0).all()
        assert (found <= [3, 2, 0]).all()
        assert (found != before).any(axis=1).all()
    signs = np.sign(switched - before)
    assert (signs.sum(axis=1) == 0).all()
    assert (trades._do(None, np.zeros((5, 3), dtype=int), random_state=generator)[:, 2] == 0).all()
    with pytest.raises(PruneError, match="switching must be between 0 and 1"):
        LetterMutation(sizes, switching=2)


def test_rivals_keep_their_bytes(problem: LayerAlphabet) -> None:
    rivals, letters = problem.rivals, problem.assembly.database.letters
    sizes = np.quantile(problem.preview.sizes(problem.alphabet.first(
        20, np.random.default_rng(0), ["bytes"]
    ))["bytes"], [0.1, 0.5, 0.9])  # fmt: skip
    for kind in (QUANTISED, PRUNED, ALIKE, CHOSEN):
        places = rivals.places(kind, sizes)
        assert len(places)
        assert (problem.tables.sizes(places)["bytes"] <= sizes.max()).all()
        for row in places:
            own = [letters[layer][place] for layer, place in enumerate(row)]
            if kind == QUANTISED:
                assert {one.share for one in own} == {1}
            if kind == PRUNED:
                assert {one.bits for one in own} == {32}
            if kind in (QUANTISED, ALIKE):
                assert len({one.bits for one in own}) == 1
    assert rivals.candidates({"accuracy": np.array([0.5])}) is None
    genes = rivals.candidates({"sparsity": np.array([0.5, 0.8])})
    assert genes is not None
    assert (problem.preview.sizes(genes)["sparsity"] >= [0.5, 0.8] * len(POWERS)).all()


def test_several_sums_are_bound_at_once(digits: Data, network: nn.Module) -> None:
    bounds = ["bytes<=14%", "bit_operations<=5%"]
    problem = small(digits, network, objectives=["divergence"], constraints=bounds)
    parent = problem.parent_values
    limits = {"bytes": 0.14 * parent["bytes"], "bit_operations": 0.05 * parent["bit_operations"]}
    within = problem.rivals.candidates_within(limits)
    assert within is not None
    sizes = problem.preview.sizes(within)
    assert all((sizes[name] <= limit).all() for name, limit in limits.items())
    # Neither bound alone gives these networks.
    alone = [problem.rivals.candidates({name: np.array([v])}) for name, v in limits.items()]
    assert any(not (problem.preview.sizes(one)[other] <= limits[other]).all()
               for one, other in zip(alone, ("bit_operations", "bytes"), strict=True))  # fmt: skip
    first = problem.operators()["sampling"].make(12, np.random.default_rng(0))
    assert (problem.preview.sizes(first)["bit_operations"] <= limits["bit_operations"]).sum() >= 6
    found = search(problem, level_walks(problem, 8), Budget(evaluations=80), seed=0)
    kept = np.all([found.measurements[name] <= limit for name, limit in limits.items()], axis=0)
    # All children of walks keep both bounds, and the best is no worse than the best rival.
    assert kept[-8:].all()
    rivals = problem.measured(within)["divergence"]
    assert found.measurements["divergence"][kept].min() <= rivals.min()
    assert problem.rivals.candidates_within({"accuracy": 0.9, "bytes": 1e5}) is None


@pytest.mark.slow
def test_walks_are_ahead_of_the_closed_form(digits: Data, network: nn.Module) -> None:
    problem = small(digits, network, objectives=["divergence", "bytes"])
    known = problem.preview.sizes(
        problem.operators()["sampling"].make(40, np.random.default_rng(0))
    )
    at = np.quantile(known["bytes"], [0.3, 0.6]).tolist()
    found = search(problem, level_walks(problem, 16, at=at), Budget(evaluations=150), seed=0)
    front = Front.from_candidates(problem, found.X, found.measurements)
    for size in at:
        (row,) = problem.rivals.places(CHOSEN, np.array([size]))
        within = front.columns["bytes"] <= size
        assert front.columns["divergence"][within].min() <= problem.rivals.error(row) + 1e-9
    other = problem.with_goals(["divergence", "bit_operations"])
    assert other.ladders is not problem.ladders
    first = other.operators()["sampling"].make(8, np.random.default_rng(0))
    assert (np.diff(other.preview.sizes(first)["bit_operations"])[:3] <= 0).all()


@pytest.mark.slow
def test_a_run_exports_a_compressed_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "run"
    options = ["--generations", "3", "--pop-size", "8", "--threads", "1", "--finish", "300"]
    sets = ["network=resnet-8", "parent_epochs=1", "letters=1,0.3@32,4,2", "search_images=100"]
    command = ["run", "pymoo_prune_problems:LayerAlphabet", "--output", str(folder), *options]
    assert main([*command, *[word for one in sets for word in ("--set", one)]]) == 0
    assert main(["export", str(folder), "--pick", "0", "--output", str(tmp_path / "one")]) == 0
    packed = tmp_path / "one" / "network.pmp"
    assert packed.is_file()
    one, other = load_network(packed), load_network(tmp_path / "one")
    state = one.state_dict()
    assert all((value == state[name]).all() for name, value in other.state_dict().items())
    front = Run.open(folder).front(Display(Console(quiet=True)))
    problem = front.problem
    assert accuracy(one, problem.data_set.test) == accuracy(other, problem.data_set.test)
    # Gradient steps may round a weight to 0 that was none before, and never the other way.
    assert packed.stat().st_size <= 1.05 * front.columns["bytes"][0]
