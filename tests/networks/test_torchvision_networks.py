from __future__ import annotations

import json
import warnings
from collections.abc import Callable

import pytest
import torch
from torch import fx, nn
from torchvision.models import googlenet, resnet18

from pymoo_prune.errors import PruneError
from pymoo_prune.measuring import count_macs, count_parameters
from pymoo_prune.networks import ZOO, GoogLeNet, ResNet18, build_network, named_network
from pymoo_prune.networks.torchvision_networks import TorchvisionNetwork

KINDS: list[type[TorchvisionNetwork]] = [ResNet18, GoogLeNet]
NAMES = ["resnet-18", "googlenet"]


def meta(
    kind: type[TorchvisionNetwork], channels: int = 3, classes: int = 10, stem: str = "small"
) -> TorchvisionNetwork:
    with torch.device("meta"):
        return kind(channels, classes, stem)


def seeded(
    kind: type[TorchvisionNetwork], channels: int = 3, classes: int = 10, stem: str = "small"
) -> TorchvisionNetwork:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return kind(channels, classes, stem).eval()


def image(channels: int = 3, size: int = 8) -> torch.Tensor:
    values = torch.linspace(-1, 1, channels * size * size)
    return (50 * values).sin().reshape(1, channels, size, size)


@pytest.mark.parametrize(
    ("kind", "shape", "classes", "stem", "parameters", "macs"),
    [
        (ResNet18, (3, 32, 32), 10, "small", 11_173_962, 555_422_720),
        (ResNet18, (1, 28, 28), 10, "small", 11_172_810, 455_800_832),
        # torchvision's documented numbers, for ImageNet.
        (ResNet18, (3, 224, 224), 1000, "large", 11_689_512, 1_814_073_344),
        (GoogLeNet, (3, 224, 224), 1000, "large", 6_624_904, 1_498_376_192),
        (GoogLeNet, (3, 32, 32), 10, "small", 5_602_474, 1_451_042_816),
        (GoogLeNet, (1, 28, 28), 10, "small", 5_601_322, 1_110_053_888),
        (GoogLeNet, (3, 32, 32), 10, "large", 5_610_154, 30_568_448),
        (GoogLeNet, (3, 32, 32), 1000, "large", 6_624_904, 30_568_448 + 990 * 1024),
    ],
)
def test_parameters_and_macs(
    kind: type[TorchvisionNetwork],
    shape: tuple[int, int, int],
    classes: int,
    stem: str,
    parameters: int,
    macs: int,
) -> None:
    network = meta(kind, shape[0], classes, stem)
    assert count_parameters(network) == parameters
    assert count_macs(network, shape) == macs


def original(kind: type[TorchvisionNetwork], classes: int) -> nn.Module:
    options = {"aux_logits": False, "init_weights": False} if kind is GoogLeNet else {}
    build: Callable[..., nn.Module] = googlenet if kind is GoogLeNet else resnet18
    with torch.random.fork_rng(devices=[]):
        return build(num_classes=classes, **options).eval()


@pytest.mark.parametrize("kind", KINDS)
def test_with_a_large_stem_the_network_is_torchvisions(kind: type[TorchvisionNetwork]) -> None:
    network, theirs = seeded(kind, classes=7, stem="large"), original(kind, 7)
    theirs.load_state_dict(network.network.state_dict())
    assert str(network.network) == str(theirs)
    with torch.no_grad():
        assert torch.equal(network(image(size=32)), theirs(image(size=32)))


@pytest.mark.parametrize("kind", KINDS)
def test_a_small_stem_keeps_the_size_of_the_image(kind: type[TorchvisionNetwork]) -> None:
    network, sizes = meta(kind, 2), []
    block = network.get_submodule(f"network.{'layer1' if kind is ResNet18 else 'inception3a'}")
    block.register_forward_hook(lambda block, inputs, output: sizes.append(inputs[0].shape[2:]))
    network(torch.zeros(2, 2, 12, 9, device="meta"))
    assert sizes == [(12, 9)]


