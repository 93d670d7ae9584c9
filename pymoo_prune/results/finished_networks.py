"""The finished networks of a front in one file of arrays, and how they are built from it again."""

from __future__ import annotations

import json
import math
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from pymoo_prune.chromosomes import Array, candidate_seed, digests, hash_bytes, opened_arrays
from pymoo_prune.data import Data
from pymoo_prune.errors import PruneError, StoreError, TrainingDiverged
from pymoo_prune.files import writing
from pymoo_prune.networks import build_network, build_with, is_own, spec_of
from pymoo_prune.results.finishing import Finisher
from pymoo_prune.results.network_files import can_be_saved, in_layout, layout_of, unknown_kind

FORMAT = 1
ABOUT = "about"
"""The array with the description of all networks, JSON in UTF-8."""
MEGABYTE = 1_000_000
UNREADABLE = (
    OSError, ValueError, KeyError, TypeError, RuntimeError, EOFError, IndexError,
    MemoryError, RecursionError, zipfile.BadZipFile, zlib.error,
)  # fmt: skip
"""Readers of the file raise these where it is damaged."""


@dataclass(frozen=True)
class Finishing:
    """How a front was finished; another finishing makes other networks.

    Attributes:
        fingerprint: The problem's.
        images: Training images that each network was retrained with.
        chromosomes: Digests of the front's chromosomes.
    """

    fingerprint: str
    images: int
    chromosomes: tuple[str, ...]

    @classmethod
    def of(cls, fingerprint: str, images: int, X: Array) -> Finishing:
        """The finishing of a front.

        Args:
            fingerprint: The problem's.
            images: Training images that each network is retrained with.
            X: The front's chromosomes, (n, n_var).
        """
        return cls(fingerprint, images, tuple(digest.hex() for digest in digests(X)))


