"""Checks that a small network gives what the whole network gives with its channels masked."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, fx, nn

from pymoo_prune.chromosomes import Array
from pymoo_prune.errors import PruneError
from pymoo_prune.networks import JOINS, SlimNetwork, evaluating, operands
from pymoo_prune.pruning.liveness import Liveness

TOLERANCE = 1e-9
"""The largest difference between small and masked networks, relative to their outputs."""


class MaskedNetwork(fx.Interpreter):
    """The whole network, in double precision, with zeros wherever a channel is gone.

    It is in evaluation mode.

    Args:
        whole: The whole network; it is copied.
        liveness: Tells which layers and channels live.
        x: One chromosome.
    """

    def __init__(self, whole: nn.Module, liveness: Liveness, x: Array) -> None:
        flow = liveness.flow
        network = copy.deepcopy(whole).double().eval()
        super().__init__(fx.GraphModule(network, flow.graph))
        self.extra_traceback = False
        self.layers, self.channels, self.alive = flow.layers, flow.channels, liveness.alive(x)
        dead = ~liveness.genes.pieces(x)
        self.dropped = [p.branch for p, gone in zip(flow.pieces, dead, strict=True) if gone]
        self.noted: dict[str, Tensor] = {}

    def outputs(self, images: Tensor) -> dict[str, Tensor]:
        """Runs the network, and returns the output of each node by name."""
        self.noted["output"] = self.run(images)
        return self.noted

    def run_node(self, n: fx.Node) -> Any:
        """Runs a node, with zeros where channels are gone."""
        gone = [place for name, place in self.dropped if name == n.name]
        result = self._without(n, gone) if gone else super().run_node(n)
        if isinstance(result, Tensor) and n.name in self.channels:
            mask = torch.from_numpy(self.alive[self.channels[n.name]]).to(result.device)
            # A product would leave NaN, as from 0 / 0, in dead channels.
            result = result.where(mask.reshape(1, -1, *[1] * (result.ndim - 2)), 0)
            self.noted[n.name] = result.clone()  # later nodes may overwrite it
        return result

    def _without(self, node: fx.Node, gone: Sequence[int]) -> Tensor:
        """A sum or a concatenation in which some operands are zeros."""
        parts = [
            torch.zeros_like(self.env[part]) if place in gone else self.env[part]
            for place, part in enumerate(operands(node))
        ]
        return torch.cat(parts, dim=1) if node.target in JOINS else parts[0] + parts[1]


def check_graph(whole: nn.Module, graph: fx.Graph, images: Tensor) -> None:
    """Refuses a network whose graph gives something else than the network.

    Args:
        whole: The network.
        graph: Its graph.
        images: (n, channels, height, width), float64.
    """
    network = copy.deepcopy(whole).double().eval()
    with torch.no_grad():
        found = fx.GraphModule(network, graph)(images.clone())
        if not _alike(network(images.clone()), found):
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
        images: (n, channels, height, width), float64.
    """
    noted: dict[str, Tensor] = {}
    small = small.double()
    for name in small.widths:
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
            there = np.flatnonzero(masked.alive[layer.outputs])
            _compare(f"layer {layer.name!r}", wanted[layer.node][:, there], noted[layer.name])
    _compare("the network", wanted["output"], outputs)


def _compare(what: str, expected: Tensor, found: Tensor) -> None:
    """Refuses a small network if one of its parts gives something else than expected."""
    if not _alike(expected, found):
        msg = (
            f"filters of this network cannot be pruned: without them, {what} does not give what "
            "it gives when they are masked"
        )
        raise PruneError(msg)


def _alike(expected: Tensor, found: Tensor) -> bool:
    if expected.shape != found.shape:
        return False
    scale = max(1.0, float(expected.abs().max()))
    return torch.allclose(expected, found, rtol=0, atol=TOLERANCE * scale)
