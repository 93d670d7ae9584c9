"""A network of a front in a folder of its own: files, measurements, and a page."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from torch import nn

from pymoo_prune.errors import PruneError
from pymoo_prune.files import write_text
from pymoo_prune.machine import processor
from pymoo_prune.measuring import BATCH_SIZES, Latency, latencies
from pymoo_prune.results.front import Member
from pymoo_prune.results.network_files import SPEC, WEIGHTS, save_network
from pymoo_prune.results.onnx_files import (
    INPUT,
    INT8,
    ONNX,
    OUTPUT,
    OnnxNetwork,
    OnnxReport,
    check_onnx,
    export_onnx,
    onnx_network,
)
from pymoo_prune.search import Display
from pymoo_prune.tables import Row, markdown_table, terminal_table

NETWORK_PAGE = "network.md"
FILES: Mapping[str, str] = {
    WEIGHTS: "weights, a state_dict of torch",
    SPEC: "how to build the network, and the numbers of this page",
    ONNX: "the network for onnxruntime",
    INT8: "the same with eight bits",
}
"""Files that the folder may hold, besides the page."""


@dataclass(frozen=True)
class Carried:
    """A network of a front in its folder.

    Attributes:
        member: Which one it is.
        folder: With `network.pt` and `network.json`, and the other files that were asked for.
        about: What `network.json` says, besides how to build it.
        onnx: Measurements of the ONNX files, where there are some.
        latencies: By network and runtime, one for each batch size; empty where none were
            measured.
    """

    member: Member
    folder: Path
    about: Mapping[str, Any]
    onnx: OnnxReport | None = None
    latencies: Mapping[str, Sequence[Latency]] = field(default_factory=dict)

    # For a reader.

    def latency_rows(self) -> tuple[Row, list[Row]]:
        """Latencies, and how many times as fast as the first network the others are."""
        head: list[str] = [""]
        columns: list[list[str]] = [list(self.latencies)]
        for each in zip(*self.latencies.values(), strict=True):
            unit, factor = ("µs", 1e6) if min(one.median for one in each) < 1e-3 else ("ms", 1e3)
            head += [f"{unit}, batch of {each[0].batch_size}", "as fast"]
            columns.append(
                [f"{_digits(factor * o.median)} (IQR {_digits(factor * o.iqr)})" for o in each]
            )
            columns.append([f"{each[0].median / one.median:.2f}×" for one in each])
        return tuple(head), list(zip(*columns, strict=True))

    def conditions(self) -> str:
        """How latencies were measured."""
        one = next(iter(self.latencies.values()))[0]
        threads = f"{one.threads} thread{'s' * (one.threads > 1)}"
        repeats = f"{one.repeats} repeat{'s' * (one.repeats > 1)}"
        return (
            f"Latencies are medians of {repeats} with interquartile ranges (IQR), all networks in "
            f"turns, on {processor()}, {threads}."
        )

    def tables(self) -> list[Table]:
        """The measurements, for the terminal."""
        tables = []
        if self.onnx:
            tables.append(terminal_table("the network as ONNX", *self.onnx.rows()))
        if self.latencies:
            tables.append(terminal_table("latency", *self.latency_rows()))
        return tables

    def notes(self) -> list[str]:
        """Conditions of the measurements, which the tables do not say."""
        notes = [self.onnx.conditions()] if self.onnx else []
        return [*notes, self.conditions()] if self.latencies else notes

    def markdown(self) -> str:
        """Everything as a page."""
        problem = self.member.front.problem
        quantities = self.member.front.quantities
        measured = [
            (quantities[name].label, quantities[name].format(value))
            for name, value in self.about.get("measurements", {}).items()
        ]
        origin = [
            (name.replace("_", " "), str(value))
            for name, value in self.about.get("made_by", {}).items()
        ]
        sizes = [
            (f"`{name}`: {text}", f"{(self.folder / name).stat().st_size:,}")
            for name, text in FILES.items()
            if (self.folder / name).is_file()
        ]
        parts = [
            f"# Network {self.member.place} of {type(problem).__name__} on {problem.data_set.name}",
            *([markdown_table(("measured", "value"), measured)] if measured else []),
            *([markdown_table(("came from", ""), origin)] if origin else []),
            "## Files",
            markdown_table(("file", "bytes"), sizes),
            "## How to load it",
            self._loading(),
        ]
        if self.onnx:
            table = markdown_table(*self.onnx.rows())
            parts += ["## Under onnxruntime", table, self.onnx.conditions()]
        if self.latencies:
            parts += ["## Latency", markdown_table(*self.latency_rows()), self.conditions()]
        return "\n\n".join(parts) + "\n"

    def _loading(self) -> str:
        shape = ", ".join(str(size) for size in self.member.front.problem.data_set.shape)
        folder, path = (json.dumps(str(each)) for each in (self.folder, self.folder / ONNX))
        code = ["import pymoo_prune", f"network = pymoo_prune.load_network({folder})"]
        if self.onnx:
            processor_only = 'providers=["CPUExecutionProvider"]'
            code += [
                *("", "import onnxruntime"),
                f"session = onnxruntime.InferenceSession({path}, {processor_only})",
                f'(outputs,) = session.run(["{OUTPUT}"], {{"{INPUT}": images}})',
            ]
        text = (
            f"Images are float32 with the shape (n, {shape}), for torch a tensor and for "
            "onnxruntime an array; pixels that were bytes lie between 0 and 1. Of the outputs, "
            "(n, classes), the largest is the prediction."
        )
        return "\n".join(["```python", *code, "```", "", text])


def _digits(value: float) -> str:
    """Three digits of a small number, all of a large one."""
    return f"{value:,.{2 if value < 10 else 1 if value < 100 else 0}f}"


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
    for name in (ONNX, INT8, NETWORK_PAGE):  # of another network
        (folder / name).unlink(missing_ok=True)
    save_network(network, folder, about=about)
    if not (onnx or latency):
        return Carried(member, folder, about)
    data, parent = member.front.problem.data_set.to("cpu"), member.front.problem.parent_network()
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
            runtimes[f"{name}, {runtime}"] = OnnxNetwork(file.path.read_bytes())
    times = _latencies(runtimes, data.shape, threads, repeats, display)
    result = Carried(member, folder, {**about, **_found(report, times)}, report, times)
    save_network(network, folder, about=result.about)
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
    shape: Sequence[int],
    threads: int,
    repeats: int,
    display: Display,
) -> dict[str, list[Latency]]:
    times: dict[str, list[Latency]] = {name: [] for name in networks}
    with display.phase("latency") as update:
        for place, size in enumerate(BATCH_SIZES):
            update(place / len(BATCH_SIZES), f"batch of {size}")
            measured = latencies(networks, shape, batch_size=size, threads=threads, repeats=repeats)
            for name, one in measured.items():
                times[name].append(one)
    return times


def _found(
    report: OnnxReport | None, times: Mapping[str, Sequence[Latency]]
) -> dict[str, dict[str, Any]]:
    """The measurements as plain values."""
    found: dict[str, dict[str, Any]] = {}
    if report is not None:
        files = {file.path.name: asdict(file) for file in report.files}
        for file in files.values():
            del file["path"]
        found["onnx"] = {"images": report.images, **files}
    seconds = {name: [asdict(one) for one in several] for name, several in times.items()}
    return {**found, "latency": {"processor": processor(), "networks": seconds}}
