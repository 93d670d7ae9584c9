"""The engine that walks over levels, on the problems of the papers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pymoo_prune import Budget, Data, PruneError
from pymoo_prune.engines import level_walks, make_algorithm
from pymoo_prune.search import Found, search
from pymoo_prune.suite.parents import parent
from pymoo_prune_problems import DistilledFilters, EComp, LayerVector
from tests.support.searches import found_by, opened, same
from tests.support.tiny_problem import Pixels

GOALS = ("divergence", "sparsity")


def layers(digits: Data, **options: Any) -> LayerVector:
    return LayerVector(
        digits, parent=parent("resnet-8-digits")[0], levels=8, search_images=60,
        recovery_images=32, **{"objectives": GOALS, **options},
    )  # fmt: skip


def test_it_begins_with_all_rivals_at_all_its_sizes(digits: Data) -> None:
    problem, at = layers(digits), [0.6, 0.9]
    algorithm = level_walks(problem, 8, at=at)
    found = search(problem, algorithm, Budget(generations=1), seed=0)
    # More than the population: 8 allocations at 2 sizes, without equal ones.
    assert 8 < found.last.evaluated <= 16
    rivals = problem.rivals.candidates({"sparsity": np.array(at)})
    assert rivals is not None
    best = problem.measured(rivals)
    for s in at:
        fits = best["sparsity"] >= s - 0.02
        ours = found.measurements["sparsity"] >= s - 0.02
        assert found.measurements["divergence"][ours].min() <= best["divergence"][fits].min()


def test_rivals_are_spread_like_the_walks(digits: Data, monkeypatch: pytest.MonkeyPatch) -> None:
    problem = layers(digits)
    asked: list[Any] = []
    candidates = problem.rivals.candidates

    def spy(sizes: Any) -> Any:
        asked.append(sizes["sparsity"])
        return candidates(sizes)

    monkeypatch.setattr(problem.rivals, "candidates", spy)
    search(problem, make_algorithm("levels", problem, 40), Budget(generations=1), seed=0)
    (sparsities,) = asked
    kept = np.sort(1 - sparsities)
    assert len(kept) == 10
    # Even in the logarithm of what is kept: the sparse ones are not skipped.
    assert np.diff(np.log(kept)).max() < 2 * np.log(kept[-1] / kept[0]) / 9


def test_one_bound_is_kept_and_the_walk_gets_better(digits: Data) -> None:
    problem = layers(digits, objectives=["divergence"], constraints=["sparsity>=0.9"])
    best: list[float] = []
    found = search(
        problem, make_algorithm("levels", problem, 8), Budget(generations=6), seed=0,
        on_generation=lambda step: best.append(float(step.algorithm.opt[0].F[0])),
    )  # fmt: skip
    assert (np.diff(best) <= 0).all()
    assert found.last.evaluated > 40
    assert found.measurements["sparsity"].min() >= 0.9


@pytest.mark.parametrize("cls", [EComp, DistilledFilters])
def test_filters_and_neurons_have_levels_too(cls: Any, digits: Data) -> None:
    name = {EComp: "mlp-digits", DistilledFilters: "simple-cnn-digits"}[cls]
    options = {"recovery": "refit+batch-norm"} if cls is DistilledFilters else {}
    problem = cls(
        digits, parent=parent(name)[0], search_images=60, objectives=("divergence", "parameters"),
        **options,
    )  # fmt: skip
    found = search(problem, make_algorithm("levels", problem, 12), Budget(generations=3), seed=0)
    F = problem.goals.F(found.measurements)
    assert np.isfinite(F).all()
    assert len(np.unique(found.measurements["parameters"])) > 2


def test_widths_are_levels_of_filters(digits: Data) -> None:
    problem = DistilledFilters(
        digits, parent=parent("simple-cnn-digits")[0], recovery="refit+batch-norm"
    )
    ladders = problem.ladders
    assert ladders is not None
    generator = np.random.default_rng(0)
    places = generator.integers(0, ladders.last + 1, (5, len(ladders.last)))
    X = ladders.chromosomes(places)
    assert np.array_equal(np.stack([ladders.places(x) for x in X]), places)
    widths = np.column_stack([one[places[:, i]] for i, one in enumerate(ladders.values)])
    groups = len(problem.filters.genes.sizes)
    assert np.array_equal(problem.filters.genes.counts(X), widths[:, :groups])
    sizes = problem.preview.sizes(np.stack([ladders.chromosomes(p)[0] for p in places[:, None]]))
    assert (sizes["parameters"] > 0).all()


def test_a_resumed_walk_is_the_uninterrupted_one(digits: Data, tmp_path: Path) -> None:
    problem = layers(digits)

    def run(generations: int, name: str) -> Found:
        store = opened(tmp_path / name, problem)
        budget = Budget(generations=generations)
        try:
            return found_by(problem, budget, engine="levels", store=store)
        finally:
            store.close()

    whole = run(5, "whole.sqlite")
    run(2, "parts.sqlite")
    assert same(whole, run(5, "parts.sqlite"))


@pytest.mark.parametrize(
    ("goals", "message"),
    [
        ({"objectives": ["accuracy"]}, "needs a bound on a size where there is one objective"),
        (
            {"objectives": ["accuracy"], "constraints": ["accuracy_drop<=0.1"]},
            "known without measuring .parameters, sparsity, macs, pixels.; it needs a bound",
        ),
        ({"objectives": ["parameters", "macs"]}, "one of them as one of two objectives"),
        ({"objectives": ["accuracy", "macs", "parameters"]}, "but there are 3 objectives"),
    ],
)
def test_goals_without_a_size_are_refused(
    digits: Data, goals: dict[str, Any], message: str
) -> None:
    with pytest.raises(PruneError, match=message):
        make_algorithm("levels", Pixels(digits, **goals), 8)


def test_thresholds_have_an_order_too(digits: Data) -> None:
    problem = layers(digits, encoding="thresholds")
    assert problem.rivals.candidates({"sparsity": np.array([0.9])}) is None
    found = search(problem, make_algorithm("levels", problem, 8), Budget(generations=3), seed=0)
    assert np.isfinite(found.measurements["divergence"]).all()


def test_genes_without_an_order_are_refused(digits: Data) -> None:
    problem = EComp(
        digits, parent=parent("mlp-digits")[0], encoding="weights", objectives=("accuracy", "width")
    )
    with pytest.raises(PruneError, match="needs genes with ordered levels"):
        make_algorithm("levels", problem, 8)
