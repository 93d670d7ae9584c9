"""What the nodes of a network's graph are, and what they use."""

from __future__ import annotations

import operator
from collections.abc import Collection
from typing import Any

import torch
from torch import fx, nn

SUMS = (operator.add, torch.add)
JOINS = (torch.cat, torch.concat, torch.concatenate)
CALLS = ("call_function", "call_method")
CONSTANT = "constant"
"""The key of a node's notes that has a tensor of the code's own."""


def parts(network: nn.Module, graph: fx.Graph) -> dict[str, Any]:
    """The modules and tensors that a graph of a network uses, by name."""
    found: dict[str, Any] = {}
    for node in graph.nodes:
        if node.op == "call_module":
            found[str(node.target)] = network.get_submodule(str(node.target))
        elif node.op == "get_attr":
            named = operator.attrgetter(str(node.target))
            found[str(node.target)] = (
                node.meta[CONSTANT] if CONSTANT in node.meta else named(network)
            )
    return found


def overwrites(node: fx.Node, network: nn.Module) -> bool:
    """Whether a node works in place: whether it overwrites its first operand."""
    if node.op == "call_module":
        return bool(getattr(network.get_submodule(str(node.target)), "inplace", False))
    if node.op not in CALLS:
        return False
    # torch.fx records x += y as a plain sum.
    name = call_name(node)
    return (name.endswith("_") and not name.startswith("_")) or bool(node.kwargs.get("inplace"))


def call_name(node: fx.Node) -> str:
    """The name of the function or method that a node calls."""
    return node.target if isinstance(node.target, str) else str(node.target.__name__)


def reshape_views(graph: fx.Graph) -> None:
    """Makes reshapes of views: with channels last in memory, a view may be impossible.

    Views of the same bytes as another type stay.
    """
    for node in graph.nodes:
        if node.op != "call_method" or node.target not in ("view", "view_as"):
            continue
        given = (*node.args[1:], *node.kwargs.values())
        if not any(isinstance(one, torch.dtype) for one in given):
            node.target = node.target.replace("view", "reshape")
            renamed = {"size": "shape"}
            node.kwargs = {renamed.get(name, name): one for name, one in node.kwargs.items()}


def sweep(graph: fx.Graph, kept: Collection[fx.Node] = ()) -> None:
    """Removes the nodes that have no use, except those to keep."""
    for node in reversed(graph.nodes):
        if node.users or node.op in ("placeholder", "output") or node in kept:
            continue
        if node.target is operator.setitem and _is_read(node.args[0]):
            continue
        graph.erase_node(node)


def _is_read(node: Any) -> bool:
    """Whether a tensor is more than written to."""
    return any(user.target is not operator.setitem for user in node.users)


def operands(node: fx.Node) -> list[fx.Node]:
    """The operands of a plain sum or a concatenation; none for other nodes."""
    if node.op not in CALLS:
        return []
    found: Any = []
    if node.target in JOINS:
        found = node.args[0] if node.args else node.kwargs["tensors"]
    elif (node.target in SUMS or node.target == "add") and not node.kwargs:
        found = node.args
    # Parts may be numbers, and all parts of a concatenation may come from a single node.
    known = isinstance(found, (list, tuple)) and all(isinstance(part, fx.Node) for part in found)
    return list(found) if known else []


def join_axis(node: fx.Node, ndim: int) -> int:
    """The axis of a concatenation."""
    axis: Any = node.kwargs.get("dim", node.args[1] if len(node.args) > 1 else 0)
    return int(axis) % ndim
