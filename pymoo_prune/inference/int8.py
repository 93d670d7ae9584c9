"""A graph in 8 bits, on CPUs that have instructions for it."""

from __future__ import annotations

import operator
from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple

import torch
from torch import Tensor, fx, nn

from pymoo_prune.errors import PruneError
from pymoo_prune.inference.graph import activates, adds, only_user, pads_zeros, source_of


class _Scale(NamedTuple):
    """The meaning of a uint8 value: (value - zero) * step."""

    step: float
    zero: int


def _quantise(values: Tensor, step: float, zero: int) -> Tensor:
    shifted = values.float().mul(1 / step).add_(zero).round_().clamp_(0, 255)
    return shifted.to(torch.uint8).contiguous(memory_format=torch.channels_last)


def _dequantise(values: Tensor, step: float, zero: int) -> Tensor:
    return values.float().sub_(zero).mul_(step)


class Int8Convolution(nn.Module):
    """A convolution of uint8 images, with the sum and the activation behind it.

    Args:
        convolution: A convolution with the same shape, stride and so on.
        target: The scale of the outputs; None for float32.
        source: The scale of the inputs.
        other: The scale of the other operand of a sum; None without a sum.
        relu: Whether an activation follows.
    """

    def __init__(
        self,
        convolution: Any,
        target: _Scale | None,
        source: _Scale,
        other: _Scale | None = None,
        *,
        relu: bool,
    ) -> None:
        super().__init__()
        c = convolution
        self.geometry = ([*c.stride], [*c.padding], [*c.dilation], c.groups)
        self.source, self.other, self.relu = source, other, relu
        step, zero = target or (1.0, 0)
        self.target = (step, zero, torch.float32 if target is None else torch.uint8)

    def __getstate__(self) -> dict[str, Any]:
        """The state without packed weights, which cannot be copied: every pass loads its own."""
        return {name: value for name, value in self.__dict__.items() if name != "weights"}

    def load(self, weight: Tensor, bias: Tensor | None) -> None:
        """Converts the weights to int8, with one scale for each output channel."""
        steps = weight.flatten(1).abs().amax(dim=1).div_(127)
        steps.masked_fill_(steps == 0, 1)  # a channel without weights
        whole = weight.div(steps.view(-1, 1, 1, 1)).round_().to(torch.int8)
        packed = torch.ops.onednn.qconv_prepack(whole, steps, *self.source, *self.geometry, None)
        self.weights = (packed, steps, torch.zeros(len(steps), dtype=torch.int64))
        self.bias = bias

    def forward(self, images: Tensor, other: Tensor | None = None) -> Tensor:
        """(n, channels, height, width), uint8 -> (n, outputs, height, width), uint8 or float32."""
        after = "relu" if self.relu else "none"
        arguments = (images, *self.source, *self.weights)
        rest = (self.bias, *self.geometry, *self.target)
        convolve = torch.ops.onednn.qconv2d_pointwise
        if other is None or self.other is None:
            return convolve(*arguments, *rest, after, [], "")  # type: ignore[no-any-return]
        summed = other.clone(memory_format=torch.channels_last)  # it is overwritten
        post: tuple[Any, ...] = (*self.other, "sum", 1.0, after, [], "")
        return convolve.binary(*arguments, summed, *rest, *post)  # type: ignore[no-any-return]


class _Ranges(fx.Interpreter):
    """Notes the shape and the scale of each node's result, and which nodes read changed results."""

    def __init__(self, traced: fx.GraphModule) -> None:
        super().__init__(traced)
        self.scales: dict[fx.Node, _Scale] = {}
        self.shapes: dict[fx.Node, torch.Size] = {}
        self.late: set[fx.Node] = set()  # nodes that read what was overwritten meanwhile
        self._marks: dict[fx.Node, tuple[float, ...]] = {}

    def run_node(self, n: fx.Node) -> Any:
        """Runs a node."""
        sources = [source for source in n.all_input_nodes if source in self._marks]
        if any(_mark(self.env[source]) != self._marks[source] for source in sources):
            self.late.add(n)
        result = super().run_node(n)
        if isinstance(result, Tensor) and result.is_floating_point():
            self._marks[n] = least, most, _ = _mark(result)
            low, high = min(least, 0.0), max(most, 0.0)
            step = (high - low) / 255 or 1.0
            self.scales[n], self.shapes[n] = _Scale(step, round(-low / step)), result.shape
        return result


def _mark(values: Tensor) -> tuple[float, float, float]:
    """Numbers that differ once values are overwritten, through a view of them too."""
    return float(values.min()), float(values.max()), float(values.sum())


