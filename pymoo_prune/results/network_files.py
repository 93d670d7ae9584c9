"""Networks as files: weights, and a description that rebuilds them without the parent."""

from __future__ import annotations

import io
import json
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from pymoo_prune.errors import PruneError, unknown_name
from pymoo_prune.files import write_text, writing
from pymoo_prune.networks import build_network
from pymoo_prune.training import to_channels_last

WEIGHTS, SPEC = "network.pt", "network.json"
MEMORY_FORMATS = ("contiguous", "channels_last")
"""How weights of two-dimensional convolutions lie in memory; speed and last bits depend on it."""
DAMAGES = (
    RuntimeError, ValueError, TypeError, AttributeError, EOFError, pickle.UnpicklingError,
)  # fmt: skip
"""torch raises these for a file that holds no state_dict of the network."""


def save_network(network: nn.Module, folder: Path | str, *, about: Mapping[str, Any]) -> Path:
    """Writes `network.pt` (a state_dict) and `network.json` (how to build it).

    Args:
        network: A network with a `spec`, as `build_network` takes it.
        folder: Made if it is not there.
        about: What else the description says, such as measurements and the origin.

    Returns:
        The folder.
    """
    folder = Path(folder)
    spec = getattr(network, "spec", None)
    if not isinstance(spec, dict):
        msg = (
            f"a {type(network).__name__} cannot be exported: it has no `spec` property with "
            '{"network": NAME, "arguments": {...}} from which it could be rebuilt'
        )
        raise PruneError(msg)
    folder.mkdir(parents=True, exist_ok=True)
    weights = {name: value.detach().cpu() for name, value in network.state_dict().items()}
    # Through memory: torch turns a full disk into an error that does not say so.
    content = io.BytesIO()
    torch.save(weights, content)
    with writing(folder / WEIGHTS) as path:
        path.write_bytes(content.getvalue())
    description = {**spec, "memory_format": _memory_format(network), **about}
    write_text(folder / SPEC, json.dumps(description, indent=2) + "\n")
    return folder


def _memory_format(network: nn.Module) -> str:
    weights = [weight for weight in network.parameters() if weight.ndim == 4]
    # Some weights, such as those of 1×1 convolutions, have both layouts, and tell nothing.
    told = not all(weight.is_contiguous() for weight in weights)
    last = all(weight.is_contiguous(memory_format=torch.channels_last) for weight in weights)
    return "channels_last" if told and last else "contiguous"


def is_exported(folder: Path) -> bool:
    """Whether a folder holds what `save_network` wrote."""
    try:
        spec = json.loads((folder / SPEC).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(spec, dict) and "network" in spec and (folder / WEIGHTS).is_file()


def load_network(folder: Path | str) -> nn.Module:
    """An exported network, in evaluation mode; only tensors are unpickled.

    Weights keep their layout in memory.
    """
    folder = Path(folder)
    try:
        spec = json.loads((folder / SPEC).read_text(encoding="utf-8"))
        content = (folder / WEIGHTS).read_bytes()
    except FileNotFoundError as error:
        msg = f"{folder} is not an exported network: {Path(error.filename).name} is missing"
        raise PruneError(msg) from error
    except ValueError as error:
        raise PruneError(_damaged(folder, error)) from error
    if not isinstance(spec, dict):
        raise PruneError(_damaged(folder, f"{SPEC} holds no object"))
    memory_format = spec.get("memory_format", "contiguous")
    if memory_format not in MEMORY_FORMATS:
        raise unknown_name("memory format", str(memory_format), MEMORY_FORMATS)
    with torch.random.fork_rng(devices=[]):  # building draws weights, which are then replaced
        network = build_network(spec)
    try:
        network.load_state_dict(torch.load(io.BytesIO(content), weights_only=True))
    except DAMAGES as error:
        raise PruneError(_damaged(folder, error)) from error
    if memory_format == "channels_last":
        to_channels_last(network)
    return network.eval()


def _damaged(folder: Path, reason: Exception | str) -> str:
    return f"the exported network in {folder} is damaged: {reason}"
