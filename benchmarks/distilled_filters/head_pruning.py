"""torch-pruning's way with transformers: whole heads, hidden units, and the width if asked for."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from pymoo_prune import Split
from pymoo_prune.measuring import count_macs, goodness
from pymoo_prune.networks import Attention
from pymoo_prune_problems import DistilledFilters

RATIOS = tuple(ratio / 25 for ratio in range(1, 25))
KINDS = ("magnitude", "Taylor")
VARIANTS = tuple(product(KINDS, (False, True)))
"""Kinds of importance, and whether the width of the patches is pruned too."""
BATCH = 256


def pruned(
    whole: nn.Module,
    ratio: float,
    image: Tensor,
    gradients: Mapping[str, Tensor] | None = None,
    *,
    width: bool,
) -> nn.Module:
    """A network without a share of its heads and hidden units, the same in all blocks.

    Args:
        whole: A vision transformer of ours; it is not changed.
        ratio: The share that goes; each attention keeps a head.
        image: One image, (1, channels, height, width), to trace the network with.
        gradients: Those of its parameters, for "Taylor"; None ranks by magnitude.
        width: Whether the width of the patches is pruned as well.
    """
    import torch_pruning  # noqa: PLC0415 - of the development extra, and slow to import

    network: Any = copy.deepcopy(whole).eval().requires_grad_()
    attention = [module for module in network.modules() if isinstance(module, Attention)]
    ignored = [network.classifier]
    if not width:
        ignored += [network.embed, *(module.out for module in attention)]
        ignored += [block.second for block in network.blocks]
    importance = torch_pruning.importance.GroupMagnitudeImportance(p=2)
    if gradients is not None:
        importance = torch_pruning.importance.GroupTaylorImportance()
        for name, parameter in network.named_parameters():
            parameter.grad = gradients[name].clone()
    most = min(1 - 1 / module.num_heads for module in attention)
    with warnings.catch_warnings(), torch.enable_grad():
        warnings.simplefilter("ignore")
        pruner = torch_pruning.pruner.BasePruner(
            network,
            image,
            importance=importance,
            pruning_ratio=ratio,
            head_pruning_ratio=min(ratio, most),
            ignored_layers=ignored,
            num_heads={
                layer: module.num_heads
                for module in attention
                for layer in (module.query, module.key, module.value)
            },
            prune_num_heads=True,
            prune_head_dims=False,
            unwrapped_parameters=[(network.places, 2)],
            in_channel_groups={},  # its defaults are shared by all pruners
            out_channel_groups={},
        )
        for group in pruner.step(interactive=True):
            group.prune()
    for module in attention:
        module.num_heads = pruner.num_heads[module.query]
    network.zero_grad(set_to_none=True)
    return network.eval()  # type: ignore[no-any-return]


def gradients_of(whole: nn.Module, split: Split) -> dict[str, Tensor]:
    """The gradients of a network's parameters, of the mean loss on some images."""
    network = copy.deepcopy(whole).eval().requires_grad_()
    with torch.enable_grad():
        for images, labels in zip(
            split.images.split(BATCH), split.known_labels.split(BATCH), strict=True
        ):
            loss = functional.cross_entropy(network(images), labels, reduction="sum")
            (loss / len(split)).backward()
    return {
        name: value.grad for name, value in network.named_parameters() if value.grad is not None
    }


def best_of_variants(where: DistilledFilters, sizes: Sequence[float]) -> list[nn.Module]:
    """At each size the best of four networks on the search images, after the search's recovery.

    Args:
        where: The problem; its parent is pruned.
        sizes: Numbers of MACs; each variant gives the network that is nearest, as a ratio.
    """
    found = gradients_of(where.parent, where.recovery_split)
    families = [
        list(_family(where, found if kind == "Taylor" else None, width)) for kind, width in VARIANTS
    ]
    best = []
    for size in sizes:
        nearest = [min(family, key=lambda one: abs(one[0] / size - 1))[1] for family in families]
        networks = [_recovered(where, network) for network in nearest]
        good = goodness(networks, where.parent, where.search_images)
        best.append(networks[good.index(max(good))])
    return best


def _family(
    where: DistilledFilters, gradients: Mapping[str, Tensor] | None, width: bool
) -> Iterator[tuple[int, nn.Module]]:
    """MACs and networks, from large to small."""
    image = where.recovery_split.images[:1]
    for ratio in RATIOS:
        network = pruned(where.parent, ratio, image, gradients, width=width)
        yield count_macs(network, where.data_set.shape), network


def _recovered(where: DistilledFilters, network: nn.Module) -> nn.Module:
    """As many steps of distillation as the search's candidates have; a refit is not its own."""
    images = where.recovery.steps * where.LEARNING.batch_size
    return where.distillation.distilled(
        network, images=images, recipe=where.LEARNING, seed=where.seed
    )
