from __future__ import annotations

import json

import pytest
import torch
from torchvision.models.video import r2plus1d_18

from pymoo_prune.errors import PruneError
from pymoo_prune.measuring import count_parameters
from pymoo_prune.networks import VideoResNet, build_network


@pytest.fixture(scope="module")
def network() -> VideoResNet:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return VideoResNet(classes=5, frames=2).eval()


def meta(channels: int = 3, classes: int = 10, frames: int = 4) -> VideoResNet:
    with torch.device("meta"):
        return VideoResNet(channels, classes, frames)


def images(channels: int) -> torch.Tensor:
    return torch.linspace(-1, 1, 2 * channels * 256).sin().reshape(2, channels, 16, 16)


def test_parameters_are_those_of_the_paper() -> None:
    assert count_parameters(meta()) == 31_305_255  # Tang et al., Table II
    assert count_parameters(meta(classes=400)) == 31_505_325  # torchvision's number
    assert count_parameters(meta(48, frames=16)) == 31_305_255


@pytest.mark.parametrize("channels", [1, 3, 6])
def test_stills_and_clips_become_classes(network: VideoResNet, channels: int) -> None:
    with torch.no_grad():
        outputs = network(images(channels))
    assert outputs.shape == (2, 5)
    assert outputs.isfinite().all()


def test_a_clip_is_stored_frame_after_frame() -> None:
    stored = images(12)
    clips = meta(12).clips(stored)
    assert clips.shape == (2, 3, 4, 16, 16)
    for frame in range(4):
        assert torch.equal(clips[:, :, frame], stored[:, 3 * frame : 3 * frame + 3])


@pytest.mark.parametrize("channels", [1, 3])
def test_a_still_is_shown_for_all_frames_and_grey_in_all_colours(channels: int) -> None:
    still = images(channels)
    clips = meta().clips(still)
    assert clips.shape == (2, 3, 4, 16, 16)
    for frame in range(4):
        assert torch.equal(clips[:, :, frame], still.expand(-1, 3, -1, -1))


def test_the_network_is_torchvisions(network: VideoResNet) -> None:
    original = r2plus1d_18(num_classes=5).eval()
    original.load_state_dict(network.resnet.state_dict())
    clip = images(6)
    with torch.no_grad():
        expected = original(clip.reshape(2, 2, 3, 16, 16).transpose(1, 2))
        torch.testing.assert_close(network(clip), expected)


@pytest.mark.parametrize("channels", [0, 2, 4, 9, 24])
def test_other_channels_are_refused(network: VideoResNet, channels: int) -> None:
    with pytest.raises(PruneError, match=rf"12 for 4 frames.*they have {channels}$"):
        VideoResNet(channels)
    with pytest.raises(PruneError, match=rf"6 for 2 frames.*they have {channels}$"):
        network(torch.zeros(1, channels, 16, 16))


@pytest.mark.parametrize(("classes", "frames"), [(0, 4), (10, 0), (10, -1)])
def test_clips_without_frames_and_no_classes_are_refused(classes: int, frames: int) -> None:
    with pytest.raises(PruneError, match=f"at least 1, but they are {classes} and {frames}"):
        VideoResNet(3, classes, frames)


def test_a_spec_builds_the_same_shape() -> None:
    network = meta(24, 7, 8)
    spec = json.loads(json.dumps(network.spec))
    with torch.device("meta"):
        built = build_network(spec)
    assert isinstance(built, VideoResNet)
    assert built.spec == network.spec == spec
    shapes = [{n: v.shape for n, v in one.state_dict().items()} for one in (network, built)]
    assert shapes[0] == shapes[1]
