"""The matrix products of a forward pass, by module and operator, as torch counts them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from pymoo_prune.errors import PruneError
from pymoo_prune.networks import evaluating

TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
PRUNABLE = (nn.Conv1d, nn.Conv2d, nn.Conv3d, *TRANSPOSED, nn.Linear)

VECTORS = {"mv": 0, "addmv": 1}
"""Products of a matrix and a vector, which torch does not count, and the matrix's argument."""
UNCOUNTED = {
    "_bilinear", "_cudnn_rnn", "_miopen_rnn", "_native_multi_head_attention",
    "_transformer_encoder_layer_fwd", "_trilinear", "addr", "dot", "gru", "lstm",
    "mkldnn_rnn_layer", "vdot",
}  # fmt: skip
"""Operators that multiply, and that nothing here counts."""

Names: TypeAlias = frozenset[str]


@dataclass(frozen=True)
class Product:
    """Multiplications of one operator in one module, for one image.

    Attributes:
        module: The module's path in its network: the innermost one that runs.
        kind: The name of its class.
        operator: The operator, as torch names it: "bmm", "convolution".
        macs: Multiply-accumulates; 0 if the operator is not counted.
        weights: The parameters that a factor is made of; empty if both factors depend on the image.
    """

    module: str
    kind: str
    operator: str
    macs: int
    weights: tuple[str, ...] = ()


@dataclass(frozen=True)
class Pass:
    """What a forward pass of one image multiplies.

    Attributes:
        positions: Multiply-accumulates of each weight, by layer: 1 for each place of the outputs
            where the layer is called or its whole weight is used.
        inside: Multiply-accumulates that torch counts within the calls of each layer.
        products: All products outside of these layers.
    """

    positions: Mapping[nn.Module, int]
    inside: Mapping[nn.Module, int]
    products: Sequence[Product]


def multiplied(network: nn.Module, shape: Sequence[int]) -> Pass:
    """Runs a network on one image of zeros, in evaluation mode, on the device of its parameters.

    Args:
        network: Any module; it is not changed. On "meta" it computes nothing.
        shape: One image, (channels, height, width).
    """
    like = next(network.parameters(), torch.empty(0))
    watch = _Watch(network)
    try:
        with evaluating(network), torch.no_grad(), _plain_attention(), watch.modules():
            image = torch.zeros(1, *shape, dtype=like.dtype, device=like.device)
            watch.values.mark(image)
            with watch:
                network(image)
    except (RuntimeError, ValueError, IndexError) as error:
        msg = f"the network cannot take an image of shape {tuple(shape)}: {error}"
        raise PruneError(msg) from error
    return Pass(watch.positions, watch.inside, list(watch.products.values()))


@contextmanager
def _plain_attention() -> Iterator[None]:
    """Lets attention run as matrix products, instead of kernels that are not counted."""
    before = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(value=False)
    try:
        with sdpa_kernel(SDPBackend.MATH):
            yield
    finally:
        torch.backends.mha.set_fastpath_enabled(value=before)


