from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import fx, nn
from torch.nn import functional

from pymoo_prune import load_network, save_network
from pymoo_prune.data import Data
from pymoo_prune.errors import PruneError
from pymoo_prune.measuring import count_macs, count_parameters
from pymoo_prune.networks import SimpleCNN, build_network


def seeded(**arguments: Any) -> SimpleCNN:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return SimpleCNN(**arguments)


def images(channels: int, height: int, width: int) -> torch.Tensor:
    values = torch.linspace(-1, 1, 2 * channels * height * width)
    return (50 * values).sin().reshape(2, channels, height, width)


@pytest.mark.parametrize(
    ("channels", "size", "parameters", "macs"),
    [(1, (28, 28), 241_770, 7_599_872), (3, (32, 32), 357_034, 10_585_344)],
)
def test_parameters_and_macs(
    channels: int, size: tuple[int, int], parameters: int, macs: int
) -> None:
    with torch.device("meta"):
        network = SimpleCNN(channels, size=size)
    assert count_parameters(network) == parameters
    assert count_macs(network, (channels, *size)) == macs


def test_the_default_is_for_grey_images_of_28_pixels() -> None:
    assert seeded().spec["arguments"] == {
        "channels": 1, "classes": 10, "size": [28, 28], "widths": [32, 64, 128], "hidden": 128,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("shape", "widths", "classes"),
    [((1, 28, 28), (4, 6, 8), 10), ((3, 8, 8), (4, 6, 8), 2), ((2, 7, 5), (3, 4), 100),
     ((1, 2, 3), (5,), 1), ((1, 19, 16), (2, 3, 4, 5), 7)],
)  # fmt: skip
def test_images_become_classes(
    shape: tuple[int, int, int], widths: tuple[int, ...], classes: int
) -> None:
    network = seeded(
        channels=shape[0], classes=classes, size=shape[1:], widths=widths, hidden=6
    ).eval()
    with torch.no_grad():
        outputs = network(images(*shape))
    assert outputs.shape == (2, classes)
    assert outputs.isfinite().all()
    assert network.hidden.out_features == 6
    halvings = len(widths)
    pixels = (shape[1] >> halvings) * (shape[2] >> halvings)
    assert network.hidden.in_features == widths[-1] * pixels


def test_the_network_computes_its_layers() -> None:
    network, hidden = seeded(channels=2, size=(8, 12), widths=(3, 4)).eval(), images(2, 8, 12)
    layers = dict(network.named_modules())
    with torch.no_grad():
        expected = hidden
        for number in range(2):
            expected = functional.conv2d(
                expected, layers[f"features.{number}.conv"].weight, padding=1
            )
            expected = layers[f"features.{number}.norm"](expected).relu()
            expected = functional.max_pool2d(expected, 2)
        expected = network.classifier(network.hidden(expected.flatten(1)).relu())
        torch.testing.assert_close(network(hidden), expected)


def test_only_linear_layers_have_biases() -> None:
    for layer in seeded().modules():
        if isinstance(layer, (nn.Conv2d, nn.Linear)):
            assert (layer.bias is None) == isinstance(layer, nn.Conv2d)


@pytest.mark.parametrize(
    ("arguments", "values"),
    [
        ({"widths": ()}, r"1, 10, \[\] and 128"),
        ({"widths": (32, 0)}, r"1, 10, \[32, 0\] and 128"),
        ({"channels": 0}, r"0, 10, .*and 128"),
        ({"classes": -1}, r"1, -1, .*and 128"),
        ({"hidden": 0}, r"1, 10, .*and 0"),
    ],
)
def test_empty_layers_are_refused(arguments: dict[str, Any], values: str) -> None:
    with pytest.raises(PruneError, match=rf"at least one width.*but they are {values}$"):
        SimpleCNN(**arguments)


@pytest.mark.parametrize(
    ("size", "widths", "smallest"),
    [((7, 28), (1, 1, 1), 8), ((28, 7), (1, 1, 1), 8), ((1, 1), (1,), 2), ((28, 28), (1,) * 5, 32),
     ((28,), (1, 1, 1), 8), ((1, 28, 28), (1, 1, 1), 8)],
)  # fmt: skip
def test_images_that_are_too_small_are_refused(
    size: tuple[int, ...], widths: tuple[int, ...], smallest: int
) -> None:
    with pytest.raises(PruneError) as caught:
        SimpleCNN(size=size, widths=widths)
    assert f"a height and a width of at least {smallest}," in str(caught.value)
    assert f"each of {len(widths)} poolings" in str(caught.value)
    assert str(caught.value).endswith(f"but it is {list(size)}")


def test_a_spec_builds_the_same_network() -> None:
    # JSON has no integers of numpy's.
    widths: Any = np.array([3, 4])
    network = seeded(channels=2, classes=5, size=np.array([9, 6]), widths=widths, hidden=7).eval()
    spec = json.loads(json.dumps(network.spec))
    with torch.random.fork_rng(devices=[]):
        built = build_network(spec).eval()
    assert isinstance(built, SimpleCNN)
    assert built.spec == network.spec == spec
    assert str(built) == str(network)
    built.load_state_dict(network.state_dict())
    with torch.no_grad():
        assert torch.equal(built(images(2, 9, 6)), network(images(2, 9, 6)))


@pytest.mark.parametrize("argument", ["channels", "classes", "size", "widths", "hidden"])
@pytest.mark.parametrize("value", [-1, "many", [28.5, 28.5]])
def test_a_spec_with_wrong_arguments_is_refused(argument: str, value: object) -> None:
    spec = seeded().spec
    wrong = {**spec, "arguments": {**spec["arguments"], argument: value}}
    with pytest.raises(PruneError):
        build_network(wrong)


def test_an_exported_network_comes_back(tmp_path: Path) -> None:
    network = seeded(channels=3, size=(8, 9), widths=(3, 4, 5), hidden=6)
    network(images(3, 8, 9))  # gives batch norms statistics
    network.eval()
    loaded = load_network(save_network(network, tmp_path / "network", about={"made_by": "us"}))
    assert isinstance(loaded, SimpleCNN)
    assert not loaded.training
    with torch.no_grad():
        assert torch.equal(loaded(images(3, 8, 9)), network(images(3, 8, 9)))


@pytest.mark.parametrize("channels", [1, 3])
def test_a_traced_network_computes_the_same(channels: int) -> None:
    network = seeded(channels=channels, size=(16, 8)).eval()
    traced = fx.symbolic_trace(network)
    with torch.no_grad():
        assert torch.equal(traced(images(channels, 16, 8)), network(images(channels, 16, 8)))
    layers = {node.target for node in traced.graph.nodes if node.op == "call_module"}
    assert layers >= {"features.0.conv", "features.2.norm", "features.1.pool", "hidden", "relu"}


def test_a_few_steps_lower_the_loss_on_digits(digits: Data) -> None:
    network = seeded(size=(8, 8), widths=(8, 16, 32), hidden=32).train()
    inputs, labels = digits.train.images[:128], digits.train.labels[:128]
    optimizer = torch.optim.SGD(network.parameters(), lr=0.05, momentum=0.9)
    losses = []
    for _ in range(20):
        optimizer.zero_grad()
        loss = functional.cross_entropy(network(inputs), labels)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.5 * losses[0]
    assert all(parameter.grad is not None for parameter in network.parameters())
