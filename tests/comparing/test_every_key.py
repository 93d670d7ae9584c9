"""Every key of every file of a finished comparison, missing or of another type."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from pymoo_prune.comparing import Campaign, report_of_campaign
from tests.support.changed_json import told_and_silent
from tests.support.older_folders import without_digests

FREE = {
    "comparison.json": {"without against", "bounds is []"},
    "results.json": {"without versions."},
    "data.json": set[str](),
}
"""Changes that make another plan, or a folder as older versions wrote it."""


def report(folder: Path) -> object:
    found = report_of_campaign(Campaign.open(folder))
    latex = [(table.head, table.rows, table.caption) for table in found.latex_tables()]
    return found.page(["fronts"]), latex


def test_every_file_of_json_is_tried(finished: Campaign) -> None:
    there = {path.name for path in finished.folder.glob("*.json")} - {"digests.json"}
    assert there == FREE.keys()


@pytest.mark.slow
@pytest.mark.parametrize("file", FREE)
def test_every_key(finished: Campaign, tmp_path: Path, file: str) -> None:
    folder = without_digests(Path(shutil.copytree(finished.folder, tmp_path / "copy")))
    told, silent = told_and_silent(folder, file, report, FREE[file])
    assert not silent
    assert told or file == "data.json"  # which only a resumed comparison reads
