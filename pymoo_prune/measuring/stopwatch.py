"""How long architectures take: measured beside their parent, once each, and remembered."""

from __future__ import annotations

import copy
import json
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import fx, nn

from pymoo_prune.chromosomes import hash_bytes
from pymoo_prune.errors import PruneError, StoreError
from pymoo_prune.machine import processor
from pymoo_prune.measuring.latency import latencies
from pymoo_prune.objectives import Quantity

LATENCY = "latency"
"""What the quantity is called."""
MILLISECONDS = Quantity("lower", "latency in ms")
"""Of one batch."""
WARM_UP = 3
"""Calls of each network before anything is measured."""
AT_LENGTH = 10
"""How many times as many repeats the parent is measured with as a candidate."""
PATIENCE = 60.0
"""Seconds to wait for another process that writes to the same file."""


@dataclass(frozen=True)
class LatencyScheme:
    """How latencies are measured.

    Attributes:
        batch_size: Images at once.
        threads: Of torch's, on the processor.
        repeats: Measurements of each network, whose quickest counts; short calls are several a
            measurement.
    """

    batch_size: int = 1
    threads: int = 1
    repeats: int = 20

    def __post_init__(self) -> None:
        if min(self.batch_size, self.threads, self.repeats) < 1:
            msg = f"batch_size, threads and repeats must be at least 1, but it is {self}"
            raise PruneError(msg)


class KnownLatencies:
    """What was measured, by digest: in memory, and in a file where there is one.

    Several processes may use one file at once. Whoever writes first is right: the others take over
    what is there.

    Args:
        path: The database file, made when there is something to keep; None for memory alone.

    Attributes:
        fresh: How many were measured.
        hits: How many were known, and did not have to be.
    """

    def __init__(self, path: Path | str | None = None) -> None:
        self.path = None if path is None else Path(path)
        self.fresh = self.hits = 0
        self._memory: dict[bytes, float] = {}

    def get(self, key: bytes) -> float | None:
        """A latency in milliseconds; None where it is not known."""
        if key not in self._memory and self.path is not None and self.path.exists():
            with self._database(self.path) as db:
                self._read(db, key)
        self.hits += key in self._memory
        return self._memory.get(key)

    def keep(self, key: bytes, milliseconds: float) -> float:
        """Keeps what was measured, unless somebody was first.

        Returns:
            The latency that is known from now on.
        """
        self.fresh += 1
        if self.path is not None:
            with self._database(self.path) as db:
                db.execute("INSERT OR IGNORE INTO latencies VALUES (?, ?)", (key, milliseconds))
                self._read(db, key)
        return self._memory.setdefault(key, milliseconds)

    def _read(self, db: sqlite3.Connection, key: bytes) -> None:
        query = "SELECT milliseconds FROM latencies WHERE digest = ?"
        for (milliseconds,) in db.execute(query, (key,)):
            self._memory.setdefault(key, milliseconds)

    @contextmanager
    def _database(self, path: Path) -> Iterator[sqlite3.Connection]:
        """The file, open for a moment: copies of this object and other processes share it."""
        try:
            db = sqlite3.connect(path, timeout=PATIENCE, isolation_level=None)
            # No WAL: several processes cannot switch it on at once, and little is written.
            with closing(db):
                db.execute(
                    "CREATE TABLE IF NOT EXISTS latencies "
                    "(digest BLOB PRIMARY KEY, milliseconds REAL NOT NULL) WITHOUT ROWID"
                )
                yield db
        except sqlite3.Error as error:
            msg = (
                f"{path}: {error}; check that the folder can be written to and has space; a "
                "damaged file must be restored from a copy, or the search started anew"
            )
            raise StoreError(msg) from error


