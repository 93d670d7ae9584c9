"""The pass: what is prepared once, and what each candidate costs."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, get_args

import torch
from torch import Tensor, fx, nn

from pymoo_prune.errors import PruneError, unknown_name
from pymoo_prune.inference.graph import fold, laid_out, source_of, traced_network
from pymoo_prune.inference.int8 import Int8, Int8Convolution, no_int8, require_int8
from pymoo_prune.inference.parent import NORMS, PARENTS, Parent, Statistics, Weights, batch_norms
from pymoo_prune.machine import has_fast_bfloat16

Precision: TypeAlias = Literal["float32", "bfloat16", "int8"]


@dataclass(frozen=True, eq=False)  # tensors have no single truth value for ==
class PreparedImages:
    """Images as the passes of one `Inference` want them.

    Attributes:
        batches: (n, channels, height, width) each.
    """

    batches: tuple[Tensor, ...]

    def __len__(self) -> int:
        return sum(map(len, self.batches))


class Inference:
    """What a trained network answers with other weights.

    A network that cannot be traced, because its forward pass looks at values, runs as it is: right,
    but slower. Not to be used by several threads at once.

    Args:
        network: Any classifier; it is copied, never changed.
        calibration: A few images, (n, channels, height, width), float32. They prove that the
            prepared pass is the network's, and show int8 the range of each activation.
        precision: Of the pass. "int8" needs `supports_int8`.
        batch_size: Images at once.
    """

    def __init__(
        self,
        network: nn.Module,
        calibration: Tensor,
        *,
        precision: Precision = "float32",
        batch_size: int = 64,
    ) -> None:
        if precision not in get_args(Precision):
            raise unknown_name("precision", precision, get_args(Precision))
        if batch_size < 1:
            raise PruneError(f"batch_size must be at least 1, but it is {batch_size}")
        _check_images(calibration)
        self.precision, self.batch_size = precision, batch_size
        self._parent = Parent(network)
        if precision == "int8":
            require_int8(self._parent.device)
        calibration = calibration.to(self._parent.device)
        traced = traced_network(self._parent, calibration[:batch_size])
        self._plain = self._unfolded(traced)
        self._fast = self._plain if traced is None else self._folded(traced, calibration)
        try:
            self.outputs({}, calibration[:batch_size])
        except RuntimeError as error:
            msg = f"the network does not run in {precision} ({error}); use 'float32'"
            raise PruneError(msg) from error

    def _unfolded(self, traced: fx.GraphModule | None) -> Form:
        """The network with its batch norms: what statistics are taken from."""
        half = self.precision == "bfloat16"
        if self.precision == "int8":
            if traced is None:
                reason = "the network cannot be traced, because its forward pass looks at values"
                raise no_int8(reason)
            half = has_fast_bfloat16(self._parent.device)
        model = copy.deepcopy(self._parent.network if traced is None else traced)
        return Form(model, {}, torch.bfloat16 if half else torch.float32)

    def _folded(self, traced: fx.GraphModule, calibration: Tensor) -> Form:
        """The graph without the batch norms that convolutions can stand in for; it is changed."""
        folds = fold(traced, self._parent)
        if self.precision == "int8":
            Form(traced, folds, torch.float32).load(self._parent, self._parent.weights({}), PARENTS)
            Int8(traced, calibration, self._parent.private(traced)).lower()
        half = self.precision == "bfloat16"
        return Form(traced, folds, torch.bfloat16 if half else torch.float32)

    @torch.no_grad()
    def prepare(self, images: Tensor) -> PreparedImages:
        """Images in the layout, the type and the batches of the pass, once for all candidates.

        Args:
            images: (n, channels, height, width), float32.
        """
        _check_images(images)
        batches = images.to(self._parent.device, self._fast.dtype).split(self.batch_size)
        return PreparedImages(tuple(self._fast.laid_out(batch) for batch in batches))

    @torch.no_grad()
    def outputs(
        self, weights: Weights, images: Tensor | PreparedImages, statistics: Statistics = PARENTS
    ) -> Tensor:
        """What the network answers with these weights.

        Args:
            weights: Weights by path, each of the shape that the parent's has.
            images: (n, channels, height, width), or what `prepare` made of them.
            statistics: Means and variances for the batch norms, for example from `statistics`.

        Returns:
            (n, classes), float32.
        """
        if isinstance(images, Tensor):
            images = self.prepare(images)
        resolved = self._parent.weights(weights)
        self._fast.load(self._parent, resolved, self._parent.statistics(statistics))
        return torch.cat([self._fast.model(batch).float() for batch in images.batches])

    def correct(
        self,
        weights: Weights,
        images: Tensor | PreparedImages,
        labels: Tensor,
        statistics: Statistics = PARENTS,
    ) -> Tensor:
        """Which images get the right class.

        Args:
            weights: As in `outputs`.
            images: As in `outputs`.
            labels: (n,), the right classes.
            statistics: As in `outputs`.

        Returns:
            (n,), bool.
        """
        if len(labels) != len(images):
            raise PruneError(f"there are {len(images)} images, but {len(labels)} labels")
        return self.outputs(weights, images, statistics).argmax(dim=1) == labels.to(
            self._parent.device
        )

    @torch.no_grad()
    def statistics(
        self, weights: Weights, images: Tensor | PreparedImages
    ) -> dict[str, tuple[Tensor, Tensor]]:
        """What each batch norm sees with these weights.

        It is what one pass of all images in training mode leaves as running statistics with
        momentum 1. The images go through layer by layer, so activations of all of them are in
        memory at once.

        Args:
            weights: As in `outputs`.
            images: As in `outputs`, at least two.

        Returns:
            (mean, unbiased variance), (channels,) each, float32, by the path of the batch norm.
        """
        if len(images) < 2:
            raise PruneError(f"statistics need at least 2 images, but there are {len(images)}")
        if isinstance(images, Tensor):
            images = self.prepare(images)
        if not self._parent.norms:
            return {}
        self._plain.load(self._parent, self._parent.weights(weights), PARENTS)
        return self._plain.observe([batch.to(self._plain.dtype) for batch in images.batches])


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
        moments = {
            path: statistics.get(path, (norm.running_mean, norm.running_var))
            for path, norm in parent.norms.items()
        }
        for path, (mean, variance) in moments.items():
            if path in self.modules:
                self.modules[path].running_mean.copy_(mean)
                self.modules[path].running_var.copy_(variance)
        for path in weights.keys() & self.modules.keys():
            layer, weight, bias = self.modules[path], weights[path], parent.modules[path].bias
            if path in self.folds:
                norm = self.folds[path]
                weight, bias = _folded(weight, bias, parent.norms[norm], *moments[norm])
            if isinstance(layer, Int8Convolution):
                layer.load(weight, bias)
                continue
            layer.weight.copy_(weight)
            if bias is not None:
                layer.bias.copy_(bias)

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
    weight: Tensor, bias: Tensor | None, norm: Any, mean: Tensor, variance: Tensor
) -> tuple[Tensor, Tensor]:
    """Weights and bias of a convolution that does its batch norm's work too."""
    scale = torch.rsqrt(variance + norm.eps)
    if norm.weight is not None:
        scale = scale * norm.weight
    shift = -mean if bias is None else bias - mean
    shift = shift * scale if norm.bias is None else shift * scale + norm.bias
    return weight * scale.view(-1, *[1] * (weight.ndim - 1)), shift


def _check_images(images: Tensor) -> None:
    if images.ndim < 2 or not len(images) or not images.is_floating_point():
        msg = (
            "images must be floating-point (n, channels, height, width) with n at least 1, "
            f"these are {images.dtype} {tuple(images.shape)}"
        )
        raise PruneError(msg)
