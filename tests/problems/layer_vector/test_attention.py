"""Networks with attention are pruned like others, and come back from files."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import fx, nn

from pymoo_prune import Data, PruneError
from pymoo_prune.inference import Inference, Together
from pymoo_prune.measuring import accuracy, count_macs, count_work
from pymoo_prune.networks import MlpMixer, VisionTransformer, build_network, unpack_attention
from pymoo_prune.networks.building import NETWORKS as KINDS
from pymoo_prune.results import load_network, load_weights, save_network, save_weights
from pymoo_prune.results.onnx_files import export_onnx
from tests.support.attention_networks import PACKED, Rows, built, encoder
from tests.support.layer_vector import nonzero, small

ATTENTION = [*PACKED, "explicit", "fused", "einsum", "borrowed"]


@pytest.mark.parametrize("name", ATTENTION)
def test_candidates_are_what_was_measured(digits: Data, name: str) -> None:
    parent = built(name)
    problem = small(digits, parent, recovery="refit")
    order, work = problem.order, count_work(problem.parent, digits.shape)
    # Every linear layer is pruned: the weights of all projections.
    matrices = sum(p.numel() for n, p in parent.named_parameters() if "weight" in n and p.ndim > 1)
    assert order.counts.sum() == matrices
    X = np.stack([0 * order.counts, order.counts // 2])
    values, split = problem.measure(X), problem.search_images.split
    for row, x in enumerate(X):
        network = problem.network(x)
        left = np.array(nonzero(network, order.names))
        assert np.array_equal(left, order.counts - problem.encoding.decode(x[None])[0])
        assert values["accuracy"][row] == accuracy(network, split)
        assert values["macs"][row] == left @ order.positions + work.constant
    assert values["macs"][0] == count_macs(parent, digits.shape) == work.macs
    assert problem.parent_measurements()["macs"] == work.macs
    assert values["accuracy"][0] == accuracy(parent, split)


@pytest.mark.slow
def test_the_zoos_transformer_is_trained_and_pruned(digits: Data) -> None:
    problem = small(digits, None, network="small-vit", parent_epochs=2)
    order = problem.order
    assert len(order) == 21  # two convolutions, six layers in each of three blocks, the classifier
    X = np.stack([0 * order.counts, order.counts // 4])
    values = problem.measure(X)
    assert values["macs"][0] == count_macs(problem.parent, digits.shape)
    assert values["accuracy"][1] == accuracy(problem.network(X[1]), problem.search_images.split)
    again = build_network(problem.network(X[1]).spec)
    assert isinstance(again, VisionTransformer)


@pytest.mark.slow
def test_the_zoos_mixer_is_trained_and_pruned(digits: Data) -> None:
    problem = small(digits, None, network="small-mixer", parent_epochs=2)
    order = problem.order
    assert len(order) == 15  # two convolutions, four layers in each of three blocks, the classifier
    X = np.stack([0 * order.counts, order.counts // 4])
    values = problem.measure(X)
    assert values["macs"][0] == count_macs(problem.parent, digits.shape)
    assert values["accuracy"][1] == accuracy(problem.network(X[1]), problem.search_images.split)
    again = build_network(problem.network(X[1]).spec)
    assert isinstance(again, MlpMixer)


@pytest.mark.parametrize("name", ["encoder", "fused", "borrowed"])
def test_the_prepared_pass_follows_attention(name: str) -> None:
    network = unpack_attention(built(name))
    images = torch.randn(9, 1, 8, 8)
    inference = Inference(network, images)
    assert isinstance(inference.fast.model, fx.GraphModule)
    halves = {n: w / 2 for n, w in inference.parent.weights({}).items()}
    expected = copy.deepcopy(network)
    with torch.no_grad():
        for path, weight in halves.items():
            expected.get_submodule(path).weight.copy_(weight)
        torch.testing.assert_close(inference.outputs(halves, images), expected(images))


@pytest.mark.filterwarnings("ignore:There is a performance drop")
@pytest.mark.parametrize("name", ["encoder", "fused", "borrowed"])
def test_several_candidates_in_one_pass(name: str) -> None:
    images = torch.randn(9, 1, 8, 8)
    inference = Inference(unpack_attention(built(name)), images)
    assert Together.possible(inference, images)


class Own(nn.Module):
    """Multiplies by a matrix of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.matrix = nn.Parameter(torch.randn(16, 16))

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        return rows @ self.matrix


def test_weights_of_no_layer_are_refused(digits: Data) -> None:
    with pytest.raises(PruneError, match=r"in 'mixer', a Own, the operator 'mm' .* mixer.matrix"):
        small(digits, Rows(Own()))


# Files.


class Described(Rows):
    """A network with a description."""

    def __init__(self) -> None:
        super().__init__(encoder(norm_first=True))

    @property
    def spec(self) -> dict[str, Any]:
        return {"network": "described", "arguments": {}}


@pytest.fixture
def candidate(digits: Data, monkeypatch: pytest.MonkeyPatch) -> nn.Module:
    monkeypatch.setitem(KINDS, "described", Described)
    problem = small(digits, Described(), recovery="refit")
    return problem.network(problem.order.counts // 2)


def outputs(network: nn.Module, data: Data) -> torch.Tensor:
    with torch.no_grad():
        found: torch.Tensor = network(data.test.images[:20])
    return found


def test_a_candidate_comes_back_from_its_file(
    candidate: nn.Module, digits: Data, tmp_path: Path
) -> None:
    folder = save_network(candidate, tmp_path / "one", about={})
    assert json.loads((folder / "network.json").read_text())["attention"] == "unpacked"
    again = load_network(folder)
    assert torch.equal(outputs(again, digits), outputs(candidate, digits))
    # It is a parent again, and nothing is left to unpack.
    problem = small(digits, again)
    assert torch.equal(outputs(problem.parent, digits), outputs(candidate, digits))
    zeros = sum(int((p == 0).sum()) for n, p in again.named_parameters() if p.ndim > 1)
    assert zeros > 0
    assert problem.order.parameters == problem.order.all_parameters - zeros


def test_weights_come_back_into_the_users_network(
    candidate: nn.Module, digits: Data, tmp_path: Path
) -> None:
    folder = save_weights(candidate, tmp_path / "weights", about={"role": "parent"})
    for fresh in (Described(), unpack_attention(Described())):
        again = load_weights(folder, fresh, "described")
        assert torch.equal(outputs(again, digits), outputs(candidate, digits))


@pytest.mark.slow
def test_a_candidate_becomes_an_onnx_file(
    candidate: nn.Module, digits: Data, tmp_path: Path
) -> None:
    report = export_onnx(candidate, digits, tmp_path)
    assert report.float32.difference < 1e-4
    assert report.float32.agreement == 1
