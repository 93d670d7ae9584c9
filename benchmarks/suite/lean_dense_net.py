"""Training steps of small DenseNets on one core, faster than with torch's convolutions.

Networks of one shape are trained as a stack. Feature maps are (networks, channels, height, width,
images). In this layout a 1×1 convolution is a matrix product, a batch norm reads memory in order,
and a 3×3 convolution is a matrix product and nine shifted sums. Outputs and gradients are those of
the networks, up to rounding.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from pymoo_prune.networks import DenseNet

MOMENTUM, EPSILON = 0.1, 1e-5
"""Of all batch norms: torch's defaults."""


def windows(images: Tensor) -> Tensor:
    """The 3×3 windows around each pixel: (n, 1, height, width) -> (9, height, width, n)."""
    n, _, height, width = images.shape
    seen = functional.unfold(images, 3, padding=1).view(n, 9, height, width)
    return seen.permute(1, 2, 3, 0).contiguous()


class Stack:
    """Networks of one shape, in training mode.

    Args:
        networks: The networks, for images of one channel; `store` changes them.
    """

    def __init__(self, networks: Sequence[DenseNet]) -> None:
        self.networks = networks
        states = [network.state_dict() for network in networks]
        self.values = {
            name: torch.stack([state[name] for state in states])
            for name, first in states[0].items()
            if first.is_floating_point()
        }
        names = [name for name, _ in networks[0].named_parameters()]
        self.parameters = [self.values[name].requires_grad_() for name in names]

    def store(self) -> None:
        """Copies weights and statistics back into the networks."""
        for place, network in enumerate(self.networks):
            state = {name: value.detach()[place] for name, value in self.values.items()}
            network.load_state_dict(state, strict=False)

    def outputs(self, seen: Tensor) -> Tensor:
        """The outputs of all networks, (networks, n, classes); updates the batch norms' statistics.

        Args:
            seen: Each network's `windows`, (networks, 9, height, width, n).
        """
        network = self.networks[0]
        hidden = self._pointwise("stem", seen)
        block: Any
        for place, block in enumerate(network.blocks):
            nodes = [hidden]
            for number, sources in enumerate(block.sources[:-1]):
                layer = f"blocks.{place}.layers.{number}."
                hidden = self._activated(f"{layer}norm1", together(nodes, sources))
                hidden = self._activated(f"{layer}norm2", self._pointwise(f"{layer}conv1", hidden))
                nodes.append(self._spread(f"{layer}conv2", hidden))
            hidden = together(nodes, block.sources[-1])
            if place < len(network.transitions):
                layer = f"transitions.{place}."
                pooled = halved(self._activated(f"{layer}norm", hidden))
                hidden = self._pointwise(f"{layer}conv", pooled)
        features = self._activated("norm", hidden).mean(dim=(2, 3))
        products = features.transpose(1, 2) @ self.values["linear.weight"].transpose(1, 2)
        return products + self.values["linear.bias"][:, None]

    def _pointwise(self, layer: str, hidden: Tensor) -> Tensor:
        """A 1×1 convolution; or a 3×3 convolution, of windows."""
        product = torch.bmm(self.values[f"{layer}.weight"].flatten(2), hidden.flatten(2))
        return product.view(len(hidden), -1, *hidden.shape[2:])

    def _spread(self, layer: str, hidden: Tensor) -> Tensor:
        found: Tensor = Spread.apply(self.values[f"{layer}.weight"], hidden)
        return found

    def _activated(self, layer: str, hidden: Tensor) -> Tensor:
        names = ("weight", "bias", "running_mean", "running_var")
        values = [self.values[f"{layer}.{name}"].flatten() for name in names]
        found: Tensor = NormReLU.apply(hidden, *values)
        return found


def together(nodes: list[Tensor], sources: list[int]) -> Tensor:
    """The outputs of some nodes, concatenated along the channels."""
    return nodes[sources[0]] if len(sources) == 1 else torch.cat([nodes[i] for i in sources], 1)


