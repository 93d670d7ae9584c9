"""Writing a network of a front into a folder, and measuring it there."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console
from torch import nn

from pymoo_prune.data import Data
from pymoo_prune.errors import PruneError
from pymoo_prune.files import write_text
from pymoo_prune.machine import processor
from pymoo_prune.measuring import BATCH_SIZES, Latency, latencies
from pymoo_prune.networks import own_inputs
from pymoo_prune.pruning.alphabets import COMPRESSED
from pymoo_prune.results.carried import TIMES_FILE, TIMES_PAGE, Carried
from pymoo_prune.results.member import Member
from pymoo_prune.results.network_files import save_compressed, save_network
from pymoo_prune.results.onnx_files import OnnxNetwork, check_onnx, export_onnx, onnx_network
from pymoo_prune.results.onnx_report import INT8, ONNX, OnnxReport
from pymoo_prune.search import Display

NETWORK_PAGE = "network.md"


def carry(
    member: Member,
    network: nn.Module,
    folder: Path | str,
    *,
    about: Mapping[str, Any],
    onnx: bool = False,
    int8: bool = False,
    latency: bool = False,
    threads: int = 1,
    repeats: int = 50,
    display: Display | None = None,
) -> Carried:
    """Writes a network of a front into a folder, and measures there what is asked for.

    A network whose layers lie on grids of few bits is also written as one compressed file.

    Args:
        member: Which network of the front it is.
        network: The network, retrained or not; it is not changed.
        folder: Made if it is not there; what `carry` wrote there before is replaced.
        about: What `network.json` says of it: measurements and origin.
        onnx: Whether to write `network.onnx`, as `export_onnx` does, and to measure latencies.
        int8: Whether to write `network.int8.onnx` as well.
        latency: Whether to measure latencies without ONNX too. The parent takes turns with the
            network, where the problem has one; all run on the processor.
        threads: torch's threads, for latencies.
        repeats: Measurements of each latency.
        display: Shows progress; None for silence.

    Raises:
        PruneError: The network has no spec, or cannot be exported as ONNX; files that were written
            before stay.
    """
    check_formats(onnx=onnx, int8=int8)
    display, folder = display or Display(Console(quiet=True)), Path(folder)
    for name in (ONNX, INT8, NETWORK_PAGE, TIMES_PAGE, TIMES_FILE):  # of another network
        (folder / name).unlink(missing_ok=True)
    own = own_inputs(network)
    save_network(own, folder, about=about)
    save_compressed(own, folder / COMPRESSED)
    if not (onnx or latency):
        return Carried(member, folder, about)
    data, parent = member.front.problem.data_set.to("cpu"), member.front.problem.parent
    runtimes: dict[str, nn.Module] = {}
    if parent is not None:
        runtimes["parent, torch"] = parent
        if onnx:
            with display.phase("the parent as ONNX"):
                runtimes["parent, onnxruntime"] = onnx_network(parent, data)
    name, report = f"network {member.place}", None
    runtimes[f"{name}, torch"] = network
    if onnx:
        with display.phase("the network as ONNX"):
            report = export_onnx(network, data, folder, int8=int8)
        for file, runtime in zip(report.files, ("onnxruntime", "int8"), strict=False):
            runtimes[f"{name}, {runtime}"] = OnnxNetwork(file.path.read_bytes(), data.packing)
    times = _latencies(runtimes, data, threads, repeats, display)
    result = Carried(member, folder, {**about, **_found(report)}, report, times)
    if report is not None:
        save_network(own, folder, about=result.about)
    write_text(folder / TIMES_FILE, _times_json(times))
    write_text(folder / TIMES_PAGE, result.times_markdown())
    write_text(folder / NETWORK_PAGE, result.markdown())
    return result


def check_formats(*, onnx: bool, int8: bool) -> None:
    """Refuses formats that cannot be written."""
    if int8 and not onnx:
        msg = "int8 is a kind of ONNX: give --format onnx with --int8 (onnx=True with int8=True)"
        raise PruneError(msg)
    if onnx:
        check_onnx()


def _latencies(
    networks: Mapping[str, nn.Module],
    data: Data,
    threads: int,
    repeats: int,
    display: Display,
) -> dict[str, list[Latency]]:
    times: dict[str, list[Latency]] = {name: [] for name in networks}
    with display.phase("latency") as update:
        for place, size in enumerate(BATCH_SIZES):
            update(place / len(BATCH_SIZES), f"batch of {size}")
            measured = latencies(
                networks,
                data.shape,
                batch_size=size,
                threads=threads,
                repeats=repeats,
                packing=data.packing,
            )
            for name, one in measured.items():
                times[name].append(one)
    return times


def _found(report: OnnxReport | None) -> dict[str, dict[str, Any]]:
    """The measurements of ONNX files as plain values."""
    found: dict[str, dict[str, Any]] = {}
    if report is not None:
        files = {file.path.name: asdict(file) for file in report.files}
        for name, file in files.items():
            known = {key: value for key, value in file.items() if value is not None}
            files[name] = {key: value for key, value in known.items() if key != "path"}
        found["onnx"] = {"images": report.images, **files}
    return found


def _times_json(times: Mapping[str, Sequence[Latency]]) -> str:
    """Latencies by network and runtime, as JSON."""
    seconds = {name: [asdict(one) for one in several] for name, several in times.items()}
    return json.dumps({"processor": processor(), "networks": seconds}, indent=2) + "\n"
