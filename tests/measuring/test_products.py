"""MACs of products without weights, and weights outside of layers: counted operator by operator."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

from pymoo_prune.errors import PruneError
from pymoo_prune.measuring import count_macs, count_work, layer_macs, products
from tests.support.attention_networks import NETWORKS, PACKED, Rows, built

SHAPE = (1, 8, 8)


@pytest.mark.parametrize("name", NETWORKS)
def test_macs_are_those_of_torchs_counter(name: str) -> None:
    network = built(name)
    with FlopCounterMode(display=False) as counter:  # "meta" has no kernels that it cannot count
        copy.deepcopy(network).to("meta")(torch.zeros(1, *SHAPE, device="meta"))
    before = torch.backends.mha.get_fastpath_enabled()
    work = count_work(network, SHAPE)
    assert 2 * work.macs == 2 * count_macs(network, SHAPE) == counter.get_total_flops()
    assert torch.backends.mha.get_fastpath_enabled() is before
    if name not in PACKED:
        work.check()
        assert work.constant == sum(product.macs for product in work.products)


def test_products_are_listed_by_module_and_operator() -> None:
    work = count_work(built("explicit"), SHAPE)
    found = [(one.module, one.operator, one.macs, one.weights) for one in work.products]
    # Queries times keys, and shares times values: 8 rows, 8 rows, 16 values.
    assert found == [(f"mixer.{place}", "bmm", 2 * 8 * 8 * 16, ()) for place in (0, 2)]
    assert work.macs == layer_macs(work.layers) + 2 * 2048
    assert layer_macs(work.layers) == 8 * 8 * 16 + 2 * 4 * 8 * 16 * 16 + 16 * 10


def test_a_layer_whose_weight_is_taken_is_a_layer_that_is_called() -> None:
    borrowed = {one.name: one.positions for one in count_work(built("borrowed"), SHAPE).layers}
    explicit = {one.name: one.positions for one in count_work(built("fused"), SHAPE).layers}
    assert borrowed == explicit
    assert borrowed["mixer.query"] == 8


class Own(nn.Module):
    """Multiplies by parameters that belong to no layer."""

    def __init__(self, rule: str) -> None:
        super().__init__()
        self.rule, self.matrix = rule, nn.Parameter(torch.randn(16, 16))
        self.vector = nn.Parameter(torch.randn(16))
        self.filters = nn.Parameter(torch.randn(1, 1, 3, 3))
        self.register_buffer("fixed", torch.eye(16))

    def forward(self, rows: Tensor) -> Tensor:
        rules: dict[str, Any] = {
            "matrix": lambda: rows @ self.matrix,
            "scaled": lambda: rows @ (2 * self.matrix.softmax(dim=0)),
            "einsum": lambda: torch.einsum("nrc,cd->nrd", rows, self.matrix),
            "vector": lambda: rows * (rows @ self.vector)[:, :, None],
            "filters": lambda: functional.conv2d(rows[:, None], self.filters, padding=1)[:, 0],
            "fixed": lambda: rows @ self.fixed,
            "sum": lambda: rows + self.matrix[:8] * self.vector,
        }
        found: Tensor = rules[self.rule]()
        return found


@pytest.mark.parametrize(
    ("rule", "operator", "weights", "macs"),
    [
        ("matrix", "mm", "matrix", 8 * 256),
        ("scaled", "mm", "matrix", 8 * 256),
        ("einsum", "bmm", "matrix", 8 * 256),
        ("vector", "mv", "vector", 8 * 16),
        ("filters", "convolution", "filters", 8 * 16 * 9),
    ],
)
def test_weights_of_no_layer_are_refused_by_name(
    rule: str, operator: str, weights: str, macs: int
) -> None:
    work = count_work(Rows(Own(rule)), SHAPE)
    assert [(one.operator, one.macs) for one in work.products] == [(operator, macs)]
    words = f"in 'mixer', a Own, the operator '{operator}' multiplies by mixer.{weights}: .*Linear"
    with pytest.raises(PruneError, match=words):
        work.check()


def test_weights_of_the_network_itself_are_refused() -> None:
    work = count_work(Own("matrix"), (8, 16))
    with pytest.raises(PruneError, match="in the network, a Own, the operator 'mm' multiplies by"):
        work.check()


@pytest.mark.parametrize(("rule", "macs"), [("fixed", 8 * 256), ("sum", 0)])
def test_fixed_matrices_and_sums_are_no_weights(rule: str, macs: int) -> None:
    work = count_work(Rows(Own(rule)), SHAPE)
    work.check()
    assert work.constant == macs


@pytest.mark.parametrize("name", PACKED)
def test_packed_projections_are_weights_of_no_layer(name: str) -> None:
    work = count_work(built(name), SHAPE)
    with pytest.raises(PruneError, match=r"a MultiheadAttention, the operator '.*' multiplies by"):
        work.check()


class Recurrent(nn.Module):
    def __init__(self, kind: type[nn.Module]) -> None:
        super().__init__()
        self.cells: Any = kind(16, 16, batch_first=True)

    def forward(self, rows: Tensor) -> Tensor:
        found: Tensor = self.cells(rows)[0]
        return found


@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU, nn.RNN])
@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_recurrent_cells_are_refused_by_name(kind: type[nn.Module], device: str) -> None:
    network = Rows(Recurrent(kind)).to(device)
    words = (
        f"in 'mixer.cells', a {kind.__name__}, the operator .* multiplies by .*mixer.cells.weight"
    )
    with pytest.raises(PruneError, match=words):
        count_work(network, SHAPE).check()


class Adapted(nn.Linear):
    """A layer that computes more than its weight says."""

    def __init__(self) -> None:
        super().__init__(16, 16)
        self.down, self.up = nn.Parameter(torch.randn(16, 2)), nn.Parameter(torch.randn(2, 16))

    def forward(self, rows: Tensor) -> Tensor:
        return super().forward(rows) + rows @ self.down @ self.up


def test_a_layer_that_computes_something_else_is_refused_by_name() -> None:
    work = count_work(Rows(Adapted()), SHAPE)
    words = (
        "layer 'mixer', a Adapted, makes 2,560 multiplications .* but its weights account for 2,048"
    )
    with pytest.raises(PruneError, match=words):
        work.check()


class Inside(nn.Module):
    """Runs a part of its pass in inference mode, where operators are not split up."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(16, 16)

    def forward(self, rows: Tensor) -> Tensor:
        with torch.inference_mode():
            rows = self.layer(rows) @ rows.mT @ rows
        return rows.clone()