class Stopwatch:
    """Measures networks against the one that they are pruned from.

    The two run in turns, so whatever slows the machine down for a while slows both. The quotient
    of their quickest repeats, times what the parent takes, is the latency: other processes only
    ever add time, and on a busy machine medians of one pair differ by more than networks do. The
    parent is measured once, at length. Networks of one architecture are one network here: what is
    known is not measured again.

    Args:
        parent: The unpruned network; it is not changed.
        shape: (channels, height, width) of one image.
        scheme: How to measure.
        known: What was measured before.
        device: Where to measure.
    """

    def __init__(
        self,
        parent: nn.Module,
        shape: Sequence[int],
        *,
        scheme: LatencyScheme,
        known: KnownLatencies,
        device: torch.device,
    ) -> None:
        self.scheme, self.known, self.shape, self.device = scheme, known, tuple(shape), device
        self.parent = _in_usual_layout(parent)
        here = conditions(scheme, device)
        about = {**here, "shape": self.shape, "parent": architecture_text(parent)}
        self._about = json.dumps(about, sort_keys=True).encode()

    @cached_property
    def parent_milliseconds(self) -> float:
        """What the parent takes."""
        key = self._key(self.parent)
        known = self.known.get(key)
        if known is not None:
            return known
        (parent,) = self._quickest({"parent": self.parent}, AT_LENGTH * self.scheme.repeats)
        return self.known.keep(key, 1e3 * parent)

    def milliseconds(self, network: nn.Module) -> float:
        """What a batch takes in a network; for one architecture always the same number.

        Args:
            network: A small network, whose weights do not matter; it is not changed.
        """
        key = self._key(network)
        known = self.known.get(key)
        return self.known.keep(key, self._measured(network)) if known is None else known

    def note(self, networks: Sequence[nn.Module]) -> str:
        """A sentence about noise: each architecture is measured once more, and compared.

        Args:
            networks: Those that the sentence is about.
        """
        distinct = {self._key(network): network for network in networks}.values()
        known = np.array([self.milliseconds(network) for network in distinct])
        again = np.array([self._measured(network) for network in distinct])
        differences = 100 * np.abs(again / known - 1)
        scheme = self.scheme
        return (
            f"Latencies are the quickest of {_counted(scheme.repeats, 'repeat')} in turns with the "
            f"parent, {_counted(scheme.threads, 'thread')}, batch of {scheme.batch_size}, on "
            f"{hardware(self.device)}; measured again in the end, they differ by "
            f"{np.median(differences):.1f} % in the median and {differences.max():.1f} % at most."
        )

    def _measured(self, network: nn.Module) -> float:
        whole = self.parent_milliseconds
        pair = {"parent": self.parent, "candidate": _in_usual_layout(network)}
        parent, candidate = self._quickest(pair, self.scheme.repeats)
        return whole * candidate / parent

    def _quickest(self, networks: dict[str, nn.Module], repeats: int) -> list[float]:
        """Seconds of a batch, in the order of the networks."""
        measured = latencies(
            networks,
            self.shape,
            batch_size=self.scheme.batch_size,
            threads=self.scheme.threads,
            warm_up=WARM_UP,
            repeats=repeats,
            device=self.device,
        )
        return [latency.least for latency in measured.values()]

    def _key(self, network: nn.Module) -> bytes:
        return hash_bytes(self._about, architecture_text(network).encode())


def conditions(scheme: LatencyScheme, device: torch.device) -> dict[str, Any]:
    """All that a latency depends on besides the networks and the images, as JSON values.

    Args:
        scheme: How it is measured.
        device: Where.
    """
    return {
        **asdict(scheme),
        "warm_up": WARM_UP,
        "device": device.type,
        "hardware": hardware(device),
        "torch": version("torch"),
    }


def architecture_text(network: nn.Module) -> str:
    """All of a network but its weights: its `spec` if it has one, else layers, shapes and graphs.

    Args:
        network: The network.

    Returns:
        JSON; equal for networks that differ in their weights alone.
    """
    spec = getattr(network, "spec", None)
    if not isinstance(spec, dict):
        kind = type(network)
        spec = {
            "network": f"{kind.__module__}.{kind.__qualname__}",
            "layers": str(network),
            "shapes": {name: list(value.shape) for name, value in network.state_dict().items()},
            "graphs": [part.code for part in network.modules() if isinstance(part, fx.GraphModule)],
        }
    types = sorted({str(parameter.dtype) for parameter in network.parameters()})
    return json.dumps({"architecture": spec, "types": types}, sort_keys=True)


def hardware(device: torch.device) -> str:
    """The name of what networks run on."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else processor()


def _in_usual_layout(network: nn.Module) -> nn.Module:
    """A copy whose weights lie in memory as in a network that is loaded from a file.

    Trainings choose another layout where that is faster, which changes how long networks take.
    """
    return copy.deepcopy(network).to(memory_format=torch.contiguous_format)


def _counted(number: int, what: str) -> str:
    return f"{number} {what}{'s' * (number > 1)}"
