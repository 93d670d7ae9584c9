"""ONNX's operators between layers as plain functions of torch."""

from __future__ import annotations

import itertools
import math
import operator
import re
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import torch
from torch import Tensor, fx, nn
from torch.nn import functional

PASSED_ON = ("Identity", "Dropout")
"""Operators that give their first input, in a network that is not trained."""

FAR = 2**31 - 1
"""Slices that begin or end at least so far away take all that there is."""


class Call:
    """Adds calls to a graph; names of the file's values lead to nodes or to constants.

    Args:
        graph: The graph.
        root: Gets the modules and constants.
    """

    def __init__(self, graph: fx.Graph, root: nn.Module) -> None:
        self.graph, self.root = graph, root
        self.values: dict[str, fx.Node] = {}
        self.constants: dict[str, Tensor] = {}
        self.shapes: dict[str, list[int | None] | None] = {}
        self._numbers = itertools.count()

    def value(self, name: str) -> fx.Node:
        """The node of a value; a constant becomes a buffer.

        Args:
            name: The value's name.
        """
        if name not in self.values:
            buffer = f"constant_{next(self._numbers)}"
            self.root.register_buffer(buffer, self.constants[name])
            self.values[name] = self.graph.get_attr(buffer)
        return self.values[name]

    def operand(self, name: str) -> fx.Node | float:
        """The same, but a single number stands for itself.

        Args:
            name: The value's name.
        """
        constant = self.constants.get(name)
        if constant is not None and constant.ndim == 0:
            return float(constant) if constant.is_floating_point() else int(constant)
        return self.value(name)

    def numbers(self, node: Any, place: int, attribute: str | None = None) -> list[int] | None:
        """Whole numbers that an operator has as an attribute, or as a constant input; None if not.

        Args:
            node: The operator.
            place: The input's place.
            attribute: The attribute's name in older versions.
        """
        if attribute in node.attributes:
            found = node.attributes[attribute]
            return list(found) if isinstance(found, list | tuple) else [int(found)]
        names = node.input_values
        name = names[place] if place < len(names) else ""
        if name not in self.constants:
            return None
        return [int(number) for number in self.constants[name].flatten()]

    def rank(self, name: str) -> int | None:
        """The number of a value's axes; None where it is not known.

        Args:
            name: The value's name.
        """
        shape = self.shapes.get(name)
        return None if shape is None else len(shape)

    def function(self, function: Callable[..., Any], *arguments: Any, **options: Any) -> fx.Node:
        """Adds a call of a function."""
        return self.graph.call_function(function, arguments, options)

    def method(self, name: str, *arguments: Any, **options: Any) -> fx.Node:
        """Adds a call of a tensor's method."""
        return self.graph.call_method(name, arguments, options)

    def module(self, name: str, module: nn.Module, *arguments: Any) -> fx.Node:
        """Adds a module and its call.

        Args:
            name: The module's name; letters that Python's names cannot have are replaced.
            module: The module.
            arguments: Its inputs.
        """
        # Names become a part of the code that torch.fx writes: a file must not choose code.
        plain = re.sub(r"\W", "_", name, flags=re.ASCII) or "node"
        plain = f"_{plain}" if plain[0].isdigit() else plain
        names = itertools.chain([plain], (f"{plain}_{number}" for number in itertools.count(1)))
        name = next(name for name in names if not hasattr(self.root, name))
        self.root.add_module(name, module)
        return self.graph.call_module(name, arguments)

    def item(self, node: fx.Node, place: int) -> fx.Node:
        """Adds the choice of one of a node's results."""
        return self.function(operator.getitem, node, place)


Added: TypeAlias = fx.Node | tuple[fx.Node, ...] | None
"""What was added: a node for each result; None leaves the operator to onnx2torch."""


def _binary(function: Callable[..., Any]) -> Callable[[Call, Any], Added]:
    def add(call: Call, node: Any) -> Added:
        if "broadcast" in node.attributes:
            return None
        return call.function(function, *(call.operand(name) for name in node.input_values))

    return add