def test_inference_mode_hides_nothing() -> None:
    work = count_work(Rows(Inside()), SHAPE)
    work.check()
    assert work.constant == 2 * 8 * 8 * 16
    assert {one.name: one.positions for one in work.layers}["mixer.layer"] == 8


class Failing(nn.Module):
    def forward(self, rows: Tensor) -> Tensor:
        raise ValueError(rows.shape)


def test_hooks_and_settings_are_gone_after_an_error() -> None:
    network = Rows(nn.Sequential(nn.Linear(16, 16), Failing()))
    with pytest.raises(PruneError, match="cannot take an image"):
        count_work(network, SHAPE)
    assert torch.backends.mha.get_fastpath_enabled()
    assert not any(one._forward_hooks or one._forward_pre_hooks for one in network.modules())


class Looked(nn.Linear):
    """A layer whose class says nothing about its operators: it looks its results up."""

    def forward(self, rows: Tensor) -> Tensor:
        return rows.new_zeros((*rows.shape[:-1], self.out_features))


def test_operators_that_are_not_counted_are_trusted_in_torchs_own_layers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with pytest.raises(PruneError, match="layer 'mixer', a Looked, makes 0 multiplications"):
        count_work(Rows(Looked(16, 16)), SHAPE).check()
    whole = count_work(built("mlp"), SHAPE)
    monkeypatch.setattr("pymoo_prune.measuring.products.flop_registry", {})
    blind = count_work(built("mlp"), SHAPE)
    blind.check()
    assert blind == whole


def test_linear_layers_that_stay_whole_are_counted() -> None:
    rows, weight = torch.zeros(1, 8, 16), torch.zeros(4, 16)
    assert products._macs(None, "linear", (rows, weight), {}, None) == 8 * 16 * 4
