"""What is said of fronts whose images have no labels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from pymoo_prune import Data, PruneError, Split
from pymoo_prune.measuring import goodness
from pymoo_prune.networks import FeedForward
from pymoo_prune.objectives import DIVERGENCE, NATS, STANDARD, Goals, Series
from pymoo_prune.plots import draw_front
from pymoo_prune.results import FINAL, Judge, Judged, suggest
from pymoo_prune.runs.share import Volumes

QUANTITIES = {DIVERGENCE: NATS, **{n: STANDARD[n] for n in ("parameters", "sparsity", "macs")}}
PARENT = {"divergence": 0.0, "parameters": 1000.0, "sparsity": 0.0, "macs": 50.0}


def columns(divergences: list[float]) -> dict[str, np.ndarray]:
    parameters = np.arange(1.0, len(divergences) + 1) * 100
    return {
        "divergence": np.array(divergences),
        "parameters": parameters,
        "sparsity": 1 - parameters / 1000,
        "macs": parameters / 20,
    }


@pytest.mark.parametrize(
    ("divergences", "place", "reason"),
    [
        ([0.9, 0.2, 0.05, 0.01], 2, "the smallest within 0.05 nats of the parent"),
        ([0.9, 0.3, 0.2], 2, "the nearest, as none is within 0.05 nats of the parent"),
    ],
)
def test_the_suggestion_is_near_the_parent(
    divergences: list[float], place: int, reason: str
) -> None:
    found = suggest(Goals(QUANTITIES, ["divergence", "sparsity"]), columns(divergences), PARENT)
    assert found.place == place
    assert found.reason == f"{reason} on the validation images"


def test_columns_that_judge() -> None:
    assert Judged.of(["accuracy", "divergence"]) == Judged.of([])
    judged = Judged.of(["divergence", "test_divergence"])
    assert (judged.found, judged.last, judged.chosen_by) == (
        *("test_divergence", "test_divergence", "divergence"),
    )
    assert judged.by_divergence
    assert not judged.finished
    mixed = Judged.of(
        ["divergence", "test_accuracy", "finished_divergence", "finished_test_accuracy"]
    )
    assert mixed.last == "finished_test_accuracy"
    assert mixed.chosen_by == "finished_divergence"
    assert mixed.finished
    assert not mixed.by_divergence


def test_hypervolumes_have_one_nat_as_reference() -> None:
    volumes = Volumes(["sparsity"], QUANTITIES, PARENT)
    one = {"test_divergence": np.array([0.25, 3.0]), "sparsity": np.array([0.6, 0.9])}
    assert volumes.of(one, "test_divergence") == pytest.approx(0.75 * 0.6)
    assert {"test_divergence", "finished_divergence", "finished_test_divergence"} <= FINAL.keys()


def test_a_judge_compares_with_the_parent_where_there_are_no_labels(
    digits: Data, parent: FeedForward
) -> None:
    split = Split(digits.test.images)
    assert Judge(digits.test, None).name == "accuracy"
    assert Judge(digits.test, None)(parent) > 0.8
    judge = Judge(split, parent)
    assert judge.name == "divergence"
    assert judge(parent) == 0
    with torch.random.fork_rng(devices=[]):
        other = FeedForward(64, [8], 10)
    assert judge(other) > 0.5
    with pytest.raises(PruneError, match="say nothing of networks that have no parent"):
        Judge(split, None)(parent)
    assert goodness([other, parent], parent, split) == [-judge(other), 0]
    assert goodness([parent], parent, digits.test) == [Judge(digits.test, None)(parent)]


def test_pictures_show_divergences(tmp_path: Path) -> None:
    found = columns([0.9, 0.2, 0.05])
    more = {"test_divergence": found["divergence"], "finished_test_divergence": np.zeros(3)}
    drawn = draw_front(
        tmp_path / "front.png",
        [Series("this search", {**found, **more})],
        Goals(QUANTITIES, ["divergence", "sparsity"]),
        {**QUANTITIES, **FINAL},
    )
    (axes,) = drawn.axes
    assert axes.get_ylabel() == "divergence on the test images (nats)"
    heights = [line.get_ydata().tolist() for line in axes.get_lines()]
    assert sorted(heights[0]) == [0.05, 0.2, 0.9]
    assert heights[1] == [0, 0, 0]
