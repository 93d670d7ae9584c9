"""A network of a front in a folder of its own, in tables and on a page."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.table import Table

from pymoo_prune.data import Packed
from pymoo_prune.machine import processor
from pymoo_prune.measuring import Latency
from pymoo_prune.pruning.alphabets import COMPRESSED
from pymoo_prune.results.member import Member
from pymoo_prune.results.network_files import SPEC, WEIGHTS
from pymoo_prune.results.onnx_files import INPUT, OUTPUT, input_names
from pymoo_prune.results.onnx_report import INT8, ONNX, OnnxReport
from pymoo_prune.tables import Row, listed, markdown_table, terminal_table

FILES: Mapping[str, str] = {
    WEIGHTS: "weights, a state_dict of torch",
    SPEC: "how to build the network, and the numbers of this page",
    ONNX: "the network for onnxruntime",
    INT8: "the same with eight bits",
    COMPRESSED: "the network as one file of few bits, which `load_network` reads too",
}
"""Files that the folder may hold, besides pages and times."""
TIMES_PAGE, TIMES_FILE = "times.md", "times.json"
"""Latencies, which are never the same twice; no other file of the folder has any."""


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
            parts += ["## Latency", f"Latencies are in [{TIMES_PAGE}]({TIMES_PAGE})."]
        return "\n\n".join(parts) + "\n"

    def times_markdown(self) -> str:
        """The latencies as a page."""
        title = f"# Latencies of network {self.member.place}"
        parts = [title, markdown_table(*self.latency_rows()), self.conditions()]
        return "\n\n".join(parts) + "\n"

    def _loading(self) -> str:
        data = self.member.front.problem.data_set
        shape = ", ".join(str(size) for size in data.shape)
        folder, path = (json.dumps(str(each)) for each in (self.folder, self.folder / ONNX))
        code = ["import pymoo_prune", f"network = pymoo_prune.load_network({folder})"]
        given = f'"{INPUT}": images'
        if data.packing is not None:
            given = ", ".join(f'"{name}": ...' for name in input_names(data.packing))
        if self.onnx:
            processor_only = 'providers=["CPUExecutionProvider"]'
            code += [
                *("", "import onnxruntime"),
                f"session = onnxruntime.InferenceSession({path}, {processor_only})",
                f'(outputs,) = session.run(["{OUTPUT}"], {{{given}}})',
            ]
        if data.packing is not None:
            parts = [_input_text(part) for part in data.packing.parts]
            text = f"It takes {listed(parts)}; in ONNX files {listed(input_names(data.packing))}."
            return "\n".join(["```python", *code, "```", "", text])
        if not data.train.are_images or data.task.name != "classes":
            text = (
                f"Inputs are float32 with the shape (n, {shape}), for torch a tensor and for "
                f"onnxruntime an array. The task of the network is {data.task.name}."
            )
            return "\n".join(["```python", *code, "```", "", text])
        text = (
            f"Images are float32 with the shape (n, {shape}), for torch a tensor and for "
            "onnxruntime an array; pixels that were bytes lie between 0 and 1. Of the outputs, "
            "(n, classes), the largest is the prediction."
        )
        return "\n".join(["```python", *code, "```", "", text])


def _input_text(part: Packed) -> str:
    shape = ", ".join(map(str, ("n", *part.shape)))
    return f"{'float32' if part.most is None else 'int64'} of shape ({shape})"


def _digits(value: float) -> str:
    """Three digits of a small number, all of a large one."""
    return f"{value:,.{2 if value < 10 else 1 if value < 100 else 0}f}"
