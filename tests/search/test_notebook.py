"""Progress in a notebook, in a kernel of its own."""

from __future__ import annotations

import os
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

ROOT = Path(__file__).resolve().parents[2]

PHASES = """
import itertools, time
from rich.console import Console
from pymoo_prune.search import Display

clock = itertools.count(0, 20)
time.perf_counter = lambda: float(next(clock))  # each look at the clock is 20 seconds later
display = Display(Console())
for name in ("parent", "search", "finish"):
    with display.phase(name) as update:
        for step in range(50):
            update(step / 50, f"generation {step}")
"""
RUNS = """
from pymoo_prune.search import Board

with Board(Console(), 12) as board:
    for run in range(12):
        board.update(str(run), "search", 0.5, "")
        board.finish(str(run), "found 3 networks")
"""
QUIET = """
with Display(Console(quiet=True)).phase("nothing") as update:
    update(0.5)
"""


@pytest.mark.slow
def test_progress_is_one_line_below_a_cell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("IPYTHONDIR", "JUPYTER_RUNTIME_DIR", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR"):
        monkeypatch.setenv(name, str(tmp_path / name.lower()))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    places = [str(ROOT), str(ROOT / "problems"), os.environ.get("PYTHONPATH", "")]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(places))
    cells = [nbformat.v4.new_code_cell(code) for code in (PHASES, RUNS, QUIET)]
    notebook = nbformat.v4.new_notebook(cells=cells)
    NotebookClient(notebook, timeout=120, kernel_name="python3").execute()
    phases, runs, quiet = (cell.outputs for cell in cells)
    (line,) = phases
    assert line.data["text/plain"].startswith("done: parent ")
    assert [one.split()[0] for one in line.data["text/plain"][6:].split(" · ")] == [
        "parent",
        "search",
        "finish",
    ]
    (line,) = runs
    assert line.data["text/plain"].startswith("12 of 12  11: found 3 networks")
    assert quiet == []
