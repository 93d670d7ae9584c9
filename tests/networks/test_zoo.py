from __future__ import annotations

import pytest
import torch
from torch import nn

from pymoo_prune.errors import PruneError
from pymoo_prune.networks import ZOO, ZooNetwork, build_network, named_network, zoo

SMALL = ["feed-forward", "simple-cnn", "resnet-8", "resnet-20"]


def meta(name: str, channels: int, classes: int, size: tuple[int, int]) -> nn.Module:
    with torch.device("meta"):
        return named_network(name, channels=channels, classes=classes, size=size)


def test_the_zoo_has_what_the_papers_prune() -> None:
    dense = ["densenet-bc-40", "densenet-bc-100"]
    torchvisions = ["resnet-18", "googlenet", "r2plus1d-18"]
    patches = ["small-vit", "small-mixer"]
    assert list(ZOO) == [*SMALL, "resnet-56", "resnet-110", *dense, *torchvisions, *patches]
    for network in ZOO.values():
        assert network.description
        assert "\n" not in network.description


@pytest.mark.slow
@pytest.mark.parametrize("name", ZOO)
@pytest.mark.parametrize(("channels", "size"), [(3, (32, 32)), (1, (28, 20)), (3, (1, 1))])
def test_all_networks_take_images_of_all_sizes(
    name: str, channels: int, size: tuple[int, int]
) -> None:
    if size == (1, 1) and name.startswith(("densenet", "googlenet", "simple-cnn")):
        with pytest.raises(PruneError, match=r"cannot take images of 1×1 pixels|at least 8,.*1, 1"):
            meta(name, channels, 7, size)
        return
    network = meta(name, channels, 7, size)
    assert network(torch.zeros(2, channels, *size, device="meta")).shape == (2, 7)


@pytest.mark.slow
@pytest.mark.parametrize("name", ZOO)
def test_all_networks_can_be_built_from_their_specs(name: str) -> None:
    network = meta(name, 3, 10, (16, 16))
    with torch.device("meta"):
        built = build_network(network.spec)
    assert type(built) is type(network)
    assert str(built) == str(network)


@pytest.mark.parametrize("name", [*SMALL, "small-vit", "small-mixer"])
def test_networks_are_real_and_take_their_weights_from_the_callers_seed(name: str) -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        network = named_network(name, channels=1, classes=10, size=(8, 8))
        torch.manual_seed(3)
        # The trial without memory must draw no random numbers.
        again = ZOO[name].build(1, 10, (8, 8))
    assert network.training
    for mine, other in zip(network.parameters(), again.parameters(), strict=True):
        assert torch.equal(mine, other)


@pytest.mark.parametrize(("channels", "frames"), [(1, 4), (3, 4), (6, 2), (48, 16)])
def test_the_channels_of_a_clip_say_how_long_it_is(channels: int, frames: int) -> None:
    network = meta("r2plus1d-18", channels, 10, (16, 16))
    assert network.spec["arguments"] == {"channels": channels, "classes": 10, "frames": frames}


@pytest.mark.parametrize("channels", [2, 4, 7])
def test_channels_that_are_no_clip_are_refused(channels: int) -> None:
    with pytest.raises(PruneError, match=f"3 channels a frame.*they have {channels}"):
        meta("r2plus1d-18", channels, 10, (16, 16))


def test_unknown_names_are_refused() -> None:
    with pytest.raises(PruneError, match=r"unknown network 'resnet-65'.*Did you mean 'resnet-56'"):
        meta("resnet-65", 3, 10, (32, 32))


@pytest.mark.parametrize(
    ("channels", "classes", "size"),
    [(0, 10, (8, 8)), (3, 0, (8, 8)), (3, 10, (0, 8)), (3, 10, (8, -1))],
)
def test_empty_images_and_no_classes_are_refused(
    channels: int, classes: int, size: tuple[int, int]
) -> None:
    numbers = f"{channels}, {classes}, {size[0]} and {size[1]}"
    for name in ZOO:
        with pytest.raises(PruneError, match=f"at least 1, but they are {numbers}"):
            meta(name, channels, classes, size)


def test_images_that_are_too_small_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def build(channels: int, classes: int, size: tuple[int, int]) -> nn.Module:
        return nn.Sequential(nn.Conv2d(channels, classes, 5), nn.Flatten())

    monkeypatch.setattr(zoo, "ZOO", {"wide": ZooNetwork("a kernel of 5 pixels", build)})
    assert named_network("wide", channels=1, classes=2, size=(5, 6)) is not None
    with pytest.raises(PruneError, match=r"'wide' cannot take images of 4×6 pixels.*too small"):
        named_network("wide", channels=1, classes=2, size=(4, 6))
