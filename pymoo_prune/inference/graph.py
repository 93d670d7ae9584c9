"""A network as a graph, without operations that have no effect, and with batch norms folded."""

from __future__ import annotations

import copy
import operator

import torch
from torch import Tensor, fx, nn
from torch.nn import functional

from pymoo_prune.inference.parent import CONVOLUTIONS, NORMS, WEIGHTED_LAYERS, Parent
from pymoo_prune.networks import reshape_views

NO_OPS = (nn.Identity, nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d)
RELUS = (functional.relu, torch.relu, torch.relu_)


class _Tracer(fx.Tracer):
    """Traces into all modules except the layers whose weights or statistics are replaced."""

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        layer = isinstance(m, (*WEIGHTED_LAYERS, *NORMS))
        return layer or super().is_leaf_module(m, module_qualified_name)


def traced_network(parent: Parent, images: Tensor) -> fx.GraphModule | None:
    """The network as a graph; None unless the graph gives the same on these images."""
    network = copy.deepcopy(parent.network)
    with torch.no_grad():
        expected = parent.network(images)
        try:
            traced = fx.GraphModule(network, _Tracer().trace(network))
            _simplify(traced)
            for parameter in traced.parameters():
                parameter.data = laid_out(parameter.data)
            found = traced(laid_out(images))
        except Exception:  # noqa: BLE001 - a forward pass may fail on a proxy in any way
            return None
    near = 1e-4 * float(expected.abs().max())
    same = found.shape == expected.shape
    same = same and torch.allclose(found, expected, rtol=1e-3, atol=near, equal_nan=True)
    return traced if same else None


def _simplify(traced: fx.GraphModule) -> None:
    """Drops operations without effect; lets sums and activations overwrite inputs of their own."""
    modules: dict[str, nn.Module] = dict(traced.named_modules())
    reshape_views(traced.graph)
    for node in list(traced.graph.nodes):
        module = modules.get(str(node.target)) if node.op == "call_module" else None
        source = source_of(node)
        if source is None:
            continue
        made = source.op == "call_module" and isinstance(
            modules[str(source.target)], (*WEIGHTED_LAYERS, *NORMS)
        )
        free = len(source.users) == 1 and (made or source.target in (operator.add, torch.add))
        if isinstance(module, NO_OPS) or _copies(node):
            node.replace_all_uses_with(source)
            traced.graph.erase_node(node)
        elif node.target is operator.iadd and free:
            node.target = operator.add
        elif free and (isinstance(module, nn.ReLU) or node.target in (*RELUS, "relu", "relu_")):
            node.op, node.target, node.kwargs = "call_function", torch.relu_, {}
            node.args = (source,)
    traced.recompile()


def _copies(node: fx.Node) -> bool:
    """Whether a node is a padding of width 0, or a slice of everything."""
    if node.target is functional.pad:
        amounts = node.args[1] if len(node.args) > 1 else None
        return isinstance(amounts, (list, tuple)) and all(amount == 0 for amount in amounts)
    everything = (slice(None), slice(None, None, 1), slice(0, None), slice(0, None, 1))
    index = node.args[1] if node.target is operator.getitem else None
    return isinstance(index, tuple) and all(part in everything for part in index)


def fold(traced: fx.GraphModule, parent: Parent) -> dict[str, str]:
    """Folds batch norms into the convolutions in front; returns their paths by convolution."""
    private, folds = parent.private(traced), {}
    for node in list(traced.graph.nodes):
        source, norm = source_of(node), parent.norms.get(str(node.target))
        if source is None or norm is None or type(norm) not in NORMS:
            continue
        path = str(source.target)
        foldable = path in private and type(parent.modules[path]) in CONVOLUTIONS
        if foldable and len(source.users) == 1:
            bias = torch.zeros(len(norm.running_mean), device=parent.device)
            traced.get_submodule(path).bias = nn.Parameter(bias, requires_grad=False)
            node.replace_all_uses_with(source)
            traced.graph.erase_node(node)
            folds[path] = str(node.target)
    traced.recompile()
    return folds


def laid_out(tensor: Tensor) -> Tensor:
    """Channels last for tensors with four axes, as the kernels of convolutions want them."""
    return tensor.contiguous(memory_format=torch.channels_last) if tensor.ndim == 4 else tensor


def source_of(node: fx.Node) -> fx.Node | None:
    """The first argument of a node, if that is a node."""
    source = node.args[0] if node.args else None
    return source if isinstance(source, fx.Node) else None


def only_user(node: fx.Node) -> fx.Node | None:
    """The node that reads a node, if there is exactly one."""
    return next(iter(node.users)) if len(node.users) == 1 else None


def pads_zeros(node: fx.Node) -> bool:
    """Whether a node pads images with zeros."""
    value, usual = node.kwargs.get("value"), node.kwargs.get("mode") == "constant"
    zeros = usual and (value is None or value == 0)
    return bool(node.target is functional.pad and len(node.args) == 2 and zeros)


def adds(node: fx.Node) -> bool:
    """Whether a node is a plain sum of two operands."""
    sums = node.op == "call_function" and node.target in (operator.add, torch.add)
    return bool(sums and len(node.args) == 2 and not node.kwargs)


def activates(node: fx.Node | None) -> bool:
    """Whether a node is a ReLU in place."""
    return node is not None and node.target is torch.relu_