class MacCount(TorchDispatchMode):
    """Counts multiply-accumulates of everything that runs meanwhile, in `macs`."""

    supports_higher_order_operators = True

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.macs = 0

    def __torch_dispatch__(
        self,
        func: Any,
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        """Runs an operator, and counts it."""
        kwargs = kwargs or {}
        output = func(*args, **kwargs)
        packet = getattr(func, "overloadpacket", func)
        name = getattr(packet, "__name__", str(packet))
        self.macs += _macs(packet, name, args, kwargs, output) or 0
        return output


@contextmanager
def counting() -> Iterator[MacCount]:
    """Counts multiply-accumulates for a while, attention's too."""
    with _plain_attention(), MacCount() as count:
        yield count


class _Values:
    """Tells which tensors depend on the image, and which are made of parameters alone.

    Views share their memory, so memory is what is marked. It is held until the pass is over, since
    it could be used again for another tensor.
    """

    def __init__(self, network: nn.Module) -> None:
        self._depends: dict[int, Any] = {}
        self._made_of: dict[int, tuple[Names, Any]] = {}
        for name, parameter in network.named_parameters():
            key, memory = _memory(parameter)
            names = self._made_of[key][0] if key in self._made_of else frozenset()
            self._made_of[key] = names | {name}, memory

    def mark(self, tensor: Tensor) -> None:
        """Notes that a tensor depends on the image."""
        key, memory = _memory(tensor)
        self._depends[key] = memory

    def weights(self, tensor: Tensor) -> Names:
        """The parameters that a tensor is made of; none if it depends on the image."""
        key, _ = _memory(tensor)
        return frozenset() if key in self._depends else self._made_of.get(key, (frozenset(),))[0]

    def depends(self, tensor: Tensor) -> bool:
        """Whether a tensor depends on the image."""
        return _memory(tensor)[0] in self._depends

    def follow(self, inputs: Iterable[Tensor], outputs: Iterable[Tensor]) -> None:
        """Marks the outputs of an operator, from its inputs."""
        inputs = list(inputs)
        depends = any(map(self.depends, inputs))
        names: Names = frozenset().union(*map(self.weights, inputs))
        for output in outputs:
            key, memory = _memory(output)
            if depends:
                self._depends[key] = memory
            elif names:
                self._made_of[key] = names, memory


class _Watch(TorchDispatchMode):
    """Sees all operators of a pass, and the module that calls each of them.

    Outputs of convolutions and linear layers count as values that depend on the image, also where
    the layer reads learned queries: their products with the image are attention.
    """

    supports_higher_order_operators = True

    def __init__(self, network: nn.Module) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.values, self.running = _Values(network), [("", network)]
        self.paths = {module: path for path, module in network.named_modules()}
        self.positions: dict[nn.Module, int] = {}
        self.inside: dict[nn.Module, int] = {}
        self.products: dict[tuple[str, str, Names], Product] = {}
        self.layers: dict[int, list[nn.Module]] = {}
        for module in self.paths:
            if isinstance(module, PRUNABLE):
                self.positions[module] = self.inside[module] = 0
                weight = dict(module.named_parameters(recurse=False)).get("weight")
                if weight is not None:
                    self.layers.setdefault(_memory(weight)[0], []).append(module)

    @contextmanager
    def modules(self) -> Iterator[None]:
        """Follows the modules that are called. No copy is made: masked weights have none."""
        with ExitStack() as hooks:
            for module in self.paths:
                if isinstance(module, torch.jit.ScriptModule):
                    continue
                before = module.register_forward_pre_hook(self._enter)
                hooks.callback(before.remove)
                after = module.register_forward_hook(self._leave, always_call=True)
                hooks.callback(after.remove)
            yield

    def _enter(self, module: nn.Module, _: Any) -> None:
        self.running.append((self.paths[module], module))

    def _leave(self, module: Any, inputs: Any, output: Any) -> None:
        self.running.pop()
        if not isinstance(module, PRUNABLE) or not isinstance(output, Tensor):
            return
        self.values.mark(output)
        if isinstance(module, nn.Linear):
            places = output.numel() // module.out_features
        elif isinstance(module, TRANSPOSED):  # each weight meets each input value
            places = inputs[0].numel() // module.in_channels
        else:
            places = output.numel() // module.out_channels
        self.positions[module] += places

    def __torch_dispatch__(
        self,
        func: Any,
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        """Runs an operator, and counts it."""
        kwargs = kwargs or {}
        packet = getattr(func, "overloadpacket", func)
        # In inference mode, operators arrive before they are split up.
        if torch.is_inference_mode_enabled() and packet not in flop_registry:
            with self:
                found = func.decompose(*args, **kwargs)
            if found is not NotImplemented:
                return found
        output = func(*args, **kwargs)
        name = getattr(packet, "__name__", str(packet))
        if (macs := _macs(packet, name, args, kwargs, output)) is not None:
            self._note(name, macs, _factors(name, args, kwargs))
        self.values.follow(_tensors((*args, *kwargs.values())), _tensors(output))
        return output

    def _note(self, operator: str, macs: int, factors: Sequence[Tensor]) -> None:
        """Notes a product: of the layer that runs, of a layer whose weight it takes, or another."""
        path, module = self.running[-1]
        layer = next((m for _, m in reversed(self.running) if isinstance(m, PRUNABLE)), None)
        # Without the image it is the weight that is computed, unless the layer itself does it.
        if layer is not None and (layer is module or any(map(self.values.depends, factors))):
            self.inside[layer] += macs
            return
        if macs and (owner := self._owner(factors)) is not None:
            self.positions[owner] += macs // math.prod(owner.weight.shape)
            self.inside[owner] += macs
            return
        names: Names = frozenset().union(*map(self.values.weights, factors))
        key = path, operator, names
        before = self.products.get(
            key, Product(path, type(module).__name__, operator, 0, tuple(sorted(names)))
        )
        self.products[key] = replace(before, macs=before.macs + macs)

    def _owner(self, factors: Sequence[Tensor]) -> Any:
        """The layer whose whole weight is a factor, outside of the layer's own call."""
        for factor in factors:
            for layer in self.layers.get(_memory(factor)[0], ()):
                weight: Any = layer.weight
                whole = factor.numel() == weight.numel()
                whole = whole and factor.storage_offset() == weight.storage_offset()
                if whole and not self.values.depends(factor):
                    return layer
        return None


def _macs(
    packet: Any, name: str, args: Sequence[Any], kwargs: Mapping[str, Any], output: Any
) -> int | None:
    """Half of the FLOPs that torch counts; 0 where nothing counts them; None for no product."""
    if name in VECTORS:
        return int(args[VECTORS[name]].numel())
    if name == "linear":  # some devices do not split it up
        return int(args[0].numel() * args[1].shape[0])
    formula: Callable[..., int] | None = flop_registry.get(packet)
    if formula is None:
        return 0 if name in UNCOUNTED else None
    try:
        return formula(*args, **kwargs, out_val=output) // 2
    except Exception:  # noqa: BLE001 - a formula may lack a case
        return 0


def _factors(name: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> list[Tensor]:
    """What an operator multiplies: its tensors without biases and masks."""
    if name in UNCOUNTED:
        return list(_tensors((*args, *kwargs.values())))
    first = 1 if name in ("addmm", "baddbmm", "addmv") else 0
    number = 3 if "attention" in name else 2
    return list(_tensors(args[first : first + number]))


def _tensors(values: Any) -> Iterator[Tensor]:
    """The tensors in arguments or outputs."""
    if isinstance(values, Tensor):
        yield values
    elif isinstance(values, (list, tuple)):
        for value in values:
            yield from _tensors(value)


def _memory(tensor: Tensor) -> tuple[int, Any]:
    """A key for a tensor's memory, and what keeps that memory."""
    try:
        storage = tensor.untyped_storage()
    except (NotImplementedError, RuntimeError):  # sparse, for example
        return id(tensor), tensor
    return storage._cdata, storage  # noqa: SLF001 - on "meta" there is no other address