@pytest.mark.parametrize("kind", KINDS)
def test_stems_differ_in_their_first_convolution_and_pooling_alone(
    kind: type[TorchvisionNetwork],
) -> None:
    small, large = (meta(kind, stem=stem).state_dict() for stem in ("small", "large"))
    shapes = [{name: value.shape for name, value in one.items()} for one in (small, large)]
    different = {name for name in shapes[0] if shapes[0][name] != shapes[1][name]}
    assert shapes[0].keys() == shapes[1].keys()
    assert different == {f"network.conv1{'' if kind is ResNet18 else '.conv'}.weight"}


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("stem", ["small", "large"])
@pytest.mark.parametrize(("channels", "classes"), [(1, 2), (3, 100), (2, 1)])
def test_images_become_classes_in_training_and_in_evaluation(
    kind: type[TorchvisionNetwork], stem: str, channels: int, classes: int
) -> None:
    network = meta(kind, channels, classes, stem)
    for training in (True, False):
        outputs = network.train(training)(torch.zeros(2, channels, 32, 32, device="meta"))
        assert isinstance(outputs, torch.Tensor)
        assert outputs.shape == (2, classes)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("channels", "stem"), [(1, "small"), (3, "small"), (1, "large")])
def test_a_traced_network_computes_the_same(
    kind: type[TorchvisionNetwork], channels: int, stem: str
) -> None:
    network = seeded(kind, channels, stem=stem)
    traced = fx.symbolic_trace(network)
    size = 8 if stem == "small" else 32
    with torch.no_grad():
        expected = network(image(channels, size))
        assert torch.equal(traced(image(channels, size)), expected)
    assert expected.isfinite().all()
    assert expected.std() > 0


@pytest.mark.parametrize(("kind", "name"), [*zip(KINDS, NAMES, strict=True)])
def test_a_spec_builds_the_same_network(kind: type[TorchvisionNetwork], name: str) -> None:
    network = seeded(kind, 1, 5)
    spec = json.loads(json.dumps(network.spec))
    assert spec == {"network": name, "arguments": {"channels": 1, "classes": 5, "stem": "small"}}
    with torch.random.fork_rng(devices=[]):
        built = build_network(spec).eval()
    assert type(built) is kind
    assert built.spec == network.spec
    built.load_state_dict(network.state_dict())
    with torch.no_grad():
        assert torch.equal(built(image(1)), network(image(1)))


@pytest.mark.parametrize("kind", KINDS)
def test_a_spec_says_which_stem(kind: type[TorchvisionNetwork]) -> None:
    network = meta(kind, 2, 7, "large")
    with torch.device("meta"):
        built = build_network(network.spec)
    assert built.spec == network.spec
    assert str(built) == str(network)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("stem", "hint"), [("larg", " Did you mean 'large'?"), ("medium", "")])
def test_unknown_stems_are_refused(kind: type[TorchvisionNetwork], stem: str, hint: str) -> None:
    with pytest.raises(PruneError) as caught:
        kind(stem=stem)
    assert str(caught.value).startswith(f"unknown stem {stem!r}; there are: large, small.")
    assert str(caught.value).endswith(hint)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("channels", "classes"), [(0, 10), (3, 0), (-1, 10)])
def test_images_without_channels_and_no_classes_are_refused(
    kind: type[TorchvisionNetwork], channels: int, classes: int
) -> None:
    with pytest.raises(PruneError, match=f"at least 1, but they are {channels} and {classes}$"):
        kind(channels, classes)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("argument", ["channels", "classes", "stem"])
def test_a_spec_with_wrong_arguments_is_refused(name: str, argument: str) -> None:
    for value in (-1, "many"):
        arguments = {"channels": 3, "classes": 10, "stem": "small", argument: value}
        with pytest.raises(PruneError):
            build_network({"network": name, "arguments": arguments})


@pytest.mark.parametrize("name", NAMES)
def test_weights_come_from_the_callers_seed_alone_and_without_warnings(name: str) -> None:
    with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
        warnings.simplefilter("error")
        torch.manual_seed(3)
        network = named_network(name, channels=1, classes=10, size=(8, 8))
        torch.manual_seed(3)
        # The trial without memory must draw no random numbers.
        again = ZOO[name].build(1, 10, (8, 8))
    assert network.training
    assert network.spec == {
        "network": name, "arguments": {"channels": 1, "classes": 10, "stem": "small"}
    }  # fmt: skip
    for mine, other in zip(network.parameters(), again.parameters(), strict=True):
        assert torch.equal(mine, other)


@pytest.mark.usefixtures("untouched_global_generators")
@pytest.mark.parametrize("kind", KINDS)
def test_a_network_without_memory_draws_no_random_numbers(kind: type[TorchvisionNetwork]) -> None:
    meta(kind, 1)


@pytest.mark.parametrize("stem", ["small", "large"])
def test_the_new_first_convolution_of_a_resnet_is_drawn_as_torchvisions(stem: str) -> None:
    weight = seeded(ResNet18, 1, stem=stem).get_parameter("network.conv1.weight")
    fan_out = weight[:, 0].numel()
    assert weight.std().item() == pytest.approx((2 / fan_out) ** 0.5, rel=0.1)
