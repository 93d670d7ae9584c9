"""Networks of any kind, made physically smaller: without some channels and whole branches."""

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
from pymoo_prune.networks.building import build_network, buildable, spec_of
from pymoo_prune.networks.modes import evaluating

Branch: TypeAlias = tuple[str, int]
"""The name of a sum or concatenation in the graph, and the place of one of its operands."""

Places: TypeAlias = Sequence[int] | NDArray[Any] | Tensor
"""Indices of channels."""

SLICED_LAYERS = (_ConvNd, nn.Linear)
"""Layers with input and output channels that can be taken out."""
SUMS = (operator.add, torch.add)
JOINS = (torch.cat, torch.concat, torch.concatenate)
CALLS = ("call_function", "call_method")


class LayerTracer(fx.Tracer):
    """Traces into all modules except the layers that have their own channels."""

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        """Whether a module is a node of the graph."""
        own = isinstance(m, (*SLICED_LAYERS, _BatchNorm))
        return own or super().is_leaf_module(m, module_qualified_name)


def trace(network: nn.Module) -> fx.Graph:
    """Traces a network to a graph of layers, in evaluation mode; the network stays as it was.

    A graph keeps the mode in which it was traced: traced in training mode, dropout would stay on.
    Nodes without a use are left out.
    """
    try:
        with evaluating(network):
            graph = LayerTracer().trace(network)
    except Exception as error:  # a forward pass may fail on a proxy in any way
        msg = (
            f"the flow of channels through a {type(network).__name__} cannot be followed, because "
            f"torch.fx cannot trace it: {error}"
        )
        raise PruneError(msg) from error
    _sweep(graph, [node for node in graph.nodes if overwrites(node, network)])
    return graph


def overwrites(node: fx.Node, network: nn.Module) -> bool:
    """Whether a node works in place: whether it overwrites its first operand."""
    if node.op == "call_module":
        return bool(getattr(network.get_submodule(str(node.target)), "inplace", False))
    if node.op not in CALLS:
        return False
    # torch.fx records x += y as a plain sum.
    return call_name(node).endswith("_") or bool(node.kwargs.get("inplace"))


def call_name(node: fx.Node) -> str:
    """The name of the function or method that a node calls."""
    return node.target if isinstance(node.target, str) else node.target.__name__


def _sweep(graph: fx.Graph, kept: Collection[fx.Node] = ()) -> None:
    """Removes the nodes that have no use, except those to keep."""
    for node in reversed(graph.nodes):
        if not node.users and node.op not in ("placeholder", "output") and node not in kept:
            graph.erase_node(node)


@buildable("slim")
class SlimNetwork(nn.Module):
    """A network of any kind with narrower layers and without some of its branches.

    Args:
        parent: The spec of the network that it was made from.
        widths: By name, of each layer that is left, [inputs, outputs], and of each batch norm,
            [channels].
        dropped: The operands of sums and concatenations that are gone.
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
        """A network from its parts, each in the mode that it has in the parent.

        The result can be exported only if the parent has a spec.

        Args:
            network: The parent; it is not changed, and shares nothing with the result.
            graph: The part of the parent's graph that is left.
            layers: The layers and batch norms that are left, smaller than the parent's.
            dropped: The operands that are gone.
        """
        slim = cls.__new__(cls)
        nn.Module.__init__(slim)
        slim.parent, slim.dropped = spec_of(network), list(dropped)
        slim.assemble(network, graph, layers)
        for module in slim.modules():
            if next(module.children(), None) is not None:
                module.training = network.training
        return slim

    def assemble(
        self, network: nn.Module, graph: fx.Graph, layers: Mapping[str, nn.Module]
    ) -> None:
        """Puts the network together; modules without their own channels are the parent's."""
        names = [str(node.target) for node in graph.nodes if node.op == "call_module"]
        parts: dict[str, Any] = {
            name: layers.get(name) or copy.deepcopy(network.get_submodule(name)) for name in names
        }
        # A module inside this one: copies of a GraphModule would lose the other attributes.
        self.network = fx.GraphModule(parts, graph)
        self.widths = {name: _widths(layer) for name, layer in layers.items() if name in parts}

    @property
    def spec(self) -> dict[str, Any] | None:
        """The spec with which `build_network` makes a network of this shape, or None."""
        if self.parent is None:
            return None
        dropped = [list(branch) for branch in self.dropped]  # as JSON keeps them
        arguments = {"parent": self.parent, "widths": self.widths, "dropped": dropped}
        return {"network": "slim", "arguments": arguments}

    def forward(self, images: Tensor) -> Tensor:
        """The parent's input -> the parent's output."""
        outputs: Tensor = self.network(images)
        return outputs


def without_branches(graph: fx.Graph, branches: Sequence[Branch]) -> fx.Graph:
    """A copy of a graph without some operands of sums and concatenations.

    Nodes that only these operands needed go as well. At least one operand of each must stay.
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
                # The next node may overwrite a sum, which is new memory; a clone is new memory too.
                node.replace_all_uses_with(smaller.call_function(torch.clone, (left[0],)))
        elif node.args:
            node.args = (left, *node.args[1:])
        else:
            node.kwargs = {**node.kwargs, "tensors": left}
    _sweep(smaller)
    return smaller


def operands(node: fx.Node) -> list[fx.Node]:
    """The operands of a plain sum or a concatenation; none for other nodes."""
    if node.op not in CALLS:
        return []
    parts: Any = []
    if node.target in JOINS:
        parts = node.args[0] if node.args else node.kwargs["tensors"]
    elif (node.target in SUMS or node.target == "add") and not node.kwargs:
        parts = node.args
    # Parts may be numbers, and all parts of a concatenation may come from a single node.
    known = isinstance(parts, (list, tuple)) and all(isinstance(part, fx.Node) for part in parts)
    return list(parts) if known else []


def narrowed(layer: nn.Module, tensors: Mapping[str, Tensor]) -> nn.Module:
    """A copy of a layer with other parameters and buffers, and with their widths.

    Args:
        layer: A convolution, a linear layer or a batch norm; it is not changed.
        tensors: The new parameters and buffers, by name.
    """
    module: Any = layer
    # A deep copy takes the new tensors from here instead of copying the old ones.
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
    if isinstance(layer, _BatchNorm):  # it may have no tensors at all
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
    """A copy of a layer with these widths and some of its weights."""
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
