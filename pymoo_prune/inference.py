"""The forward pass of one network, prepared once and run for thousands of candidates.

The candidates of an unstructured search have the parent's shapes with zeros inside, so all that
does not depend on the weights is done once: the network is traced, what does nothing is dropped,
and the images are brought into the layout that the kernels want. A candidate then costs its own
weights, with each batch norm folded into the convolution in front of it, and the pass.
"""

from __future__ import annotations

import copy
import operator
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import Any, Literal, NamedTuple, TypeAlias, get_args

import torch
from torch import Tensor, fx, nn
from torch.nn import functional

from pymoo_prune.errors import PruneError, unknown_name

Precision: TypeAlias = Literal["float32", "bfloat16", "int8"]
Weights: TypeAlias = Mapping[str, Tensor]
"""Weights by the path of their convolution or linear layer; missing ones are the parent's."""
Statistics: TypeAlias = Mapping[str, tuple[Tensor, Tensor]]
"""(mean, variance), (channels,) each, by the path of a batch norm; missing: the parent's."""

CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
NO_OPS = (nn.Identity, nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d)
RELUS = (functional.relu, torch.relu, torch.relu_)
PARENTS: Statistics = MappingProxyType({})


@dataclass(frozen=True, eq=False)  # tensors have no single truth value for ==
class PreparedImages:
    """Images as the passes of one `Inference` want them.

    Attributes:
        batches: (n, channels, height, width) each.
    """

    batches: tuple[Tensor, ...]

    def __len__(self) -> int:
        return sum(map(len, self.batches))


class Inference:
    """What a trained network answers with other weights.

    A network that cannot be traced, because its forward pass looks at values, runs as it is: right,
    but slower. Not to be used by several threads at once.

    Args:
        network: Any classifier; it is copied, never changed.
        calibration: A few images, (n, channels, height, width), float32. They prove that the
            prepared pass is the network's, and show int8 the range of each activation.
        precision: Of the pass. "int8" needs `supports_int8`.
        batch_size: Images at once.
    """

    def __init__(
        self,
        network: nn.Module,
        calibration: Tensor,
        *,
        precision: Precision = "float32",
        batch_size: int = 64,
    ) -> None:
        if precision not in get_args(Precision):
            raise unknown_name("precision", precision, get_args(Precision))
        if batch_size < 1:
            raise PruneError(f"batch_size must be at least 1, but it is {batch_size}")
        _check_images(calibration)
        self.precision, self.batch_size = precision, batch_size
        self._parent = _Parent(network)
        self._device = self._parent.device
        calibration = calibration.to(self._device)
        if precision == "int8":
            _check_int8(self._device)
        traced = _traced(self._parent, calibration[:batch_size])
        if precision == "int8" and traced is None:
            raise _no_int8("the network cannot be traced, because its forward pass looks at values")
        half = precision == "bfloat16" or (precision == "int8" and _has_fast_bfloat16())
        plain = copy.deepcopy(self._parent.network if traced is None else traced)
        self._plain = _Form(plain, {}, torch.bfloat16 if half else torch.float32)
        self._fast = self._plain
        if traced is not None:
            folds = _fold(traced, self._parent)
            if precision == "int8":
                folded = _Form(traced, folds, torch.float32)
                folded.load(self._parent, self._parent.weights({}), PARENTS)
                _Int8(traced, calibration, self._parent.private(traced)).lower()
            dtype = torch.bfloat16 if precision == "bfloat16" else torch.float32
            self._fast = _Form(traced, folds, dtype)
        try:
            self.outputs({}, calibration[:batch_size])
        except RuntimeError as error:
            msg = f"the network does not run in {precision} ({error}); use 'float32'"
            raise PruneError(msg) from error

    @torch.no_grad()
    def prepare(self, images: Tensor) -> PreparedImages:
        """Images in the layout, the type and the batches of the pass, once for all candidates.

        Args:
            images: (n, channels, height, width), float32.
        """
        _check_images(images)
        batches = images.to(self._device, self._fast.dtype).split(self.batch_size)
        return PreparedImages(tuple(self._fast.laid_out(batch) for batch in batches))

    @torch.no_grad()
    def outputs(
        self, weights: Weights, images: Tensor | PreparedImages, statistics: Statistics = PARENTS
    ) -> Tensor:
        """What the network answers with these weights.

        Args:
            weights: Weights by path, each of the shape that the parent's has.
            images: (n, channels, height, width), or what `prepare` made of them.
            statistics: Means and variances for the batch norms, for example from `statistics`.

        Returns:
            (n, classes), float32.
        """
        if isinstance(images, Tensor):
            images = self.prepare(images)
        resolved = self._parent.weights(weights)
        self._fast.load(self._parent, resolved, self._parent.statistics(statistics))
        return torch.cat([self._fast.model(batch).float() for batch in images.batches])

    def correct(
        self,
        weights: Weights,
        images: Tensor | PreparedImages,
        labels: Tensor,
        statistics: Statistics = PARENTS,
    ) -> Tensor:
        """Which images get the right class.

        Args:
            weights: As in `outputs`.
            images: As in `outputs`.
            labels: (n,), the right classes.
            statistics: As in `outputs`.

        Returns:
            (n,), bool.
        """
        if len(labels) != len(images):
            raise PruneError(f"there are {len(images)} images, but {len(labels)} labels")
        return self.outputs(weights, images, statistics).argmax(dim=1) == labels.to(self._device)

    @torch.no_grad()
    def statistics(
        self, weights: Weights, images: Tensor | PreparedImages
    ) -> dict[str, tuple[Tensor, Tensor]]:
        """What each batch norm sees with these weights.

        It is what one pass of all images in training mode leaves as running statistics with
        momentum 1. The images go through layer by layer, so activations of all of them are in
        memory at once.

        Args:
            weights: As in `outputs`.
            images: As in `outputs`, at least two.

        Returns:
            (mean, unbiased variance), (channels,) each, float32, by the path of the batch norm.
        """
        if len(images) < 2:
            raise PruneError(f"statistics need at least 2 images, but there are {len(images)}")
        if isinstance(images, Tensor):
            images = self.prepare(images)
        if not self._parent.norms:
            return {}
        self._plain.load(self._parent, self._parent.weights(weights), PARENTS)
        return self._plain.observe([batch.to(self._plain.dtype) for batch in images.batches])