class Int8:
    """Moves a graph to 8 bits, where there are kernels for it.

    Args:
        traced: The folded network; it is changed.
        calibration: Images, (n, channels, height, width), float32.
        private: Paths of the layers that may be replaced.
    """

    def __init__(self, traced: fx.GraphModule, calibration: Tensor, private: set[str]) -> None:
        self.traced, self.graph, self.private = traced, traced.graph, private
        ranges = _Ranges(traced)
        with torch.no_grad():
            ranges.run(calibration.contiguous(memory_format=torch.channels_last))
        self.scales, self.shapes, self.late = ranges.scales, ranges.shapes, ranges.late
        self.whole: set[fx.Node] = set()  # nodes that give uint8
        self.done: set[fx.Node] = set()  # nodes that stay, with their final inputs
        self.twins: dict[fx.Node, fx.Node] = {}

    def lower(self) -> None:
        """Goes through the graph in the order of the pass."""
        merged: set[fx.Node] = set()
        for node in list(self.graph.nodes):
            if node in merged:
                continue
            if self._is_convolution(node):
                merged.update(self._merge(node))
                continue
            self.done.add(node)
            if not self._is_whole(node):
                for source in [s for s in node.all_input_nodes if s in self.whole]:
                    node.replace_input_with(source, self._twin(source, _dequantise))
        self.traced.recompile()

    def _is_convolution(self, node: fx.Node) -> bool:
        path = str(node.target)
        if node.op != "call_module" or path not in self.private or len(node.args) != 1:
            return False
        module = self.traced.get_submodule(path)
        usual = type(module) is nn.Conv2d and module.padding_mode == "zeros"
        return usual and not isinstance(module.padding, str)

    def _is_whole(self, node: fx.Node) -> bool:
        """Whether a node gives uint8: as a kernel, or because it only moves uint8 pixels."""
        source = source_of(node)
        # What overwrites a slice overwrites its source, but twins of 8 bits share nothing.
        moves = not self.late and (node.target is operator.getitem or pads_zeros(node))
        if node not in self.whole and source and moves and self._is_whole(source):
            scale = self.scales[source]
            if scale.zero == 0 or node.target is operator.getitem:
                self.whole.add(node)
                self.scales[node] = scale
        return node in self.whole

    def _merge(self, node: fx.Node) -> list[fx.Node]:
        """Replaces a convolution and its followers with one kernel; returns the replaced nodes."""
        taken, other = [node], None
        follower = only_user(node)
        if follower and adds(follower) and activates(only_user(follower)):
            others = [s for s in follower.all_input_nodes if s is not node]
            ready = others and (self._is_whole(others[0]) or others[0] in self.done)
            if ready and self.shapes.get(others[0]) == self.shapes[node]:
                other, taken = others[0], [node, follower]
        follower = only_user(taken[-1])
        relu = activates(follower)
        taken += [follower] if follower and relu else []
        # Activations in place change a tensor's twin, and not the 8 bits that a kernel reads.
        if not self.late.isdisjoint(taken):
            raise no_int8(f"layer {node.target!s} reads a tensor that was overwritten in place")
        last = taken[-1]
        whole = relu or any(adds(user) or self._is_convolution(user) for user in last.users)
        kernel = self._kernel(node, other, last, relu=relu, whole=whole)
        last.replace_all_uses_with(kernel)
        for gone in reversed(taken):
            self.graph.erase_node(gone)
        return taken

    def _kernel(
        self, node: fx.Node, other: fx.Node | None, last: fx.Node, *, relu: bool, whole: bool
    ) -> fx.Node:
        path, convolution = str(node.target), self.traced.get_submodule(str(node.target))
        sources = [source for source in (*node.all_input_nodes, other) if source]
        inputs = [s if self._is_whole(s) else self._twin(s, _quantise) for s in sources]
        scales = [self.scales[source] for source in sources]
        target = self.scales[last] if whole else None
        self.traced.add_submodule(path, Int8Convolution(convolution, target, *scales, relu=relu))
        with self.graph.inserting_before(last):
            kernel = self.graph.call_module(path, tuple(inputs))
        self.scales[kernel], self.shapes[kernel] = self.scales[last], self.shapes[last]
        (self.whole if whole else self.done).add(kernel)
        return kernel

    def _twin(self, source: fx.Node, function: Callable[..., Tensor]) -> fx.Node:
        """A node with the same values in 8 bits, or converted from 8 bits."""
        if source not in self.twins:
            with self.graph.inserting_after(source):
                arguments = (source, *self.scales[source])
                self.twins[source] = self.graph.call_function(function, arguments)
        return self.twins[source]


@lru_cache
def supports_int8() -> bool:
    """Whether the kernels of `precision="int8"` exist and are correct.

    CPUs without VNNI instructions sum products of 8 bits in 16 bits, where large sums saturate.
    """
    images = torch.full((1, 64, 4, 4), 255, dtype=torch.uint8)
    try:
        kernel = Int8Convolution(nn.Conv2d(64, 16, 1), None, _Scale(1.0, 0), relu=True)
        kernel.load(torch.full((16, 64, 1, 1), 127.0), torch.zeros(16))
        return bool((kernel(images) == 64 * 127 * 255).all())
    except (AttributeError, RuntimeError):  # PyTorch without oneDNN
        return False


def require_int8(device: torch.device) -> None:
    """Raises an error where there are no kernels."""
    if device.type != "cpu":
        raise no_int8(f"it runs on CPUs only, and the network is on {device}")
    if not supports_int8():
        raise no_int8("this CPU, or this PyTorch, has no exact kernels for it")


def no_int8(reason: str) -> PruneError:
    """An error with the reason, and with what to use instead."""
    return PruneError(f"precision 'int8' is not possible: {reason}; use 'bfloat16' or 'float32'")
