"""Several candidates in one pass: their weights are stacked, and each layer runs once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, fx
from torch.func import functional_call

from pymoo_prune.inference.form import Form
from pymoo_prune.inference.forward import Inference, PreparedImages
from pymoo_prune.inference.parent import (
    NO_STATISTICS,
    Grids,
    Parent,
    Statistics,
    Weights,
    batch_norms,
)
from pymoo_prune.networks import GRID


class Together:
    """Computes the outputs of several candidates of one network as one program.

    The numbers equal those of the candidates one by one, apart from rounding. Activations of all
    candidates are in memory at once. This is meant for a GPU, which idles while small computations
    are started one after the other.

    Args:
        inference: The passes of one network; `possible` tells whether it can be used.
    """

    def __init__(self, inference: Inference) -> None:
        self._parent: Parent = inference.parent
        self._fast: Form = inference.fast
        self._plain: Form = inference.plain

    @classmethod
    @torch.no_grad()
    def possible(cls, inference: Inference, images: Tensor) -> bool:
        """Tries with two candidates whether one pass gives what passes one by one give.

        It is not possible in 8 bits, nor for networks that cannot be traced.

        Args:
            inference: The passes of one network.
            images: A few, (n, channels, height, width).
        """
        graphs = isinstance(inference.fast.model, fx.GraphModule)
        if inference.precision == "int8" or not graphs:
            return False
        parents = inference.parent.weights({})
        both = [parents, {path: weight / 2 for path, weight in parents.items()}]
        prepared, together = inference.prepare(images), cls(inference)
        try:
            statistics = together.statistics(both, prepared)
            found = together.outputs(both, prepared, statistics)
        except Exception:  # noqa: BLE001 - a layer may fail in any way
            return False
        tolerance = 1e-3 if inference.precision == "float32" else 5e-2
        for place, weights in enumerate(both):
            own = {path: (mean[place], var[place]) for path, (mean, var) in statistics.items()}
            pairs = [(found[place], inference.outputs(weights, prepared, own))]
            moments = inference.statistics(weights, prepared)
            if moments.keys() != own.keys():
                return False
            for path, pair in own.items():
                pairs += zip(pair, moments[path], strict=True)
            if not all(_near(one, other, tolerance) for one, other in pairs):
                return False
        return True

    @torch.no_grad()
    def outputs(
        self,
        weights: Sequence[Weights],
        images: PreparedImages,
        statistics: Statistics = NO_STATISTICS,
        grids: Sequence[Grids] = (),
    ) -> Tensor:
        """The outputs of the candidates.

        Args:
            weights: Each candidate's weights, see `Inference.outputs`; all of the same layers.
            images: Images from `Inference.prepare`.
            statistics: The statistics of batch norms: (channels,) for all candidates or
                (candidates, channels), and the parent's where missing.
            grids: Each candidate's grids of inputs; none for the parent's.

        Returns:
            (candidates, n, classes), float32.
        """
        tensors, places = self._state(self._fast, self._side_by_side(weights), statistics, grids)

        def one(tensors: Mapping[str, Tensor], batch: Tensor) -> Tensor:
            return _with(self._fast, tensors, batch)

        run = torch.vmap(one, in_dims=(places, None))
        # Without channels last, because candidates' channels lie in blocks.
        found = [run(tensors, batch.contiguous()) for batch in images.batches]
        return torch.cat(found, dim=1).float()

    @torch.no_grad()
    def statistics(
        self, weights: Sequence[Weights], images: PreparedImages, grids: Sequence[Grids] = ()
    ) -> dict[str, tuple[Tensor, Tensor]]:
        """The statistics of each batch norm's inputs, see `Inference.statistics`.

        Args:
            weights: See `outputs`.
            images: See `outputs`; all go through at once.
            grids: See `outputs`.

        Returns:
            (mean, unbiased variance), (candidates, channels) each, by the path of the batch norm.
        """
        norms = batch_norms(self._plain.model)
        if not norms:
            return {}
        # With momentum 1, the statistics of the inputs replace these zeros.
        sums = {
            path: (zeros, zeros.clone())
            for path, norm in norms.items()
            for zeros in [norm.running_mean.new_zeros(len(weights), len(norm.running_mean))]
        }
        tensors, places = self._state(self._plain, self._side_by_side(weights), sums, grids)
        # Always in float32: fewer bits are not enough for a sum over images.
        tensors = {n: t.float() if t.is_floating_point() else t for n, t in tensors.items()}

        def seen(tensors: Mapping[str, Tensor], batch: Tensor) -> dict[str, tuple[Tensor, Tensor]]:
            _with(self._plain, tensors, batch)
            return {
                path: (tensors[f"{path}.running_mean"], tensors[f"{path}.running_var"])
                for path in norms
            }

        batch = torch.cat([batch.float() for batch in images.batches])
        momenta = {path: norm.momentum for path, norm in norms.items()}
        try:
            for norm in norms.values():
                norm.train().momentum = 1.0
            return torch.vmap(seen, in_dims=(places, None))(tensors, batch.contiguous())
        finally:
            for path, norm in norms.items():
                norm.eval().momentum = momenta[path]

    def _side_by_side(self, weights: Sequence[Weights]) -> dict[str, Tensor]:
        """The weights of all candidates by path, (candidates, ...)."""
        resolved = [self._parent.weights(one) for one in weights]
        return {path: torch.stack([one[path] for one in resolved]) for path in resolved[0]}

    def _state(
        self, form: Form, weights: Weights, statistics: Statistics, grids: Sequence[Grids]
    ) -> tuple[dict[str, Tensor], dict[str, int | None]]:
        """A form's parameters and buffers with these in place, and the candidates' axis of each."""
        own = {
            **dict(form.model.named_parameters(remove_duplicate=False)),
            **dict(form.model.named_buffers(remove_duplicate=False)),
        }
        tensors = dict(own)
        for path, weight, bias in form.layers(self._parent, weights, statistics):
            tensors[f"{path}.weight"] = weight
            if bias is not None and f"{path}.bias" in own:
                tensors[f"{path}.bias"] = bias
        for path, (mean, variance) in form.moments(self._parent, statistics).items():
            if path in form.modules:
                tensors |= {f"{path}.running_mean": mean, f"{path}.running_var": variance}
        rounding = [self._parent.grids(one) for one in grids]
        for path in rounding[0] if rounding else ():
            if f"{path}.{GRID}" in own:
                tensors[f"{path}.{GRID}"] = torch.stack([one[path] for one in rounding])
        tensors = {name: tensor.to(own[name].dtype) for name, tensor in tensors.items()}
        places = {name: 0 if t.ndim > own[name].ndim else None for name, t in tensors.items()}
        return tensors, places


def _with(form: Form, tensors: Mapping[str, Tensor], images: Tensor) -> Tensor:
    """The outputs of a form with these parameters and buffers in place of its own."""
    # Layers that share weights get the same tensors, each under its own name.
    found: Tensor = functional_call(form.model, dict(tensors), (images,), tie_weights=False)
    return found


def _near(found: Tensor, expected: Tensor, tolerance: float) -> bool:
    near = tolerance * float(expected.abs().max())
    return torch.allclose(found, expected, rtol=tolerance, atol=near, equal_nan=True)