class _Parent:
    """The network as it was given: what a candidate does not replace is taken from here.

    Attributes:
        owners: For the path of each layer with weights, the first path that has the same weights.
        norms: Batch norms with running statistics, by path.
    """

    def __init__(self, network: nn.Module) -> None:
        self.network = copy.deepcopy(network).eval().requires_grad_(requires_grad=False)
        tensors = [*self.network.parameters(), *self.network.buffers(), torch.empty(0)]
        self.device = tensors[0].device
        self.modules: dict[str, Any] = dict(self.network.named_modules(remove_duplicate=False))
        self.owners: dict[str, str] = {}
        first: dict[Tensor, str] = {}
        for path, module in self.modules.items():
            weight = dict(module.named_parameters(recurse=False)).get("weight")
            if isinstance(module, (*CONVOLUTIONS, nn.Linear)) and weight is not None:
                self.owners[path] = first.setdefault(weight, path)
        self.norms = _norms(self.network)

    def weights(self, given: Weights) -> dict[str, Tensor]:
        """All layers' weights, float32, with the given ones in place of the parent's."""
        result = {owner: self.modules[owner].weight for owner in set(self.owners.values())}
        for path, weight in given.items():
            if path not in self.owners:
                raise unknown_name("convolution or linear layer", path, self.owners)
            owner = self.owners[path]
            _check_shape(f"the weights of {path!r}", weight, result[owner])
            result[owner] = weight.to(self.device, torch.float32)
        return {path: result[owner] for path, owner in self.owners.items()}

    def statistics(self, given: Statistics) -> Statistics:
        """The given statistics, float32, if they fit."""
        result = {}
        for path, values in given.items():
            if path not in self.norms:
                raise unknown_name("batch norm", path, self.norms)
            for value in values:
                _check_shape(f"the statistics of {path!r}", value, self.norms[path].running_mean)
            mean, variance = (value.to(self.device, torch.float32) for value in values)
            result[path] = mean, variance
        return result

    def private(self, traced: fx.GraphModule) -> set[str]:
        """Paths of the layers that are used once, with weights that no other layer has."""
        nodes = traced.graph.nodes
        uses = Counter(str(node.target) for node in nodes if node.op == "call_module")
        uses.update(str(n.target).rpartition(".")[0] for n in nodes if n.op == "get_attr")
        shares = Counter(self.owners.values())
        return {path for path, owner in self.owners.items() if uses[path] == shares[owner] == 1}


