"""Which measure ranks candidates as the test images do? Divergence and accuracy, on few images.

ResNet-20 on FashionMNIST at 93 % sparsity: 40 candidates, each a few level switches away from the
least loss, refitted, with batch norms of 128 images. Each is measured on 125 to 1,000 search images
in int8, by its divergence from the parent and by its accuracy. Kendall's tau compares the ranks
with those by the accuracy on all test images, and with those by the divergence of 1,000 search
images in float32. The figure is the tau of 125 images by divergence over that of 1,000 by
accuracy, against the test images.

Target: at least .9
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import torch
from scipy.stats import kendalltau

from benchmarks.harness import Outcome
from benchmarks.layer_vector.setting import data, parent, parent_accuracy
from pymoo_prune.chromosomes import Array
from pymoo_prune.measuring import accuracy
from pymoo_prune.operators import Moves
from pymoo_prune_problems import LayerVector

SPARSITY, CANDIDATES, LEVELS = 0.93, 40, 64
IMAGES = (1_000, 500, 250, 125)
RECOVERY_IMAGES = 128
MEASURES = ("divergence", "accuracy")


def run(quick: bool) -> Outcome:
    """The figure is the tau of few images by divergence over that of many by accuracy."""
    torch.set_num_threads(1)
    images = (100, 50) if quick else IMAGES
    exact = problem(images[0], "float32")
    X = candidates(exact, 8 if quick else CANDIDATES)
    tested = [accuracy(exact.network(x), data().test) for x in X]
    reference = -exact.measured(X)["divergence"]
    rows, taus = [], {}
    for number in images:
        found = problem(number, "int8").measured(X)
        for measure in MEASURES:
            better = found[measure] if measure == "accuracy" else -found[measure]
            tau = taus[f"{measure} of {number}"] = ranks(better, tested), ranks(better, reference)
            rows.append((measure, f"{number:,}", *(f"{one:.2f}" for one in tau)))
    itself = ranks(reference, tested)
    rows.append(("divergence, float32", f"{images[0]:,}", f"{itself:.2f}", "1.00"))
    few, many = taus[f"divergence of {images[-1]}"][0], taus[f"accuracy of {images[0]}"][0]
    head = ("measured", "images", "test accuracy", "divergence in float32")
    return Outcome(
        few / many,
        f"times the tau of {images[0]:,} images by accuracy has that of {images[-1]} by divergence",
        [(f"Kendall's tau with the ranks by ..., {len(X)} candidates", head, rows)],
        {
            "taus": taus,
            "float32": itself,
            "test_accuracies": tested,
            "sparsity": SPARSITY,
            "parent_test_accuracy": parent_accuracy(),
            "threads": 1,
        },
    )


def problem(images: int, precision: Literal["float32", "int8"]) -> LayerVector:
    """The problem with so many search images."""
    return LayerVector(
        data(), parent=parent(), precision=precision, levels=LEVELS, search_images=images,
        recovery_images=RECOVERY_IMAGES, objectives=("divergence", "sparsity"),
    )  # fmt: skip


def candidates(where: LayerVector, number: int) -> Array:
    """The least loss, and level switches from it and from each other, at one size."""
    generator = np.random.default_rng(1)
    ladders = where.ladders
    rivals = where.rivals.candidates({"sparsity": np.array([SPARSITY])})
    assert ladders is not None
    assert rivals is not None
    moves = Moves(ladders, lambda X: 1 - where.preview.sizes(X)["sparsity"])
    places = [ladders.places(rivals[-1])]
    bound = float(moves.size(places[0][None])[0])
    while len(places) < number:
        origin = places[int(generator.integers(len(places)))]
        places.append(moves.switched(origin, bound, generator))
    return ladders.chromosomes(np.array(places))


def ranks(first: Sequence[float] | Any, second: Sequence[float] | Any) -> float:
    """Kendall's tau."""
    return float(kendalltau(first, second)[0])
