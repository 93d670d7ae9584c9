"""Networks as files: weights, and a description that rebuilds them without the parent."""

from __future__ import annotations

import copy
import io
import json
import pickle
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from pymoo_prune.chromosomes import check_archive
from pymoo_prune.errors import PruneError, check_path, unknown_name
from pymoo_prune.files import content_digest, filling, write_text, writing
from pymoo_prune.networks import (
    NETWORKS,
    Builder,
    build_network,
    build_with,
    changes_of,
    is_own,
    module_of,
    spec_of,
    spec_within,
)
from pymoo_prune.problem import check_shape
from pymoo_prune.pruning.alphabets import can_be_compressed, compressed, decompressed
from pymoo_prune.results.shapes import NetworkShape
from pymoo_prune.training import to_channels_last

WEIGHTS, SPEC = "network.pt", "network.json"
DIGESTS = "digests"
"""The key of `network.json` with the digests of the weights' file and of the description itself."""
DEPTH = 60
"""The most specs in one: a network that is pruned again has up to three more."""
MEMORY_FORMATS = ("contiguous", "channels_last")
"""How weights of two-dimensional convolutions lie in memory; speed and last bits depend on it."""
DAMAGES = (
    RuntimeError, ValueError, TypeError, AttributeError, EOFError, MemoryError,
    pickle.UnpicklingError,
)  # fmt: skip
"""torch raises these for a file that holds no state_dict of the network."""


def save_network(network: nn.Module, folder: Path | str, *, about: Mapping[str, Any]) -> Path:
    """Writes `network.pt` (a state_dict) and `network.json` (how to build it, and digests of both).

    A new folder appears when both are whole. Where a network is replaced, the digests tell one
    file of the old and one of the new apart from a pair.

    Args:
        network: A network with a `spec`, as `build_network` takes it.
        folder: Made if it is not there.
        about: What else the description says, such as measurements and the origin.

    Returns:
        The folder.
    """
    if not isinstance(network, nn.Module) or (spec := spec_of(network)) is None:
        msg = (
            f"a {type(network).__name__} cannot be exported: it has no `spec` property with "
            '{"network": NAME, "arguments": {...}} from which it could be rebuilt; say which '
            "function builds it: --network module:function on the command line, "
            "networks.described(network, function) in Python"
        )
        raise PruneError(msg)
    return _write(network, check_path("folder", folder), spec, about)


def save_weights(network: nn.Module, folder: Path | str, *, about: Mapping[str, Any]) -> Path:
    """Writes `network.pt`, and `network.json` without how to build the network.

    Args:
        network: Any network; only `load_weights` can read it.
        folder: Made if it is not there.
        about: All that the description says.

    Returns:
        The folder.
    """
    return _write(network, Path(folder), changes_of(network), about)


def _write(
    network: nn.Module, folder: Path, spec: Mapping[str, Any], about: Mapping[str, Any]
) -> Path:
    weights = {name: value.detach().cpu() for name, value in network.state_dict().items()}
    # Through memory: torch turns a full disk into an error that does not say so.
    file = io.BytesIO()
    torch.save(weights, file)
    content = file.getvalue()
    # As JSON gives it back: its digest must be the same then.
    description = json.loads(json.dumps({**spec, "memory_format": layout_of(network), **about}))
    description[DIGESTS] = _digests(description, content)
    text = json.dumps(description, indent=2) + "\n"
    with filling(folder) as place:
        with writing(place / WEIGHTS, sync=True) as path:
            path.write_bytes(content)
        write_text(place / SPEC, text, sync=True)
    return folder


def _digests(description: Mapping[str, Any], content: bytes) -> dict[str, str]:
    """The digests of an exported network: of its weights' file, and of its description."""
    rest = {name: value for name, value in description.items() if name != DIGESTS}
    text = json.dumps(rest, sort_keys=True)
    return {WEIGHTS: content_digest(content), SPEC: content_digest(text.encode())}


def can_be_saved(network: nn.Module) -> bool:
    """Whether a network has a `spec`, from which it can be rebuilt."""
    return spec_of(network) is not None


