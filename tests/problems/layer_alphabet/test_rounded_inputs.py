"""Letters with bits of a layer's inputs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from pymoo_prune import Data, PruneError, load_network
from pymoo_prune.measuring import accuracy
from pymoo_prune.networks import GRID
from pymoo_prune.pruning.alphabets import EnergyTable
from pymoo_prune.results import export_onnx, save_compressed, save_network
from pymoo_prune.suite.parents import parent
from pymoo_prune.testing import check_problem, sample
from pymoo_prune_problems import LayerAlphabet
from pymoo_prune_problems.layer_alphabet.rivals import ALIKE, CHOSEN, QUANTISED
from tests.support.alphabets import small

LETTERS = "1,0.5,0.2@32,8,4/32,8,4"
GOALS = ["divergence", "bit_operations"]


@pytest.fixture(scope="module")
def rounding(digits: Data, network: nn.Module) -> LayerAlphabet:
    return small(digits, network, letters=LETTERS, objectives=GOALS)


@pytest.fixture(scope="module")
def described(digits: Data) -> LayerAlphabet:
    """Networks that can be built again from a description."""
    return small(digits, parent("resnet-8-digits")[0], letters=LETTERS, objectives=GOALS)


def test_the_problem_keeps_the_contract(rounding: LayerAlphabet, problem: LayerAlphabet) -> None:
    check_problem(rounding)
    assert rounding.fingerprint != problem.fingerprint


@pytest.mark.slow
@pytest.mark.parametrize("options", [{"precision": "bfloat16"}, {"together": 3}], ids=str)
def test_every_configuration_keeps_the_contract(
    digits: Data, network: nn.Module, options: dict[str, Any]
) -> None:
    check_problem(small(digits, network, letters=LETTERS, objectives=GOALS, **options))


def test_networks_are_what_was_measured(rounding: LayerAlphabet) -> None:
    X = np.concatenate([sample(rounding), rounding.random(10, np.random.default_rng(1))])
    values = rounding.measured(X)
    names, split = rounding.order.names, rounding.search_images.split
    table, seen = EnergyTable(), set()
    for row, x in enumerate(X):
        candidate, letters = rounding.network(x), rounding.letters(x)
        assert values["accuracy"][row] == accuracy(candidate, split)
        work = rounding.order.positions * [
            int((candidate.get_submodule(name).weight != 0).sum()) for name in names
        ]
        bits = [letters[name].bits * letters[name].inputs for name in names]
        assert values["bit_operations"][row] == (work * bits).sum()
        longer = [max(letters[name].bits, letters[name].inputs) for name in names]
        pico = sum(n * table.multiply[b] for n, b in zip(work, longer, strict=True))
        energy = (pico + values["bytes"][row] * table.byte) / 1e6
        assert values["energy"][row] == pytest.approx(energy)
        for name in names:
            step, low, high = getattr(candidate.get_submodule(name), GRID).tolist()
            own = letters[name].inputs
            assert (step > 0, high - low) == ((False, 0) if own == 32 else (True, 2**own - 1))
            seen.add(own)
    assert seen == {32, 8, 4}


def test_several_at_once_are_measured_alike(
    rounding: LayerAlphabet, digits: Data, network: nn.Module
) -> None:
    together = small(digits, network, letters=LETTERS, objectives=GOALS, together=4)
    X = rounding.random(8, np.random.default_rng(2))
    one, several = (each.measured(X)["divergence"] for each in (rounding, together))
    # The last bits of an input decide which whole number it becomes.
    assert several == pytest.approx(one, rel=0.02, abs=1e-3)


def test_files_hold_the_steps_to_the_last_bit(
    described: LayerAlphabet, digits: Data, tmp_path: Path
) -> None:
    images = digits.test.images[:50]
    X = described.random(6, np.random.default_rng(1))
    for x, size in zip(X, described.preview.sizes(X)["bytes"], strict=True):
        candidate = described.network(x)
        assert len(described.packed(x)) == size
        file = tmp_path / "network.pmp"
        assert save_compressed(candidate, file)
        assert file.stat().st_size == size
        folder = save_network(candidate, tmp_path / f"network-{size}", about={})
        for path in (file, folder):
            again = load_network(path)
            assert torch.equal(again(images), candidate(images))


def test_retraining_keeps_the_grids(described: LayerAlphabet, digits: Data, tmp_path: Path) -> None:
    x = described.random(1, np.random.default_rng(3))[0]
    before = described.network(x)
    after = described.finished(before, images=200, seed=0)
    changed = 0
    for name in described.order.names:
        old, new = before.get_submodule(name), after.get_submodule(name)
        assert torch.equal(getattr(old, GRID), getattr(new, GRID))
        changed += not torch.equal(old.weight, new.weight)
    assert changed
    assert save_compressed(after, tmp_path / "network.pmp")
    images = digits.test.images[:50]
    assert torch.equal(load_network(tmp_path / "network.pmp")(images), after(images))


def test_rivals_have_the_same_bits_in_all_layers(rounding: LayerAlphabet) -> None:
    rivals, letters = rounding.rivals, rounding.assembly.database.letters
    assert rivals.sizes == ("bit_operations",)
    most = 0.02 * rounding.parent_values["bit_operations"]
    for kind in (QUANTISED, ALIKE, CHOSEN):
        places = rivals.places(kind, np.array([most]), "bit_operations")
        assert len(places) == 1
        assert rounding.tables.sizes(places)["bit_operations"][0] <= most
        own = [letters[layer][place] for layer, place in enumerate(places[0])]
        if kind != CHOSEN:
            assert len({(one.bits, one.inputs) for one in own}) == 1
    front = {"bit_operations": np.array([most, 4 * most])}
    for baseline in rivals.at(front):
        assert (baseline.sizes["bit_operations"] <= 4 * most).all()
    both = rounding.with_goals(["divergence", "bytes", "bit_operations"])
    assert both.rivals.sizes == ("bytes", "bit_operations")


@pytest.mark.slow
def test_a_rounded_network_runs_under_onnxruntime(
    rounding: LayerAlphabet, digits: Data, tmp_path: Path
) -> None:
    pytest.importorskip("onnxruntime")
    x = rounding.random(1, np.random.default_rng(4))[0]
    report = export_onnx(rounding.network(x), digits, tmp_path, int8=True)
    whole, small_file = report.files
    assert whole.agreement is not None
    assert whole.agreement >= 0.98
    assert small_file.size < whole.size
    # Rounding once more, with ranges of its own, would be another network.
    assert b"Round" in whole.path.read_bytes()
    assert b"Round" not in small_file.path.read_bytes()


class Borrowing(nn.Module):
    """Takes the weights of a layer without running it."""

    def __init__(self) -> None:
        super().__init__()
        self.borrowed, self.last = nn.Linear(64, 32), nn.Linear(32, 10)

    def forward(self, images: Tensor) -> Tensor:
        """(n, 1, 8, 8) -> (n, 10)."""
        found = functional.linear(images.flatten(1), self.borrowed.weight).relu()
        outputs: Tensor = self.last(found)
        return outputs


def test_what_cannot_be_rounded_is_refused(digits: Data, network: nn.Module) -> None:
    message = "layer 'borrowed' cannot have the letter '1@32/8': the network never calls it"
    torch.manual_seed(0)
    with pytest.raises(PruneError, match=message):
        small(digits, Borrowing(), letters="1@32,8/32,8")
    found = small(digits, Borrowing(), letters="1@32,8/32,8", skip=True)
    assert [len(each) for each in found.assembly.database.letters] == [2, 4]
    message = "precision 'int8' has inputs of eight bits in every layer, but the letter '1@8/4'"
    with pytest.raises(PruneError, match=message):
        small(digits, network, letters="1@32,8 1@8/4", precision="int8")
