from __future__ import annotations

import json

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from pymoo_prune.data import Data
from pymoo_prune.errors import PruneError
from pymoo_prune.measuring import count_parameters
from pymoo_prune.networks import CifarResNet, build_network
from pymoo_prune.networks.cifar_resnet import Block


def seeded(depth: int = 8, channels: int = 3, classes: int = 10) -> CifarResNet:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return CifarResNet(depth, channels, classes)


# The literature's counts for networks with shortcuts of option A.
@pytest.mark.parametrize(
    ("depth", "classes", "parameters"),
    [
        (20, 10, 269_722),
        (56, 10, 853_018),
        (110, 10, 1_727_962),
        (56, 100, 858_868),
        (110, 100, 1_733_812),
    ],
)
def test_parameters_are_those_of_the_literature(depth: int, classes: int, parameters: int) -> None:
    with torch.device("meta"):
        network = CifarResNet(depth, classes=classes)
    assert count_parameters(network) == parameters
    layers = [m for m in network.modules() if isinstance(m, (nn.Conv2d, nn.Linear))]
    assert len(layers) == depth


@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 32, 32), (1, 8, 8), (2, 7, 5), (1, 1, 1)])
def test_images_of_any_size_become_classes(shape: tuple[int, ...]) -> None:
    network = seeded(channels=shape[0], classes=7).eval()
    with torch.no_grad():
        outputs = network(torch.ones(2, *shape))
    assert outputs.shape == (2, 7)
    assert outputs.isfinite().all()
    assert torch.equal(outputs[0], outputs[1])


def test_stages_halve_the_image_and_double_the_channels() -> None:
    network = seeded().eval()
    hidden = network.conv(torch.zeros(1, 3, 32, 32))
    shapes = [tuple((hidden := stage(hidden)).shape[1:]) for stage in network.stages]
    assert shapes == [(16, 32, 32), (32, 16, 16), (64, 8, 8)]


def only_shortcut(block: Block) -> Block:
    """A block whose convolutions give zeros: its output is the shortcut, after the activation."""
    with torch.no_grad():
        for weight in (block.conv1.weight, block.conv2.weight):
            weight.zero_()
    return block.eval()


@pytest.mark.parametrize("sides", [(6, 8), (7, 5)])
def test_the_shortcut_takes_every_other_pixel_and_pads_with_zeros(sides: tuple[int, int]) -> None:
    hidden = torch.rand(2, 4, *sides)
    with torch.no_grad():
        outputs = only_shortcut(Block(4, 8, 2))(hidden)
    assert torch.equal(outputs[:, 2:6], hidden[:, :, ::2, ::2])
    assert not outputs[:, :2].any()
    assert not outputs[:, 6:].any()
    assert outputs.shape[1] == 8


def test_the_shortcut_of_a_block_that_changes_no_shape_changes_nothing() -> None:
    hidden = torch.rand(2, 4, 5, 5)
    assert torch.equal(only_shortcut(Block(4, 4))(hidden), hidden)
    assert torch.equal(only_shortcut(Block(4, 4, 2))(hidden), hidden[:, :, ::2, ::2])


def test_a_block_is_what_the_paper_draws() -> None:
    block, hidden = seeded().stages[1][0], torch.rand(2, 16, 8, 8)
    path: Tensor = block.norm1(functional.conv2d(hidden, block.conv1.weight, stride=2, padding=1))
    path = block.norm2(functional.conv2d(path.relu(), block.conv2.weight, padding=1))
    padded = torch.cat(
        [torch.zeros(2, 8, 4, 4), hidden[:, :, ::2, ::2], torch.zeros(2, 8, 4, 4)], 1
    )
    torch.testing.assert_close(block(hidden), (path + padded).relu())


@pytest.mark.parametrize(
    ("depth", "channels", "classes"),
    [(21, 3, 10), (2, 3, 10), (-4, 3, 10), (20, 0, 10), (20, 3, 0)],
)
def test_what_cannot_be_built_is_refused(depth: int, channels: int, classes: int) -> None:
    with pytest.raises(PruneError, match=rf"6 n \+ 2.*{depth}, {channels} and {classes}"):
        CifarResNet(depth, channels, classes)


def test_a_spec_builds_the_same_network() -> None:
    network = seeded(14, 1, 5).eval()
    spec = json.loads(json.dumps(network.spec))
    built = build_network(spec).eval()
    assert isinstance(built, CifarResNet)
    assert built.spec == network.spec == spec
    built.load_state_dict(network.state_dict())
    images = torch.linspace(-1, 1, 2 * 64).reshape(2, 1, 8, 8)
    assert torch.equal(built(images), network(images))


@pytest.mark.parametrize("argument", ["depth", "channels", "classes"])
def test_a_spec_with_wrong_arguments_is_refused(argument: str) -> None:
    spec = seeded().spec
    for value in (-1, "many"):
        wrong = {**spec, "arguments": {**spec["arguments"], argument: value}}
        with pytest.raises(PruneError):
            build_network(wrong)


def test_weights_come_from_the_global_generator_alone() -> None:
    one, two = seeded().state_dict(), seeded().state_dict()
    assert all(torch.equal(one[name], two[name]) for name in one)


def test_a_few_steps_lower_the_loss_on_digits(digits: Data) -> None:
    network = seeded(8, 1).train()
    images, labels = digits.train.images[:128], digits.train.labels[:128]
    optimizer = torch.optim.SGD(network.parameters(), lr=0.05, momentum=0.9)
    losses = []
    for _ in range(12):
        optimizer.zero_grad()
        loss = functional.cross_entropy(network(images), labels)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.5 * losses[0]
    assert all(parameter.grad is not None for parameter in network.parameters())
