"""The way from an idea to the tables of a paper, with every command of its page, in small."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import pytest

from pymoo_prune.cli import main
from tests.docs.test_pages import ROOT, commands, folder

__all__ = ["folder"]

PAGE = ROOT / "docs" / "paper.md"
SMALL = {"--seeds": "2", "--evaluations": "60"}


def small(arguments: list[str]) -> list[str]:
    """The command with fewer seeds and evaluations."""
    found = list(arguments)
    for option, value in SMALL.items():
        if option in found:
            found[found.index(option) + 1] = value
    return [*found, "--jobs", "1"] if found[0] == "compare" else found


@pytest.mark.slow
def test_every_command_of_the_page_works(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (code,) = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(), re.DOTALL | re.MULTILINE)
    (folder / "my_idea.py").write_text(code)
    assert len(code.strip().splitlines()) <= 22
    asked = [one for one in commands(PAGE) if one[0] in ("compare", "report", "cite", "data")]
    assert [one[0] for one in asked] == ["compare", "report", "report", "cite", "data", "compare"]
    for arguments in asked:
        if "--outside" in arguments:
            elsewhere(folder)
        assert main(small(arguments)) == 0, capsys.readouterr().err
        printed = capsys.readouterr().out
        if arguments[0] == "cite":
            assert "@article{deb2002nsga2," in printed
    assert r"\toprule" in (folder / "study" / "tables" / "standings.tex").read_text()
    assert (folder / "study" / "targets-reached.pdf").is_file()
    assert "jmetal" in (folder / "study" / "report.md").read_text()
    assert any((folder / "study-ioh").rglob("*.dat"))


def elsewhere(folder: Path) -> None:
    """Results of another program, for the problems of the study that have costs in two columns."""
    place = folder / "results"
    place.mkdir()
    with (place / "two-layers-digits-neurons.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["seed", "evaluation", "error", "width"])
        for seed in (0, 1):
            writer.writerow([seed, 1, 0.25, 0.5])
