"""Options and chromosomes that are accepted or refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from pymoo_prune import Data, PruneError
from pymoo_prune.pruning.alphabets import EnergyTable
from pymoo_prune_problems import LayerAlphabet
from tests.support.alphabets import small

REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"letters": "1@1"}, "2 to 8 bits, or 32, not 1"),
    ({"letters": "1@64"}, "or 32, not 64"),
    ({"letters": "everything"}, "'everything' names no letters"),
    ({"letters": ""}, "there are no letters"),
    ({"steps": "loss+refit+quantise"}, "unknown step 'quantise'"),
    ({"steps": "refit"}, "steps must begin with one of magnitude, loss"),
    ({"letters": "1@4,2/8,4", "energy": EnergyTable({8: 1.0, 32: 2.0})}, "no entry for 4 bits"),
    ({"energy": "nowhere.json"}, "energy table nowhere.json cannot be read"),
    ({"precision": "int9"}, "unknown precision 'int9'"),
    ({"search_images": 0}, "search_images must be at least 1.*are 0 and 256"),
    ({"network": "resnet-9"}, "unknown network 'resnet-9'"),
]


@pytest.mark.parametrize(("options", "message"), REFUSED)
def test_options_that_cannot_be_are_refused_before_anything_is_trained(
    digits: Data, monkeypatch: pytest.MonkeyPatch, options: dict[str, Any], message: str
) -> None:
    monkeypatch.delattr("pymoo_prune.training.parents.trained")
    with pytest.raises(PruneError, match=message):
        LayerAlphabet(digits, **options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"letters": "1@32 2:4@8"}, "layer '0' cannot have the letter '2:4@8': groups of 4"),
        ({"letters": "1@32 0.5x8@8"}, "layer '0' cannot have the letter .*blocks of 8"),
        ({"letters": "2:4@8,4", "skip": True}, "layer '0' has none of the letters"),
        ({"letters": "1@32"}, "layer '0' has only 1@32 of the letters"),
        ({"objectives": ["accuracy", "byte"]}, "Did you mean 'bytes'"),
        ({"objectives": ["accuracy", "latency"]}, "no kernels here for these letters"),
    ],
)
def test_options_that_do_not_fit(
    digits: Data, network: nn.Module, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(PruneError, match=message):
        small(digits, network, **options)


class Tied(nn.Module):
    """Two layers with the same weights."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(64, 64), nn.Linear(64, 64)
        self.second.weight = self.first.weight
        self.last = nn.Linear(64, 10)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.last(self.second(self.first(images.flatten(1)).relu()).relu())  # type: ignore[no-any-return]


def test_layers_that_share_weights_have_one_letter(digits: Data) -> None:
    problem = small(digits, Tied())
    assert problem.order.names == ["first", "last"]
    X = problem.random(3, np.random.default_rng(0))
    assert (problem.measured(X)["bytes"] == [len(problem.packed(x)) for x in X]).all()


class Choosy(nn.Module):
    """A network that cannot be traced."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.linear = nn.Conv2d(1, 8, 3, stride=2), nn.Linear(72, 10)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        hidden = torch.relu(self.conv(images)).flatten(1)
        return self.linear(hidden if hidden.sum() > 0 else -hidden)  # type: ignore[no-any-return]


def test_a_network_that_cannot_be_traced_is_compressed_as_well(digits: Data) -> None:
    problem = small(digits, Choosy())
    X = problem.random(3, np.random.default_rng(0))
    assert (problem.measured(X)["bytes"] == [len(problem.packed(x)) for x in X]).all()
    with pytest.raises(PruneError, match="cannot be traced"):
        small(digits, Choosy(), precision="int8")


@pytest.mark.parametrize(
    ("X", "message"),
    [
        (np.zeros((1, 4)), "letters must be integers, but they are float64"),
        (np.zeros((1, 3), dtype=int), r"letters must be \(n, 4\), a column a layer, not \(1, 3\)"),
        (np.full((1, 4), -1), "candidate 0 has letter -1 for layer '0', whose letters are 0 to"),
        (np.full((1, 4), 99), "candidate 0 has letter 99 for layer '0'"),
    ],
)
def test_chromosomes_that_cannot_be(problem: LayerAlphabet, X: Any, message: str) -> None:
    with pytest.raises(PruneError, match=message):
        problem.measure(X)


def test_an_energy_table_from_a_file(digits: Data, network: nn.Module, tmp_path: Path) -> None:
    path = tmp_path / "energy.json"
    path.write_text('{"multiply": {"2": 1, "3": 1, "4": 1, "32": 1}, "byte": 0}')
    values = small(digits, network, energy=str(path)).parent_values
    assert values["energy"] == values["macs"] / 1e6
