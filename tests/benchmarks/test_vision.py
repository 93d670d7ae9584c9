"""The benchmark of a vision transformer: its rival's networks, and its figure."""

from __future__ import annotations

import copy
import math
from statistics import mean
from typing import Any

import pytest
import torch

from benchmarks.distilled_filters import vision
from benchmarks.distilled_filters.head_pruning import KINDS, gradients_of, pruned
from benchmarks.distilled_filters.methods import at_sizes, best_within, volume
from benchmarks.distilled_filters.vision_setting import ARGUMENTS
from pymoo_prune import Data
from pymoo_prune.measuring import count_macs, count_parameters
from pymoo_prune.networks import Attention, VisionTransformer

PRUNED = pytest.mark.parametrize("kind", KINDS)


@pytest.fixture(scope="module")
def transformer() -> VisionTransformer:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return VisionTransformer(1, 10, (8, 8), **ARGUMENTS).eval()


@PRUNED
def test_torch_pruning_takes_whole_heads(
    transformer: VisionTransformer, digits: Data, kind: str
) -> None:
    pytest.importorskip("torch_pruning")
    before = copy.deepcopy(transformer.state_dict())
    few = digits.train.subset(range(60))
    gradients = gradients_of(transformer, few) if kind == "Taylor" else None
    small = pruned(transformer, 0.5, few.images[:1], gradients, width=False)
    attention = [module for module in small.modules() if isinstance(module, Attention)]
    assert [module.num_heads for module in attention] == [2] * 4
    assert {module.query.out_features for module in attention} == {24}
    assert {block.first.out_features for block in small.blocks} == {72}  # type: ignore[union-attr,operator]
    assert small(few.images).shape == (60, 10)
    ratio = count_macs(small, digits.shape) / count_macs(transformer, digits.shape)
    assert 0.4 < ratio < 0.6
    for name, value in transformer.state_dict().items():
        assert torch.equal(value, before[name])


def test_heads_that_stay_give_what_they_gave(transformer: VisionTransformer, digits: Data) -> None:
    pytest.importorskip("torch_pruning")
    small: Any = pruned(transformer, 0.5, digits.train.images[:1], width=False)
    whole: Any = transformer
    mine, theirs = (one.blocks[0].attention for one in (small, whole))
    places = {tuple(row): place for place, row in enumerate(theirs.query.weight.tolist())}
    kept = [places[tuple(row)] for row in mine.query.weight.tolist()]
    heads = sorted({place // 12 for place in kept})
    assert kept == [place for place in range(48) if place // 12 in heads]
    assert len(heads) == 2
    for name in ("key", "value"):
        assert torch.equal(getattr(mine, name).weight, getattr(theirs, name).weight[kept])
    assert torch.equal(mine.out.weight, theirs.out.weight[:, kept])


@PRUNED
def test_the_width_goes_too(transformer: VisionTransformer, digits: Data, kind: str) -> None:
    pytest.importorskip("torch_pruning")
    few = digits.train.subset(range(60))
    gradients = gradients_of(transformer, few) if kind == "Taylor" else None
    small: Any = pruned(transformer, 0.95, few.images[:1], gradients, width=True)
    assert small.embed.out_channels == small.places.shape[2] == 2
    assert {module.num_heads for module in small.modules() if isinstance(module, Attention)} == {1}
    assert small(digits.test.images[:3]).shape == (3, 10)
    assert count_parameters(small) < count_parameters(transformer) / 10


def row(accuracy: float) -> dict[str, Any]:
    return {
        "macs": [0.2, 0.495, 0.9],
        "parameters": [0.3, 0.5, 0.8],
        "test_accuracy": [0.7, accuracy, 0.95],
    }


def test_the_figure_is_over_the_better_of_the_named_rivals(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vision, "teacher_accuracy", lambda: 0.95)
    rows = {
        vision.UNIFORM: [row(0.80), row(0.82)],
        "least loss": [row(0.90), row(0.90)],
        vision.SEARCHED: [row(0.88), row(0.89)],
        vision.TORCH_PRUNING: [row(0.81), row(0.83)],
        vision.FIRST: [row(0.79), row(0.79)],
    }
    found = vision.outcome(rows, ["torch-pruning, group Taylor, is left out: why."])
    volumes = {name: [volume(one, "macs") for one in ones] for name, ones in rows.items()}
    ours, theirs = volumes[vision.SEARCHED], volumes[vision.TORCH_PRUNING]
    assert found.figure == mean(our / their for our, their in zip(ours, theirs, strict=True)) > 1
    assert f"of {vision.TORCH_PRUNING}" in found.unit
    assert "of the best rival, least loss" in found.unit
    assert found.details["within_half_the_macs"][vision.SEARCHED] == pytest.approx(0.885)
    assert [line[0] for line in found.tables[0][2]] == list(rows)
    assert found.tables[2][2] == [("torch-pruning, group Taylor, is left out: why.",)]


def test_the_best_within_a_budget() -> None:
    assert best_within(row(0.8), "macs", 0.5) == 0.8
    assert best_within(row(0.6), "macs", 0.5) == 0.7
    assert math.isnan(best_within(row(0.6), "macs", 0.1))
    title, head, table = at_sizes({"a": [row(0.8), row(0.9)]}, "macs", (0.1, 0.5))
    assert title.endswith("macs")
    assert head == ("method", "10 %", "50 %")
    assert table == [("a", "–", "85.00")]
