"""A runnable form of the network, which candidates are loaded into one after the other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, fx, nn

from pymoo_prune.inference.graph import laid_out, source_of
from pymoo_prune.inference.int8 import Int8Convolution
from pymoo_prune.inference.parent import (
    NO_GRIDS,
    NORMS,
    Grids,
    Parent,
    Statistics,
    Weights,
    batch_norms,
)
from pymoo_prune.networks import GRID


class Form:
    """A runnable form of the network: its weights are loaded in place before each pass.

    Args:
        model: The network, or its graph.
        folds: Paths of batch norms, by the paths of the convolutions that they are folded into.
        dtype: The type of the images and of all layers except batch norms, which stay float32, as
            the grids of inputs do.
    """

    def __init__(self, model: nn.Module, folds: Mapping[str, str], dtype: torch.dtype) -> None:
        self.model, self.folds, self.dtype = model.to(dtype), folds, dtype
        self.modules: dict[str, Any] = dict(model.named_modules(remove_duplicate=False))
        for module in self.modules.values():
            if isinstance(module, NORMS):
                module.float()
            elif hasattr(module, GRID):
                setattr(module, GRID, getattr(module, GRID).float())

    def laid_out(self, images: Tensor) -> Tensor:
        """Channels last; unchanged for a network without a graph, which may rely on the order."""
        return laid_out(images) if isinstance(self.model, fx.GraphModule) else images

    def load(
        self, parent: Parent, weights: Weights, statistics: Statistics, grids: Grids = NO_GRIDS
    ) -> None:
        """Loads a candidate into the model, in place of any other one."""
        for path, grid in grids.items():
            # A graph that takes weights directly has no inputs to round.
            if hasattr(self.modules.get(path), GRID):
                getattr(self.modules[path], GRID).copy_(grid)
        for path, (mean, variance) in self.moments(parent, statistics).items():
            if path in self.modules:
                self.modules[path].running_mean.copy_(mean)
                self.modules[path].running_var.copy_(variance)
        for path, weight, bias in self.layers(parent, weights, statistics):
            layer = self.modules[path]
            if isinstance(layer, Int8Convolution):
                layer.load(weight, bias)
                continue
            layer.weight.copy_(weight)
            # A graph that takes weights directly has only what it takes.
            if bias is not None and hasattr(layer, "bias"):
                layer.bias.copy_(bias)

    def moments(self, parent: Parent, statistics: Statistics) -> Statistics:
        """The mean and variance of every batch norm, including folded ones."""
        return {
            path: statistics.get(path, (norm.running_mean, norm.running_var))
            for path, norm in parent.norms.items()
        }

    def layers(
        self, parent: Parent, weights: Weights, statistics: Statistics
    ) -> Iterator[tuple[str, Tensor, Tensor | None]]:
        """The path, weight and bias of every layer, including the batch norm folded into it.

        Weights and statistics may be those of several candidates, with an axis in front.
        """
        moments = self.moments(parent, statistics)
        for path in weights.keys() & self.modules.keys():
            weight, bias = weights[path], parent.modules[path].bias
            if path in self.folds:
                norm = self.folds[path]
                axes = parent.modules[path].weight.ndim
                weight, bias = _folded(weight, bias, axes, parent.norms[norm], *moments[norm])
            yield path, weight, bias

    def observe(self, batches: Sequence[Tensor]) -> dict[str, tuple[Tensor, Tensor]]:
        """The statistics of each batch norm's inputs over all batches together."""
        norms = batch_norms(self.model)
        if isinstance(self.model, fx.GraphModule):
            return self._observe_in_step(self.model, norms, batches)
        for norm in norms.values():
            norm.train().momentum = 1.0
        self.model(torch.cat(list(batches)))
        for norm in norms.values():
            norm.eval()
        return {path: (n.running_mean.clone(), n.running_var.clone()) for path, n in norms.items()}

    def _observe_in_step(
        self, model: fx.GraphModule, norms: Mapping[str, Any], batches: Sequence[Tensor]
    ) -> dict[str, tuple[Tensor, Tensor]]:
        """Takes all batches through one step of the graph before the next step.

        So a batch norm sees all batches before it normalises the first one, and each batch is
        still small enough for the cache.
        """
        found: dict[str, tuple[Tensor, Tensor]] = {}
        interpreter = fx.Interpreter(model)
        values: list[dict[fx.Node, Any]] = [{} for _ in batches]
        inputs = [iter([batch]) for batch in batches]
        for node in model.graph.nodes:
            path, source = str(node.target), source_of(node)
            if node.op == "call_module" and path in norms and source is not None:
                found[path] = _observe(norms[path], [value[source] for value in values])
            for value, images in zip(values, inputs, strict=True):
                interpreter.env, interpreter.args_iter = value, images
                value[node] = interpreter.run_node(node)
                for last in interpreter.user_to_last_uses.get(node, ()):
                    del value[last]
        return found


def _observe(norm: Any, batches: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """The mean and unbiased variance of all batches, from those of each batch.

    The batch norm then normalises as in training mode: with the biased variance.
    """
    running = norm.running_mean, norm.running_var
    found = [torch.batch_norm_update_stats(batch, *running, 1.0) for batch in batches]
    means, variances = (torch.stack(column) for column in zip(*found, strict=True))
    counts = torch.tensor([[b.numel() / b.shape[1]] for b in batches], device=means.device)
    total = counts.sum()
    mean = (counts * means).sum(dim=0) / total
    scatter = (counts * (variances + (means - mean).square())).sum(dim=0)
    norm.running_mean.copy_(mean)
    norm.running_var.copy_(scatter / total)
    return mean, scatter / (total - 1)


def _folded(
    weight: Tensor, bias: Tensor | None, axes: int, norm: Any, mean: Tensor, variance: Tensor
) -> tuple[Tensor, Tensor]:
    """The weight (with `axes` axes) and bias of a convolution that includes its batch norm."""
    scale = torch.rsqrt(variance + norm.eps)
    if norm.weight is not None:
        scale = scale * norm.weight
    shift = -mean if bias is None else bias - mean
    shift = shift * scale if norm.bias is None else shift * scale + norm.bias
    return weight * scale[(..., *[None] * (axes - 1))], shift
