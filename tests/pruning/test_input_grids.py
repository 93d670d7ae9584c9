"""What layers round their inputs to, and what is lost by that."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from pymoo_prune import Data
from pymoo_prune.networks import GRID, plain_inputs, to_grid
from pymoo_prune.pruning.alphabets import parse_letters
from pymoo_prune.pruning.alphabets.halves import halved
from pymoo_prune.pruning.alphabets.input_grids import InputGrids, squares_through
from tests.support.alphabets import lettered
from tests.support.trained_cnn import trained_cnn


@pytest.fixture(scope="module")
def network(digits: Data) -> nn.Module:
    return trained_cnn(digits.train)


def inputs_of(network: nn.Module, name: str, images: Tensor) -> Tensor:
    found: list[Tensor] = []
    hook = network.get_submodule(name).register_forward_pre_hook(
        lambda _module, arguments: found.append(arguments[0])
    )
    with torch.no_grad():
        network(images)
    hook.remove()
    return found[0]


def names_of(network: nn.Module) -> list[str]:
    return [n for n, one in network.named_modules() if isinstance(one, (nn.Conv2d, nn.Linear))]


@pytest.mark.parametrize("bits", [2, 3, 4, 8])
def test_grids_fit_what_layers_see(network: nn.Module, digits: Data, bits: int) -> None:
    images = digits.train.images[:64]
    names = names_of(network)
    grids = InputGrids(network, names, images)
    for name in names:
        grid, seen = grids.grid(name, bits), inputs_of(network, name, images)
        step, lowest, highest = grid.tolist()
        assert highest - lowest == 2**bits - 1
        assert lowest <= 0 <= highest
        assert torch.equal(halved(grid), grid)  # a file holds it
        if float(seen.min()) >= 0:
            assert lowest == 0
        error = float((to_grid(seen, grid) - seen).square().mean())
        widest = (float(seen.max()) - min(0.0, float(seen.min()))) / (2**bits - 1)
        plain = torch.tensor([widest, lowest, highest])
        assert error <= 1.05 * float((to_grid(seen, plain) - seen).square().mean())
        axes = [axis for axis in range(seen.ndim) if axis != 1]
        channels = (to_grid(seen, grid) - seen).square().mean(dim=axes)
        assert grids.error(name, bits).sum() == pytest.approx(float(channels.sum()), rel=0.2)
        assert grids.power(name).sum() == pytest.approx(
            float(seen.square().mean(dim=axes).sum()), rel=0.2
        )
        assert grids.error(name, bits).sum() >= grids.error(name, min(8, bits + 1)).sum()
        assert step > 0


@pytest.mark.parametrize(
    "layer",
    [nn.Conv2d(6, 4, 3), nn.Conv2d(6, 4, (1, 3), groups=2), nn.Conv2d(6, 6, 3, groups=6),
     nn.Conv1d(6, 4, 3), nn.Linear(6, 5)],
    ids=str,
)  # fmt: skip
def test_squares_go_through_a_layer(layer: nn.Module) -> None:
    torch.manual_seed(0)
    squares = torch.rand(6, dtype=torch.float64)
    weight = layer.weight.detach()  # type: ignore[operator, union-attr]
    expected = 0.0
    each, groups = weight.shape[1], 6 // weight.shape[1]
    for row, filter_ in enumerate(weight):
        first = each * (row // (len(weight) // groups))
        for channel in range(each):
            expected += float(filter_[channel].square().sum() * squares[first + channel])
    assert squares_through(layer, weight, squares) == pytest.approx(expected)


@pytest.mark.parametrize("groups", [1, 2])
def test_squares_go_through_a_transposed_layer(groups: int) -> None:
    torch.manual_seed(0)
    layer = nn.ConvTranspose2d(6, 4, 3, groups=groups, bias=False).double()
    squares = torch.rand(6, dtype=torch.float64)
    # Noise in one channel alone comes out with that channel's weights.
    noise = torch.randn(1, 6, 60, 60, dtype=torch.float64) * squares.sqrt()[:, None, None]
    with torch.no_grad():
        measured = float(layer(noise).square().mean(dim=(0, 2, 3)).sum())
    found = squares_through(layer, layer.weight.detach(), squares)
    assert found == pytest.approx(measured, rel=0.15)


@pytest.mark.parametrize("bits", [2, 4])
def test_the_loss_of_rounded_inputs_is_about_what_outputs_lose(
    network: nn.Module, digits: Data, bits: int
) -> None:
    assembly = lettered(network, digits, f"1@32/32,{bits}", batch_norm=False)
    facts = assembly.database.facts
    images = digits.train.images[:300]
    assert (facts.inputs[1] == bits).all()
    assert (facts.losses[0] < 1e-9).all()
    for layer, name in enumerate(assembly.order.names):
        module = network.get_submodule(name)
        seen = inputs_of(network, name, images)
        grids = assembly.database.grids
        assert grids is not None
        with torch.no_grad():
            before, after = module(seen), module(to_grid(seen, grids.grid(name, bits)))
        # Errors of neighbouring places are a little alike, and moments are about the mean.
        lost = float((after - before).square().mean() / before.square().mean())
        assert lost / 4 <= facts.losses[1, layer] <= 4 * lost


def test_letters_of_the_same_weights_are_made_once(network: nn.Module, digits: Data) -> None:
    assembly = lettered(network, digits, "1,0.5@4/32,8,4")
    database = assembly.database
    letters = parse_letters("0.5@4/32,8,4")
    made = [database.prepared(1, one) for one in letters]
    assert made[0] is made[1] is made[2]
    facts = database.facts
    places = [database.letters[1].index(one) for one in letters]
    assert len(set(facts.bytes[places, 1])) == 1
    assert np.all(np.diff(facts.losses[places, 1]) > 0)


def test_only_letters_that_say_so_change_a_network(network: nn.Module, digits: Data) -> None:
    plain = lettered(network, digits, "1@32,4")
    assert plain_inputs(plain.network_template) is plain.network_template
    assembly = lettered(network, digits, "1@32,4/32,8")
    counts = np.zeros(len(assembly.order.names), dtype=int)
    counts[1] = 1
    built = assembly.network(counts)
    found = [getattr(built.get_submodule(name), GRID)[0] > 0 for name in assembly.order.names]
    assert found == [layer == 1 for layer in range(len(found))]


class Twice(nn.Module):
    """A layer that is run twice, and another one with the same weights."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.other, self.last = nn.Linear(64, 64), nn.Linear(64, 64), nn.Linear(64, 10)
        self.other.weight = self.first.weight

    def forward(self, images: Tensor) -> Tensor:
        """(n, 1, 8, 8) -> (n, 10)."""
        found = self.first(images.flatten(1)).relu()
        outputs: Tensor = self.last(self.other(self.first(found).relu()).relu())
        return outputs


def test_layers_that_share_their_weights_round_alike(digits: Data) -> None:
    torch.manual_seed(0)
    network = Twice().eval()
    assembly = lettered(network, digits, "1@32,4/32,4", batch_norm=False)
    names = assembly.order.names
    assert names == ["first", "last"]
    counts = np.array([1, 0])
    prepared = assembly.exact.prepare(digits.test.images[:50])
    built = assembly.network(counts)
    assert torch.equal(getattr(built.other, GRID), getattr(built.first, GRID))
    with torch.no_grad():
        expected = built(digits.test.images[:50])
    assert torch.allclose(assembly.outputs(counts, prepared, exact=True), expected, atol=1e-5)
