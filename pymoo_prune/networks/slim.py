"""Networks of any kind, made physically smaller: without some channels and whole branches."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import torch
from torch import Tensor, fx, nn

from pymoo_prune.errors import PruneError
from pymoo_prune.networks.building import build_network, buildable, spec_of
from pymoo_prune.networks.graphs import operands, parts, sweep
from pymoo_prune.networks.rewriting import Rewritings, rewrite
from pymoo_prune.networks.slicing import of_widths, part_of, widths_of
from pymoo_prune.networks.tracing import trace

Branch: TypeAlias = tuple[str, int]
"""The name of a sum or concatenation in the graph, and the place of one of its operands."""


@buildable("slim")
class SlimNetwork(nn.Module):
    """A network of any kind with narrower layers and without some of its branches.

    Args:
        parent: The spec of the network that it was made from.
        widths: By name, of each layer that is left, [inputs, outputs], and of each batch norm,
            [channels].
        dropped: The operands of sums and concatenations that are gone.
        shape: One image that the parent was traced with; None traces without.
        rewritten: By node, the sizes that are written out in the parent's code and differ here.
        tensors: By name, the shapes of tensors of the parent that are smaller here.
    """

    def __init__(
        self,
        parent: Mapping[str, Any],
        widths: Mapping[str, Sequence[int]],
        dropped: Sequence[Sequence[Any]] = (),
        shape: Sequence[int] | None = None,
        rewritten: Rewritings | None = None,
        tensors: Mapping[str, Sequence[int]] | None = None,
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
        graph = without_branches(trace(whole, shape), self.dropped)
        layers = dict(whole.named_modules())
        narrow: dict[str, Any] = {
            name: of_widths(name, layers.get(name), numbers) for name, numbers in widths.items()
        }
        named = parts(whole, graph)
        for name, sizes in (tensors or {}).items():
            narrow[name] = named[name]
            for axis, size in enumerate(sizes):
                narrow[name] = part_of(narrow[name], axis, range(size))
        self.parent: dict[str, Any] | None = dict(parent)
        self.shape = None if shape is None else [int(size) for size in shape]
        self.rewritten = dict(rewritten or {})
        self.assemble(whole, graph, narrow)

    @classmethod
    def of(
        cls,
        network: nn.Module,
        graph: fx.Graph,
        layers: Mapping[str, Any],
        dropped: Sequence[Branch],
        shape: Sequence[int],
        rewritten: Rewritings,
    ) -> SlimNetwork:
        """A network from its parts, each in the mode that it has in the parent.

        The result can be exported only if the parent has a spec.

        Args:
            network: The parent; it is not changed, and shares nothing with the result.
            graph: The part of the parent's graph that is left.
            layers: The layers and tensors that are left and may be smaller than the parent's.
            dropped: The operands that are gone.
            shape: One image that the parent was traced with.
            rewritten: By node, the sizes that are written out in the parent's code and differ here.
        """
        slim = cls.__new__(cls)
        nn.Module.__init__(slim)
        slim.parent, slim.dropped = spec_of(network), list(dropped)
        slim.shape, slim.rewritten = list(shape), dict(rewritten)
        slim.assemble(network, graph, layers)
        for module in slim.modules():
            if next(module.children(), None) is not None:
                module.training = network.training
        return slim

    def assemble(self, network: nn.Module, graph: fx.Graph, layers: Mapping[str, Any]) -> None:
        """Puts the network together; what is not in `layers` is the parent's."""
        whole = parts(network, graph)
        own: dict[str, Any] = {
            name: layers[name] if name in layers else copy.deepcopy(part)
            for name, part in whole.items()
        }
        rewrite(graph, self.rewritten)
        # A module inside this one: copies of a GraphModule would lose the other attributes.
        self.network = fx.GraphModule(own, graph)
        changed = {name: layer for name, layer in layers.items() if name in own}
        self.widths = {
            name: widths_of(layer, whole[name])
            for name, layer in changed.items()
            if isinstance(layer, nn.Module)
        }
        self.tensors = {
            name: list(tensor.shape)
            for name, tensor in changed.items()
            if isinstance(tensor, Tensor)
        }

    @property
    def spec(self) -> dict[str, Any] | None:
        """The spec with which `build_network` makes a network of this shape, or None."""
        if self.parent is None:
            return None
        dropped = [list(branch) for branch in self.dropped]  # as JSON keeps them
        arguments: dict[str, Any] = {
            "parent": self.parent, "widths": self.widths, "dropped": dropped, "shape": self.shape,
        }  # fmt: skip
        more = {"rewritten": self.rewritten, "tensors": self.tensors}
        arguments |= {name: changes for name, changes in more.items() if changes}
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
    sweep(smaller)
    return smaller
