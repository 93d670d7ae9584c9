"""Search batches as the parent sees them, and candidates' forward passes on them."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from pymoo_prune.chromosomes import Array
from pymoo_prune.data import SearchBatches, Split
from pymoo_prune.errors import PruneError
from pymoo_prune.measuring import (
    Affinities,
    Expected,
    affinities,
    affinity_divergence,
    squared_distances,
)
from pymoo_prune.networks import FeedForward, FeedForwardStack
from pymoo_prune.pruning import WeightsAndBiases


@dataclass(frozen=True)
class View:
    """A search batch as the parent sees it.

    Attributes:
        images: (images, inputs).
        expected: What candidates' outputs are compared with.
        hidden: The parent's first hidden layer, (neurons, images), so that a neuron is a row.
        affinities: The parent's affinities; their joint probabilities P are (layers, 1, images,
            images).
        parent_accuracy: The parent's accuracy or metric on this batch; None where it has no labels.
    """

    images: Tensor
    expected: Expected
    hidden: Tensor
    affinities: Affinities
    parent_accuracy: float | None

    def similarity_losses(self, products: Tensor, perplexity: float) -> Tensor:
        """Section 3.1.2: how differently candidates and the parent arrange the images, (n,).

        Args:
            products: Inner products of the candidates' embeddings, (layers, n, images, images).
            perplexity: The perplexity of affinities between images.
        """
        child = affinities(squared_distances(products), perplexity, near=self.affinities)
        # Summed over the hidden layers.
        return affinity_divergence(self.affinities.joint, child.joint).sum(dim=0)


def check_enough(batches: SearchBatches, most: int, perplexity: float) -> None:
    """Refuses search images that are too few for similarities, before a parent is trained.

    Args:
        batches: The search images.
        most: Images of a batch that embeddings are compared on, at most.
        perplexity: The perplexity of affinities between images.
    """
    images = min(batches.batch_size, most)
    if images <= perplexity + 1:
        msg = (
            f"EComp's similarity with a perplexity of {perplexity:g} needs more than "
            f"{perplexity + 1:g} images, but there are {images} {batches.name} images in a batch: "
            "give more images, a larger 'validation', or larger search_images and batch_size"
        )
        raise PruneError(msg)


class Views:
    """The parent's views of all search batches, each computed once for all candidates.

    Args:
        parent: The network that is compressed.
        batches: The search images.
        similarity: Images of a batch that embeddings are compared on, at most.
        perplexity: The perplexity of affinities between images.
    """

    def __init__(
        self, parent: FeedForward, batches: SearchBatches, *, similarity: int, perplexity: float
    ) -> None:
        self.parent, self.batches = parent, batches
        self.similarity, self.perplexity = similarity, perplexity
        self._made: dict[int, View] = {}
        self._lock = threading.Lock()

    def __getstate__(self) -> dict[str, Any]:
        """All but the lock, which is not copied or pickled."""
        return {name: value for name, value in self.__dict__.items() if name != "_lock"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """The same, with a lock of its own."""
        self.__dict__.update(state)
        self._lock = threading.Lock()

    def __getitem__(self, batch: int) -> View:
        with self._lock:
            if batch not in self._made:
                # Two, for a generation and its survivors; more would keep every batch of a run.
                while len(self._made) > 1:
                    del self._made[next(iter(self._made))]
                self._made[batch] = self._view(self.batches[batch])
            return self._made[batch]

    @torch.no_grad()
    def _view(self, split: Split) -> View:
        images = split.images.flatten(1)
        hidden, embeddings = images, []
        for layer in self.parent.linear_layers[:-1]:
            hidden = self.parent.activate(layer(hidden))
            embeddings.append(hidden)
        outputs, labels = self.parent.linear_layers[-1](hidden), split.labels
        expected = Expected.given(outputs, labels, split.task)
        few = [embedding[: self.similarity] for embedding in embeddings]
        distances = squared_distances(torch.stack([some @ some.T for some in few]))
        return View(
            images,
            expected,
            embeddings[0].T.contiguous(),
            affinities(distances[:, None], self.perplexity),
            None if labels is None else float(expected.goodness(outputs)),
        )


@torch.no_grad()
def one_by_one(
    parent: FeedForward,
    candidates: Iterable[tuple[WeightsAndBiases, Array | None]],
    number: int,
    view: View,
) -> tuple[Tensor, Tensor]:
    """Outputs and embeddings of candidates for a batch, one candidate after the other.

    Args:
        parent: The network that is compressed.
        candidates: The weights of each, and the neurons of the parent's first hidden layer that it
            kept; None where that layer is its own.
        number: The number of candidates.
        view: The batch.

    Returns:
        Outputs, (n, images, classes), and embeddings' inner products, (layers, n, few, few).
    """
    images = view.affinities.joint.shape[-1]
    logits = view.images.new_empty(number, len(view.images), parent.classes)
    products = view.images.new_empty(len(parent.widths), number, images, images)
    for row, (layers, kept) in enumerate(candidates):
        embeddings, logits[row] = _forward(parent, layers, kept, view)
        for layer, embedding in enumerate(embeddings):
            torch.mm(embedding[:images], embedding[:images].T, out=products[layer, row])
    return logits, products


@torch.no_grad()
def together(stack: FeedForwardStack, first: Tensor, view: View) -> tuple[Tensor, Tensor]:
    """The same, with one computation a layer for all candidates.

    Args:
        stack: The candidates.
        first: Their first hidden layers, before dead neurons are masked; see
            `FeedForwardStack.after`.
        view: The batch.
    """
    images = view.affinities.joint.shape[-1]
    embeddings, logits = stack.after(first)
    few = [embedding[..., :images] for embedding in embeddings]
    return logits, torch.stack([some.mT @ some for some in few])


def _forward(
    parent: FeedForward, layers: WeightsAndBiases, kept: Array | None, view: View
) -> tuple[list[Tensor], Tensor]:
    """Embeddings of each hidden layer, (images, width), and outputs, (images, classes)."""
    weights, biases = layers
    if kept is None:
        hidden = parent.activate(torch.addmm(biases[0], view.images, weights[0].T))
    else:
        # Kept neurons of the first layer are the parent's own: shared by all candidates.
        rows = torch.from_numpy(kept).to(view.hidden.device)
        hidden = view.hidden.index_select(0, rows).T
    embeddings = [hidden]
    for weight, bias in zip(weights[1:-1], biases[1:-1], strict=True):
        hidden = parent.activate(torch.addmm(bias, hidden, weight.T))
        embeddings.append(hidden)
    return embeddings, torch.addmm(biases[-1], hidden, weights[-1].T)