def layout_of(network: nn.Module) -> str:
    """How the weights of a network lie in memory, one of `MEMORY_FORMATS`."""
    weights = [weight for weight in network.parameters() if weight.ndim == 4]
    # Some weights, such as those of 1×1 convolutions, have both layouts, and tell nothing.
    told = not all(weight.is_contiguous() for weight in weights)
    last = all(weight.is_contiguous(memory_format=torch.channels_last) for weight in weights)
    return "channels_last" if told and last else "contiguous"


def in_layout(network: nn.Module, layout: str) -> nn.Module:
    """The network itself, with weights that lie in memory so.

    Args:
        network: The network, as it was built.
        layout: One of `MEMORY_FORMATS`.
    """
    if layout == "channels_last":
        to_channels_last(network)
    return network


def is_exported(folder: Path) -> bool:
    """Whether a folder holds what `save_network` wrote."""
    try:
        spec = json.loads((folder / SPEC).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(spec, dict) and "network" in spec and (folder / WEIGHTS).is_file()


def save_compressed(network: nn.Module, path: Path | str) -> bool:
    """Writes a network as one small file, if its layers lie on grids of few bits.

    Args:
        network: A network with a `spec`; `load_network` gives it back to the last bit.
        path: The file.

    Returns:
        Whether it is written; other networks are not, and an older file of the name is removed.
    """
    path, spec = Path(path), spec_of(network)
    path.unlink(missing_ok=True)
    if spec is None or not can_be_compressed(network):
        return False
    content = compressed(network, spec)
    with writing(path) as part:
        part.write_bytes(content)
    return True


def _decompressed(path: Path, own: Builder | None) -> nn.Module:
    def build(header: Mapping[str, Any]) -> nn.Module:
        with torch.random.fork_rng(devices=[]):
            return build_network(header) if own is None else build_with(header, own)

    try:
        return decompressed(path.read_bytes(), build)
    except PruneError as error:  # whether code is trusted is an error of its own
        msg = f"{path}: {error}"
        raise type(error)(msg) from error


def load_network(folder: Path | str, network: Builder | None = None) -> nn.Module:
    """An exported network, in evaluation mode; only tensors are unpickled.

    Weights keep their layout in memory.

    Args:
        folder: What `save_network` wrote, or a file of `save_compressed`.
        network: Your own network before it was pruned, or the function or class that builds it: it
            takes the place of what the folder names, and nothing is imported. A function gets the
            arguments that the folder has for it.

    Raises:
        UntrustedCode: The folder names a module that is not trusted; see `networks.trust`.
        PruneError: The folder is damaged, or nothing builds its network.
    """
    folder = check_path("folder", folder)
    if folder.is_file():
        return _decompressed(folder, network)
    spec, content = _read(folder)
    layout = _layout(spec)
    _check_size(folder, spec, content)
    with torch.random.fork_rng(devices=[]):  # building draws weights, which are then replaced
        result = build_network(spec) if network is None else build_with(spec, network)
    try:
        result.load_state_dict(torch.load(io.BytesIO(content), weights_only=True))
    except DAMAGES as error:
        if network is None:
            raise PruneError(_damaged(folder, error)) from error
        reason = " ".join(str(error).split())
        msg = f"the weights in {folder} do not fit the network that was given: {reason}"
        raise PruneError(msg) from error
    return in_layout(result, layout).eval()


def load_weights(path: Path | str, network: nn.Module, name: str) -> nn.Module:
    """A copy of a network with weights from a file, in evaluation mode; only tensors are unpickled.

    Args:
        path: A file with a state_dict, or the folder of an exported network.
        network: What the weights are of; where the folder's was pruned, what it was before.
        name: The network's name; errors say it.
    """
    path, layout = Path(path), layout_of(network)
    if path.is_dir():
        spec, content = _read(path)
        layout, network = _layout(spec), build_with(spec, network)
    elif path.is_file():
        content = path.read_bytes()
    else:
        msg = f"there is no {path} with weights for the network of {name}"
        raise PruneError(msg)
    try:
        weights = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
        if not isinstance(weights, Mapping):
            msg = f"it holds a {type(weights).__name__}"
            raise TypeError(msg)
    except DAMAGES as error:
        msg = (
            f"{path} holds no state_dict that can be read safely; write it with "
            "torch.save(network.state_dict(), FILE)"
        )
        raise PruneError(msg) from error
    result = copy.deepcopy(network)
    try:
        result.load_state_dict(weights)
    except DAMAGES as error:
        reason = " ".join(str(error).split())
        msg = f"the weights in {path} do not fit the network of {name}: {reason}"
        raise PruneError(msg) from error
    return in_layout(result, layout).eval()


def unknown_kind(spec: Mapping[str, Any]) -> str | None:
    """The kind of a network, or of its parent, if nothing builds it; None if something may.

    Args:
        spec: The network's.
    """
    inner: Mapping[str, Any] | None = spec
    while inner is not None:
        kind = inner.get("network")
        if kind not in NETWORKS and module_of(str(kind)) is None:
            return str(kind)
        inner = spec_within(inner)
    return None


def unknown_kind_in(folder: Path | str) -> str | None:
    """The same for an exported network.

    Args:
        folder: The network's folder.
    """
    return unknown_kind(_read(Path(folder))[0])


def needs_own(folder: Path | str) -> bool:
    """Whether an exported network, or what it was made from, is built by code of the user's.

    Args:
        folder: The network's folder.
    """
    spec = _read(Path(folder))[0]
    return is_own(spec) or unknown_kind(spec) is not None


def _read(folder: Path) -> tuple[dict[str, Any], bytes]:
    """The description of an exported network, and the content of the file with its weights."""
    try:
        spec = json.loads((folder / SPEC).read_text(encoding="utf-8"))
        check_shape(spec, NetworkShape)
        content = (folder / WEIGHTS).read_bytes()
    except FileNotFoundError as error:
        msg = f"{folder} is not an exported network: {Path(error.filename).name} is missing"
        raise PruneError(msg) from error
    except (ValueError, RecursionError) as error:
        raise PruneError(_damaged(folder, error)) from error
    found: dict[str, str] = spec.get(DIGESTS, {})  # older exports have none
    for name, digest in _digests(spec, content).items() if found else ():
        if found.get(name) != digest:
            reason = (
                f"{name} is not the file that was written with the other; restore it from a copy, "
                "or export the network again"
            )
            raise PruneError(_damaged(folder, reason))
    return spec, content


def _check_size(folder: Path, spec: Mapping[str, Any], content: bytes) -> None:
    """Refuses a file or a description that would take far more memory than its weights do."""
    depth, inner = 0, spec_within(spec)
    while inner is not None:
        depth, inner = depth + 1, spec_within(inner)
    if depth > DEPTH:
        reason = f"it is a network within {depth:,} others, and {DEPTH} is the limit"
        raise PruneError(_damaged(folder, reason))
    try:
        check_archive(io.BytesIO(content))
    except (ValueError, OSError, zipfile.BadZipFile) as error:
        raise PruneError(_damaged(folder, error)) from error
    if is_own(spec):
        return  # a user's own code is trusted, and may keep what it builds
    try:
        with torch.device("meta"):
            empty = build_network(spec)
    except Exception:  # noqa: BLE001 - it is built in earnest next, and says what is wrong
        return
    needed = sum(value.numel() for value in empty.state_dict().values())
    if needed > len(content):
        least = f"its description needs {needed:,} weights"
        raise PruneError(_damaged(folder, f"{least}, but {WEIGHTS} has {len(content):,} bytes"))


def _layout(spec: Mapping[str, Any]) -> str:
    layout = spec.get("memory_format", "contiguous")
    if layout not in MEMORY_FORMATS:
        raise unknown_name("memory format", str(layout), MEMORY_FORMATS)
    return str(layout)


def _damaged(folder: Path, reason: Exception | str) -> str:
    return f"the exported network in {folder} is damaged: {reason}"
