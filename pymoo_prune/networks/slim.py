"""A network from which channels and whole branches were taken: physically smaller, of any kind."""

from __future__ import annotations

import copy
import operator
from collections.abc import Collection, Mapping, Sequence
from typing import Any, TypeAlias

import torch
from numpy.typing import NDArray
from torch import Tensor, fx, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.conv import _ConvNd

from pymoo_prune.errors import PruneError
from pymoo_prune.networks.building import build_network, buildable
from pymoo_prune.networks.modes import evaluating

Branch: TypeAlias = tuple[str, int]
"""A sum or a concatenation in the graph, and the place of one of its operands."""

Places: TypeAlias = Sequence[int] | NDArray[Any] | Tensor
"""Indices of channels."""

SLICED_LAYERS = (_ConvNd, nn.Linear)
SUMS = (operator.add, torch.add)
JOINS = (torch.cat, torch.concat, torch.concatenate)
CALLS = ("call_function", "call_method")


class LayerTracer(fx.Tracer):
    """Looks into everything but the layers that have channels of their own."""

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        """Whether a module is a node of its own."""
        own = isinstance(m, (*SLICED_LAYERS, _BatchNorm))
        return own or super().is_leaf_module(m, module_qualified_name)


def trace(network: nn.Module) -> fx.Graph:
    """A network as a graph of layers, in evaluation mode; it is left as it was.

    A graph keeps what a forward pass asked for when it was traced, so that of a network in training
    mode would have dropouts that never end. What nobody uses is not in it.
    """
    try:
        with evaluating(network):
            graph = LayerTracer().trace(network)
    except Exception as error:  # a forward pass may stumble over a proxy in any way
        msg = (
            f"the flow of channels through a {type(network).__name__} cannot be followed, because "
            f"torch.fx cannot trace it: {error}"
        )
        raise PruneError(msg) from error
    _sweep(graph, [node for node in graph.nodes if overwrites(node, network)])
    return graph


def overwrites(node: fx.Node, network: nn.Module) -> bool:
    """Whether a node works in place: on the memory of what it reads first."""
    if node.op == "call_module":
        return bool(getattr(network.get_submodule(str(node.target)), "inplace", False))
    if node.op not in CALLS:
        return False
    # x += y is a plain sum for torch.fx.
    return call_name(node).endswith("_") or bool(node.kwargs.get("inplace"))


def call_name(node: fx.Node) -> str:
    """The name of the function or method that is called."""
    return node.target if isinstance(node.target, str) else node.target.__name__


def _sweep(graph: fx.Graph, kept: Collection[fx.Node] = ()) -> None:
    """Takes out what nobody uses, but for some nodes."""
    for node in reversed(graph.nodes):
        if not node.users and node.op not in ("placeholder", "output") and node not in kept:
            graph.erase_node(node)


@buildable("slim")
class SlimNetwork(nn.Module):
    """A network of any kind with narrower layers and without some of its branches.

    Args:
        parent: The spec of the network that it came from, or None where that has none: then it
            cannot be exported.
        widths: Of each layer that is left, [inputs, outputs], and of each batch norm, [channels].
        dropped: Operands of sums and concatenations that are gone.
    """

    def __init__(
        self,
        parent: Mapping[str, Any],
        widths: Mapping[str, Sequence[int]],
        dropped: Sequence[Sequence[Any]] = (),
    ) -> None:
        super().__init__()
        whole = build_network(parent)
        try:
            self.dropped: list[Branch] = [(str(name), int(place)) for name, place in dropped]
            widths = dict(widths)
        except (TypeError, ValueError) as error:
            msg = (
                "widths must be numbers by layers' names, and dropped pairs of a name and a place, "
                f"but they are {widths} and {dropped}"
            )
            raise PruneError(msg) from error
        graph = without_branches(trace(whole), self.dropped)
        layers = dict(whole.named_modules())
        narrow = {
            name: _of_widths(name, layers.get(name), numbers) for name, numbers in widths.items()
        }
        self.parent: dict[str, Any] | None = dict(parent)
        self.assemble(whole, graph, narrow)

    @classmethod
    def of(
        cls,
        network: nn.Module,
        graph: fx.Graph,
        layers: Mapping[str, nn.Module],
        dropped: Sequence[Branch],
    ) -> SlimNetwork:
        """From its parts; each is in the mode that it has in the parent.

        Args:
            network: The parent; it is not changed, and shares nothing with the result.
            graph: What is left of the parent's.
            layers: Layers and batch norms that are left, smaller than the parent's.
            dropped: Operands that are gone.
        """
        slim = cls.__new__(cls)
        nn.Module.__init__(slim)
        spec = getattr(network, "spec", None)
        slim.parent, slim.dropped = spec if isinstance(spec, dict) else None, list(dropped)
        slim.assemble(network, graph, layers)
        for module in slim.modules():
            if next(module.children(), None) is not None:
                module.training = network.training
        return slim

    def assemble(
        self, network: nn.Module, graph: fx.Graph, layers: Mapping[str, nn.Module]
    ) -> None:
        """Puts it together; what has no channels of its own is the parent's."""
        names = [str(node.target) for node in graph.nodes if node.op == "call_module"]
        parts: dict[str, Any] = {
            name: layers.get(name) or copy.deepcopy(network.get_submodule(name)) for name in names
        }
        # A plain module inside, so that copying this one keeps what it knows.
        self.network = fx.GraphModule(parts, graph)
        self.widths = {name: _widths(layer) for name, layer in layers.items() if name in parts}

    @property
    def spec(self) -> dict[str, Any] | None:
        """What `build_network` needs to make a network of this shape."""
        if self.parent is None:
            return None
        dropped = [list(branch) for branch in self.dropped]  # as JSON keeps them
        arguments = {"parent": self.parent, "widths": self.widths, "dropped": dropped}
        return {"network": "slim", "arguments": arguments}

    def forward(self, images: Tensor) -> Tensor:
        """What the parent takes -> what it gives."""
        outputs: Tensor = self.network(images)
        return outputs


