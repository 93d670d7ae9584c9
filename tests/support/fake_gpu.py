"""A GPU that is not there: tensors that know their shape and their device, and nothing else.

torch refuses to compute with tensors of two devices, also with these. So code that forgets to bring
an index or a mask to the GPU fails on any machine.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode

GPU = torch.device("cuda:0")


@contextmanager
def on_fake_gpu(*things: Any) -> Iterator[list[Any]]:
    """Copies of things with all their tensors on the GPU.

    Args:
        things: Tensors, modules, and objects of this project that hold such.
    """
    with FakeTensorMode(allow_non_fake_inputs=True) as mode:
        seen: dict[int, Any] = {}
        yield [_moved(thing, mode, seen) for thing in things]


def _moved(thing: Any, mode: FakeTensorMode, seen: dict[int, Any]) -> Any:
    if id(thing) not in seen:
        seen[id(thing)] = _copy(thing, mode, seen)
    return seen[id(thing)]


def _copy(thing: Any, mode: FakeTensorMode, seen: dict[int, Any]) -> Any:
    copied = thing  # names and numbers stay what they are
    if isinstance(thing, Tensor):
        copied = mode.from_tensor(thing.detach()).to(GPU)
        if isinstance(thing, nn.Parameter):
            copied = nn.Parameter(copied, requires_grad=thing.requires_grad)
    elif isinstance(thing, torch.device):
        copied = GPU
    elif isinstance(thing, (list, tuple)):
        parts = [_moved(part, mode, seen) for part in thing]
        copied = type(thing)(*parts) if hasattr(thing, "_fields") else type(thing)(parts)
    elif isinstance(thing, dict):
        pairs = [
            (_moved(key, mode, seen), _moved(value, mode, seen)) for key, value in thing.items()
        ]
        copied = type(thing)(pairs)
    elif isinstance(thing, nn.Module) or type(thing).__module__.startswith("pymoo_prune"):
        copied = copy.copy(thing)
        seen[id(thing)] = copied  # it may hold itself
        # A graph has code and no tensors.
        parts = {k: v if k == "_graph" else _moved(v, mode, seen) for k, v in vars(thing).items()}
        object.__setattr__(copied, "__dict__", parts)
    return copied
