"""A folder from a stranger executes nothing without the user's trust."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.running import ROOT

pytestmark = pytest.mark.slow

HELPER = """
from pathlib import Path
Path("executed").touch()
from tests.support.tiny_problem import Pixels

class Own(Pixels):
    pass

def engine(problem, pop_size):
    from pymoo.algorithms.moo.nsga2 import NSGA2
    return NSGA2(pop_size=pop_size, **problem.operators())

def network():
    raise RuntimeError

def data():
    raise RuntimeError

def energy(measurements):
    return measurements["macs"]
"""


def command(place: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Runs `pymoo-prune` in a folder, in a process of its own."""
    paths = [str(ROOT), str(ROOT / "problems"), str(place)]
    return subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-m", "pymoo_prune.cli", *arguments],
        cwd=place,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths), **environment},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a user's module, and two runs and a comparison that were made with it."""
    place = tmp_path_factory.mktemp("place")
    (place / "helper.py").write_text(HELPER)
    small = ["--pop-size", "6", "--generations", "2", "--threads", "1"]
    one = command(place, "run", "helper:Own", *small, "--output", "one")
    assert one.returncode == 0, one.stderr
    many = ["compare", "helper:Own", *small, "--seeds", "2", "--jobs", "2", "--output", "many"]
    compared = command(place, *many)  # its processes may import what the user named
    assert compared.returncode == 0, compared.stderr
    return place


@pytest.fixture
def stranger(made: Path, tmp_path: Path) -> Path:
    """The same folder, as a stranger sends it."""
    place = tmp_path / "place"
    shutil.copytree(made, place)
    (place / "executed").unlink()
    return place


@pytest.mark.parametrize("what", ["one", "many"])
def test_tables_and_pictures_are_shown_without_the_module(stranger: Path, what: str) -> None:
    (stranger / what / "report.md").unlink(missing_ok=True)
    shown = command(stranger, "report", what, "--html")
    assert shown.returncode == 0, shown.stderr
    assert "hypervolume" in shown.stdout
    assert (stranger / what / "report.md").exists()
    assert not (stranger / "executed").exists()


def test_runs_of_a_stranger_are_compared_without_the_module(stranger: Path) -> None:
    runs = [f"many/runs/{name}" for name in ("nsga2-0", "nsga2-1", "random-0", "random-1")]
    shown = command(stranger, "compare", *runs, "--output", "again")
    assert shown.returncode == 0, shown.stderr
    assert not (stranger / "executed").exists()


@pytest.mark.parametrize(
    "arguments", [("export", "one"), ("ticket", "one"), ("resume", "one"), ("resume", "many")]
)
def test_what_needs_the_problem_is_refused_by_name(
    stranger: Path, arguments: tuple[str, str]
) -> None:
    for name in ("summary.json", "results.json"):
        if arguments[0] == "resume":
            (stranger / arguments[1] / name).unlink(missing_ok=True)
    refused = command(stranger, *arguments)
    assert refused.returncode == 2
    said = " ".join(refused.stderr.split())
    assert f"{arguments[1]} names code outside of pymoo-prune: helper." in said
    assert "add --trust" in said
    assert not (stranger / "executed").exists()


@pytest.mark.parametrize(
    "change",
    [
        {"algorithm": "helper:engine"},
        {"network": "helper:network"},
        {"data": "helper:data"},
        {"quantities": ["macs_again=helper:energy"]},
    ],
)
def test_every_name_in_the_settings_is_looked_at(stranger: Path, change: dict[str, object]) -> None:
    settings = json.loads((stranger / "one" / "run.json").read_text())
    (stranger / "one" / "run.json").write_text(
        json.dumps({**settings, "problem": "ecomp", **change})
    )
    (stranger / "one" / "summary.json").unlink()
    refused = command(stranger, "resume", "one")
    assert refused.returncode == 2
    assert "names code outside of pymoo-prune: helper." in " ".join(refused.stderr.split())
    assert not (stranger / "executed").exists()


def test_a_user_who_trusts_a_folder_goes_on_with_it(stranger: Path) -> None:
    (stranger / "one" / "summary.json").unlink()
    resumed = command(stranger, "resume", "one", "--trust")
    assert resumed.returncode == 0, resumed.stderr
    assert (stranger / "executed").exists()
    by_variable = command(stranger, "resume", "one", PYMOO_PRUNE_TRUST="helper")
    assert by_variable.returncode == 0
