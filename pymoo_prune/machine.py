"""The machine that a run is made on: devices, processor, and versions of packages."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from importlib.metadata import version
from pathlib import Path

import torch

from pymoo_prune.errors import PruneError, check_kind


def check_device(name: str) -> torch.device:
    """The torch device of this name; an error if it cannot be used here."""
    check_kind("device", name, str, "a text such as 'cpu' or 'cuda:0'")
    try:
        device = torch.device(name)
        torch.zeros(1, device=device).item()
    except (RuntimeError, AssertionError, ImportError, TypeError, ValueError) as error:
        cuda = f"{torch.cuda.device_count()} CUDA devices"
        why = str(error).partition("\n")[0]  # the lines after it are about debugging CUDA
        msg = f"device {name!r} cannot be used here (there are {cuda}); take cpu: {why}"
        raise PruneError(msg) from error
    return device


def check_memory(what: str, size: int) -> None:
    """Refuses what would take more memory than this machine has, before any is taken.

    Args:
        what: A plural for what takes it.
        size: Bytes.
    """
    there = memory()
    nothing = torch.get_default_device().type == "meta"  # a trial that takes no memory
    if not nothing and there is not None and size > there:
        msg = (
            f"{what} would take {size / 1e9:,.1f} GB of memory, but this machine has "
            f"{there / 1e9:,.1f} GB"
        )
        raise PruneError(msg)


def memory() -> int | None:
    """The bytes of memory of this machine; None where the operating system does not say."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):  # Windows
        return None


@contextmanager
def on_threads(count: int) -> Iterator[None]:
    """Torch computes on so many threads for a while: with one, sums have one order everywhere."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def versions() -> dict[str, str]:
    """The versions of the packages that a replay depends on."""
    names = ("pymoo-prune", "pymoo", "numpy", "torch", "scipy", "scikit-learn")
    return {name: version(name) for name in names}


def processor() -> str:
    """The processor's name and the number of its cores."""
    name = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.is_file():
        models = [line for line in info.read_text().splitlines() if line.startswith("model name")]
        name = models[0].split(":", 1)[1].strip() if models else name
    return f"{name}, {os.cpu_count()} cores"


def cores() -> int:
    """The number of processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def exact(device: torch.device) -> AbstractContextManager[None]:
    """Makes convolutions on a GPU use all bits of a float32 and the same algorithm every time.

    By default, cuDNN rounds factors to 10 bits and may choose the algorithm that is fastest just
    then.
    """
    if device.type != "cuda":
        return nullcontext()
    flags: AbstractContextManager[None] = torch.backends.cudnn.flags(
        enabled=True, benchmark=False, deterministic=True, allow_tf32=False
    )
    return flags


def has_fast_bfloat16(device: torch.device) -> bool:
    """Whether bfloat16 saves time here; processors without instructions for it take longer."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    capabilities = torch.cpu.get_capabilities()
    return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))
