"""Copies of users' networks, which may be wrapped, and whose weights must be plain tensors."""

from __future__ import annotations

import copy
from collections.abc import Mapping

from torch import nn
from torch.nn.utils.parametrize import is_parametrized
from torch.nn.utils.prune import BasePruningMethod
from torch.nn.utils.spectral_norm import SpectralNorm
from torch.nn.utils.weight_norm import WeightNorm

from pymoo_prune.errors import PruneError

REMEDIES: Mapping[type, str] = {
    BasePruningMethod: "torch.nn.utils.prune.remove(layer, 'weight')",
    WeightNorm: "torch.nn.utils.remove_weight_norm(layer)",
    SpectralNorm: "torch.nn.utils.remove_spectral_norm(layer)",
}
"""What makes plain weights of those that a hook computes, by the hook's class."""


def copied(network: nn.Module) -> nn.Module:
    """A copy of a user's network, without a wrapper that makes it faster.

    Args:
        network: The network, also one of `torch.compile` or in a `DataParallel`.

    Raises:
        PruneError: A layer computes its weights from others at each call: weights that are gone
            would come back.
    """
    while (bare := _without_wrapper(network)) is not None:
        network = bare
    for name, layer in network.named_modules():
        if is_parametrized(layer):
            names = ", ".join(map(repr, getattr(layer, "parametrizations", {})))
            remedy = f"torch.nn.utils.parametrize.remove_parametrizations(layer, {names})"
            raise PruneError(_computed(name, "a parametrization", remedy))
        for hook in layer._forward_pre_hooks.values():  # noqa: SLF001 - torch has no other name
            for kind, remedy in REMEDIES.items():
                if isinstance(hook, kind):
                    raise PruneError(_computed(name, type(hook).__name__, remedy))
    return copy.deepcopy(network)


def _computed(layer: str, by: str, remedy: str) -> str:
    return (
        f"layer {layer!r} computes its weights from others ({by}): make plain weights of them "
        f"first, with {remedy}"
    )


def _without_wrapper(network: nn.Module) -> nn.Module | None:
    """The network in a wrapper; None where there is no wrapper."""
    if isinstance(network, (nn.DataParallel, nn.parallel.DistributedDataParallel)):
        network = network.module
        return network if isinstance(network, nn.Module) else None
    compiled = network.__dict__.get("_modules", {}).get("_orig_mod")
    return compiled if isinstance(compiled, nn.Module) else None
