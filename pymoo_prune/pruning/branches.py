"""Branches that can be dropped whole: operands of sums and of concatenations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import fx, nn

from pymoo_prune.networks import JOINS, Branch, join_axis, operands, overwrites
from pymoo_prune.pruning.channel_labels import ALWAYS, ChannelLayer, varying


@dataclass(frozen=True)
class Piece:
    """A branch that can be dropped whole: without it the network still computes its outputs.

    Attributes:
        name: A name for reports.
        branch: The operand that goes.
        nodes: The nodes that only this branch needs, by name.
        residual: Whether it is added to something; otherwise it is concatenated.
    """

    name: str
    branch: Branch
    nodes: frozenset[str]
    residual: bool


class BranchSearch:
    """Finds the branches of a network that can be dropped.

    Args:
        network: The network.
        graph: Its graph.
        layers: Its layers, with their final labels.
        channels: The map of what each node gives, by the node's name.
        sizes: Its shape, likewise.
    """

    def __init__(
        self,
        network: nn.Module,
        graph: fx.Graph,
        layers: Sequence[ChannelLayer],
        channels: Mapping[str, Any],
        sizes: Mapping[str, Any],
    ) -> None:
        self.network, self.graph = network, graph
        self.layers, self.channels, self.sizes = layers, channels, sizes

    def run(self) -> tuple[list[Piece], list[tuple[int, ...]]]:
        """Searches the graph.

        Returns:
            The pieces, and sets of pieces of which one must stay.
        """
        pieces: list[Piece] = []
        alternatives: list[tuple[int, ...]] = []
        for node in self.graph.nodes:
            parts = operands(node)
            if len(parts) < 2:
                continue
            joins = node.target in JOINS
            if joins and varying(self.channels[node.name]) != [
                join_axis(node, len(self.sizes[node.name]))
            ]:
                continue  # what lies side by side there are no channels
            branches = [
                self._branch(node, place, residual=not joins) for place in range(len(parts))
            ]
            known = [piece for piece in branches if piece is not None]
            if joins:
                first = len(pieces)
                pieces += known
                if len(known) == len(parts):
                    alternatives.append(tuple(range(first, len(pieces))))
            elif known:  # the longer operand; the other one is a shortcut
                pieces.append(max(known, key=lambda piece: len(piece.nodes)))
        return pieces, alternatives

    def _branch(self, node: fx.Node, place: int, *, residual: bool) -> Piece | None:
        """An operand that can go, if it has layers of its own."""
        if residual and self.sizes[operands(node)[1 - place].name] != self.sizes[node.name]:
            return None  # without it, the rest would be smaller
        nodes = self._needed_only_by(node, place)
        if any(one.op == "placeholder" and one.name in nodes for one in self.graph.nodes):
            return None  # without it, nothing would depend on the images
        own = [layer for layer in self.layers if layer.node in nodes]
        if all(layer.inputs is None for layer in own) or self._changes_others(nodes):
            return None
        if not residual and not self._owns_channels(operands(node)[place], nodes):
            return None
        return Piece(_common_path(own), (node.name, place), nodes, residual)

    def _owns_channels(self, operand: fx.Node, nodes: frozenset[str]) -> bool:
        """Whether a branch can take its channels with it: no layer outside of it gives them."""
        labels = self.channels[operand.name].unique()
        outside = [layer for layer in self.layers if layer.node not in nodes]
        shared = {
            label
            for layer in outside
            if layer.inputs is not None
            for label in layer.outputs.tolist()
        }
        return not (ALWAYS in labels or shared & set(labels.tolist()))

    def _changes_others(self, nodes: frozenset[str]) -> bool:
        """Whether nodes overwrite what other nodes may read: without them it would differ."""
        return any(
            overwrites(node, self.network) and node.all_input_nodes[0].name not in nodes
            for node in self.graph.nodes
            if node.name in nodes
        )

    def _needed_only_by(self, node: fx.Node, place: int) -> frozenset[str]:
        """The nodes from which every path to the output goes through this operand."""
        needed: set[str] = set()
        waiting = [last for last in self.graph.nodes if last.op == "output"]
        while waiting:
            current = waiting.pop()
            if current.name in needed:
                continue
            needed.add(current.name)
            if current is node:
                parts = operands(node)
                waiting += [part for k, part in enumerate(parts) if k != place]
            else:
                waiting += current.all_input_nodes
        return frozenset(n.name for n in self.graph.nodes if n.name not in needed)


def _common_path(layers: Sequence[ChannelLayer]) -> str:
    """The path that the layers of a branch share, or the first layer's."""
    paths = [layer.name.split(".") for layer in layers]
    shared = []
    for parts in zip(*paths, strict=False):
        if len(set(parts)) > 1:
            break
        shared.append(parts[0])
    first = next(layer for layer in layers if layer.inputs is not None)
    return ".".join(shared) or first.name