class _Form:
    """A runnable form of the network: its weights are loaded in place before each pass.

    Args:
        model: The network, or what tracing made of it.
        folds: Paths of convolutions, and of the batch norms that were folded into them.
        dtype: Of the images and all layers but the batch norms, which stay float32.
    """

    def __init__(self, model: nn.Module, folds: Mapping[str, str], dtype: torch.dtype) -> None:
        self.model, self.folds, self.dtype = model.to(dtype), folds, dtype
        self.modules: dict[str, Any] = dict(model.named_modules(remove_duplicate=False))
        for module in self.modules.values():
            if isinstance(module, NORMS):
                module.float()
        for parameter in model.parameters():
            if parameter.ndim == 4 and isinstance(model, fx.GraphModule):
                parameter.data = parameter.contiguous(memory_format=torch.channels_last)

    def laid_out(self, images: Tensor) -> Tensor:
        """Channels last, but for a network that nobody looked into: it may rely on the order."""
        if images.ndim != 4 or not isinstance(self.model, fx.GraphModule):
            return images
        return images.contiguous(memory_format=torch.channels_last)

    def load(self, parent: _Parent, weights: Weights, statistics: Statistics) -> None:
        """Makes the model the candidate's, whatever it was before."""
        moments = {
            path: statistics.get(path, (norm.running_mean, norm.running_var))
            for path, norm in parent.norms.items()
        }
        for path, (mean, variance) in moments.items():
            if path in self.modules:
                self.modules[path].running_mean.copy_(mean)
                self.modules[path].running_var.copy_(variance)
        for path in weights.keys() & self.modules.keys():
            layer, weight, bias = self.modules[path], weights[path], parent.modules[path].bias
            if path in self.folds:
                norm = self.folds[path]
                weight, bias = _folded(weight, bias, parent.norms[norm], *moments[norm])
            if isinstance(layer, _Int8Convolution):
                layer.load(weight, bias)
                continue
            layer.weight.copy_(weight)
            if bias is not None:
                layer.bias.copy_(bias)

    def observe(self, batches: Sequence[Tensor]) -> dict[str, tuple[Tensor, Tensor]]:
        """The statistics of what each batch norm sees of all batches together."""
        norms = _norms(self.model)
        if isinstance(self.model, fx.GraphModule):
            return self._observe_in_step(self.model, norms, batches)
        for norm in norms.values():
            norm.train().momentum = 1.0
        self.model(torch.cat(list(batches)))
        for norm in norms.values():
            norm.eval()
        return {path: (n.running_mean.clone(), n.running_var.clone()) for path, n in norms.items()}

    def _observe_in_step(
        self, model: fx.GraphModule, norms: Mapping[str, Any], batches: Sequence[Tensor]
    ) -> dict[str, tuple[Tensor, Tensor]]:
        """All batches take a step of the graph before any takes the next.

        So a batch norm has seen them all before the first is normalised, and yet each batch is
        small enough for the cache.
        """
        found: dict[str, tuple[Tensor, Tensor]] = {}
        interpreter = fx.Interpreter(model)
        values: list[dict[fx.Node, Any]] = [{} for _ in batches]
        inputs = [iter([batch]) for batch in batches]
        for node in model.graph.nodes:
            path, source = str(node.target), _source(node)
            if node.op == "call_module" and path in norms and source is not None:
                found[path] = _observe(norms[path], [value[source] for value in values])
            for value, images in zip(values, inputs, strict=True):
                interpreter.env, interpreter.args_iter = value, images
                value[node] = interpreter.run_node(node)
                for last in interpreter.user_to_last_uses.get(node, ()):
                    del value[last]
        return found


