"""Widths that hardware likes: groups of filters keep multiples of a number, by kind of layer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import lcm
from numbers import Integral

from torch.nn.modules.conv import _ConvNd

from pymoo_prune.errors import PruneError, unknown_name
from pymoo_prune.pruning.channel_flow import ChannelFlow
from pymoo_prune.pruning.filter_groups import filter_groups

KINDS = ("convolution", "linear", "attention")
"""Kinds of groups, by the layers that give their filters; a filter of attention is a head."""
CHANNELS = ("convolution", "linear")
"""The kinds that one number for all is for: heads are few, and are no channels."""

MultipleOf = int | Mapping[str, int]
"""A number for convolutions and linear layers, or numbers by kind; a kind without one has 1."""


def check_multiple_of(multiple_of: MultipleOf) -> dict[tuple[str, ...], int]:
    """Checks numbers, as far as that needs no network; returns those above 1, by their kinds.

    Args:
        multiple_of: One number, or numbers by kind.
    """
    given: dict[tuple[str, ...], object] = {CHANNELS: multiple_of}
    if isinstance(multiple_of, Mapping):
        given = {(str(kind),): number for kind, number in multiple_of.items()}
    checked = {}
    for kinds, number in given.items():
        if kinds[0] not in KINDS:
            raise unknown_name("kind of filters in multiple_of", kinds[0], KINDS)
        if isinstance(number, bool) or not isinstance(number, Integral) or int(number) < 1:
            msg = (
                "multiple_of must be a whole number of at least 1, or such numbers by kind "
                f"({', '.join(KINDS)}), but it is {multiple_of!r}"
            )
            raise PruneError(msg)
        if int(number) > 1:
            checked[kinds] = int(number)
    return checked


def group_steps(flow: ChannelFlow, multiple_of: MultipleOf) -> tuple[int, ...]:
    """The step of each group, for `FilterGenes`; none where groups keep any number.

    A group that layers of several kinds give keeps multiples of all their numbers.

    Args:
        flow: The network's labels.
        multiple_of: One number, or numbers by kind.

    Raises:
        PruneError: It is no such number, or so large that all groups of its kinds stay whole.
    """
    numbers = check_multiple_of(multiple_of)
    if not numbers:
        return ()
    groups = filter_groups(flow)
    kinds = [kinds_of(flow, labels) for labels in groups]
    for asked, number in numbers.items():
        own = [labels for labels, some in zip(groups, kinds, strict=True) if some & {*asked}]
        largest = max(own, key=len, default=None)
        if largest is not None and len(largest) <= number:
            layer = flow.layers[flow.givers[largest[0]][0]].name
            what = "" if len(asked) > 1 else f" of kind {asked[0]!r}"
            msg = (
                f"multiple_of{what} must be smaller than the largest group of filters, or all of "
                f"them stay whole; the largest has {len(largest)} ({layer!r}), but it is {number}"
            )
            raise PruneError(msg)
    steps = tuple(
        lcm(*(number for asked, number in numbers.items() if some & {*asked})) for some in kinds
    )
    return steps if max(steps) > 1 else ()


def kinds_of(flow: ChannelFlow, labels: Sequence[int]) -> set[str]:
    """The kinds of a group, by the layers that give its filters.

    Args:
        flow: The network's labels.
        labels: The group's.
    """
    return {kind_of(flow, place, labels[0]) for place in flow.givers[labels[0]]}


def kind_of(flow: ChannelFlow, place: int, label: int) -> str:
    """The kind of filters that a layer gives: heads have several channels of a linear layer.

    Args:
        flow: The network's labels.
        place: The layer's place in them.
        label: A label that it gives.
    """
    layer = flow.layers[place]
    if isinstance(flow.network.get_submodule(layer.name), _ConvNd):
        return "convolution"
    return "attention" if (layer.outputs == label).sum() > 1 else "linear"
