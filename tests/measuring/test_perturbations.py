from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from pymoo_prune.data import Data, Split
from pymoo_prune.errors import PruneError
from pymoo_prune.measuring import PERTURBATIONS, STRENGTHS, accuracy, perturbed, robustness
from pymoo_prune.measuring.perturbations import BLUR, CONTRAST, NOISE
from pymoo_prune.networks import FeedForward

ALL = range(1, STRENGTHS + 1)
SHAPES = [(1, 8, 8), (1, 28, 28), (3, 32, 32), (3, 40, 24)]


def some_images(
    shape: tuple[int, int, int] = (3, 12, 10), *, n: int = 20, scale: float = 1.0, shift: float = 0
) -> Tensor:
    generator = torch.Generator().manual_seed(7)
    return shift + scale * torch.rand(n, *shape, generator=generator)


def distance(kind: str, strength: int, images: Tensor) -> float:
    return float((perturbed(images, kind, strength) - images).square().mean().sqrt())


@pytest.mark.usefixtures("untouched_global_generators")
@pytest.mark.parametrize("strength", ALL)
@pytest.mark.parametrize("kind", PERTURBATIONS)
def test_the_same_seed_gives_the_same_images_and_leaves_the_given_ones(
    kind: str, strength: int
) -> None:
    images = some_images()
    before = images.clone()
    worse = perturbed(images, kind, strength, seed=3)
    assert torch.equal(images, before)
    assert worse.data_ptr() != images.data_ptr()
    assert worse.shape == images.shape
    assert not torch.equal(worse, images)
    assert torch.equal(perturbed(images, kind, strength, seed=3), worse)
    by_chance = kind in ("noise", "occlusion")
    assert torch.equal(perturbed(images, kind, strength, seed=4), worse) is not by_chance


@pytest.mark.parametrize("kind", PERTURBATIONS)
@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64])
def test_the_type_stays(kind: str, dtype: torch.dtype) -> None:
    assert perturbed(some_images().to(dtype), kind, 3).dtype == dtype


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("kind", PERTURBATIONS)
def test_stronger_is_farther_from_the_images(kind: str, shape: tuple[int, int, int]) -> None:
    distances = [distance(kind, strength, some_images(shape)) for strength in ALL]
    assert distances[0] > 0
    if (kind, shape) == ("occlusion", (1, 8, 8)):
        assert distances[0] == distances[1]  # both squares are rounded to 2 pixels
        del distances[0]
    assert all(less < more for less, more in pairwise(distances))


@pytest.mark.parametrize("kind", PERTURBATIONS)
@pytest.mark.parametrize("strength", ALL)
def test_the_scale_of_the_images_does_not_matter(kind: str, strength: int) -> None:
    worse = perturbed(some_images(), kind, strength)
    scaled = perturbed(some_images(scale=40, shift=-7), kind, strength)
    torch.testing.assert_close((scaled + 7) / 40, worse, atol=1e-5, rtol=0)


@pytest.mark.parametrize("strength", ALL)
def test_noise_is_a_share_of_the_spread_of_all_pixels(strength: int) -> None:
    # Two halves far apart; each has little spread in itself.
    images = torch.cat([some_images(n=200), some_images(n=200, shift=10)])
    noise = perturbed(images, "noise", strength) - images
    expected = NOISE[strength - 1] * float(images.std())
    assert float(noise.mean()) == pytest.approx(0, abs=0.02 * expected)
    for half in noise.split(200):
        assert float(half.std()) == pytest.approx(expected, rel=0.02)
    # The noise of each value is different.
    flat = noise.flatten(2).transpose(0, 1).flatten(1)
    correlations = torch.corrcoef(flat)
    assert float((correlations - torch.eye(3)).abs().max()) < 0.02


def test_noise_differs_between_strengths_in_size_only() -> None:
    images = some_images().double()
    weak, strong = (perturbed(images, "noise", strength) - images for strength in (1, 5))
    torch.testing.assert_close(strong, weak * (NOISE[4] / NOISE[0]))


@pytest.mark.parametrize("kind", PERTURBATIONS)
def test_images_without_any_spread_stay(kind: str) -> None:
    images = torch.full((4, 1, 8, 8), 0.3)
    for strength in ALL:
        torch.testing.assert_close(perturbed(images, kind, strength), images)


@pytest.mark.parametrize("strength", ALL)
@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 1, 9), (2, 8, 8), (1, 28, 28), (1, 9, 30)])
def test_blur_keeps_what_is_constant(shape: tuple[int, int, int], strength: int) -> None:
    images = some_images((shape[0], 1, 1)).expand(-1, *shape)
    torch.testing.assert_close(perturbed(images, "blur", strength), images)


