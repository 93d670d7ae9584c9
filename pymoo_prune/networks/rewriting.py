"""Sizes that a network's code writes out, rewritten for fewer channels.

A network's code may say `x.view(n, 3, heads, width)`, `x.chunk(2, dim=1)` or `x[:, :16]`. A small
network has other numbers there. A rewriting is a list, as JSON keeps it; see `rewrite`.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import torch
from torch import fx

from pymoo_prune.errors import PruneError

Rewriting: TypeAlias = Sequence[Any]
Rewritings: TypeAlias = Mapping[str, Rewriting]
"""By the name of a node."""


def rewrite(graph: fx.Graph, rewritings: Rewritings) -> None:
    """Changes nodes of a graph; nodes that the graph no longer has are passed over.

    Args:
        graph: It is changed.
        rewritings: By node: ["sizes", [[place, n], ...]] writes n in place of sizes; ["split",
            axis, sizes] makes parts of these sizes; ["pad", sizes] adds zeros; ["choose", axis,
            places, axes] takes these places of an axis, of so many axes; ["heads", n] is for
            attention.
    """
    for node in graph.nodes:
        if node.name in rewritings:
            kind, *values = rewritings[node.name]
            if kind not in _KINDS:
                known = ", ".join(_KINDS)
                msg = f"node {node.name!r} cannot be rewritten by {kind!r}; known are {known}"
                raise PruneError(msg)
            _KINDS[kind](node, *values)


def _resize(node: fx.Node, written: Sequence[Sequence[int]]) -> None:
    args: list[Any] = list(node.args)
    kwargs: dict[str, Any] = dict(node.kwargs)
    first = sizes_at(node)
    named = [name for name in ("shape", "size", "sizes") if name in kwargs]
    for place, size in written:
        if named:
            kwargs[named[0]] = _replaced(kwargs[named[0]], place, size)
        elif isinstance(args[first], (list, tuple)):
            args[first] = _replaced(args[first], place, size)
        else:
            args[first + place] = size
    node.args, node.kwargs = tuple(args), kwargs


def sizes_at(node: fx.Node) -> int:
    """The place of the first size in a node's arguments."""
    if node.target == "unflatten" or node.target is torch.unflatten:
        return 2
    factory = node.op == "call_function" and node.target in (torch.zeros, torch.ones)
    return 0 if factory else 1


def _replaced(sizes: Sequence[Any], place: int, size: int) -> list[Any]:
    found = list(sizes)
    found[place] = size
    return found


def _split(node: fx.Node, axis: int, sizes: Sequence[int]) -> None:
    source = node.args[0] if node.args else node.kwargs["input"]
    node.target = "split" if node.op == "call_method" else torch.split
    node.args, node.kwargs = (source, list(sizes)), {"dim": axis}


def _pad(node: fx.Node, sizes: Sequence[int]) -> None:
    source = node.args[0] if node.args else node.kwargs["input"]
    more = {name: value for name, value in node.kwargs.items() if name not in ("input", "pad")}
    node.args, node.kwargs = (source, list(sizes), *node.args[2:]), more


def _choose(node: fx.Node, axis: int, places: Sequence[int], ndim: int) -> None:
    """Takes places of one axis; what the index says of other axes stays."""
    chosen: Any = list(places)
    start = min(chosen, default=0)
    if chosen == list(range(start, start + len(chosen))):
        chosen = slice(start, start + len(chosen))
    if node.target is operator.getitem:
        index: Any = node.args[1]
        found = list(index) if isinstance(index, tuple) else [index]
        found[index_of(found, axis, ndim)] = chosen
        node.args = (node.args[0], tuple(found))
        return
    node.op, node.target = "call_function", operator.getitem  # it was narrow()
    node.args, node.kwargs = (node.args[0], (*[slice(None)] * axis, chosen)), {}


def index_of(index: Sequence[Any], axis: int, ndim: int) -> int:
    """The place in an index that is for an axis of its source, which has `ndim` axes."""
    named = [place for place, part in enumerate(index) if part is not None and part is not Ellipsis]
    dots = next((place for place, part in enumerate(index) if part is Ellipsis), len(index))
    before = sum(place < dots for place in named)
    # What stands behind an ellipsis is for the last axes.
    return named[axis] if axis < before else named[axis - ndim]


def _attend(node: fx.Node, heads: int) -> None:
    node.args = (*node.args[:3], heads, *node.args[4:])


_KINDS: Mapping[str, Callable[..., None]] = {
    "sizes": _resize, "split": _split, "pad": _pad, "choose": _choose, "heads": _attend,
}  # fmt: skip
