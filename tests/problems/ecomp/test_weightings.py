"""The search for the weights of the paper's fitness."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from pymoo_prune import Budget, Data, PruneError
from pymoo_prune.engines import make_algorithm
from pymoo_prune.measuring import accuracy
from pymoo_prune.objectives import hypervolume
from pymoo_prune.search import search
from pymoo_prune_problems import EComp
from pymoo_prune_problems.ecomp import train_feed_forward, weightings
from pymoo_prune_problems.ecomp.weightings import Weightings, named, one_run, page_of, rounded


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weightings, "GENERATIONS", 2)
    monkeypatch.setattr(EComp, "POPULATION", 8)
    monkeypatch.setattr(EComp, "PARENT_WIDTHS", (12, 12))
    monkeypatch.setattr(EComp, "PARENT_IMAGES", 5_000)


def made(output: Path, runs: int = 2, evaluations: int = 10) -> str:
    weightings.reproduce(
        output, runs=runs, data="digits", data_root=None, console=Console(file=io.StringIO()),
        budget=Budget(evaluations=evaluations),
    )  # fmt: skip
    return (output / "report.md").read_text()


@pytest.mark.slow
@pytest.mark.usefixtures("small")
def test_a_stopped_search_goes_on_to_the_same_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = made(tmp_path / "whole")
    calls: list[Any] = []

    def stopping(*arguments: Any) -> float:
        calls.append(arguments)
        if len(calls) == 9:
            raise KeyboardInterrupt
        return one_run(*arguments)

    monkeypatch.setattr(weightings, "one_run", stopping)
    with pytest.raises(KeyboardInterrupt):
        made(tmp_path / "stopped")
    assert made(tmp_path / "stopped") == whole
    # The stopped run is made again, and no other one.
    assert len(calls) == 1 + len(list((tmp_path / "whole").glob("*-*-*.json")))
    assert "10 weightings of accuracy" in whole
    for name, weights in EComp.WEIGHTINGS.items():
        assert f"| {named(weights)} | {name} |" in whole
    values = {
        path.name: json.loads(path.read_text())
        for path in (tmp_path / "whole").glob("*-search.json")
    }
    means = {
        name: np.mean([values[f"{name}-{seed}-search.json"] for seed in (0, 1)])
        for name in {name.rsplit("-", 2)[0] for name in values}
    }
    tops = [name.replace("-", " ") for name in means if means[name] == max(means.values())]
    assert any(f"\n| {name} | 2 | " in whole for name in tops), "its runs on test images"


@pytest.mark.usefixtures("small")
def test_a_run_is_judged_by_its_last_generation(digits: Data) -> None:
    parent = train_feed_forward(digits, (12, 12), 5_000)
    problem = EComp(
        digits, parent=parent, seed=3, objectives=EComp.fitness(1, 2, 1),
        **EComp.presets["paper"].options,
    )  # fmt: skip
    found = search(problem, make_algorithm("own", problem, 8), Budget(generations=2), seed=3)
    all_batches = problem.measure(found.X)
    costs = np.column_stack([all_batches["width"], 1 - all_batches["accuracy"]])
    weights = (1.0, 2.0, 1.0)
    assert one_run(digits, parent, weights, 3, "search") == hypervolume(costs)
    costs[:, 1] = [1 - accuracy(problem.network(x), digits.test) for x in found.X]
    assert one_run(digits, parent, weights, 3, "test") == hypervolume(costs)


def test_weights_have_two_places_and_are_never_all_zero() -> None:
    assert rounded([1.234, 0.004, 3.999]) == (1.23, 0.0, 4.0)
    assert rounded([0.004, 0.001, 0.0]) == (0.0, 0.0, 0.01)
    assert named((1.0, 0.25, 0.0)) == "1 0.25 0"


def test_the_search_minimises_what_is_lacking(
    digits: Data, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = {0: 0.3, 1: 0.5}
    monkeypatch.setattr(Weightings, "of", lambda self, weights, seed, images: values[seed])
    tried = Weightings(digits, None, tmp_path, weightings.Display(Console(file=io.StringIO())), 9)  # type: ignore[arg-type]
    assert tried.evaluate(np.array([[1, 2, 1.001]])) == pytest.approx(0.6)
    assert tried.judged == {(1.0, 2.0, 1.0): 0.4}


def test_the_page_ranks_and_compares() -> None:
    judged = {rounded(one): 0.1 * place for place, one in enumerate(EComp.WEIGHTINGS.values())}
    judged |= {(3.0, place / 10, 1.0): 0.8 + place / 100 for place in range(8)}
    compared = {"3 0.7 1": [0.5, 0.52], "1 2 1": [0.4, 0.42], "NSGA-II, no weights": [0.6, 0.6]}
    text = page_of("digits", judged, compared, 0.55)
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    assert rows[2:7] == [
        f"| 3 0.{place} 1 |  | {0.8 + place / 100:.4f} |" for place in range(7, 2, -1)
    ]
    assert "| 1 2 1 | 121 | 0.6000 |" in rows
    assert "| 3 0.7 1 | 2 | 0.5100 ± 0.0141 |  |" in rows
    assert "| L1 pruning, no search |  | 0.5500 |  |" in rows
    assert "p" not in rows[-4].split("|")[-2]


@pytest.mark.parametrize("evaluations", [1, 7])
def test_too_few_weightings_are_refused(tmp_path: Path, evaluations: int) -> None:
    with pytest.raises(PruneError, match=f"must be above the paper's 7, but it is {evaluations}"):
        made(tmp_path / "few", evaluations=evaluations)
    assert not (tmp_path / "few").exists()
