"""Methods without results on a problem, and why, in a file of the problem's folder."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from pymoo_prune.files import write_text
from pymoo_prune.problem import check_shape
from pymoo_prune.runs import reading
from pymoo_prune.studies.files import FAILED_FILE


def read_failures(folder: Path) -> dict[str, str]:
    """Why methods have no results on a problem.

    Args:
        folder: The problem's folder.
    """
    path = folder / FAILED_FILE
    if not path.is_file():
        return {}
    with reading(path, "remove it: what fails is tried again"):
        found = json.loads(path.read_text("utf-8"))
        check_shape(found, dict[str, str])
        return dict(found)


def write_failures(folder: Path, failures: Mapping[str, str]) -> None:
    """Keeps why methods have no results on a problem; removes the file where all have some.

    Args:
        folder: The problem's folder.
        failures: The reasons, by method.
    """
    if failures:
        folder.mkdir(parents=True, exist_ok=True)
        write_text(folder / FAILED_FILE, json.dumps(dict(failures), indent=2) + "\n")
    else:
        (folder / FAILED_FILE).unlink(missing_ok=True)