def without_branches(graph: fx.Graph, branches: Sequence[Branch]) -> fx.Graph:
    """A copy of a graph in which operands of sums and concatenations are gone.

    What only they needed goes as well. Of a concatenation or a sum at least one operand must stay.
    """
    smaller = fx.Graph()
    output = smaller.graph_copy(graph, val_map={})
    smaller.output(output)
    nodes = {node.name: node for node in smaller.nodes}
    gone: dict[str, set[int]] = {}
    for name, place in branches:
        gone.setdefault(name, set()).add(place)
    for name, places in gone.items():
        node = nodes.get(name)
        if node is None or not places < set(range(len(operands(node)))):
            msg = f"operands {sorted(places)} of {name!r} cannot be dropped from the network"
            raise PruneError(msg)
        left = [value for k, value in enumerate(operands(node)) if k not in places]
        if len(left) == 1:
            with smaller.inserting_before(node):
                # A sum is new memory, which what follows may overwrite; so is a clone.
                node.replace_all_uses_with(smaller.call_function(torch.clone, (left[0],)))
        elif node.args:
            node.args = (left, *node.args[1:])
        else:
            node.kwargs = {**node.kwargs, "tensors": left}
    _sweep(smaller)
    return smaller


def operands(node: fx.Node) -> list[fx.Node]:
    """What a plain sum or a concatenation is made of; nothing for other nodes."""
    if node.op not in CALLS:
        return []
    parts: Any = []
    if node.target in JOINS:
        parts = node.args[0] if node.args else node.kwargs["tensors"]
    elif (node.target in SUMS or node.target == "add") and not node.kwargs:
        parts = node.args
    # Numbers may be among the parts, and the parts of a concatenation may be a node's to choose.
    known = isinstance(parts, (list, tuple)) and all(isinstance(part, fx.Node) for part in parts)
    return list(parts) if known else []


def narrowed(layer: nn.Module, tensors: Mapping[str, Tensor]) -> nn.Module:
    """A copy of a layer with other parameters and buffers, and with the widths that they have.

    Args:
        layer: A convolution, a linear layer or a batch norm; it is not changed.
        tensors: By the name of the parameter or buffer.
    """
    module: Any = layer
    # A deep copy that finds the new tensors where it would have copied the old ones.
    instead: dict[int, Any] = {}
    for name, tensor in tensors.items():
        old = getattr(module, name)
        instead[id(old)] = (
            nn.Parameter(tensor, requires_grad=old.requires_grad)
            if isinstance(old, nn.Parameter)
            else tensor
        )
    small: Any = copy.deepcopy(module, instead)
    if isinstance(layer, nn.Linear):
        small.out_features, small.in_features = tensors["weight"].shape
    elif isinstance(layer, _ConvNd):
        outputs, inputs = tensors["weight"].shape[:2]
        depthwise = module.groups > 1
        small.out_channels, small.in_channels = outputs, inputs * (outputs if depthwise else 1)
        small.groups = outputs if depthwise else 1
    return small  # type: ignore[no-any-return]


def sliced(layer: nn.Module, inputs: Places | None, outputs: Places) -> nn.Module:
    """A copy of a layer with some of its channels.

    Args:
        layer: A convolution, a linear layer or a batch norm.
        inputs: The input channels that stay; None for batch norms and depthwise convolutions.
        outputs: The output channels that stay.
    """
    tensors = {
        name: value.detach()[torch.as_tensor(outputs, device=value.device)]
        for name, value in (*layer.named_parameters(), *layer.named_buffers())
        if value.ndim > 0
    }
    if inputs is not None:
        weight = tensors["weight"]
        tensors["weight"] = weight[:, torch.as_tensor(inputs, device=weight.device)]
    small: Any = narrowed(layer, tensors)
    if isinstance(layer, _BatchNorm):  # may have no tensors at all
        small.num_features = len(outputs)
    return small  # type: ignore[no-any-return]


def _widths(layer: nn.Module) -> list[int]:
    module: Any = layer
    if isinstance(layer, _BatchNorm):
        return [module.num_features]
    if isinstance(layer, nn.Linear):
        return [module.in_features, module.out_features]
    return [module.in_channels, module.out_channels]


def _of_widths(name: str, layer: nn.Module | None, widths: Sequence[int]) -> nn.Module:
    """A layer of these widths; its weights are some of the whole one's."""
    if not isinstance(layer, (*SLICED_LAYERS, _BatchNorm)):
        msg = f"the parent has no layer {name!r} with channels of its own"
        raise PruneError(msg)
    whole = _widths(layer)
    if len(widths) != len(whole) or any(
        not 1 <= wanted <= there for wanted, there in zip(widths, whole, strict=True)
    ):
        msg = f"layer {name!r} has channels {whole}, and cannot have {widths}"
        raise PruneError(msg)
    own = isinstance(layer, _BatchNorm) or getattr(layer, "groups", 1) > 1
    return sliced(layer, None if own else range(widths[0]), range(widths[-1]))
