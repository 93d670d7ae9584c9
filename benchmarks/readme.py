"""The generated part of `README.md`: all figures, from the docstrings and the files of results."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from benchmarks.catalogue import MODULES, Benchmark, described, result

README = Path(__file__).with_name("README.md")
BEGIN = "<!-- made by `python -m benchmarks --readme`: begin -->"
END = "<!-- made by `python -m benchmarks --readme`: end -->"
HEAD = ("name", "what it measures", "figure", "target", "where it ran")


def write_readme() -> None:
    """Renews the generated part; the text around it stays."""
    README.write_text(renewed(README.read_text(encoding="utf-8")), encoding="utf-8")


def renewed(text: str) -> str:
    """A README with its generated part made again."""
    return put(text, BEGIN, END, generated())


def put(text: str, begin: str, end: str, content: str) -> str:
    """A page with other content between two marks; the text around them stays."""
    if not (0 <= text.find(begin) < text.find(end)):
        msg = f"the page has no place from {begin!r} to {end!r}"
        raise ValueError(msg)
    before, _, rest = text.partition(begin)
    _, _, after = rest.partition(end)
    return f"{before}{begin}\n{content}\n{end}{after}"


def generated() -> str:
    """A table of all figures, and a paragraph on each benchmark."""
    benchmarks = {name: described(name) for name in MODULES}
    rows = [HEAD, ("---",) * len(HEAD)]
    rows += [_row(name, benchmark, result(name)) for name, benchmark in benchmarks.items()]
    table = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    notes = "\n".join(f"- {' '.join(_note(name, one))}" for name, one in benchmarks.items())
    return f"{table}\n\nHow they measure, and what their tables say beside the figure:\n\n{notes}"


def _row(name: str, benchmark: Benchmark, record: Mapping[str, Any] | None) -> tuple[str, ...]:
    figure, place = "not measured yet", ""
    if record is not None:
        figure = f"{record['figure']:.4g} {record['unit']}"
        parts = [
            str(record["hardware"]),
            f"torch {record['versions']['torch']}",
            f"commit {record['commit']}",
            f"{record['seconds'] / 60:.0f} min",
        ]
        if "threads" in record:
            parts.insert(1, _threads(record["threads"]))
        place = "; ".join(parts)
    return f"`{name}`", benchmark.summary, figure, benchmark.target, place


def _threads(threads: int | str) -> str:
    if isinstance(threads, str):
        return threads if "thread" in threads else f"threads: {threads}"
    return f"{threads} thread{'s' * (threads != 1)}"


def _note(name: str, benchmark: Benchmark) -> Iterator[str]:
    yield f"`{name}`:"
    yield benchmark.method
    if benchmark.findings:
        yield f"**Found:** {benchmark.findings}"
