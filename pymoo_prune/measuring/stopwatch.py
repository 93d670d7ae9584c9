"""Measures the latency of candidates beside their parent, once for each architecture."""

from __future__ import annotations

import copy
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from importlib.metadata import version
from typing import Any

import numpy as np
import torch
from torch import fx, nn

from pymoo_prune.chromosomes import hash_bytes
from pymoo_prune.data import Packing
from pymoo_prune.errors import MOST, PruneError, check_whole
from pymoo_prune.machine import processor
from pymoo_prune.measuring.known_latencies import KnownLatencies
from pymoo_prune.measuring.latency import latencies
from pymoo_prune.networks import is_own, spec_of
from pymoo_prune.objectives import Quantity

LATENCY = "latency"
"""The name of the quantity."""
MILLISECONDS = Quantity("lower", "latency in ms")
"""The quantity: milliseconds of one batch."""
WARM_UP = 3
"""Calls of each network before the first measurement."""
AT_LENGTH = 10
"""The parent is measured with this many times as many repeats as a candidate."""


@dataclass(frozen=True)
class LatencyScheme:
    """How latencies are measured.

    Attributes:
        batch_size: Images at once.
        threads: torch's threads on the processor.
        repeats: Measurements of each network, of which the quickest counts; if calls are short, a
            measurement has several.
    """

    batch_size: int = 1
    threads: int = 1
    repeats: int = 20

    def __post_init__(self) -> None:
        for name in ("batch_size", "threads", "repeats"):
            check_whole(name, getattr(self, name), least=-MOST)
        if min(self.batch_size, self.threads, self.repeats) < 1:
            msg = f"batch_size, threads and repeats must be at least 1, but it is {self}"
            raise PruneError(msg)


class Stopwatch:
    """Measures the latencies of networks against their parent.

    A network and the parent take turns, so a machine that is slow for a while slows both. The
    latency is the ratio of their quickest repeats times the latency of the parent. The quickest
    counts because other processes only add time: on a busy machine, medians of one pair differ by
    more than networks do. The parent is measured once, with many repeats. Networks of the same
    architecture have the same latency, which is measured once.

    Args:
        parent: The unpruned network; it is not changed.
        shape: (channels, height, width) of one image.
        scheme: How to measure.
        known: Latencies that were measured before.
        device: Where to measure.
        packing: How the networks' own inputs lie in an image; None where it is their only one.
    """

    def __init__(
        self,
        parent: nn.Module,
        shape: Sequence[int],
        *,
        scheme: LatencyScheme,
        known: KnownLatencies,
        device: torch.device,
        packing: Packing | None = None,
    ) -> None:
        self.packing = packing
        self.scheme, self.known, self.shape, self.device = scheme, known, tuple(shape), device
        self.parent = _in_usual_layout(parent)
        here = conditions(scheme, device)
        about = {**here, "shape": self.shape, "parent": architecture_text(parent)}
        self._about = json.dumps(about, sort_keys=True).encode()

    @cached_property
    def parent_milliseconds(self) -> float:
        """The latency of the parent."""
        key = self._key(self.parent)
        known = self.known.get(key)
        if known is not None:
            return known
        (parent,) = self._quickest({"parent": self.parent}, AT_LENGTH * self.scheme.repeats)
        return self.known.keep(key, 1e3 * parent)

    def milliseconds(self, network: nn.Module) -> float:
        """The latency of a network; always the same number for the same architecture.

        Args:
            network: The network, whose weights do not matter; it is not changed.
        """
        key = self._key(network)
        known = self.known.get(key)
        return self.known.keep(key, self._measured(network)) if known is None else known

    def note(self, networks: Sequence[nn.Module]) -> tuple[str, float]:
        """Measures each architecture again, and compares.

        Args:
            networks: The networks whose latencies are compared.

        Returns:
            A sentence about noise, and the largest difference as a share of the latency.
        """
        distinct = {self._key(network): network for network in networks}.values()
        known = np.array([self.milliseconds(network) for network in distinct])
        again = np.array([self._measured(network) for network in distinct])
        differences = 100 * np.abs(again / known - 1)
        scheme = self.scheme
        text = (
            f"Latencies are the quickest of {_counted(scheme.repeats, 'repeat')} in turns with the "
            f"parent, {_counted(scheme.threads, 'thread')}, batch of {scheme.batch_size}, on "
            f"{hardware(self.device)}; measured again in the end, they differ by "
            f"{np.median(differences):.1f} % in the median and {differences.max():.1f} % at most."
        )
        return text, float(differences.max()) / 100

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
            packing=self.packing,
        )
        return [latency.least for latency in measured.values()]

    def _key(self, network: nn.Module) -> bytes:
        return hash_bytes(self._about, architecture_text(network).encode())


def conditions(scheme: LatencyScheme, device: torch.device) -> dict[str, Any]:
    """The conditions that a latency depends on, besides networks and images, as JSON values.

    Args:
        scheme: How to measure.
        device: Where to measure.
    """
    return {
        **asdict(scheme),
        "warm_up": WARM_UP,
        "device": device.type,
        "hardware": hardware(device),
        "torch": version("torch"),
    }


def architecture_text(network: nn.Module) -> str:
    """A network without its weights: its `spec` if it has one, else layers, shapes and graphs.

    Args:
        network: The network.

    Returns:
        JSON, which is equal for networks that differ in their weights alone.
    """
    spec = spec_of(network)
    if spec is None or is_own(spec):  # a name alone does not say what is behind it
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
    """The name of the GPU or processor that networks run on."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else processor()


def _in_usual_layout(network: nn.Module) -> nn.Module:
    """A copy with the memory layout of a network loaded from a file.

    Trainings may choose another layout because it is faster, which changes latencies.
    """
    return copy.deepcopy(network).to(memory_format=torch.contiguous_format)


def _counted(number: int, what: str) -> str:
    return f"{number} {what}{'s' * (number > 1)}"
