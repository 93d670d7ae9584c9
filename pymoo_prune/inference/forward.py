"""The forward pass of candidates."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

import torch
from torch import Tensor, fx, nn

from pymoo_prune.errors import PruneError, unknown_name
from pymoo_prune.inference.form import Form
from pymoo_prune.inference.graph import fold, traced_network
from pymoo_prune.inference.int8 import Int8, no_int8, require_int8
from pymoo_prune.inference.parent import (
    NO_GRIDS,
    NO_STATISTICS,
    Grids,
    Parent,
    Statistics,
    Weights,
)
from pymoo_prune.machine import has_fast_bfloat16

Precision: TypeAlias = Literal["float32", "bfloat16", "int8"]

CPU_BATCH, GPU_BATCH = 64, 1_024
"""Images at once: few enough that activations stay in a processor's caches, and many for a GPU."""


@dataclass(frozen=True, eq=False)  # tensors have no single truth value for ==
class PreparedImages:
    """Images, prepared for the passes of one `Inference`.

    Attributes:
        batches: (n, channels, height, width) each.
    """

    batches: tuple[Tensor, ...]

    def __len__(self) -> int:
        return sum(map(len, self.batches))


class Inference:
    """Runs a trained network with other weights.

    A network that cannot be traced, because its forward pass looks at values, runs as it is. This
    is correct, but slower. An instance must not be used by several threads at once.

    Args:
        network: Any classifier; it is copied, and not changed.
        calibration: A few images, (n, channels, height, width), float32. They show that the
            prepared pass gives what the network gives, and give int8 the range of each activation.
        precision: The precision of the pass. "int8" needs `supports_int8`.
        batch_size: Images at once. Default: as many as suit the device.

    Attributes:
        parent: The network as it was given.
        fast: The form that candidates are loaded into, with batch norms folded where possible.
        plain: The form with all batch norms, which statistics are taken from.
    """

    def __init__(
        self,
        network: nn.Module,
        calibration: Tensor,
        *,
        precision: Precision = "float32",
        batch_size: int | None = None,
    ) -> None:
        if precision not in get_args(Precision):
            raise unknown_name("precision", precision, get_args(Precision))
        if batch_size is not None and batch_size < 1:
            raise PruneError(f"batch_size must be at least 1, but it is {batch_size}")
        _check_images(calibration)
        self.parent = Parent(network)
        on_cpu = self.parent.device.type == "cpu"
        self.precision = precision
        self.batch_size = batch_size or (CPU_BATCH if on_cpu else GPU_BATCH)
        if precision == "int8":
            require_int8(self.parent.device)
        calibration = calibration.to(self.parent.device)
        traced = traced_network(self.parent, calibration[: self.batch_size])
        self.plain = self._unfolded(traced)
        self.fast = self.plain if traced is None else self._folded(traced, calibration)
        try:
            self.outputs({}, calibration[: self.batch_size])
        except RuntimeError as error:
            msg = f"the network does not run in {precision} ({error}); use 'float32'"
            raise PruneError(msg) from error

    def _unfolded(self, traced: fx.GraphModule | None) -> Form:
        half = self.precision == "bfloat16"
        if self.precision == "int8":
            if traced is None:
                reason = "the network cannot be traced, because its forward pass looks at values"
                raise no_int8(reason)
            half = has_fast_bfloat16(self.parent.device)
        model = copy.deepcopy(self.parent.network if traced is None else traced)
        return Form(model, {}, torch.bfloat16 if half else torch.float32)

    def _folded(self, traced: fx.GraphModule, calibration: Tensor) -> Form:
        """A form of the graph with batch norms folded into convolutions; the graph is changed."""
        folds = fold(traced, self.parent)
        if self.precision == "int8":
            whole = Form(traced, folds, torch.float32)
            whole.load(self.parent, self.parent.weights({}), NO_STATISTICS)
            Int8(traced, calibration, self.parent.private(traced)).lower()
        half = self.precision == "bfloat16"
        return Form(traced, folds, torch.bfloat16 if half else torch.float32)

    @torch.no_grad()
    def prepare(self, images: Tensor) -> PreparedImages:
        """Brings images into the layout, type and batches of the pass, once for all candidates.

        Args:
            images: (n, channels, height, width), float32.
        """
        _check_images(images)
        batches = images.to(self.parent.device, self.fast.dtype).split(self.batch_size)
        return PreparedImages(tuple(self.fast.laid_out(batch) for batch in batches))

    @torch.no_grad()
    def outputs(
        self,
        weights: Weights,
        images: Tensor | PreparedImages,
        statistics: Statistics = NO_STATISTICS,
        grids: Grids = NO_GRIDS,
    ) -> Tensor:
        """The outputs of the network with these weights.

        Args:
            weights: Weights by path, each with the shape of the parent's.
            images: (n, channels, height, width), or prepared images.
            statistics: Means and variances of the batch norms, for example from `statistics`.
            grids: What layers round their inputs to; see `networks.round_inputs`.

        Returns:
            (n, classes), float32.
        """
        if isinstance(images, Tensor):
            images = self.prepare(images)
        resolved = self.parent.weights(weights)
        moments = self.parent.statistics(statistics)
        self.fast.load(self.parent, resolved, moments, self.parent.grids(grids))
        return torch.cat([self.fast.model(batch).float() for batch in images.batches])

    def correct(
        self,
        weights: Weights,
        images: Tensor | PreparedImages,
        labels: Tensor,
        statistics: Statistics = NO_STATISTICS,
    ) -> Tensor:
        """Tells which images get the right class.

        Args:
            weights: See `outputs`.
            images: See `outputs`.
            labels: (n,), the right classes.
            statistics: See `outputs`.

        Returns:
            (n,), bool.
        """
        if len(labels) != len(images):
            raise PruneError(f"there are {len(images)} images, but {len(labels)} labels")
        return self.outputs(weights, images, statistics).argmax(dim=1) == labels.to(
            self.parent.device
        )

    @torch.no_grad()
    def statistics(
        self, weights: Weights, images: Tensor | PreparedImages, grids: Grids = NO_GRIDS
    ) -> dict[str, tuple[Tensor, Tensor]]:
        """The statistics of each batch norm's inputs with these weights.

        They equal the running statistics after one pass of all images in training mode with
        momentum 1. The images go through layer by layer, so the activations of all images are in
        memory at once.

        Args:
            weights: See `outputs`.
            images: See `outputs`; at least two.
            grids: See `outputs`.

        Returns:
            (mean, unbiased variance), (channels,) each, float32, by the path of the batch norm.
        """
        if len(images) < 2:
            raise PruneError(f"statistics need at least 2 images, but there are {len(images)}")
        if isinstance(images, Tensor):
            images = self.prepare(images)
        if not self.parent.norms:
            return {}
        resolved, rounding = self.parent.weights(weights), self.parent.grids(grids)
        self.plain.load(self.parent, resolved, NO_STATISTICS, rounding)
        return self.plain.observe([batch.to(self.plain.dtype) for batch in images.batches])


def _check_images(images: Tensor) -> None:
    if images.ndim < 2 or not len(images) or not images.is_floating_point():
        msg = (
            "images must be floating-point (n, channels, height, width) with n at least 1, "
            f"these are {images.dtype} {tuple(images.shape)}"
        )
        raise PruneError(msg)
