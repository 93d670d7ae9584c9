"""The documentation's code is run, its commands are parsed, its links are followed."""

from __future__ import annotations

import re
import runpy
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from pymoo_prune import load_network
from pymoo_prune.cli import main
from pymoo_prune.cli.program import make_parser
from pymoo_prune.data import Data
from pymoo_prune.testing import check_problem

ROOT = Path(__file__).resolve().parents[2]
PAGES = [
    ROOT / "README.md",
    ROOT / "problems" / "README.md",
    ROOT / "benchmarks" / "README.md",
    *sorted((ROOT / "docs").glob("*.md")),
]
NAMES = [str(page.relative_to(ROOT)) for page in PAGES]
# A block is run, or saved as a file for the blocks after it, where a comment in front says so.
MARKED = re.compile(
    r"<!-- (?:run|file: (\S+)) -->\n```python\n(.*?)^```$", re.DOTALL | re.MULTILINE
)
# A block in front of which a comment names a package is run alone, where the package is installed.
WITH_A_PACKAGE = re.compile(
    r"<!-- run with (\S+) -->\n```python\n(.*?)^```$", re.DOTALL | re.MULTILINE
)
RUN = [name for name, page in zip(NAMES, PAGES, strict=True) if MARKED.search(page.read_text())]
MOST_LINES = 50
MOST_OF_THE_FRONT = 0.8
"""What an example of the suite reaches at least: its genes and objectives are the right ones."""
EXAMPLES = [
    pytest.param(package, code, id=f"{name}-{package}")
    for name, page in zip(NAMES, PAGES, strict=True)
    for package, code in WITH_A_PACKAGE.findall(page.read_text())
]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty folder to work and to import from; modules and generators are left as they were."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    before = set(sys.modules)
    with torch.random.fork_rng(devices=[]):
        yield tmp_path
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", None)).startswith(str(tmp_path)):
            del sys.modules[name]


def run_page(page: Path, folder: Path) -> dict[str, Any]:
    """Runs a page's marked blocks, in order, as one script; gives what it leaves."""
    script = []
    for file, code in MARKED.findall(page.read_text()):
        if file:
            (folder / file).write_text(code)
        else:
            script.append(code)
    path = folder / "page.py"
    path.write_text("\n".join(script))
    return runpy.run_path(str(path))


@pytest.mark.slow
@pytest.mark.parametrize("name", RUN)
def test_code_runs(name: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run_page(ROOT / name, folder)
    assert capsys.readouterr().out


@pytest.mark.slow
@pytest.mark.parametrize(("package", "code"), EXAMPLES)
def test_code_with_a_package_runs(
    package: str, code: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip(package)
    path = folder / "example.py"
    path.write_text(code)
    runpy.run_path(str(path))
    shares = [float(line) for line in capsys.readouterr().out.splitlines()]
    assert shares
    assert all(MOST_OF_THE_FRONT < share <= 1 for share in shares)


def test_the_suite_is_shown_with_other_packages() -> None:
    page = (ROOT / "docs" / "suite.md").read_text()
    packages = [package for package, _ in WITH_A_PACKAGE.findall(page)]
    assert packages == ["optuna", "nevergrad", "platypus"]


def test_the_readme_and_the_example_are_among_what_is_run() -> None:
    assert {"README.md", "docs/add-a-problem.md"} <= set(RUN)


@pytest.mark.slow
def test_the_quickstart_draws_a_picture(folder: Path) -> None:
    run_page(ROOT / "README.md", folder)
    assert (folder / "front.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.slow
def test_the_example_is_short_and_keeps_the_contract(folder: Path, digits: Data) -> None:
    shown = run_page(ROOT / "docs" / "add-a-problem.md", folder)
    assert len((folder / "pixels.py").read_text().splitlines()) <= MOST_LINES
    shown["test_pixels"]()
    check_problem(shown["PixelsInMemory"](digits, parent=shown["one"].parent))


@pytest.mark.slow
def test_the_example_works_with_every_command(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One short file, and nothing of the package is touched."""
    (file, code), *_ = MARKED.findall((ROOT / "docs" / "add-a-problem.md").read_text())
    (folder / file).write_text(code)
    small = ("--pop-size", "8", "--generations", "2", "--finish", "100", "--threads", "1")
    assert main(["run", "pixels:Pixels", *small, "--output", "one"]) == 0
    both = ("--algorithms", "ga", "nsga2", "--seeds", "1", "--jobs", "1")
    assert main(["compare", "pixels:Pixels", *small, *both, "--output", "three"]) == 0
    assert main(["report", "one", "--html"]) == 0
    assert main(["report", "three", "--html"]) == 0
    assert main(["export", "three/runs/nsga2-0", "--pick", "parameters", "--output", "small"]) == 0
    assert main(["resume", "one"]) == main(["resume", "three"]) == 0
    assert "is finished already" in capsys.readouterr().out
    assert load_network("small").inputs == 64


@pytest.mark.parametrize("name", NAMES)
def test_relative_links_lead_somewhere(name: str) -> None:
    page = ROOT / name
    text = re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.DOTALL | re.MULTILINE)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        file = page.parent / path if path else page
        assert file.exists(), f"{name} links to {target}"
        assert not anchor or anchor in anchors(file), f"{name} links to {target}"


def anchors(page: Path) -> set[str]:
    """What headings are called in links."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", text.lower()).strip().replace(" ", "-") for text in headings}


def commands(page: Path) -> list[list[str]]:
    """The arguments of every pymoo-prune command that a page shows."""
    text = page.read_text()
    blocks = re.findall(r"^```(?:sh|text)\n(.*?)^```$", text, flags=re.DOTALL | re.MULTILINE)
    prose = re.sub(r"^```.*?^```$", "", text, flags=re.DOTALL | re.MULTILINE)
    lines = [line for block in blocks for line in block.replace("\\\n", " ").splitlines()]
    lines = [line for line in lines if not line.startswith("error:")]
    found = []
    for line in [*lines, *re.findall(r"`([^`\n]+)`", prose)]:
        match = re.search(r"(?:^|[ /])(?:pymoo-prune|-m pymoo_prune\.cli) (.+)", line)
        if match and "[options]" not in line:
            found.append(shlex.split(match[1], comments=True))
    return found


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_commands_are_understood(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    wrong = []
    for arguments in commands(ROOT / name):
        try:
            make_parser().parse_args(arguments)
        except SystemExit as stop:
            if stop.code != 0:  # --help ends with 0
                wrong.append((arguments, capsys.readouterr().err))
    assert not wrong


def test_commands_are_found() -> None:
    assert ["compare", "ecomp"] in commands(ROOT / "README.md")
    assert len(commands(ROOT / "docs" / "command-line.md")) > 20
