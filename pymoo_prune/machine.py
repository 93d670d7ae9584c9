"""What a run is made on, and with."""

from __future__ import annotations

import os
import platform
from contextlib import AbstractContextManager, nullcontext
from importlib.metadata import version
from pathlib import Path

import torch

from pymoo_prune.errors import PruneError


def check_device(name: str) -> torch.device:
    """A torch device that is there."""
    try:
        device = torch.device(name)
        torch.zeros(1, device=device).item()
    except (RuntimeError, AssertionError) as error:
        cuda = f"{torch.cuda.device_count()} CUDA devices"
        why = str(error).partition("\n")[0]  # CUDA goes on about its own debugging
        msg = f"device {name!r} cannot be used here (there are {cuda}); take cpu: {why}"
        raise PruneError(msg) from error
    return device


def versions() -> dict[str, str]:
    """Of what a replay depends on."""
    names = ("pymoo-prune", "pymoo", "numpy", "torch", "scipy", "scikit-learn")
    return {name: version(name) for name in names}


def processor() -> str:
    """The processor's name, and how many cores there are."""
    name = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.is_file():
        models = [line for line in info.read_text().splitlines() if line.startswith("model name")]
        name = models[0].split(":", 1)[1].strip() if models else name
    return f"{name}, {os.cpu_count()} cores"


def cores() -> int:
    """Processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def exact(device: torch.device) -> AbstractContextManager[None]:
    """Convolutions on a GPU with all bits of a float32, and by the same algorithm every time.

    Left to itself it rounds what it multiplies to 10 bits, and takes what happens to be fastest.
    """
    if device.type != "cuda":
        return nullcontext()
    flags: AbstractContextManager[None] = torch.backends.cudnn.flags(
        enabled=True, benchmark=False, deterministic=True, allow_tf32=False
    )
    return flags


def has_fast_bfloat16(device: torch.device) -> bool:
    """Whether half the bits take less time here; processors without the instructions take more."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    capabilities = torch.cpu.get_capabilities()
    return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))
