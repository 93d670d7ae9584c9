"""Measures how long networks take, side by side."""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from time import perf_counter

import numpy as np
import torch
from torch import Tensor, nn

from pymoo_prune.data import Packing
from pymoo_prune.errors import PruneError
from pymoo_prune.machine import check_device, on_threads
from pymoo_prune.networks import evaluating

SHORTEST_CALL = 1e-3
"""Seconds; a network that takes less is called several times in a repeat."""
SHORTEST_REPEAT = 2e-3
"""Seconds that such a repeat lasts, so that the clock and Python's own work matter little."""


@dataclass(frozen=True)
class Latency:
    """How long a batch takes, and the conditions of the measurement.

    Attributes:
        median: Seconds of one batch.
        lower: The first quartile, seconds of one batch.
        upper: The third quartile, seconds of one batch.
        least: The quickest repeat, seconds of one batch; it was disturbed least.
        batch_size: Images at once.
        threads: torch's threads on the processor.
        device: Where the network ran.
        repeats: The number of measurements.
    """

    median: float
    lower: float
    upper: float
    least: float
    batch_size: int
    threads: int
    device: str
    repeats: int

    @property
    def iqr(self) -> float:
        """The interquartile range, seconds: it holds half of the measurements."""
        return self.upper - self.lower

    def __str__(self) -> str:
        unit, factor = ("ms", 1e3) if self.median >= 1e-3 else ("µs", 1e6)
        threads = f"{self.threads} thread{'s' * (self.threads > 1)}"
        repeats = f"{self.repeats} repeat{'s' * (self.repeats > 1)}"
        return (
            f"{self.median * factor:.2f} {unit} (IQR {self.iqr * factor:.2f} {unit}; "
            f"batch of {self.batch_size}, {threads}, {self.device}, {repeats})"
        )


def latencies(
    networks: Mapping[str, nn.Module],
    shape: Sequence[int],
    *,
    batch_size: int = 1,
    threads: int = 1,
    warm_up: int = 10,
    repeats: int = 50,
    device: torch.device | str = "cpu",
    packing: Packing | None = None,
) -> dict[str, Latency]:
    """Measures networks side by side.

    They take turns, one repeat each, and every round starts with another network. So a machine that
    is slow for a while slows all networks alike. Compare only latencies of the same call.

    Args:
        networks: The networks, by name; copies of them run, so they are not changed.
        shape: (channels, height, width) of one image, or another input's shape; the pixels are
            random, of the type of each network's weights.
        batch_size: Images at once.
        threads: torch's threads on the processor; afterwards there are as many as before.
        warm_up: Calls of each network before the first measurement.
        repeats: Measurements of each network; if calls are short, a measurement has several.
        device: Where to measure.
        packing: How the networks' own inputs lie in one input; all ids of tokens are 0.

    Returns:
        Each network's latency, in the order of the networks.

    Raises:
        PruneError: A number is too small, the device cannot be used, or a network fails.
    """
    if not networks:
        msg = "there are no networks to measure; give at least one, with its name"
        raise PruneError(msg)
    if min(batch_size, threads, repeats) < 1 or warm_up < 0:
        msg = (
            "batch_size, threads and repeats must be at least 1 and warm_up at least 0, but "
            f"{batch_size=}, {threads=}, {repeats=} and {warm_up=}"
        )
        raise PruneError(msg)
    if not len(shape) or min(shape) < 1:
        msg = (
            "shape must be one input's, such as an image's (channels, height, width), but it is "
            f"{tuple(shape)}"
        )
        raise PruneError(msg)
    place = check_device(str(device))
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(batch_size, *shape, generator=generator).to(place)
    if packing is not None:
        images = packing.without_ids(images)
    copies = nn.ModuleList(_copy(name, network) for name, network in networks.items()).to(place)
    # A copy for each network, as it may change its images in place.
    batches = [images.to(_dtype(network), copy=True) for network in copies]
    times: list[list[float]] = [[] for _ in copies]
    with evaluating(copies), on_threads(threads), torch.inference_mode():
        for name, network, batch in zip(networks, copies, batches, strict=True):
            _warm_up(name, network, batch, warm_up)
        calls = [_calls(*pair) for pair in zip(copies, batches, strict=True)]
        for first in range(repeats):
            for turn in range(len(copies)):
                index = (first + turn) % len(copies)
                times[index].append(_seconds(copies[index], batches[index], calls[index]))
    result = {}
    for name, measured in zip(networks, times, strict=True):
        lower, median, upper = (float(q) for q in np.quantile(measured, [0.25, 0.5, 0.75]))
        conditions = batch_size, threads, str(place), repeats
        result[name] = Latency(median, lower, upper, min(measured), *conditions)
    return result


def _copy(name: str, network: nn.Module) -> nn.Module:
    try:
        return copy.deepcopy(network)
    except Exception as error:
        msg = (
            f"network {name!r} cannot be copied; if torch.nn.utils.prune has masked it, "
            f"remove() makes the masks final: {error}"
        )
        raise PruneError(msg) from error


def _dtype(network: nn.Module) -> torch.dtype:
    """The type of a network's weights, which its images must have too."""
    floats = (weight.dtype for weight in network.parameters() if weight.is_floating_point())
    return next(floats, torch.float32)


def _warm_up(name: str, network: nn.Module, batch: Tensor, calls: int) -> None:
    try:
        for _ in range(1 + calls):  # at least one call, to see whether it runs
            _seconds(network, batch, 1)
    except Exception as error:
        msg = (
            f"network {name!r} cannot take a batch of shape {tuple(batch.shape)} "
            f"on {batch.device}: {error}"
        )
        raise PruneError(msg) from error


def _calls(network: nn.Module, batch: Tensor) -> int:
    """The number of calls in a repeat."""
    # Interruptions only add time, so the least is the most accurate.
    once = min(_seconds(network, batch, 1) for _ in range(3))
    # With a coarse clock, a call may take 0 seconds.
    return 1 if once >= SHORTEST_CALL else math.ceil(SHORTEST_REPEAT / max(once, 1e-7))


def _seconds(network: nn.Module, batch: Tensor, calls: int) -> float:
    """The seconds of one call, averaged over several."""
    _finish(batch.device)
    began = perf_counter()
    for _ in range(calls):
        network(batch)
        # After each call: a GPU would overlap the calls, which would measure throughput.
        _finish(batch.device)
    return (perf_counter() - began) / calls


def _finish(device: torch.device) -> None:
    """Waits for a GPU, which works asynchronously."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
