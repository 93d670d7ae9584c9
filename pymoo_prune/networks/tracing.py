"""Graphs of networks: their layers and calls, as torch.fx traces them.

Tracing a network with the shape of an image runs it at the same time, on images of zeros. So what
its code asks of shapes has an answer (`if x.dim() == 3`, `range(x.size(1))`). What it asks of
values has none, and is refused: the graph would be right for some images only.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.fx.proxy import Attribute
from torch.nn import functional
from torch.nn.modules.batchnorm import _NormBase
from torch.nn.modules.conv import _ConvNd

from pymoo_prune.errors import PruneError
from pymoo_prune.networks.graphs import (
    CALLS,
    CONSTANT,
    call_name,
    overwrites,
    parts,
    reshape_views,
    sweep,
)
from pymoo_prune.networks.modes import evaluating

SLICED_LAYERS = (_ConvNd, nn.Linear)
"""Layers with input and output channels that can be taken out."""
OPENED = (nn.TransformerEncoder, nn.TransformerEncoderLayer)
"""torch's modules that are made of others, which are followed."""
IMAGES = 3
"""Images of zeros that a network is traced with."""


class _RefusedError(TypeError):
    """What a network's code asks for cannot be answered while it is traced."""


_READS_VALUES = ("item", "tolist")
_UNKNOWN = object()