@pytest.mark.parametrize("strength", ALL)
@pytest.mark.parametrize("size", [28, 56])
def test_a_blurred_point_is_a_gaussian(size: int, strength: int) -> None:
    images = torch.zeros(1, 1, size, size, dtype=torch.float64)
    images[0, 0, size // 2, size // 2] = 1
    point = perturbed(images, "blur", strength)[0, 0]
    assert float(point.sum()) == pytest.approx(1)  # nothing is lost in the interior
    torch.testing.assert_close(point, point.T)
    torch.testing.assert_close(point[1:, 1:], point[1:, 1:].flip(0, 1))
    sigma = BLUR[strength - 1] * size / 28
    places = torch.arange(size) - size // 2
    variance = float((point.sum(dim=0) * places**2).sum())
    # The variance of the Gaussian plus that of a pixel's width, a uniform distribution over 1. It
    # is not exact for Gaussians that are hardly wider than a pixel.
    assert variance == pytest.approx(sigma**2 + 1 / 12, rel=0.03 if sigma == 0.5 else 2e-3)
    # A pixel's value is the integral of the density over it.
    normal = torch.distributions.Normal(0.0, sigma)
    share = float(normal.cdf(torch.tensor(1.5)) - normal.cdf(torch.tensor(0.5)))
    assert float(point.sum(dim=0)[size // 2 + 1]) == pytest.approx(share, rel=1e-3)


def test_blur_repeats_the_border() -> None:
    # A vertical edge stays the same in all rows, and pixels far from it do not change.
    images = torch.zeros(1, 1, 28, 28)
    images[..., 14:] = 1
    blurred = perturbed(images, "blur", 5)[0, 0]
    torch.testing.assert_close(blurred, blurred[:1].expand(28, -1))
    torch.testing.assert_close(blurred[:, :5], torch.zeros(28, 5))
    torch.testing.assert_close(blurred[:, -5:], torch.ones(28, 5))
    assert bool((blurred[0].diff() >= -1e-6).all())


def test_blur_leaves_channels_and_images_apart() -> None:
    images = some_images()
    blurred = perturbed(images, "blur", 4)
    for i, c in ((0, 0), (3, 2), (19, 1)):
        alone = perturbed(images[i : i + 1, c : c + 1], "blur", 4)
        torch.testing.assert_close(alone[0, 0], blurred[i, c])


@pytest.mark.parametrize("strength", ALL)
def test_contrast_shrinks_around_each_images_mean(strength: int) -> None:
    images = some_images() * torch.arange(1, 21)[:, None, None, None]
    worse = perturbed(images, "contrast", strength)
    for image, result in zip(images, worse, strict=True):
        expected = image.mean() + CONTRAST[strength - 1] * (image - image.mean())
        torch.testing.assert_close(result, expected)


def test_contrast_is_exact() -> None:
    image = torch.tensor([0.0, 1.0, 2.0, 5.0]).reshape(1, 1, 2, 2)
    expected = torch.tensor([1.0, 1.5, 2.0, 3.5]).reshape(1, 1, 2, 2)
    assert torch.equal(perturbed(image, "contrast", 2), expected)


@pytest.mark.parametrize(
    ("size", "sides"),
    [
        ((8, 8), [2, 2, 3, 4, 5]),
        ((28, 28), [6, 8, 11, 14, 17]),
        ((20, 50), [4, 6, 8, 10, 12]),
        ((50, 20), [4, 6, 8, 10, 12]),
        ((2, 2), [1, 1, 1, 1, 1]),
        ((1, 6), [1, 1, 1, 1, 1]),
    ],
)
def test_occlusion_is_one_black_square_an_image(size: tuple[int, int], sides: list[int]) -> None:
    images = 1 + some_images((3, *size), n=40)
    images[0, :, 0, 0] = torch.tensor([0.0, -1.0, -2.0])  # the least values of the channels
    for strength, side in zip(ALL, sides, strict=True):
        worse = perturbed(images, "occlusion", strength)
        places = set()
        for image, result in zip(images[1:], worse[1:], strict=True):
            changed = (image != result).all(dim=0)
            assert torch.equal(changed, (image != result).any(dim=0))
            rows, columns = changed.any(dim=1).nonzero(), changed.any(dim=0).nonzero()
            assert len(rows) == len(columns) == side
            assert int(changed.sum()) == side**2  # the whole square changed
            assert int(rows.max() - rows.min()) == int(columns.max() - columns.min()) == side - 1
            for channel, black in enumerate((0.0, -1.0, -2.0)):
                assert bool((result[channel][changed] == black).all())
            places.add((int(rows.min()), int(columns.min())))
        # The square may be wherever it fits; 39 images reach most of these few places.
        assert len(places) >= min(10, (size[0] - side + 1) * (size[1] - side + 1))


def test_occlusion_reaches_every_place() -> None:
    images = torch.ones(2000, 1, 6, 5)
    images[0] = 0
    black = perturbed(images, "occlusion", 5)[1:] == 0
    corners = {tuple(image.nonzero()[0, 1:].tolist()) for image in black}
    assert corners == {(row, column) for row in range(4) for column in range(3)}


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"kind": "blurr"}, "unknown perturbation 'blurr'; there are: .* Did you mean 'blur'?"),
        ({"strength": 0}, "strength must be a whole number from 1 to 5, but it is 0"),
        ({"strength": 6}, "but it is 6"),
        ({"strength": 1.5}, "but it is 1.5"),
        ({"images": torch.zeros(1, 8, 8)}, r"these are torch.float32 \(1, 8, 8\)"),
        ({"images": torch.zeros(1, 1, 8, 8).int()}, "these are torch.int32"),
        ({"images": torch.zeros(0, 1, 8, 8)}, r"at least one, but .* \(0, 1, 8, 8\)"),
    ],
)
def test_images_that_cannot_be_perturbed_are_refused(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(PruneError, match=message):
        perturbed(**{"images": some_images(), "kind": "blur", "strength": 1} | wrong)


class Threshold(nn.Module):
    """Predicts class 1 if an image's brightest pixel is above 0.6."""

    def forward(self, images: Tensor) -> Tensor:
        bright = (images.flatten(1).amax(dim=1) > 0.6).float()
        return torch.stack([1 - bright, bright], dim=1)


def test_known_accuracies() -> None:
    # Images are half black and half white: at contrast c, white is at (1 + c) / 2, which is above
    # 0.6 if c is above 0.2. Black images stay black, except with noise.
    images = torch.zeros(4, 1, 10, 10)
    images[:3, :, 5:] = 1
    split = Split(images, torch.tensor([1, 1, 1, 0]))
    result = robustness(Threshold(), split, kinds=["contrast", "occlusion"])
    assert list(result) == ["contrast", "occlusion"]
    above = [0.5 + 0.5 * c > 0.6 for c in CONTRAST]
    assert result["contrast"] == [1.0 if still else 0.25 for still in above]
    assert result["contrast"][0] == 1.0
    assert result["contrast"][4] == 0.25
    assert result["occlusion"] == [1.0] * STRENGTHS  # white pixels are left beside the square


@pytest.mark.parametrize("always", [0, 1])
def test_a_network_that_looks_at_nothing_is_as_good_as_ever(always: int) -> None:
    class Same(nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            return torch.eye(2)[[always]].expand(len(images), 2)

    split = Split(some_images(n=10), torch.tensor([0] * 7 + [1] * 3))
    expected = dict.fromkeys(PERTURBATIONS, [[0.7, 0.3][always]] * STRENGTHS)
    assert robustness(Same(), split) == expected


@pytest.mark.usefixtures("untouched_global_generators")
def test_every_network_sees_the_same_images(digits: Data) -> None:
    seen: list[Tensor] = []

    class Looks(nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            seen.append(images)
            return torch.zeros(len(images), 10)

    split = digits.validation
    before = split.images.clone()
    robustness(Looks(), split, seed=5)
    first = torch.cat(seen)
    # Noise and black are relative to the whole split, not to the batch.
    expected = [perturbed(split.images, kind, s, seed=5) for kind in PERTURBATIONS for s in ALL]
    assert torch.equal(first, torch.cat(expected))
    seen.clear()
    robustness(Looks(), split, seed=5)
    assert torch.equal(torch.cat(seen), first)
    seen.clear()
    robustness(Looks(), split, seed=6)
    assert not torch.equal(torch.cat(seen), first)
    assert torch.equal(split.images, before)


def test_a_real_network_gets_worse(digits: Data, parent: FeedForward) -> None:
    undisturbed = accuracy(parent, digits.test)
    result = robustness(parent, digits.test)
    assert list(result) == list(PERTURBATIONS)
    for kind, accuracies in result.items():
        assert len(accuracies) == STRENGTHS
        assert accuracies[0] > undisturbed - 0.1, kind
        assert accuracies[-1] < undisturbed - 0.02, kind
        assert all(more > less - 0.03 for more, less in pairwise(accuracies)), kind


def test_the_mode_stays(digits: Data) -> None:
    network = nn.Sequential(nn.Flatten(), nn.BatchNorm1d(64), nn.Linear(64, 10)).train()
    network[1].eval()
    robustness(network, digits.validation, kinds=["blur"])
    assert [module.training for module in network] == [True, False, True]


def test_unknown_kinds_are_refused_before_anything_is_measured(digits: Data) -> None:
    class Never(nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            raise AssertionError

    with pytest.raises(PruneError, match="unknown perturbation 'fog'; there are: blur, contrast"):
        robustness(Never(), digits.validation, kinds=["noise", "fog"])
    assert robustness(Never(), digits.validation, kinds=[]) == {}