class Keeper:
    """Collects a front's finished networks, in the front's order, and writes them into a file.

    Nothing is kept where a network has no spec, from which it could be built again.

    Args:
        limit: The most megabytes that the weights may have, before they are compressed.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.bytes = 0
        self._can_be_kept = limit > 0
        self._networks: list[tuple[dict[str, Any], dict[str, Array]]] = []

    def add(self, network: nn.Module | None) -> None:
        """Adds the next network.

        Args:
            network: The network; None where its retraining diverged.
        """
        about, weights = ({}, {}) if network is None else _described(network)
        self._can_be_kept = self._can_be_kept and weights is not None
        if weights is not None:
            self.bytes += sum(array.nbytes for array in weights.values())
        if self._can_be_kept and not self.too_large:
            self._networks.append((about, weights or {}))
        else:
            self._networks.clear()

    @property
    def too_large(self) -> bool:
        """Whether the weights exceed the limit."""
        return self.bytes > self.limit * MEGABYTE

    def notes(self, option: str) -> list[str]:
        """A sentence where the weights could be kept, but are too large.

        Args:
            option: The option that sets the limit.
        """
        if not self._can_be_kept or not self.too_large:
            return []
        needed = math.ceil(self.bytes / MEGABYTE)
        text = (
            f"The finished networks are not kept: their weights have {needed:,} MB, and "
            f"{self.limit:,} MB is the limit ({option} {needed} keeps them); export retrains them."
        )
        return [text]

    def write(self, path: Path, finishing: Finishing, data: Data) -> None:
        """Writes all networks, or removes the file where they are not kept.

        Args:
            path: The file.
            finishing: How the networks were finished.
            data: The images; `input_shape` is theirs.
        """
        if not self._networks or self.too_large:
            path.unlink(missing_ok=True)
            return
        networks: list[dict[str, Any]] = []
        arrays: dict[str, Any] = {}
        for place, (about, weights) in enumerate(self._networks):
            networks.append({**about, "digest": _digest(finishing, place, about, weights)})
            arrays |= {f"{place}/{name}": array for name, array in weights.items()}
        about = {
            "format": FORMAT,
            "fingerprint": finishing.fingerprint,
            "images": finishing.images,
            "chromosomes": finishing.chromosomes,
            "input_shape": data.shape,
            "networks": networks,
        }
        arrays[ABOUT] = np.frombuffer(json.dumps(about).encode(), dtype=np.uint8)
        with writing(path) as part, part.open("wb") as file:
            np.savez_compressed(file, **arrays)


class FinishedNetworks:
    """The networks in a file that a `Keeper` wrote.

    Args:
        path: The file.
        own: Gives the user's network that the search pruned, where only their code builds it; None
            leaves it to the networks' descriptions.

    Attributes:
        path: The file.
        finishing: How the networks were finished.
        input_shape: Channels, height and width of an image.
    """

    def __init__(self, path: Path, own: Callable[[], nn.Module] | None = None) -> None:
        self.path, self._own = path, own
        with self._opened() as arrays:
            about = json.loads(arrays[ABOUT].tobytes())
            if about["format"] != FORMAT:
                msg = f"it has format {about['format']}, but this version reads format {FORMAT}"
                raise ValueError(msg)
            chromosomes = tuple(str(one) for one in about["chromosomes"])
            self.finishing = Finishing(str(about["fingerprint"]), int(about["images"]), chromosomes)
            self.input_shape: tuple[int, ...] = tuple(int(size) for size in about["input_shape"])
            self._networks: list[dict[str, Any]] = [dict(one) for one in about["networks"]]
            if not all(isinstance(one.get("spec", {}), dict) for one in self._networks):
                msg = "it has a network that is not described by an object"
                raise TypeError(msg)
            if len(self._networks) != len(chromosomes):
                msg = f"it has {len(self._networks)} networks of {len(chromosomes)} chromosomes"
                raise ValueError(msg)

    @contextmanager
    def _opened(self) -> Iterator[Mapping[str, Array]]:
        """The file's arrays; damage is an error that names the file and the remedy."""
        try:
            with opened_arrays(self.path) as arrays:
                yield arrays
        except PruneError:
            raise
        except UNREADABLE as error:
            raise self.unusable(f"is damaged: {error}") from error

    def unusable(self, reason: str) -> StoreError:
        """An error for a file that cannot be used.

        Args:
            reason: Continues the name of the file.
        """
        return StoreError(f"{self.path} {reason}; remove it, and networks are retrained")

    def check(self, finishing: Finishing) -> None:
        """Refuses a file of another finishing.

        Args:
            finishing: How the networks that are wanted were finished.
        """
        if finishing != self.finishing:
            wanted, found = vars(finishing), vars(self.finishing)
            differing = [name for name in wanted if wanted[name] != found[name]]
            raise self.unusable(f"is of another run: its {', '.join(differing)} differ")

    def unknown_kind(self, place: int) -> str | None:
        """The kind of a network if nothing here builds it; None if something does.

        Args:
            place: Its row in the front.
        """
        spec = self._networks[place].get("spec")
        return None if spec is None or self._own is not None else unknown_kind(spec)

    def network(self, place: int) -> nn.Module:
        """A network of the front, in evaluation mode, on the processor.

        Args:
            place: Its row in the front.

        Raises:
            StoreError: The file is damaged.
            TrainingDiverged: The network's retraining diverged.
            PruneError: Nothing here builds networks of its kind.
        """
        about = dict(self._networks[place])
        head = f"{place}/"
        with self._opened() as arrays:
            names = [name for name in arrays if name.startswith(head)]
            weights = {name.removeprefix(head): arrays[name] for name in names}
            digest = about.pop("digest")
            if digest != _digest(self.finishing, place, about, weights):
                msg = f"the weights of network {place} are not those that were written"
                raise ValueError(msg)
        if not about:
            msg = f"the training of network {place} diverged"
            raise TrainingDiverged(msg)
        with torch.random.fork_rng(devices=[]):  # building draws weights, which are then replaced
            network = self._built(about["spec"])
        with self._opened():
            network.load_state_dict({n: torch.from_numpy(w) for n, w in weights.items()})
        return in_layout(network, about["memory_format"]).eval()

    def _built(self, spec: Mapping[str, Any]) -> nn.Module:
        if self._own is not None and (is_own(spec) or unknown_kind(spec) is not None):
            return build_with(spec, self._whole)
        return build_network(spec)

    @cached_property
    def _whole(self) -> nn.Module:
        """The user's network, made once."""
        if self._own is None:
            msg = "no network of the user's is given"
            raise PruneError(msg)
        return self._own()

    def finisher(self, seed: int, device: torch.device) -> Finisher:
        """Takes networks from the file, in place of retraining them.

        Args:
            seed: The problem's seed.
            device: Where the networks go.
        """
        digests_ = (bytes.fromhex(one) for one in self.finishing.chromosomes)
        places = {candidate_seed(seed, digest): place for place, digest in enumerate(digests_)}
        return lambda _, candidate: self.network(places[candidate]).to(device)

    def check_all(self) -> None:
        """Reads every network; raises what `network` raises, except for diverged trainings."""
        for place, about in enumerate(self._networks):
            if len(about) > 1:
                self.network(place)


def _described(network: nn.Module) -> tuple[dict[str, Any], dict[str, Array] | None]:
    """How to build a network, and its weights; None where they cannot be kept."""
    if not can_be_saved(network):
        return {}, None
    weights = {name: value.detach().cpu() for name, value in network.state_dict().items()}
    try:
        arrays = {name: np.array(value.numpy(), order="C") for name, value in weights.items()}
    except TypeError:  # a type that numpy lacks, such as bfloat16
        return {}, None
    # As JSON gives it back: its digest must be the same then.
    spec = json.loads(json.dumps(spec_of(network)))
    return {"spec": spec, "memory_format": layout_of(network)}, arrays


def _digest(
    finishing: Finishing, place: int, about: Mapping[str, Any], weights: Mapping[str, Array]
) -> str:
    """A digest of a network, and of the finishing that made it."""
    origin = [finishing.fingerprint, finishing.images, finishing.chromosomes[place], about]
    parts = [json.dumps(origin, sort_keys=True).encode()]
    for name in sorted(weights):
        array = weights[name]
        parts += [f"{name} {array.dtype} {array.shape}".encode(), array.tobytes()]
    return hash_bytes(*parts).hex()
