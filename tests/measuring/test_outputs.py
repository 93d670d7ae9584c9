"""Outputs against labels and the parent's outputs."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from pymoo_prune import PruneError
from pymoo_prune.data import Split
from pymoo_prune.measuring import Expected, accuracy

LABELS = torch.tensor([0, 2, 1])
PARENTS = torch.tensor([[2.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, 3.0, 0.0]])


def by_hand(parents: torch.Tensor, outputs: torch.Tensor) -> float:
    total = 0.0
    for one, other in zip(parents.tolist(), outputs.tolist(), strict=True):
        p, q = ([math.exp(v) for v in values] for values in (one, other))
        p, q = ([v / sum(values) for v in values] for values in (p, q))
        total += sum(a * math.log(a / b) for a, b in zip(p, q, strict=True))
    return total / len(parents)


@given(st.integers(0, 1_000))
def test_the_divergence_is_the_mean_of_kl_from_the_parent(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    outputs = 3 * torch.randn(4, 3, 3, generator=generator)
    found = Expected.given(PARENTS, LABELS).divergence(outputs)
    assert found.tolist() == pytest.approx([by_hand(PARENTS, one) for one in outputs], rel=1e-5)
    assert float(found.min()) >= 0


def test_adding_a_number_to_all_outputs_of_an_image_changes_nothing() -> None:
    found = Expected.given(PARENTS, LABELS).measured(PARENTS + 7, ("accuracy", "divergence"))
    assert found == {"accuracy": 1.0, "divergence": pytest.approx(0, abs=1e-6)}


def test_it_is_from_the_parent_to_the_candidate() -> None:
    sure, unsure = torch.tensor([[9.0, 0.0], [0.0, 9.0]]), torch.tensor([[0.0, 0.0], [0.0, 0.1]])
    labels = torch.tensor([0, 1])
    one, other = (
        float(Expected.given(parent, labels).divergence(outputs))
        for parent, outputs in ((sure, unsure), (unsure, sure))
    )
    assert one == pytest.approx(by_hand(sure, unsure), rel=1e-5)
    assert other == pytest.approx(by_hand(unsure, sure), rel=1e-5)
    assert other > 4 * one  # a sure candidate that is wrong is far from an unsure parent


def test_outputs_that_are_no_numbers_are_far_away_and_not_an_error() -> None:
    outputs = PARENTS.clone()
    outputs[1, 0] = torch.nan
    found = float(Expected.given(PARENTS, LABELS).divergence(outputs))
    assert np.isfinite(found)
    assert found > 1e5


def test_the_accuracy_is_that_of_the_network() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Flatten(), nn.Linear(9, 4))
    split = Split(torch.rand(301, 1, 3, 3), torch.randint(0, 4, (301,)))
    expected = Expected.of(network, split)
    found = expected.measured_on(network, split.images, ("accuracy", "divergence"))
    assert found == {"accuracy": accuracy(network, split), "divergence": 0.0}


@pytest.mark.parametrize(
    ("outputs", "message"),
    [
        (PARENTS * torch.tensor([[1.0], [torch.nan], [1.0]]), r"not finite .* for 1 of 3 images"),
        (PARENTS[:1].expand(3, 3), "the same outputs for all 3 images"),
    ],
)
def test_a_parent_that_nothing_can_be_compared_with(outputs: torch.Tensor, message: str) -> None:
    with pytest.raises(PruneError, match=message):
        Expected.given(outputs, LABELS)