def halved(hidden: Tensor) -> Tensor:
    """Means of 2×2 pixels."""
    networks, channels, height, width, n = hidden.shape
    return hidden.view(networks, channels, height // 2, 2, width // 2, 2, n).mean(dim=(3, 5))


class NormReLU(torch.autograd.Function):
    """Batch norm in training mode, and ReLU. Channels of all networks are rows."""

    @staticmethod
    def forward(
        context: Any, hidden: Tensor, weight: Tensor, bias: Tensor, mean: Tensor, variance: Tensor
    ) -> Tensor:
        """Feature maps; scales, shifts and the running statistics, (networks × channels,) each."""
        rows = hidden.view(len(weight), -1)
        n = rows.shape[1]
        center = rows.mean(dim=1)
        result = rows - center[:, None]
        squares = torch.linalg.vector_norm(result, dim=1).square_()
        mean.lerp_(center, MOMENTUM)
        variance.lerp_(squares / (n - 1), MOMENTUM)
        inverse = (squares / n + EPSILON).rsqrt_()
        result.mul_((inverse * weight)[:, None]).add_(bias[:, None]).relu_()
        context.save_for_backward(rows, weight, center, inverse, result)
        return result.view(hidden.shape)

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        """The gradients of the input, the scales and the shifts."""
        rows, weight, center, inverse, result = context.saved_tensors
        gradient = torch.ops.aten.threshold_backward(gradients[0].reshape(rows.shape), result, 0)
        found, scales, shifts = torch.ops.aten.native_batch_norm_backward(
            gradient[None],
            rows[None],
            weight,
            None,
            None,
            center,
            inverse,
            True,
            EPSILON,
            [True, True, True],
        )
        return found.view(gradients[0].shape), scales, shifts, None, None


class Spread(torch.autograd.Function):
    """A 3×3 convolution: products for nine neighbours of each pixel, summed where they belong."""

    @staticmethod
    def forward(context: Any, weight: Tensor, hidden: Tensor) -> Tensor:
        """(networks, outs, ins, 3, 3) and (networks, ins, ...) -> (networks, outs, ...)."""
        networks, outs, ins = weight.shape[:3]
        taps = weight.permute(0, 3, 4, 1, 2).reshape(networks, 9 * outs, ins)
        context.save_for_backward(taps, hidden)
        products = torch.bmm(taps, bordered(hidden).flatten(2))
        height, width, n = hidden.shape[2:]
        row, plane = (width + 2) * n, (height + 2) * (width + 2) * n
        first, *others = (
            products.as_strided(
                (networks, outs, height, width, n),
                (9 * outs * plane, plane, row, n, 1),
                (3 * down + right) * outs * plane + down * row + right * n,
            )
            for down in range(3)
            for right in range(3)
        )
        result = first.contiguous()
        for other in others:
            result += other
        return result

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> tuple[Tensor, Tensor]:
        """The gradients of the weight and of the input."""
        taps, hidden = context.saved_tensors
        networks, outs, height, width, n = gradients[0].shape
        row, plane = (width + 2) * n, (height + 2) * (width + 2) * n
        # The windows of the gradient, from the last tap to the first.
        seen = bordered(gradients[0]).as_strided(
            (networks, 3, 3, outs, height, width, n), (outs * plane, row, n, plane, row, n, 1)
        )
        seen = seen.reshape(networks, 9 * outs, -1)
        weight = torch.bmm(seen, hidden.flatten(2).transpose(1, 2))
        weight = weight.view(networks, 3, 3, outs, -1).flip(1, 2).permute(0, 3, 4, 1, 2)
        flipped = taps.view(networks, 9, outs, -1).flip(1).flatten(1, 2)
        back = torch.bmm(flipped.transpose(1, 2), seen)
        return weight, back.view(hidden.shape)


def bordered(hidden: Tensor) -> Tensor:
    """Feature maps with a border of zeros."""
    networks, channels, height, width, n = hidden.shape
    result = hidden.new_zeros(networks, channels, height + 2, width + 2, n)
    result[:, :, 1:-1, 1:-1] = hidden
    return result
