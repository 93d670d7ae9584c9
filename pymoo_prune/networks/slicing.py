"""Copies of layers and tensors with some of their channels."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase
from torch.nn.modules.conv import _ConvNd, _ConvTransposeNd

from pymoo_prune.errors import PruneError
from pymoo_prune.networks.rounding import GRID
from pymoo_prune.networks.tracing import SLICED_LAYERS

Places: TypeAlias = Sequence[int] | NDArray[Any] | Tensor
"""Indices of channels."""

PER_CHANNEL = (_NormBase, nn.GroupNorm, nn.PReLU)
"""Layers with some numbers for each channel, and no more."""
RESIZABLE = (*SLICED_LAYERS, *PER_CHANNEL, nn.Embedding)
"""Layers of which a network may have smaller ones."""


def narrowed(layer: nn.Module, tensors: Mapping[str, Tensor], groups: int = 1) -> nn.Module:
    """A copy of a layer with other parameters and buffers, and with their widths.

    Args:
        layer: One of `RESIZABLE`; it is not changed.
        tensors: The new parameters and buffers, by name.
        groups: Of a convolution or a group norm.
    """
    module: Any = layer
    # A deep copy takes the new tensors from here instead of copying the old ones.
    instead: dict[int, Any] = {}
    for name, tensor in tensors.items():
        old = getattr(module, name)
        instead[id(old)] = (
            nn.Parameter(tensor, requires_grad=old.requires_grad)
            if isinstance(old, nn.Parameter)
            else tensor
        )
    small: Any = copy.deepcopy(module, instead)
    if isinstance(layer, nn.Linear):
        small.out_features, small.in_features = tensors["weight"].shape
    elif isinstance(layer, nn.Embedding):
        small.embedding_dim = tensors["weight"].shape[1]
    elif isinstance(layer, _ConvNd):
        small.out_channels, small.groups = len(tensors["weight"]), groups
        small.in_channels = tensors["weight"].shape[1] * groups
    return small  # type: ignore[no-any-return]


def sliced(layer: nn.Module, inputs: Places | None, outputs: Places) -> nn.Module:
    """A copy of a layer with some of its channels.

    Args:
        layer: One of `RESIZABLE`.
        inputs: The input channels that stay; None for layers with numbers for each channel, and for
            convolutions with one filter for each channel. Groups lose the same channels, or go.
        outputs: The output channels that stay.
    """
    axis = 1 if isinstance(layer, nn.Embedding) else 0
    # A slope of a PReLU may serve all channels.
    tensors = {
        name: value.detach().index_select(axis, _places(outputs, value))
        for name, value in (*layer.named_parameters(), *layer.named_buffers())
        if value.ndim > axis
        and name != GRID
        and not (isinstance(layer, nn.PReLU) and len(value) == 1)
    }
    module: Any = layer
    groups = getattr(module, "groups", 1)
    if isinstance(layer, _ConvNd) and groups > 1:
        return _in_groups(module, tensors, inputs, outputs)
    if inputs is not None and not isinstance(layer, nn.Embedding):
        weight = tensors["weight"]
        tensors["weight"] = weight.index_select(1, _places(inputs, weight))
    return _counted(narrowed(layer, tensors), layer, len(outputs))


def _counted(small: Any, layer: Any, channels: int) -> nn.Module:
    """A smaller layer of those with numbers for each channel, with the right numbers of them."""
    if isinstance(layer, _NormBase):  # it may have no tensors at all
        small.num_features = channels
    elif isinstance(layer, nn.GroupNorm):
        small.num_channels = channels
        small.num_groups = channels * layer.num_groups // layer.num_channels
    elif isinstance(layer, nn.PReLU):
        small.num_parameters = len(small.weight)
    return small  # type: ignore[no-any-return]


def _in_groups(
    layer: Any, tensors: dict[str, Tensor], inputs: Places | None, outputs: Places
) -> nn.Module:
    """A convolution of which whole groups stay, or the same channels of every group."""
    each = layer.in_channels // layer.groups
    if inputs is None:  # a group has one place in the inputs for each place in the outputs
        left = torch.as_tensor(outputs) // (layer.out_channels // layer.groups)
        return narrowed(layer, tensors, len(left.unique()))
    places = _places(inputs, tensors["weight"])
    there = (places // each).unique()
    kept = places[places // each == there[0]] % each
    tensors["weight"] = tensors["weight"].index_select(1, kept)
    return narrowed(layer, tensors, len(there))


def _places(places: Places, like: Tensor) -> Tensor:
    return torch.as_tensor(places, device=like.device, dtype=torch.int64)


def part_of(tensor: Tensor, axis: int, places: Places) -> Tensor:
    """A copy of a tensor with some places of an axis; parameters stay parameters."""
    part = tensor.detach().index_select(axis, _places(places, tensor))
    if isinstance(tensor, nn.Parameter):
        return nn.Parameter(part, requires_grad=tensor.requires_grad)
    return part


def widths_of(layer: nn.Module, whole: nn.Module) -> list[int]:
    """The channels of a layer: [inputs, outputs], or of a norm [channels].

    A convolution made from one with groups, of more than one channel each, has their number as
    well.

    Args:
        layer: The layer.
        whole: The parent's layer that it was made from.
    """
    module: Any = layer
    if isinstance(layer, _NormBase):
        return [module.num_features]
    if isinstance(layer, nn.GroupNorm):
        return [module.num_channels]
    if isinstance(layer, nn.PReLU):
        return [module.num_parameters]
    if isinstance(layer, nn.Embedding):
        return [module.num_embeddings, module.embedding_dim]
    if isinstance(layer, nn.Linear):
        return [module.in_features, module.out_features]
    widths = [module.in_channels, module.out_channels]
    return [*widths, module.groups] if _is_grouped(whole) else widths


def _is_grouped(layer: Any) -> bool:
    """Whether a convolution has groups, and is not depthwise."""
    return layer.groups > 1 and not layer.groups == layer.in_channels == layer.out_channels


def of_widths(name: str, layer: nn.Module | None, widths: Sequence[int]) -> nn.Module:
    """A copy of a layer with these widths, see `widths_of`, and some of its weights.

    A transposed convolution stays whole.
    """
    if not isinstance(layer, RESIZABLE):
        msg = f"the parent has no layer {name!r} with channels of its own"
        raise PruneError(msg)
    whole, stays = widths_of(layer, layer), isinstance(layer, _ConvTransposeNd)
    if len(widths) != len(whole) or any(
        not (there if stays else 1) <= wanted <= there
        for wanted, there in zip(widths, whole, strict=True)
    ):
        msg = f"layer {name!r} has channels {whole}, and cannot have {widths}"
        raise PruneError(msg)
    if stays:
        return copy.deepcopy(layer)
    if len(widths) == 3:
        inputs, outputs, groups = widths
        tensors = {key: value.detach()[:outputs] for key, value in layer.named_parameters()}
        tensors["weight"] = tensors["weight"][:, : inputs // groups]
        return narrowed(layer, tensors, groups)
    own = isinstance(layer, PER_CHANNEL) or getattr(layer, "groups", 1) > 1
    return sliced(layer, None if own else range(widths[0]), range(widths[-1]))
