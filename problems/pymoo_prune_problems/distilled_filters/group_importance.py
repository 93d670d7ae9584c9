"""Filters that torch-pruning would remove: its group importances, ranked over the whole network.

torch-pruning is optional. It scores channels and finds which of them go together; the networks are
built here, so that they get the same recovery as a search's candidates.

Gongfan Fang, Xinyin Ma, Mingli Song, Michael Bi Mi and Xinchao Wang. "DepGraph: Towards Any
Structural Pruning". CVPR 2023.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from torch import nn

from pymoo_prune.chromosomes import Array, Booleans, FilterGenes, Integers
from pymoo_prune.data import Split
from pymoo_prune.errors import PruneError
from pymoo_prune.objectives import Values
from pymoo_prune.pruning import PrunableFilters

BATCH = 256
"""Images at once, for the gradients."""

Kind = Literal["magnitude", "Taylor"]
"""Group importance by the squares of weights, or by weights times their gradients."""


@dataclass(frozen=True)
class GroupImportances:
    """Importances of a network's filters, group by group of torch-pruning.

    Attributes:
        genes: The network's genes.
        labels: For each group, the genes of its channels, (channels,).
        scores: For each group, the importance of each channel, (channels,).
    """

    genes: FilterGenes
    labels: Sequence[Integers]
    scores: Sequence[Values]

    def strengths(self, others: Values) -> Values:
        """The importance of each channel, and for genes without one what is given, (n_var,)."""
        found = np.array(others)
        for labels, scores in zip(self.labels, self.scores, strict=True):
            found[labels] = scores
        return found

    def kept(self, ratios: Values) -> Booleans:
        """The filters that global pruning leaves, (n, n_filters).

        They are those that torch-pruning leaves, but where it would not touch a group because all
        of its channels would go, the most important channel stays.

        Args:
            ratios: Shares of all channels that go, (n,).
        """
        kept = np.ones((len(ratios), self.genes.n_filters), dtype=bool)
        ranked = np.sort(np.concatenate(self.scores))
        gone = len(ranked) - (len(ranked) * (1 - ratios)).astype(int)
        limits = np.append(-np.inf, ranked)[gone]
        for labels, scores in zip(self.labels, self.scores, strict=True):
            stays = scores > limits[:, None]
            stays[:, scores.argmax()] = True
            kept[:, labels] = stays
        return kept


def group_importances(filters: PrunableFilters, kind: Kind, split: Split) -> GroupImportances:
    """Importances by torch-pruning, for global pruning.

    Args:
        filters: The network's filters.
        kind: The importance.
        split: Images and labels for gradients; one image is enough for "magnitude".

    Raises:
        PruneError: torch-pruning is not installed, or cannot take the network.
    """
    if kind == "Taylor" and split.labels is None:
        msg = "its gradients need labels, and the images have none"
        raise PruneError(msg)
    try:
        import torch_pruning  # noqa: PLC0415 - optional, and slow to import
    except ImportError as error:
        msg = "it is not here; pip install 'pymoo-prune[torch-pruning]'"
        raise PruneError(msg) from error
    try:
        scored = _scored(torch_pruning, filters, kind, split)
    except Exception as error:  # it may fail in any way on a network that it does not know
        msg = f"it cannot take this network ({type(error).__name__}: {error})"
        raise PruneError(" ".join(msg.split())) from error
    outputs = {layer.name: layer.outputs for layer in filters.flow.layers}
    found = _by_label([(outputs[name], scores) for name, scores in scored])
    return GroupImportances(filters.genes, [labels for labels, _ in found], [s for _, s in found])


def _by_label(scored: Sequence[tuple[Integers, Array]]) -> list[tuple[Integers, Array]]:
    """One importance for each label of each group: the mean over the channels of a head.

    Where torch-pruning has several groups of the same labels, as for queries and values, they add
    up. Channels that no gene can remove are left out.
    """
    groups: dict[tuple[int, ...], Array] = {}
    for labels, scores in scored:
        if len(labels) != len(scores):
            raise PruneError(_OTHERS)
        if not np.isfinite(scores).all():
            msg = "its importances are not finite"
            raise PruneError(msg)
        own, places, counts = np.unique(
            labels[labels >= 0], return_inverse=True, return_counts=True
        )
        if not len(own):
            continue
        # The channels of a head lie side by side; otherwise channels go together as sums have it.
        if counts.max() > 1 and (np.diff(places) < 0).any():
            raise PruneError(_OTHERS)
        sums = np.bincount(places, weights=scores[labels >= 0])
        key = tuple(own.tolist())
        groups[key] = groups.get(key, np.zeros(len(own))) + sums / counts
    if not groups:
        msg = "it finds no channels that it could remove"
        raise PruneError(msg)
    every = [label for labels in groups for label in labels]
    if len(set(every)) < len(every):
        raise PruneError(_OTHERS)
    return [(np.array(labels), scores) for labels, scores in groups.items()]


_OTHERS = "it puts other channels together than those that must go together here"


def _scored(
    package: Any, filters: PrunableFilters, kind: Kind, split: Split
) -> list[tuple[str, Array]]:
    """The first layer of each group that is ranked, and the importances of its channels."""
    network = copy.deepcopy(filters.whole).eval().requires_grad_()
    names = {module: name for name, module in network.named_modules()}
    importances = package.importance
    importance = importances.GroupMagnitudeImportance(p=2)
    if kind == "Taylor":
        importance = importances.GroupTaylorImportance()
        _add_gradients(network, split)
    found: list[tuple[str, Array]] = []

    def noted(group: Any) -> Any:
        scores = importance(group)
        if scores is not None:
            found.append((names[group[0].dep.target.module], scores.cpu().numpy()))
        return scores

    last = [layer.name for layer in filters.flow.layers if layer.taps and layer.outputs.max() < 0]
    with warnings.catch_warnings(), torch.enable_grad():
        warnings.simplefilter("ignore")
        pruner = package.pruner.BasePruner(
            network,
            split.images[:1],
            importance=noted,
            global_pruning=True,
            pruning_ratio=0.5,
            ignored_layers=[network.get_submodule(name) for name in last],
        )
        # It scores all groups before it gives the first; nothing is removed here.
        next(pruner.step(interactive=True), None)
    return found


def _add_gradients(network: nn.Module, split: Split) -> None:
    with torch.enable_grad():
        for images, labels in zip(
            split.images.split(BATCH), split.known_labels.split(BATCH), strict=True
        ):
            loss = split.task.loss(network(images), labels)
            (loss * (len(images) / len(split))).backward()