class LayerTracer(fx.Tracer):
    """Traces into all modules except the layers that have their own channels.

    Args:
        inputs: What the network is run on meanwhile; None runs nothing.

    Attributes:
        has_numbers: Whether the code made plain numbers of results, which the graph has written
            out.
    """

    def __init__(self, inputs: Tensor | None = None) -> None:
        super().__init__()
        self.inputs, self.has_numbers = inputs, False
        self._values: dict[fx.Node, Any] = {}
        self._running = False

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        """Whether a module is a node of the graph."""
        if isinstance(m, (*SLICED_LAYERS, _NormBase)):
            return True
        return super().is_leaf_module(m, module_qualified_name) and not isinstance(m, OPENED)

    def value(self, node: fx.Node) -> Any:
        """What a node gives for the images of zeros, or `_UNKNOWN`."""
        if node.op == "get_attr" and self._values:
            return operator.attrgetter(str(node.target))(self.root)
        return self._values.get(node, _UNKNOWN)

    def proxy(self, node: fx.Node) -> fx.Proxy:
        """Stands for the result of a node while code runs."""
        return KnownProxy(node, self)

    def create_proxy(self, kind: str, target: Any, args: Any, kwargs: Any, *rest: Any,
                     **more: Any) -> Any:  # fmt: skip
        """Adds a node to the graph, and runs it."""
        if kind == "call_function" and _is_torchvisions(target):
            return target(*args, **kwargs)  # it hides layers' weights from graphs
        if kind == "placeholder" and self._values:
            return self._other_argument(str(target), args)
        proxy = super().create_proxy(kind, target, args, kwargs, *rest, **more)
        if self.inputs is not None:
            self._values[proxy.node] = self._run(proxy.node)
        return proxy

    def _other_argument(self, name: str, default: Sequence[Any]) -> Any:
        """An argument of the network beside the images: its default."""
        if name.startswith("*"):
            return {} if name.startswith("**") else ()
        if not default:
            msg = (
                f"its forward() needs {name!r} beside the images, but a network gets one tensor "
                "here; give the argument a default, or wrap the network"
            )
            raise _RefusedError(msg)
        return default[0]

    def call_module(self, m: nn.Module, forward: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        """Calls a module that the code calls."""
        return forward(*args, **kwargs) if self._running else super().call_module(
            m, forward, args, kwargs
        )  # fmt: skip

    def getattr(self, attr: str, attr_val: Any, parameter_proxy_cache: Any) -> Any:
        """Reads an attribute of a module."""
        if self._running:
            return attr_val
        return super().getattr(attr, attr_val, parameter_proxy_cache)

    def _run(self, node: fx.Node) -> Any:
        """What a node gives; `_UNKNOWN` where it depends on values of tensors."""
        if node.op == "placeholder":
            return self.inputs
        before = [self.value(one) for one in node.all_input_nodes]
        unknown = any(value is _UNKNOWN for value in before) or node.target in _READS_VALUES
        if unknown or node.op == "get_attr":
            return _UNKNOWN
        args, kwargs = fx.map_arg((node.args, node.kwargs), self.value)
        self._running = True
        try:
            if node.op == "call_method":
                return getattr(args[0], str(node.target))(*args[1:], **kwargs)
            if node.op == "call_module":
                return self.root.get_submodule(str(node.target))(*args, **kwargs)
            called: Any = node.target
            return called(*args, **kwargs) if node.op == "call_function" else _UNKNOWN
        finally:
            self._running = False


class KnownProxy(fx.Proxy):
    """Stands for a result, and answers what shapes and types can answer."""

    tracer: LayerTracer

    def __getattr__(self, name: str) -> Any:
        """An attribute of the result."""
        return _KnownAttribute(self, name)

    def _known(self) -> Any:
        return self.tracer.value(self.node)

    def _written_out(self) -> Any:
        """The result, for code that makes a plain number of it."""
        self.tracer.has_numbers = True
        return self._known()

    def __bool__(self) -> bool:
        """The truth of a result that is no tensor."""
        value = self._known()
        if value is not _UNKNOWN and not isinstance(value, Tensor):
            return bool(value)
        if self.tracer.inputs is None:
            return bool(super().__bool__())
        msg = (
            "its control flow depends on the values of tensors (an 'if' or a 'while'), so it "
            "differs from image to image; write it with torch.where, or decide before forward()"
        )
        raise _RefusedError(msg)

    def __len__(self) -> int:
        """The length of a result."""
        value = self._written_out()
        return super().__len__() if value is _UNKNOWN else len(value)

    def __iter__(self) -> Iterator[Any]:
        """The parts of a result."""
        value = self._written_out()
        return super().__iter__() if value is _UNKNOWN else iter(
            [self[place] for place in range(len(value))]  # type: ignore[index]
        )  # fmt: skip

    def __index__(self) -> int:
        """A whole number, as shapes have it."""
        value = self._written_out()
        return operator.index(value) if isinstance(value, int) else super().__index__()  # type: ignore[misc]

    def __int__(self) -> int:
        """A number, as a whole one."""
        return int(self._number())

    def __float__(self) -> float:
        """A number."""
        return float(self._number())

    def _number(self) -> Any:
        value = self._written_out()
        if isinstance(value, (int, float)):
            return value
        msg = "a number that is computed from images cannot be read while a network is traced"
        raise _RefusedError(msg)

    def __setitem__(self, index: Any, value: Any) -> None:
        """Writes into a tensor; the graph does the same."""
        self.tracer.create_proxy("call_function", operator.setitem, (self, index, value), {})


class _KnownAttribute(KnownProxy):
    """An attribute of a result: a node is made when it is used, unless it is called."""

    def __init__(self, root: fx.Proxy, attr: str) -> None:
        self.root, self.attr, self.tracer = root, attr, root.tracer  # type: ignore[assignment]
        self._node: fx.Node | None = None

    node = Attribute.node
    __call__ = Attribute.__call__


def _is_torchvisions(target: Any) -> bool:
    return str(getattr(target, "__module__", "")).startswith("torchvision.")


def trace(network: nn.Module, shape: Sequence[int] | None = None) -> fx.Graph:
    """Traces a network to a graph of layers, in evaluation mode; the network stays as it was.

    A graph keeps the mode in which it was traced: traced in training mode, dropout would stay on.
    Nodes without a use are left out.

    Args:
        network: Any network.
        shape: One image, (channels, height, width). Without it, code that asks for shapes fails.
    """
    tracer = LayerTracer(None if shape is None else zeros(network, shape))
    before = set(vars(network))
    try:
        with evaluating(network), torch.no_grad():
            graph = tracer.trace(network)
    except Exception as error:  # a forward pass may fail on a proxy in any way
        if shape is not None and not isinstance(error, _RefusedError):
            _check_images(network, shape)
        msg = (
            f"the flow of channels through a {type(network).__name__} cannot be followed, because "
            f"torch.fx cannot trace it: {error}"
        )
        raise PruneError(msg) from error
    for node in graph.nodes:
        name = str(node.target)
        if str(getattr(node.target, "__module__", "torch")).startswith("torch"):
            # Set where a function of torchvision ended; the graph's code would wrap torch's own.
            node.meta.pop("is_wrapped", None)
        if node.op == "get_attr" and name.startswith("_tensor_constant") and name not in before:
            node.meta[CONSTANT] = network.__dict__[name]
    for name in set(vars(network)) - before:  # torch.fx leaves the code's own tensors there
        delattr(network, name)
    _call_layers(graph, network)
    reshape_views(graph)
    if shape is not None:
        _name_axes(graph, tracer)
    sweep(graph, [node for node in graph.nodes if overwrites(node, network)])
    if shape is not None and tracer.has_numbers:
        _check_fewer(graph, network, shape)
    return graph


def zeros(network: nn.Module, shape: Sequence[int]) -> Tensor:
    """Images of zeros for a network, `IMAGES` of them."""
    like = next(network.parameters(), torch.empty(0))
    return torch.zeros(IMAGES, *shape, dtype=like.dtype, device=like.device)


def _check_images(network: nn.Module, shape: Sequence[int]) -> None:
    """Refuses a network that cannot be run, and says what for."""
    faults: list[Exception] = []
    for count in range(IMAGES, 0, -1):
        try:
            with evaluating(network), torch.no_grad():
                network(zeros(network, shape)[:count])
        except Exception as error:  # noqa: BLE001 - a network may fail in any way
            faults.append(error)
        else:
            break
    if len(faults) == IMAGES:
        msg = f"the network cannot take an image of shape {tuple(shape)}: {faults[0]}"
        raise PruneError(msg) from faults[0]
    if faults:
        msg = (
            f"a {type(network).__name__} takes {IMAGES - len(faults)} images at once, but not "
            f"{IMAGES}: its code has the number of images written out; take x.size(0), or -1"
        )
        raise PruneError(msg) from faults[0]


def _check_fewer(graph: fx.Graph, network: nn.Module, shape: Sequence[int]) -> None:
    """Refuses a graph that takes only as many images as it was traced with."""
    try:
        with evaluating(network), torch.no_grad():
            fx.GraphModule(parts(network, graph), graph)(zeros(network, shape)[:-1])
    except Exception as error:  # it may fail in any way
        msg = (
            f"the graph of a {type(network).__name__} takes {IMAGES} images at once, but not "
            f"{IMAGES - 1}: its code turns the number of images into a plain one, as len(x) does; "
            "take x.size(0), or -1"
        )
        raise PruneError(msg) from error


def _call_layers(graph: fx.Graph, network: nn.Module) -> None:
    """Replaces products with a linear layer's weight and bias by calls of that layer."""
    for node in list(graph.nodes):
        if node.op != "call_function" or node.target is not functional.linear or node.kwargs:
            continue
        image, *tensors = node.args
        names = [str(one.target) if isinstance(one, fx.Node) else None for one in tensors]
        path = str(names[0] or "").removesuffix(".weight")
        if any(isinstance(one, fx.Node) and one.op != "get_attr" for one in tensors):
            continue
        layer = dict(network.named_modules()).get(path)
        bias = None if getattr(layer, "bias", None) is None else f"{path}.bias"
        if type(layer) is nn.Linear and [*names, None][:2] == [f"{path}.weight", bias]:
            with graph.inserting_before(node):
                called = graph.call_module(path, (image,))
            called.meta = dict(node.meta)
            node.replace_all_uses_with(called)
            graph.erase_node(node)


def _name_axes(graph: fx.Graph, tracer: LayerTracer) -> None:
    """Names the axes that squeeze() takes away: with fewer channels there could be more of them."""
    for node in graph.nodes:
        if node.op in CALLS and call_name(node) == "squeeze" and len(node.all_input_nodes) == 1:
            image: Any = tracer.value(node.all_input_nodes[0])
            if isinstance(image, Tensor) and len(node.args) == 1 and "dim" not in node.kwargs:
                axes = tuple(axis for axis, size in enumerate(image.shape) if size == 1)
                node.args = (*node.args, axes)
