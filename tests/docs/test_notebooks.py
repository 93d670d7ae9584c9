"""The notebooks run from top to bottom, in a kernel of their own."""

from __future__ import annotations

import os
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = sorted((ROOT / "docs" / "notebooks").glob("*.ipynb"))


def read(path: Path) -> nbformat.NotebookNode:
    """A notebook, in the format that it is written in."""
    notebook = nbformat.read(path, as_version=nbformat.NO_CONVERT)
    nbformat.validate(notebook)
    return notebook


def test_there_are_notebooks() -> None:
    assert [path.stem for path in NOTEBOOKS] == ["compare-my-algorithm", "prune-my-network"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_no_outputs_are_stored(path: Path) -> None:
    for cell in read(path).cells:
        if cell.cell_type == "code":
            assert cell.outputs == []
            assert cell.execution_count is None


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("IPYTHONDIR", "JUPYTER_RUNTIME_DIR", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR"):
        monkeypatch.setenv(name, str(tmp_path / name.lower()))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    places = [str(ROOT), str(ROOT / "problems"), os.environ.get("PYTHONPATH", "")]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(places))
    notebook = read(path)
    work = tmp_path / "work"
    work.mkdir()
    about = {"metadata": {"path": str(work)}}
    NotebookClient(notebook, timeout=240, kernel_name="python3", resources=about).execute()
    outputs = [out for cell in notebook.cells for out in cell.get("outputs", ())]
    errors = [out.text for out in outputs if out.get("name") == "stderr"]
    # tqdm, which packages beside this one bring, asks for widgets.
    assert not [text for text in errors if "TqdmWarning: IProgress" not in text]
    assert any("image/png" in out.get("data", ()) for out in outputs)