def _norms(network: nn.Module) -> dict[str, Any]:
    """Batch norms with running statistics, by path."""
    return {
        path: module
        for path, module in network.named_modules()
        if isinstance(module, NORMS) and module.running_mean is not None
    }


def _observe(norm: Any, batches: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """Mean and unbiased variance of all batches, from those of each batch.

    The batch norm is left as in training mode: it divides by the biased deviation.
    """
    running = norm.running_mean, norm.running_var
    found = [torch.batch_norm_update_stats(batch, *running, 1.0) for batch in batches]
    means, variances = (torch.stack(column) for column in zip(*found, strict=True))
    counts = torch.tensor([[b.numel() / b.shape[1]] for b in batches], device=means.device)
    total = counts.sum()
    mean = (counts * means).sum(dim=0) / total
    scatter = (counts * (variances + (means - mean).square())).sum(dim=0)
    norm.running_mean.copy_(mean)
    norm.running_var.copy_(scatter / total)
    return mean, scatter / (total - 1)


def _folded(
    weight: Tensor, bias: Tensor | None, norm: Any, mean: Tensor, variance: Tensor
) -> tuple[Tensor, Tensor]:
    """Weights and bias of a convolution that does its batch norm's work too."""
    scale = torch.rsqrt(variance + norm.eps)
    if norm.weight is not None:
        scale = scale * norm.weight
    shift = -mean if bias is None else bias - mean
    shift = shift * scale if norm.bias is None else shift * scale + norm.bias
    return weight * scale.view(-1, *[1] * (weight.ndim - 1)), shift


class _Tracer(fx.Tracer):
    """Looks into everything but the layers whose weights or statistics are to be replaced."""

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        layer = isinstance(m, (*CONVOLUTIONS, nn.Linear, *NORMS))
        return layer or super().is_leaf_module(m, module_qualified_name)


def _traced(parent: _Parent, images: Tensor) -> fx.GraphModule | None:
    """The network as a graph, if there is one that gives the same on these images."""
    network = copy.deepcopy(parent.network)
    with torch.no_grad():
        expected = parent.network(images)
        try:
            traced = fx.GraphModule(network, _Tracer().trace(network))
            _simplify(traced)
            found = traced(_Form(traced, {}, torch.float32).laid_out(images))
        except Exception:  # noqa: BLE001 - a forward pass may stumble over a proxy in any way
            return None
    near = 1e-4 * float(expected.abs().max())
    same = found.shape == expected.shape
    same = same and torch.allclose(found, expected, rtol=1e-3, atol=near, equal_nan=True)
    return traced if same else None


def _simplify(traced: fx.GraphModule) -> None:
    """Drops what does nothing; sums and activations overwrite what nobody else reads."""
    modules: dict[str, nn.Module] = dict(traced.named_modules())
    for node in list(traced.graph.nodes):
        module = modules.get(str(node.target)) if node.op == "call_module" else None
        source = _source(node)
        if source is None:
            continue
        made = source.op == "call_module" and isinstance(
            modules[str(source.target)], (*CONVOLUTIONS, nn.Linear, *NORMS)
        )
        free = len(source.users) == 1 and (made or source.target in (operator.add, torch.add))
        if isinstance(module, NO_OPS) or _copies(node):
            node.replace_all_uses_with(source)
            traced.graph.erase_node(node)
        elif node.op == "call_method" and node.target == "view":
            node.target = "reshape"  # channels last have no view with another shape
        elif node.target is operator.iadd and free:
            node.target = operator.add
        elif free and (isinstance(module, nn.ReLU) or node.target in (*RELUS, "relu", "relu_")):
            node.op, node.target, node.kwargs = "call_function", torch.relu_, {}
            node.args = (source,)
    traced.recompile()


def _copies(node: fx.Node) -> bool:
    """Whether it is padding by nothing or a slice of everything."""
    if node.target is functional.pad:
        amounts = node.args[1] if len(node.args) > 1 else None
        return isinstance(amounts, (list, tuple)) and all(amount == 0 for amount in amounts)
    everything = (slice(None), slice(None, None, 1), slice(0, None), slice(0, None, 1))
    index = node.args[1] if node.target is operator.getitem else None
    return isinstance(index, tuple) and all(part in everything for part in index)


def _fold(traced: fx.GraphModule, parent: _Parent) -> dict[str, str]:
    """Takes batch norms out of the graph where the convolution before them can do their work."""
    private, folds = parent.private(traced), {}
    for node in list(traced.graph.nodes):
        source, norm = _source(node), parent.norms.get(str(node.target))
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


class _Scale(NamedTuple):
    """What uint8 stands for: (value - zero) * step."""

    step: float
    zero: int


def _quantise(values: Tensor, step: float, zero: int) -> Tensor:
    shifted = values.float().mul(1 / step).add_(zero).round_().clamp_(0, 255)
    return shifted.to(torch.uint8).contiguous(memory_format=torch.channels_last)


def _dequantise(values: Tensor, step: float, zero: int) -> Tensor:
    return values.float().sub_(zero).mul_(step)


class _Int8Convolution(nn.Module):
    """A convolution of uint8 images, with the sum and the activation behind it.

    Args:
        convolution: With the shape, the stride and so on.
        target: Scale of what goes out; None for float32.
        source: Scale of what comes in.
        other: Scale of what is added, if anything is.
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

    def load(self, weight: Tensor, bias: Tensor | None) -> None:
        """Makes the weights int8, with one scale for each output channel."""
        steps = weight.flatten(1).abs().amax(dim=1).div_(127)
        steps.masked_fill_(steps == 0, 1)  # a channel without weights
        whole = weight.div(steps.view(-1, 1, 1, 1)).round_().to(torch.int8)
        packed = torch.ops.onednn.qconv_prepack(whole, steps, *self.source, *self.geometry, None)
        self.weights = (packed, steps, torch.zeros(len(steps), dtype=torch.int64))
        self.bias = bias

    def forward(self, images: Tensor, other: Tensor | None = None) -> Tensor:
        """(n, channels, height, width), uint8, to the same of the output's size."""
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
    """Notes the shape and the scale of everything that is computed."""

    def __init__(self, traced: fx.GraphModule) -> None:
        super().__init__(traced)
        self.scales: dict[fx.Node, _Scale] = {}
        self.shapes: dict[fx.Node, torch.Size] = {}

    def run_node(self, n: fx.Node) -> Any:
        """Runs a node."""
        result = super().run_node(n)
        if isinstance(result, Tensor) and result.is_floating_point():
            low, high = min(float(result.min()), 0.0), max(float(result.max()), 0.0)
            step = (high - low) / 255 or 1.0
            self.scales[n], self.shapes[n] = _Scale(step, round(-low / step)), result.shape
        return result


class _Int8:
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
        self.scales, self.shapes = ranges.scales, ranges.shapes
        self.whole: set[fx.Node] = set()  # those that are uint8
        self.done: set[fx.Node] = set()  # those that stay, with their final inputs
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
        """Whether it is uint8: it was made so, or only moves pixels that are."""
        source = _source(node)
        moves = node.target is operator.getitem or _pads_zeros(node)
        if node not in self.whole and source and moves and self._is_whole(source):
            scale = self.scales[source]
            if scale.zero == 0 or node.target is operator.getitem:
                self.whole.add(node)
                self.scales[node] = scale
        return node in self.whole

    def _merge(self, node: fx.Node) -> list[fx.Node]:
        """Puts one kernel in the place of a convolution and what follows; returns what it took."""
        taken, other = [node], None
        follower = _only_user(node)
        if follower and _adds(follower) and _activates(_only_user(follower)):
            others = [s for s in follower.all_input_nodes if s is not node]
            ready = others and (self._is_whole(others[0]) or others[0] in self.done)
            if ready and self.shapes.get(others[0]) == self.shapes[node]:
                other, taken = others[0], [node, follower]
        follower = _only_user(taken[-1])
        relu = _activates(follower)
        taken += [follower] if follower and relu else []
        last = taken[-1]
        whole = relu or any(_adds(user) or self._is_convolution(user) for user in last.users)
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
        self.traced.add_submodule(path, _Int8Convolution(convolution, target, *scales, relu=relu))
        with self.graph.inserting_before(last):
            kernel = self.graph.call_module(path, tuple(inputs))
        self.scales[kernel], self.shapes[kernel] = self.scales[last], self.shapes[last]
        (self.whole if whole else self.done).add(kernel)
        return kernel

    def _twin(self, source: fx.Node, function: Callable[..., Tensor]) -> fx.Node:
        """The same values in 8 bits, or from 8 bits."""
        if source not in self.twins:
            with self.graph.inserting_after(source):
                arguments = (source, *self.scales[source])
                self.twins[source] = self.graph.call_function(function, arguments)
        return self.twins[source]


def _source(node: fx.Node) -> fx.Node | None:
    source = node.args[0] if node.args else None
    return source if isinstance(source, fx.Node) else None


def _only_user(node: fx.Node) -> fx.Node | None:
    return next(iter(node.users)) if len(node.users) == 1 else None


def _pads_zeros(node: fx.Node) -> bool:
    value, usual = node.kwargs.get("value"), node.kwargs.get("mode") == "constant"
    zeros = usual and (value is None or value == 0)
    return bool(node.target is functional.pad and len(node.args) == 2 and zeros)


def _adds(node: fx.Node) -> bool:
    sums = node.op == "call_function" and node.target in (operator.add, torch.add)
    return bool(sums and len(node.args) == 2 and not node.kwargs)


def _activates(node: fx.Node | None) -> bool:
    return node is not None and node.target is torch.relu_


@lru_cache
def supports_int8() -> bool:
    """Whether the kernels of `precision="int8"` are there, and right.

    CPUs without VNNI instructions add up products of 8 bits in 16 bits, where large ones saturate.
    """
    images = torch.full((1, 64, 4, 4), 255, dtype=torch.uint8)
    try:
        kernel = _Int8Convolution(nn.Conv2d(64, 16, 1), None, _Scale(1.0, 0), relu=True)
        kernel.load(torch.full((16, 64, 1, 1), 127.0), torch.zeros(16))
        return bool((kernel(images) == 64 * 127 * 255).all())
    except (AttributeError, RuntimeError):  # PyTorch without oneDNN
        return False


def _has_fast_bfloat16() -> bool:
    capabilities: dict[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()
    return any(capabilities.get(name) for name in ("avx512_bf16", "amx_bf16"))


def _check_int8(device: torch.device) -> None:
    if device.type != "cpu":
        raise _no_int8(f"it runs on CPUs only, and the network is on {device}")
    if not supports_int8():
        raise _no_int8("this CPU, or this PyTorch, has no exact kernels for it")


def _no_int8(reason: str) -> PruneError:
    return PruneError(f"precision 'int8' is not possible: {reason}; use 'bfloat16' or 'float32'")


def _check_images(images: Tensor) -> None:
    if images.ndim < 2 or not len(images) or not images.is_floating_point():
        msg = (
            "images must be floating-point (n, channels, height, width) with n at least 1, "
            f"these are {images.dtype} {tuple(images.shape)}"
        )
        raise PruneError(msg)


def _check_shape(name: str, given: Tensor, parents: Tensor) -> None:
    if given.shape != parents.shape:
        msg = f"{name} must have shape {tuple(parents.shape)}, they have {tuple(given.shape)}"
        raise PruneError(msg)
