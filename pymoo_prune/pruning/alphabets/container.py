"""Compressed networks as one file: a header in JSON, packed weights, and a checksum.

A file has, in this order: `MAGIC`, a byte with the version, the header's length in four bytes, the
header, all tensors of the network's state in their order, and a CRC-32 of what stands before it.
Each tensor begins with a byte: `RAW`, `HALF`, `SAME`, or the bits of a layer's weights.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Collection, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from pymoo_prune.errors import PruneError
from pymoo_prune.pruning.alphabets.coding import (
    broken,
    coded,
    coded_bytes,
    decoded,
    from_words,
    to_words,
)
from pymoo_prune.pruning.alphabets.grids import bits_of, on_grid
from pymoo_prune.pruning.alphabets.halves import halved, halves, widened
from pymoo_prune.pruning.alphabets.letters import FLOAT_BITS, MOST_BITS, back, rows
from pymoo_prune.pruning.alphabets.steps import scaled

MAGIC, VERSION = b"PMPR", 1
CHECKSUM = 4
RAW, HALF, SAME = 0, 1, 255
"""Tensors as they are; floats in sixteen bits; the same tensor as an earlier one."""
COMPRESSED = "network.pmp"
"""How exported files are called."""


def layer_bytes(codes: Tensor, bits: int, filters: int, *, entropy: bool = True) -> int:
    """The bytes of a layer's weights in a file.

    Args:
        codes: Whole numbers of the layer's shape; the weights where they are floats.
        bits: Bits of a weight.
        filters: Scales of the layer.
        entropy: Whether layers may have entropy coding.
    """
    numbers = rows(codes).flatten().cpu().numpy()
    scales = 0 if bits == FLOAT_BITS else 1 + 2 * filters
    words = np.zeros(0, np.uint32) if bits == FLOAT_BITS else to_words(numbers, bits)
    return 2 + scales + coded_bytes(words, numbers != 0, bits, entropy=entropy)[1]


def weighted_layers(network: nn.Module) -> set[str]:
    """The names of the weights of convolutions and linear layers in a network's state."""
    kinds = (nn.Linear, nn.modules.conv._ConvNd)  # noqa: SLF001 - the base of all convolutions
    return {
        f"{path}.weight".removeprefix(".")
        for path, module in network.named_modules(remove_duplicate=False)
        if isinstance(module, kinds) and "weight" in dict(module.named_parameters(recurse=False))
    }


def other_bytes(
    network: nn.Module,
    names: Collection[str],
    header: Mapping[str, Any],
    *,
    entropy: bool = True,
) -> int:
    """The bytes of a file without the weights of some layers.

    Args:
        network: The network.
        names: Paths of these layers.
        header: What the header says.
        entropy: Whether layers may have entropy coding.
    """
    layers, left_out = weighted_layers(network), {f"{name}.weight" for name in names}
    found = len(MAGIC) + 5 + len(_json(header)) + CHECKSUM
    for name, tensor, same in _tensors(network):
        if same is not None:
            found += 3
        elif name in left_out:
            continue
        elif name in layers:
            bits = bits_of(tensor)
            grid = None if bits == FLOAT_BITS else on_grid(tensor, bits)
            codes = tensor if grid is None else grid[0]
            found += layer_bytes(codes, bits, len(tensor), entropy=entropy)
        else:
            half = tensor.is_floating_point()
            found += 1 + (1 + 2 * tensor.numel() if half else tensor.numel() * tensor.itemsize)
    return found


def compressed(network: nn.Module, header: Mapping[str, Any], *, entropy: bool = True) -> bytes:
    """A network as a file's content; layers have the fewest bits whose grids hold their weights.

    Args:
        network: All floats but the weights of its layers are what `halved` gives, so that the file
            has the network to the last bit.
        header: How to build the network, as `spec_of` gives it, and what else is to be known.
        entropy: Whether layers may have entropy coding.

    Raises:
        PruneError: The network has other numbers than such a file can hold.
    """
    layers, text = weighted_layers(network), _json(header)
    parts = [MAGIC, bytes([VERSION]), len(text).to_bytes(4, "little"), text]
    for name, tensor, same in _tensors(network):
        if same is not None:
            parts += [bytes([SAME]), same.to_bytes(2, "little")]
        elif name in layers:
            parts.append(_layer(tensor, entropy=entropy))
        elif tensor.is_floating_point():
            _check_halved(name, tensor)
            parts += [bytes([HALF]), _halves(tensor)]
        else:
            parts += [bytes([RAW]), _little(tensor.numpy()).tobytes()]
    content = b"".join(parts)
    return content + zlib.crc32(content).to_bytes(CHECKSUM, "little")


def header_of(content: bytes) -> dict[str, Any]:
    """What the header of a file says; the checksum is compared.

    Raises:
        PruneError: It is no such file, or it was cut or changed.
    """
    start = len(MAGIC) + 5
    if content[: len(MAGIC)] != MAGIC:
        msg = "this is no compressed network: its first bytes are others"
        raise PruneError(msg)
    if len(content) < start + CHECKSUM:
        raise broken("it ends within its header")
    if zlib.crc32(content[:-CHECKSUM]) != int.from_bytes(content[-CHECKSUM:], "little"):
        raise broken("its checksum is that of other content: it was cut or changed")
    if content[len(MAGIC)] != VERSION:
        msg = f"the compressed network has version {content[len(MAGIC)]}, but {VERSION} is read"
        raise PruneError(msg)
    try:
        header = json.loads(content[start : start + _length(content)])
    except ValueError as error:
        raise broken(f"its header is no JSON ({error})") from error
    if not isinstance(header, dict):
        raise broken("its header is no object")
    return header


