"""Checks that a small network gives what the whole network gives with its channels masked."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, fx, nn

from pymoo_prune.chromosomes import Array
from pymoo_prune.errors import PruneError
from pymoo_prune.networks import JOINS, SlimNetwork, evaluating, join_axis, operands, parts
from pymoo_prune.pruning.liveness import Liveness


@dataclass(frozen=True)
class Comparison:
    """How networks are compared.

    Attributes:
        dtype: The type that they compute in.
        tolerance: The largest difference between two of them, relative to their outputs.
    """

    dtype: torch.dtype
    tolerance: float

    def of(self, network: nn.Module) -> nn.Module:
        """A copy of a network in this type, in evaluation mode."""
        return copy.deepcopy(network).to(self.dtype).eval()

    def alike(self, expected: Tensor, found: Tensor) -> bool:
        """Whether two results are the same, up to the tolerance."""
        if expected.shape != found.shape:
            return False
        scale = max(1.0, float(expected.abs().max()))
        return float((expected - found).abs_().max()) <= self.tolerance * scale  # NaN is not


EXACT = Comparison(torch.float64, 1e-9)
OWN_TOLERANCE = 1e-4
"""The tolerance where networks are compared in the type that they have."""

LAST = (nn.Linear, nn.Embedding)
"""Layers whose channels are the last axis of what they give; of others they are the second."""


class MaskedNetwork(fx.Interpreter):
    """The whole network, with zeros wherever a channel is gone.

    It is in evaluation mode.

    Args:
        whole: The whole network; it is copied.
        liveness: Tells which layers and channels live.
        x: One chromosome.
        comparison: How it will be compared: the type that it computes in.
    """

    def __init__(
        self, whole: nn.Module, liveness: Liveness, x: Array, comparison: Comparison
    ) -> None:
        flow = liveness.flow
        network = comparison.of(whole)
        super().__init__(fx.GraphModule(parts(network, flow.graph), flow.graph))
        self.extra_traceback = False
        self.comparison = comparison
        self.layers, self.channels = flow.layers, flow.channels
        self.alive = torch.from_numpy(liveness.alive(x))
        dead = ~liveness.genes.pieces(x)
        self.dropped = [p.branch for p, gone in zip(flow.pieces, dead, strict=True) if gone]
        self.noted: dict[str, Tensor] = {}
        self._watched = {layer.node for layer in flow.layers}

    def outputs(self, images: Tensor) -> dict[str, Tensor]:
        """Runs the network, and returns its outputs and those of each layer's node by name."""
        self.noted["output"] = self.run(images.to(self.comparison.dtype))
        return self.noted

    def run_node(self, n: fx.Node) -> Any:
        """Runs a node, with zeros where channels are gone."""
        gone = [place for name, place in self.dropped if name == n.name]
        result = self._without(n, gone) if gone else super().run_node(n)
        if isinstance(result, Tensor) and n.name in self.channels:
            mask = self.mask(n.name).to(result.device)
            # A product would leave NaN, as from 0 / 0, in dead channels.
            if not mask.all():
                result = result.where(mask, 0)
            if n.name in self._watched:
                self.noted[n.name] = result.clone()  # later nodes may overwrite it
        return result

    def mask(self, node: str) -> Tensor:
        """Where a node's result lives; it has length 1 along axes where all is alike."""
        return self.alive[self.channels[node]]

    def _without(self, node: fx.Node, gone: Sequence[int]) -> Tensor:
        """A sum or a concatenation in which some operands are zeros."""
        found = [
            torch.zeros_like(self.env[part]) if place in gone else self.env[part]
            for place, part in enumerate(operands(node))
        ]
        if node.target in JOINS:
            return torch.cat(found, dim=join_axis(node, found[0].ndim))
        return found[0] + found[1]


class _Double(fx.Interpreter):
    """Runs a network in double precision, and notes whether its code leaves double precision."""

    casts = False

    def run_node(self, n: fx.Node) -> Any:
        result = super().run_node(n)
        if isinstance(result, Tensor) and result.is_floating_point() and not _is_double(result):
            self.casts |= any(_is_double(self.env[one]) for one in n.all_input_nodes)
        return result


def _is_double(result: Any) -> bool:
    return isinstance(result, Tensor) and result.dtype == torch.float64


def comparison_for(whole: nn.Module, graph: fx.Graph, images: Tensor) -> Comparison:
    """How a network is compared: in double precision, or else in its own type.

    A network whose code names a type, as `x.float()` does, cannot be run in double precision, or
    gives results that are no more exact.

    Args:
        whole: The network.
        graph: Its graph.
        images: (n, channels, height, width), float64.
    """
    own = Comparison(next(whole.parameters()).dtype, OWN_TOLERANCE)
    double = _Double(fx.GraphModule(parts(EXACT.of(whole), graph), graph))
    double.extra_traceback = False
    try:
        with torch.no_grad():
            double.run(images.clone())
    except RuntimeError:  # types do not fit together
        return own
    return own if double.casts else EXACT


def check_graph(whole: nn.Module, graph: fx.Graph, images: Tensor, comparison: Comparison) -> None:
    """Refuses a network whose graph gives something else than the network.

    Args:
        whole: The network.
        graph: Its graph.
        images: (n, channels, height, width).
        comparison: How they are compared.
    """
    network, images = comparison.of(whole), images.to(comparison.dtype)
    with torch.no_grad():
        found = fx.GraphModule(parts(network, graph), graph)(images.clone())
        if not comparison.alike(network(images.clone()), found):
            msg = (
                "filters of this network cannot be pruned: its graph, as torch.fx traces it, gives "
                "something else, perhaps because the network overwrites a tensor (x += y) that it "
                "reads again"
            )
            raise PruneError(msg)


def check_small(small: SlimNetwork, masked: MaskedNetwork, images: Tensor) -> None:
    """Refuses a network whose small form gives something else than its masked form.

    Args:
        small: The small form; it is changed.
        masked: The masked form.
        images: (n, channels, height, width).
    """
    noted: dict[str, Tensor] = {}
    comparison = masked.comparison
    small, images = small.to(comparison.dtype), images.to(comparison.dtype)
    for name in (layer.name for layer in masked.layers if layer.name in small.widths):
        small.network.get_submodule(name).register_forward_hook(
            lambda _module, _inputs, output, name=name: noted.update({name: output.clone()})
        )
    with evaluating(small), torch.no_grad():
        wanted = masked.outputs(images)
        try:
            outputs = small(images.clone())
        except (RuntimeError, ValueError, IndexError, TypeError) as error:
            msg = f"the network with fewer filters cannot be run: {error}"
            raise PruneError(msg) from error
    for layer in masked.layers:
        if layer.name in noted:
            module = small.network.get_submodule(layer.name)
            axis = wanted[layer.node].ndim - 1 if isinstance(module, LAST) else 1
            if len(layer.outputs) != wanted[layer.node].shape[axis]:
                continue  # one number for all channels
            there = masked.alive[layer.outputs].nonzero().flatten()
            left = wanted[layer.node].index_select(axis, there.to(images.device))
            _compare(comparison, f"layer {layer.name!r}", left, noted[layer.name])
    _compare(comparison, "the network", wanted["output"], outputs)


def _compare(comparison: Comparison, what: str, expected: Tensor, found: Tensor) -> None:
    """Refuses a small network if one of its parts gives something else than expected."""
    if not comparison.alike(expected, found):
        msg = (
            f"filters of this network cannot be pruned: without them, {what} does not give what "
            "it gives when they are masked"
        )
        raise PruneError(msg)
