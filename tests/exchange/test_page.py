"""The page about data for other tools: what it shows runs on files of a comparison."""

from __future__ import annotations

import re
import warnings
from pathlib import Path

import pytest

from pymoo_prune.comparing import evaluations_in
from pymoo_prune.exchange import FORMATS, write_evaluations
from tests.support.campaigns import created, done

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "data.md").read_text()
BLOCKS = re.findall(r"^```python\n(.*?)^```$", PAGE, flags=re.DOTALL | re.MULTILINE)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a comparison, and its data in every format."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # theirs, on import
        for package in ("pandas", "pyarrow", "optuna", "iohinspector"):
            pytest.importorskip(package)
    folder = tmp_path_factory.mktemp("page")
    campaign = created(folder / "runs" / "compared", ("nsga2", "random"), (0, 1))
    done(campaign)
    runs = evaluations_in(campaign.folder)
    for kind, form in FORMATS.items():
        write_evaluations(runs, kind, folder / form.output)
    (path,) = (folder / "moocore").glob("*--nsga2.dat")
    path.rename(folder / "moocore" / "ecomp--nsga2.dat")
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.split("\n")[0])
def test_what_is_shown_runs(block: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    exec(block, {})  # noqa: S102 - the page's own


def test_every_format_is_in_the_table_and_is_opened() -> None:
    for kind, form in FORMATS.items():
        assert f"| `{kind}` |" in PAGE
        assert any(form.output in block for block in BLOCKS), kind
