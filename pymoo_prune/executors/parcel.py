"""Packs a problem so that it can be sent; its large arrays are kept apart, uncopied.

Workers on one machine read a parcel from a file that is mapped into memory. They share its pages.
A worker that writes to an array gets its own copy of the pages.
"""

from __future__ import annotations

import io
import mmap
import pickle
import threading
from collections.abc import Sequence
from typing import Any, BinaryIO, NamedTuple

import numpy as np
import torch
from torch import Tensor

from pymoo_prune.errors import PruneError

LARGE = 1 << 16
"""Arrays of at least this many bytes are kept apart."""
ALIGNMENT = 64
"""Bytes, as in allocators: with another alignment, vectorised code may round differently."""

_LOCKS = (type(threading.Lock()), type(threading.RLock()))
_PLAIN = {
    *(torch.float16, torch.float32, torch.float64, torch.bool),
    *(torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64),
}
"""Types that numpy has too."""

Memory = np.ndarray[tuple[int], np.dtype[np.uint8]]
"""Bytes, as a numpy array: Ray keeps these once on a machine, for all its workers."""


class Parcel(NamedTuple):
    """An object as bytes.

    Attributes:
        core: The pickled object without its large arrays.
        arrays: The memory of the large arrays.
    """

    core: bytes
    arrays: Sequence[Memory]

    def copied(self) -> Parcel:
        """A copy with its own memory."""
        copies = [torch.empty(len(array), dtype=torch.uint8).numpy() for array in self.arrays]
        for copy, array in zip(copies, self.arrays, strict=True):
            copy[:] = array
        return Parcel(self.core, copies)  # torch allocates aligned memory


def pack(thing: Any, pickler: type[pickle.Pickler] = pickle.Pickler) -> Parcel:
    """Packs an object, usually a problem.

    Args:
        thing: The object. Locks in it arrive unlocked.
        pickler: The class that pickles it.
    """
    arrays: list[Memory] = []

    def keep(buffer: pickle.PickleBuffer) -> bool:
        raw = buffer.raw()
        small = raw.nbytes < LARGE
        if not small:
            arrays.append(np.frombuffer(raw, np.uint8))
        return small

    class Packer(pickler):  # type: ignore[valid-type, misc]
        def reducer_override(self, one: Any) -> Any:
            if isinstance(one, _LOCKS):
                return threading.RLock if isinstance(one, _LOCKS[1]) else threading.Lock, ()
            if _is_plain(one):
                return torch.from_numpy, (one.numpy(),)
            above = getattr(super(), "reducer_override", None)
            return NotImplemented if above is None else above(one)

    stream = io.BytesIO()
    try:
        Packer(stream, protocol=5, buffer_callback=keep).dump(thing)
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        msg = (
            f"{type(thing).__name__} cannot be sent to workers: {error}; its class must be in a "
            "module, and what it keeps must be data, not functions or open files"
        )
        raise PruneError(msg) from error
    return Parcel(stream.getvalue(), arrays)


def _is_plain(one: Any) -> bool:
    """Whether something is a large tensor of plain numbers, in the usual layout."""
    return (
        type(one) is Tensor
        and one.device.type == "cpu"
        and one.layout == torch.strided
        and one.dtype in _PLAIN
        and not one.requires_grad
        and one.nbytes >= LARGE
        # Strides must be equal even in dimensions of size 1: torch infers the layout from them.
        and one.stride() == torch.empty(one.shape, device="meta").stride()
    )


def unpack(parcel: Parcel) -> Any:
    """Unpacks an object; its large arrays use the parcel's memory."""
    return pickle.loads(parcel.core, buffers=parcel.arrays)  # noqa: S301 - packed by ourselves


def write(parcel: Parcel, file: BinaryIO) -> None:
    """Writes a parcel to an empty file.

    Args:
        parcel: The parcel.
        file: The file, open for writing.
    """
    sizes = [array.nbytes for array in parcel.arrays]
    head = pickle.dumps((parcel.core, sizes))
    file.write(len(head).to_bytes(8, "little"))
    file.write(head)
    for array in parcel.arrays:
        file.seek(_aligned(file.tell()))
        file.write(array.data)
    file.flush()


def read(descriptor: int) -> Parcel:
    """Maps a parcel's file into memory.

    Args:
        descriptor: The open file's descriptor; other processes may read it at the same time.
    """
    # Copied on writing: a worker does not see what another one writes.
    memory = memoryview(mmap.mmap(descriptor, 0, access=mmap.ACCESS_COPY))
    place = 8 + int.from_bytes(memory[:8], "little")
    core, sizes = pickle.loads(memory[8:place])  # noqa: S301 - written by ourselves
    arrays = []
    for size in sizes:
        place = _aligned(place)
        arrays.append(np.frombuffer(memory[place : place + size], np.uint8))
        place += size
    return Parcel(core, arrays)


def _aligned(place: int) -> int:
    return -(-place // ALIGNMENT) * ALIGNMENT
