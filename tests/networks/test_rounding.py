"""Layers that round their inputs."""

from __future__ import annotations

import copy
import pickle

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional

from pymoo_prune import PruneError
from pymoo_prune.networks import (
    GRID,
    SimpleCNN,
    build_network,
    called_layers,
    plain_inputs,
    round_inputs,
    sliced,
    spec_of,
    to_grid,
)
from pymoo_prune.networks.building import with_changes_of

STEPS = st.floats(2**-12, 4, width=16)
BITS = st.integers(2, 8)


def grid_of(step: float, low: int, bits: int) -> Tensor:
    return torch.tensor([step, -low, 2**bits - 1 - low], dtype=torch.float32)


@given(step=STEPS, bits=BITS, seed=st.integers(0, 2**32 - 1), share=st.floats(0, 1))
def test_both_ways_to_round_give_the_same(step: float, bits: int, seed: int, share: float) -> None:
    levels = 2**bits - 1
    grid = grid_of(step, round(share * levels), bits)
    inputs = torch.randn(200, generator=torch.Generator().manual_seed(seed)) * step * levels
    found = to_grid(inputs, grid)
    together = torch.vmap(to_grid, in_dims=(None, 0))(inputs, torch.stack([grid, 0 * grid]))
    assert torch.equal(together[0], found)
    assert torch.equal(together[1], inputs)
    whole = found / step
    assert torch.equal(whole, whole.round())
    assert (whole >= grid[1]).all()
    assert (whole <= grid[2]).all()
    inside = (inputs / step > grid[1]) & (inputs / step < grid[2])
    # Half a step, and a last bit: products with the inverse of a step are rounded too.
    assert ((found - inputs).abs()[inside] <= step * (0.5 + 1e-4)).all()
    assert torch.equal(to_grid(found, grid), found)
    assert to_grid(torch.zeros(1), grid) == 0


def test_a_step_of_zero_rounds_nothing() -> None:
    inputs = torch.randn(5)
    assert to_grid(inputs, torch.zeros(3)) is inputs


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_gradients_pass_within_the_range(dtype: torch.dtype) -> None:
    # float64 takes the other way to round.
    inputs = torch.tensor([-3.0, -0.9, 0.2, 1.4, 9.0], dtype=dtype, requires_grad=True)
    found = to_grid(inputs, torch.tensor([0.5, -2, 5]).to(dtype))
    assert found.tolist() == [-1, -1, 0, 1.5, 2.5]
    found.sum().backward()
    assert inputs.grad is not None
    assert inputs.grad.tolist() == [0, 1, 1, 1, 0]


def test_networks_can_round_and_be_plain_again() -> None:
    network = SimpleCNN(1, 10, size=(8, 8)).eval()
    images = torch.rand(3, 1, 8, 8)
    ready = round_inputs(network)
    assert round_inputs(ready) is ready
    assert plain_inputs(network) is network
    assert torch.equal(ready(images), network(images))
    layers = [one for one in ready.modules() if hasattr(one, GRID)]
    assert [type(one) for one in layers] == [
        type(one) for one in network.modules() if isinstance(one, (nn.Conv2d, nn.Linear))
    ]
    for layer in layers:
        getattr(layer, GRID).copy_(torch.tensor([0.25, -8, 7]))
    rounded = ready(images)
    assert not torch.equal(rounded, network(images))
    for again in (copy.deepcopy(ready), pickle.loads(pickle.dumps(ready))):  # noqa: S301
        assert torch.equal(again(images), rounded)
    plain = plain_inputs(ready)
    assert torch.equal(plain(images), network(images))
    assert plain.state_dict().keys() == network.state_dict().keys()
    assert torch.equal(ready(images), rounded)


def test_a_description_says_that_layers_round() -> None:
    ready = round_inputs(SimpleCNN(1, 10, size=(8, 8)))
    spec = spec_of(ready)
    assert spec is not None
    assert spec["inputs"] == "rounded"
    built = build_network(spec)
    built.load_state_dict(ready.state_dict())
    assert "inputs" not in (spec_of(plain_inputs(ready)) or {})
    with pytest.raises(PruneError, match="unknown inputs 'halved'"):
        with_changes_of(ready, {"inputs": "halved"})


def test_smaller_layers_keep_their_grid() -> None:
    (layer,) = round_inputs(nn.Sequential(nn.Conv2d(4, 6, 3)))
    getattr(layer, GRID).copy_(torch.tensor([0.5, 0, 15]))
    small = sliced(layer, [0, 2], range(5))
    assert getattr(small, GRID).tolist() == [0.5, 0, 15]
    inputs = torch.rand(1, 2, 5, 5)
    expected = functional.conv2d(
        to_grid(inputs, getattr(layer, GRID)),
        small.weight,
        small.bias,  # type: ignore[arg-type]
    )
    assert torch.equal(small(inputs), expected)


class Borrowing(nn.Module):
    """Runs one layer, takes the weights of another, and gives a third its input by name."""

    def __init__(self) -> None:
        super().__init__()
        self.run, self.borrowed, self.named = (nn.Linear(4, 4) for _ in range(3))

    def forward(self, images: Tensor) -> Tensor:
        """(n, 4) -> (n, 4)."""
        found: Tensor = self.named(input=functional.linear(self.run(images), self.borrowed.weight))
        return found


def test_layers_that_are_not_called_are_known() -> None:
    network = Borrowing()
    assert called_layers(network, torch.rand(2, 4)) == {"run"}
    ready = round_inputs(network)
    images = torch.rand(2, 4)
    for one in (ready.borrowed, ready.named):
        getattr(one, GRID).copy_(torch.tensor([0.5, 0, 3]))
    assert torch.equal(ready(images), network(images))