def decompressed(content: bytes, build: Callable[[Mapping[str, Any]], nn.Module]) -> nn.Module:
    """The network of a file, in evaluation mode.

    Args:
        content: The file's.
        build: Builds a network with any weights from the header.

    Raises:
        PruneError: The file is damaged, or is of another network.
    """
    network = build(header_of(content))
    place = len(MAGIC) + 5 + _length(content)
    view = memoryview(content)[place:-CHECKSUM]
    state: dict[str, Tensor] = {}
    for name, tensor, _ in _tensors(network):
        state[name], used = _tensor(view, tensor, list(state.values()))
        view = view[used:]
    if len(view):
        raise broken("it has more than the network has")
    network.load_state_dict(state)
    return network.eval()


def can_be_compressed(network: nn.Module) -> bool:
    """Whether some layer lies on a grid of few bits, and all that is no layer has sixteen bits."""
    layers = weighted_layers(network)
    tensors = [(name, tensor) for name, tensor, _ in _tensors(network)]
    others = [t.flatten() for n, t in tensors if n not in layers and t.is_floating_point()]
    return all(torch.equal(halved(one), one) for one in others) and any(
        bits_of(tensor) < FLOAT_BITS for name, tensor in tensors if name in layers
    )


def _json(header: Mapping[str, Any]) -> bytes:
    return json.dumps(header, separators=(",", ":"), sort_keys=True).encode()


def _length(content: bytes) -> int:
    start = len(MAGIC) + 1
    return int.from_bytes(content[start : start + 4], "little")


def _tensors(network: nn.Module) -> list[tuple[str, Tensor, int | None]]:
    """Names and tensors of the state, and the place of an earlier one that is the same tensor."""
    first: dict[int, int] = {}
    found = []
    for place, (name, tensor) in enumerate(network.state_dict(keep_vars=True).items()):
        same = first.setdefault(id(tensor), place)
        found.append((name, tensor.detach().cpu(), same if same < place else None))
    return found


def _little(array: Any) -> Any:
    return array.astype(array.dtype.newbyteorder("<"))


def _check_halved(name: str, tensor: Tensor) -> None:
    if not torch.equal(halved(tensor.flatten()), tensor.flatten()):
        msg = f"{name!r} has numbers that sixteen bits do not hold; round them with `halved`"
        raise PruneError(msg)


def _halves(tensor: Tensor) -> bytes:
    values, shared = halves(tensor.flatten())
    numbers: bytes = _little(values.numpy()).tobytes()
    return int(shared).to_bytes(1, "little", signed=True) + numbers


def _layer(weight: Tensor, *, entropy: bool) -> bytes:
    bits = bits_of(weight)
    flags = (rows(weight) != 0).flatten().numpy()
    if bits == FLOAT_BITS:
        words = rows(weight).flatten().numpy().view(np.uint32)
        # A zero with a sign is not told from one without.
        return bytes([bits]) + coded(np.where(flags, words, 0), flags, bits)
    found = on_grid(weight, bits)
    assert found is not None  # noqa: S101 - so many bits were found to be enough
    codes, scales = found
    words = to_words(rows(codes).flatten().numpy(), bits)
    return bytes([bits]) + _halves(scales) + coded(words, flags, bits, entropy=entropy)


def _tensor(view: memoryview, like: Tensor, earlier: list[Tensor]) -> tuple[Tensor, int]:
    """A tensor of a file, and the bytes that it took."""
    kind = view[0] if len(view) else -1
    if kind == SAME:
        place = int.from_bytes(view[1:3], "little")
        if place >= len(earlier) or earlier[place].shape != like.shape:
            raise broken("it refers to a tensor that is not there")
        return earlier[place], 3
    if kind == RAW and not like.is_floating_point():
        size = like.numel() * like.itemsize
        if 1 + size > len(view):
            raise broken("it ends within a tensor")
        values = np.frombuffer(bytes(view[1 : 1 + size]), _little(like.numpy()).dtype)
        return torch.from_numpy(values.astype(like.numpy().dtype)).reshape(like.shape), 1 + size
    if not like.is_floating_point():
        raise broken("its tensors have other types than the network's")
    if kind == HALF:
        found, used = _widened(view[1:], like.numel())
        return found.reshape(like.shape).to(like.dtype), 1 + used
    if like.ndim < 2 or not (kind == FLOAT_BITS or 2 <= kind <= MOST_BITS):
        raise broken("its tensors have other kinds than the network's")
    return _weights(view, like, kind)


def _widened(view: memoryview, number: int) -> tuple[Tensor, int]:
    size = 1 + 2 * number
    if size > len(view):
        raise broken("it ends within a tensor")
    shared = int.from_bytes(view[:1], "little", signed=True)
    values = np.frombuffer(bytes(view[1:size]), "<f2").astype(np.float16)
    return widened(torch.from_numpy(values), torch.tensor(shared)), size


def _weights(view: memoryview, like: Tensor, bits: int) -> tuple[Tensor, int]:
    place = 1
    if bits != FLOAT_BITS:
        scales, used = _widened(view[1:], len(like))
        place += used
    words, used = decoded(view[place:], like.numel(), bits)
    if bits == FLOAT_BITS:
        values = torch.from_numpy(words.view(np.float32).copy())
        return back(values, like.shape), place + used
    codes = back(torch.from_numpy(from_words(words, bits)), like.shape)
    return scaled(codes, scales), place + used