def _division(call: Call, node: Any) -> Added:
    kinds = [
        call.constants[n].is_floating_point() for n in node.input_values if n in call.constants
    ]
    return None if False in kinds else _binary(operator.truediv)(call, node)


def _constant(call: Call, node: Any) -> Added:
    name, value = next(iter(node.attributes.items()))
    call.constants[node.output_values[0]] = (
        value.to_torch() if name == "value" else torch.as_tensor(value)
    )
    return ()


def _reshape(call: Call, node: Any) -> Added:
    source = node.input_values[0]
    sizes = call.numbers(node, 1)
    if sizes is None:  # computed: where one size alone is not fixed, the others say it
        given = call.shapes.get(node.output_values[0]) or []
        sizes = [-1 if size is None else size for size in given]
        if sizes.count(-1) != 1 or 0 in sizes:
            return None
    if node.attributes.get("allowzero") and 0 in sizes:
        return None
    images = call.value(source)
    shape = call.shapes.get(source)
    if shape and None not in shape[1:]:
        whole = math.prod(size for size in shape[1:] if size is not None)
        if len(sizes) == 2 and sizes[0] in (0, -1, shape[0]) and sizes[1] in (-1, whole):
            return call.function(torch.flatten, images, 1)
    if shape and shape[0] is None and 0 not in sizes[1:] and sizes[0] == 0 and -1 not in sizes:
        sizes = [-1, *sizes[1:]]
    dims = [call.method("size", images, k) if size == 0 else size for k, size in enumerate(sizes)]
    return call.method("reshape", images, *dims)


def _flatten(call: Call, node: Any) -> Added:
    if node.attributes.get("axis", 1) != 1:
        return None
    return call.function(torch.flatten, call.value(node.input_values[0]), 1)


def _global_average(call: Call, node: Any) -> Added:
    if call.rank(node.input_values[0]) != 4:
        return None
    images = call.value(node.input_values[0])
    return call.module(node.name or "pool", nn.AdaptiveAvgPool2d(1), images)


def _mean(call: Call, node: Any) -> Added:
    axes = call.numbers(node, 1, "axes")
    rank = call.rank(node.input_values[0])
    if not axes or rank is None:
        return None
    axes = sorted(axis % rank for axis in axes)
    keep = bool(node.attributes.get("keepdims", 1))
    return call.method("mean", call.value(node.input_values[0]), axes, keepdim=keep)


def _join(call: Call, node: Any) -> Added:
    parts = [call.value(name) for name in node.input_values]
    return call.function(torch.cat, parts, dim=int(node.attributes.get("axis", 0)))


def _pad(call: Call, node: Any) -> Added:
    pads = call.numbers(node, 1, "pads")
    names = node.input_values
    if pads is None or node.attributes.get("mode", "constant") != "constant" or len(names) > 3:
        return None
    filling = float(node.attributes.get("value", 0.0))
    if len(names) == 3 and names[2]:
        if names[2] not in call.constants:
            return None
        filling = float(call.constants[names[2]])
    axes = len(pads) // 2
    # torch counts from the last axis, with both sides of an axis side by side.
    sides = [side for axis in reversed(range(axes)) for side in (pads[axis], pads[axes + axis])]
    while sides[-2:] == [0, 0]:
        del sides[-2:]
    images = call.value(names[0])
    if not sides:
        return images
    if filling == 0.0:
        return call.function(functional.pad, images, sides)
    return call.function(functional.pad, images, sides, value=filling)


