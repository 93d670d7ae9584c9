from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import special
from torch import Tensor, nn

from benchmarks.ecomp.reference import EPSILON, joint
from pymoo_prune.data import Data
from pymoo_prune.errors import PruneError
from pymoo_prune.measuring import affinities, affinity_divergence, squared_distances
from pymoo_prune.measuring.similarity import STACK, _conditional
from pymoo_prune.networks import FeedForward

Matrix = NDArray[np.float64]

IMAGES = 100
KINDS = (
    "random",
    "one neuron",
    "clustered",
    "relu",
    "few dead",
    "dead",
    "duplicates",
    "outlier",
    "far away",
)


def conditional_of(points: torch.Tensor, perplexity: float) -> torch.Tensor:
    distances = squared_distances((points @ points.T)[None])
    start = torch.zeros(*distances.shape[:-1], 1)
    return _conditional(distances, start, math.log(perplexity))[0]


def joint_probabilities(distances: torch.Tensor) -> torch.Tensor:
    return affinities(distances).joint


def embedding(kind: str, seed: int = 0, n: int = IMAGES) -> Tensor:
    """Usual and difficult embeddings, (n, neurons)."""
    g = torch.Generator().manual_seed(seed)
    points = torch.randn(n, 20, generator=g)
    if kind == "one neuron":
        return points[:, :1]
    if kind == "clustered":
        return points * 0.01 + 5 * torch.randn(4, 20, generator=g)[torch.arange(n) % 4]
    if kind == "relu":
        return points.relu()
    if kind == "few dead":
        points = points.relu()
        points[: n // 5] = 0
    elif kind == "dead":  # more images than the perplexity are all zeros
        points = points.relu()
        points[: n // 2] = 0
    elif kind == "duplicates":
        points[n // 2 :] = points[: n - n // 2]
    elif kind == "outlier":
        points[0] += 300
    elif kind == "far away":
        points += 20
    return points


def joints(*embeddings: Tensor) -> Tensor:
    return joint_probabilities(squared_distances(torch.stack([e @ e.T for e in embeddings])))


def loss(one: Tensor, other: Tensor) -> float:
    P, Q = joints(one, other)
    return float(affinity_divergence(P, Q))


def reference_loss(one: Tensor, other: Tensor) -> float:
    P, Q = joint(one.numpy()), joint(other.numpy())
    return float(2 * np.dot(P, np.log(np.maximum(P, EPSILON) / Q)))


def exact_joint(points: Tensor) -> Matrix:
    """The definition, by bisection in double precision, full (images, images)."""
    x = points.double().numpy()
    distances = ((x[:, None] - x[None]) ** 2).sum(axis=2)
    np.fill_diagonal(distances, np.inf)
    distances -= distances.min(axis=1, keepdims=True)
    scale = np.where(np.isfinite(distances), distances, 0).mean(axis=1, keepdims=True)
    distances /= np.where(scale == 0, 1, scale)
    low, high = np.full((len(x), 1), -20.0), np.full((len(x), 1), 60.0)
    for _ in range(100):
        middle = (low + high) / 2
        kernel = np.exp(-np.exp(middle) * distances)
        conditional = kernel / kernel.sum(axis=1, keepdims=True)
        wide = special.entr(conditional).sum(axis=1, keepdims=True) > np.log(30)
        low, high = np.where(wide, middle, low), np.where(wide, high, middle)
    return (conditional + conditional.T) / (2 * len(x))


def exact_loss(one: Tensor, other: Tensor) -> float:
    P, Q = (np.maximum(exact_joint(e), EPSILON) for e in (one, other))
    return float((P * np.log(P / Q)).sum())


@pytest.mark.parametrize("kind", ["random", "clustered", "relu", "few dead", "duplicates"])
@pytest.mark.parametrize("seed", range(3))
def test_the_loss_is_scikit_learns(kind: str, seed: int) -> None:
    one, other = embedding("relu", seed + 10), embedding(kind, seed)
    assert loss(one, other) == pytest.approx(reference_loss(one, other), abs=5e-6)
    assert loss(other, one) == pytest.approx(reference_loss(other, one), abs=5e-6)


# If an image has more than 30 nearest neighbours at the same distance, or is far from all others,
# scikit-learn's kernels vanish and its loss is off by tenths.
@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", range(2))
def test_the_loss_is_that_of_the_definition(kind: str, seed: int) -> None:
    one, other = embedding("relu", seed + 10), embedding(kind, seed)
    # Far from the origin, distances from float32 inner products are less exact.
    tolerance = 3e-5 if kind == "far away" else 5e-6
    assert loss(one, other) == pytest.approx(exact_loss(one, other), abs=tolerance)
    assert loss(other, one) == pytest.approx(exact_loss(other, one), abs=tolerance)


def test_the_loss_is_that_of_the_definition_on_a_networks_embeddings(
    digits: Data, parent: FeedForward
) -> None:
    images = digits.validation.images[:IMAGES]
    generator = np.random.default_rng(0)
    with torch.no_grad():
        embeddings = [nn.Sequential(*list(parent)[:stop])(images) for stop in (3, 5)]
    for full in embeddings:
        for kept in (1, 2, 5, 12):
            cut = full[:, generator.permutation(full.shape[1])[:kept]]
            assert loss(full, cut) == pytest.approx(exact_loss(full, cut), abs=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_joint_probabilities_are_a_symmetric_distribution_over_pairs(kind: str) -> None:
    P = joints(embedding(kind))[0]
    assert P.min() >= 0
    assert float(P.double().sum()) == pytest.approx(1, abs=1e-5)
    assert torch.equal(P, P.T)
    assert (P.diagonal() == 0).all()


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "dead"])
@pytest.mark.parametrize("perplexity", [2.0, 30.0, 90.0])
def test_every_image_sees_as_many_neighbours_as_the_perplexity_says(
    kind: str, perplexity: float
) -> None:
    if kind == "few dead" and perplexity == 2:
        pytest.skip("20 images are at one place: each has at least 19 equal neighbours")
    points = embedding(kind)
    conditional = conditional_of(points, perplexity)
    entropy = torch.special.entr(conditional.double()).sum(dim=-1)
    np.testing.assert_allclose(entropy.numpy(), math.log(perplexity), atol=3e-5)


def test_images_with_too_many_equals_see_all_of_them_alike() -> None:
    points = embedding("dead")
    conditional = conditional_of(points, 30.0)[0]
    dead = conditional[:50]
    expected = torch.zeros(50, IMAGES)
    expected[:, :50] = (1 - torch.eye(50)) / 49
    torch.testing.assert_close(dead, expected, atol=1e-7, rtol=1e-5)
    # Live images whose nearest neighbours are the 50 dead ones see all 50 as equal, too.
    entropy = torch.special.entr(conditional[50:].double()).sum(dim=-1)
    near = np.isclose(entropy.numpy(), math.log(50), atol=1e-5)
    assert 0 < near.sum() < 25
    np.testing.assert_allclose(entropy.numpy()[~near], math.log(30), atol=3e-5)


@given(st.permutations(range(len(KINDS))), st.integers(1, 2 * STACK + 1))
@settings(max_examples=10)
def test_a_matrix_does_not_depend_on_its_neighbours(order: list[int], size: int) -> None:
    kinds = [KINDS[order[place % len(KINDS)]] for place in range(size)]
    distances = torch.stack([_distances(kind) for kind in kinds])
    stacked = joint_probabilities(distances)
    for place, kind in enumerate(kinds):
        assert torch.equal(stacked[place], joint_probabilities(_distances(kind)[None])[0]), kind


def test_threads_do_not_matter() -> None:
    distances = torch.stack([_distances(kind) for kind in KINDS])
    alone = joint_probabilities(distances)
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(3)
        assert torch.equal(joint_probabilities(distances), alone)
        for place in range(len(KINDS)):
            assert torch.equal(joint_probabilities(distances[[place]])[0], alone[place])
    finally:
        torch.set_num_threads(threads)


def _distances(kind: str) -> Tensor:
    points = embedding(kind)
    return squared_distances(points @ points.T)


def test_a_divergence_does_not_depend_on_its_neighbours() -> None:
    P = joints(embedding("relu", 1))
    Q = joints(*[embedding(kind) for kind in KINDS])
    together = affinity_divergence(P, Q)
    assert together.shape == (len(KINDS),)
    for place in range(len(KINDS)):
        assert torch.equal(affinity_divergence(P, Q[[place]])[0], together[place])


def test_stacks_of_any_depth_keep_their_shape() -> None:
    flat = torch.stack([_distances(kind) for kind in KINDS[:6]])
    deep = joint_probabilities(flat.reshape(2, 3, IMAGES, IMAGES))
    assert torch.equal(deep.reshape(6, IMAGES, IMAGES), joint_probabilities(flat))
    parents = deep[:, :1]
    assert affinity_divergence(parents, deep).shape == (2, 3)


def test_arguments_of_the_distributions_are_left_alone() -> None:
    distances = torch.stack([_distances("relu"), _distances("dead")])
    before = distances.clone()
    P = joint_probabilities(distances)
    assert torch.equal(distances, before)
    kept = P.clone()
    affinity_divergence(P, P.flip(0))
    assert torch.equal(P, kept)


@pytest.mark.parametrize("kind", KINDS)
def test_an_embedding_is_like_itself(kind: str) -> None:
    assert loss(embedding(kind), embedding(kind)) == 0


@pytest.mark.parametrize("kind", KINDS)
def test_the_scale_of_an_embedding_does_not_matter(kind: str) -> None:
    points = embedding(kind)
    # Powers of two are exact; other factors have the precision of float32.
    assert torch.equal(joints(8 * points), joints(points))
    assert loss(points, 7 * points) == pytest.approx(0, abs=1e-5)
    assert loss(points, 1e-4 * points) == pytest.approx(0, abs=1e-5)


@given(st.sampled_from(KINDS), st.sampled_from(KINDS), st.integers(0, 20))
@settings(max_examples=25)
def test_the_loss_is_not_negative(one: str, other: str, seed: int) -> None:
    value = loss(embedding(one, seed), embedding(other, seed + 1))
    assert math.isfinite(value)
    assert value > -1e-6


def test_the_loss_grows_as_neighbourhoods_are_lost() -> None:
    points, noise = embedding("clustered"), embedding("random", 5)
    losses = [loss(points, points + scale * noise) for scale in (0.0, 0.1, 1.0, 10.0)]
    assert losses == sorted(losses)
    assert losses[1] > 0
    assert losses[-1] > 0.5


def test_equal_embeddings_of_all_images_give_the_uniform_distribution() -> None:
    P = joints(torch.zeros(IMAGES, 3), torch.ones(IMAGES, 3))
    expected = (1 - torch.eye(IMAGES)) / (IMAGES * (IMAGES - 1))
    for matrix in P:
        torch.testing.assert_close(matrix, expected, atol=1e-9, rtol=1e-5)
    assert math.isfinite(loss(embedding("relu"), torch.ones(IMAGES, 3)))


@pytest.mark.parametrize("n", [1, 2, 30, 31])
def test_too_few_images_are_refused_with_both_numbers(n: int) -> None:
    with pytest.raises(PruneError, match=rf"perplexity of 30 needs more than 31 .* there are {n}"):
        joint_probabilities(torch.zeros(1, n, n))


def test_the_fewest_images_work() -> None:
    points = embedding("random", n=32)
    assert torch.isfinite(joints(points)).all()
    assert loss(points, embedding("relu", n=32)) == pytest.approx(
        reference_loss(points, embedding("relu", n=32)), abs=5e-6
    )


def test_distances_are_those_between_points() -> None:
    points = embedding("random").double()
    distances = squared_distances(points @ points.T)
    np.testing.assert_allclose(distances, torch.cdist(points, points) ** 2, atol=1e-10)


def test_distances_of_equal_points_are_never_negative() -> None:
    points = torch.full((40, 7), 0.1).cumsum(dim=1) * 1e3
    distances = squared_distances(points @ points.T)
    assert (distances >= 0).all()
    assert (distances.diagonal() == 0).all()


def test_where_the_search_for_precisions_starts_hardly_matters() -> None:
    distances = torch.cat([_distances(kind)[None] for kind in ("random", "clustered", "relu")])
    alone = affinities(distances)
    started = affinities(distances, near=affinities(distances[:1]))
    assert torch.allclose(alone.joint, started.joint, atol=1e-8, rtol=1e-4)
    assert torch.allclose(alone.log_precisions, started.log_precisions, atol=1e-3)


def test_what_it_starts_from_is_not_changed() -> None:
    near = affinities(_distances("random")[None])
    before = near.log_precisions.clone()
    affinities(_distances("clustered")[None], near=near)
    assert torch.equal(near.log_precisions, before)
