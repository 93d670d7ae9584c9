"""A runnable form of the network, which one candidate after the other is loaded into."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, fx, nn

from pymoo_prune.inference.graph import laid_out, source_of
from pymoo_prune.inference.int8 import Int8Convolution
from pymoo_prune.inference.parent import NORMS, Parent, Statistics, Weights, batch_norms


class Form:
    """A runnable form of the network: its weights are loaded in place before each pass.

    Args:
        model: The network, or what tracing made of it.
        folds: Paths of convolutions, and of the batch norms that were folded into them.
        dtype: Of the images and all layers but the batch norms, which stay float32.
    """

    def __init__(self, model: nn.Module, folds: Mapping[str, str], dtype: torch.dtype) -> None:
        self.model, self.folds, self.dtype = model.to(dtype), folds, dtype
        self.modules: dict[str, Any] = dict(model.named_modules(remove_duplicate=False))
        for module in self.modules.values():
            if isinstance(module, NORMS):
                module.float()

    def laid_out(self, images: Tensor) -> Tensor:
        """Channels last, but for a network that nobody looked into: it may rely on the order."""
        return laid_out(images) if isinstance(self.model, fx.GraphModule) else images

    def load(self, parent: Parent, weights: Weights, statistics: Statistics) -> None:
        """Makes the model the candidate's, whatever it was before."""
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
            if bias is not None:
                layer.bias.copy_(bias)

    def moments(self, parent: Parent, statistics: Statistics) -> Statistics:
        """Mean and variance of every batch norm, also of those that were folded."""
        return {
            path: statistics.get(path, (norm.running_mean, norm.running_var))
            for path, norm in parent.norms.items()
        }

    def layers(
        self, parent: Parent, weights: Weights, statistics: Statistics
    ) -> Iterator[tuple[str, Tensor, Tensor | None]]:
        """Path, weight and bias of every layer, with the batch norm that was folded into it.

        Weights and statistics may be those of several candidates, along an axis in front.
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
        """The statistics of what each batch norm sees of all batches together."""
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
        """All batches take a step of the graph before any takes the next.

        So a batch norm has seen them all before the first is normalised, and yet each batch is
        small enough for the cache.
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
    """Mean and unbiased variance of all batches, from those of each batch.

    The batch norm is left as in training mode: it divides by the biased deviation.
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
    """Weight, of that many axes, and bias of a convolution that does its batch norm's work too."""
    scale = torch.rsqrt(variance + norm.eps)
    if norm.weight is not None:
        scale = scale * norm.weight
    shift = -mean if bias is None else bias - mean
    shift = shift * scale if norm.bias is None else shift * scale + norm.bias
    return weight * scale[(..., *[None] * (axes - 1))], shift