def _slice(call: Call, node: Any) -> Added:
    starts, ends = call.numbers(node, 1, "starts"), call.numbers(node, 2, "ends")
    source = node.input_values[0]
    rank = call.rank(source)
    if starts is None or ends is None or rank is None:
        return None
    given = call.numbers(node, 3, "axes")
    axes = list(range(len(starts))) if given is None else given
    steps = call.numbers(node, 4) or [1] * len(starts)
    if min(steps) < 1:
        return None
    parts = [slice(None)] * rank
    for axis, start, end, step in zip(axes, starts, ends, steps, strict=True):
        first = None if start == 0 or start <= -FAR else start
        last = None if end >= FAR else end
        parts[axis % rank] = slice(first, last, None if step == 1 else step)
    return call.function(operator.getitem, call.value(source), tuple(parts))


def _transpose(call: Call, node: Any) -> Added:
    axes = call.numbers(node, 1, "perm")
    return None if axes is None else call.method("permute", call.value(node.input_values[0]), *axes)


def _squeeze(call: Call, node: Any) -> Added:
    axes, rank = call.numbers(node, 1, "axes"), call.rank(node.input_values[0])
    if not axes or rank is None:
        return None
    result = call.value(node.input_values[0])
    for axis in sorted((axis % rank for axis in axes), reverse=True):
        result = call.method("squeeze", result, axis)
    return result


def _unsqueeze(call: Call, node: Any) -> Added:
    axes, rank = call.numbers(node, 1, "axes"), call.rank(node.input_values[0])
    if not axes or rank is None:
        return None
    result = call.value(node.input_values[0])
    for axis in sorted(axis % (rank + len(axes)) for axis in axes):
        result = call.method("unsqueeze", result, axis)
    return result


def _gelu(call: Call, node: Any) -> Added:
    layer = nn.GELU(node.attributes.get("approximate", "none"))
    return call.module(node.name or "gelu", layer, call.value(node.input_values[0]))


def _product(call: Call, node: Any) -> Added:
    first, second = node.input_values
    weight = call.constants.get(second)
    if weight is None or weight.ndim != 2:
        return call.function(torch.matmul, call.value(first), call.value(second))
    inputs, outputs = weight.shape
    layer = nn.Linear(inputs, outputs, bias=False)
    layer.weight.data = weight.T.contiguous()
    name = second.removesuffix(".weight")
    return call.module(name if name != second else node.name or "linear", layer, call.value(first))


def _sloped(call: Call, node: Any) -> Added:
    source, name = node.input_values
    slope, rank = call.constants.get(name), call.rank(source)
    if slope is None or rank is None or rank < 2:
        return None
    # A slope for each channel, and for nothing else.
    whole = [1] * (rank - slope.ndim) + list(slope.shape)
    if slope.numel() > 1 and slope.numel() != whole[1]:
        return None
    layer = nn.PReLU(slope.numel())
    layer.weight.data = slope.flatten()
    return call.module(node.name or "prelu", layer, call.value(source))


def _split(call: Call, node: Any) -> Added:
    sizes = call.numbers(node, 1, "split")
    axis, source = int(node.attributes.get("axis", 0)), call.value(node.input_values[0])
    if sizes is None:
        shape = call.shapes.get(node.input_values[0])
        whole = None if shape is None else shape[axis]
        if whole is None or whole % len(node.output_values):
            return None
        sizes = [whole // len(node.output_values)] * len(node.output_values)
    parts = call.function(torch.split, source, sizes, dim=axis)
    return tuple(call.item(parts, place) for place in range(len(sizes)))


CALLS: Mapping[str, Callable[[Call, Any], Added]] = {
    "Add": _binary(operator.add),
    "Sub": _binary(operator.sub),
    "Mul": _binary(operator.mul),
    "Div": _division,
    "Constant": _constant,
    "Reshape": _reshape,
    "Flatten": _flatten,
    "GlobalAveragePool": _global_average,
    "ReduceMean": _mean,
    "Concat": _join,
    "Pad": _pad,
    "Slice": _slice,
    "Transpose": _transpose,
    "Squeeze": _squeeze,
    "Unsqueeze": _unsqueeze,
    "Gelu": _gelu,
    "MatMul": _product,
    "PRelu": _sloped,
    "Split": _split,
}
"""Operators by name; what a function leaves alone, onnx2torch converts."""
