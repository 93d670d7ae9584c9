from __future__ import annotations

import io
import pkgutil
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import pytest

from pymoo_prune import Run
from pymoo_prune.cli import main
from pymoo_prune.cli.program import make_parser
from pymoo_prune.comparing import Campaign
from tests.support.imports import imported
from tests.support.tiny_problem import pixels_run

COMMANDS = (
    "list", "networks", "run", "compare", "resume", "report", "export", "ticket", "reproduce",
    "suite",
)  # fmt: skip


def ended(arguments: list[str]) -> object:
    """The exit code of a command that is not understood, or that only explains."""
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    return caught.value.code


def test_without_a_command_all_are_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert ended([]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("usage: pymoo-prune ")
    for text in ("list", "compare", "reproduce", "'pymoo-prune run ecomp'"):
        assert text in captured.err, text


@pytest.mark.parametrize("option", ["--version", "-V"])
def test_the_version_is_printed(option: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert ended([option]) == 0
    assert capsys.readouterr().out == f"pymoo-prune {version('pymoo-prune')}\n"


@pytest.mark.parametrize(
    ("arguments", "error", "command"),
    [
        (["rum"], "invalid choice: 'rum'", ""),
        (["run"], "the following arguments are required: PROBLEM", " run"),
        (["run", "ecomp", "--generations", "many"], "invalid int value: 'many'", " run"),
        (["run", "ecomp", "--popsize", "8"], "--popsize 8; did you mean --pop-size?", " run"),
        (["report", "one", "two"], "unrecognized arguments: two\n", " report"),
        (["compare", "--suite"], "argument --suite: expected one argument", " compare"),
        (["--nonsense", "list"], "unrecognized arguments: --nonsense\n", ""),
    ],
)
def test_the_parsers_errors_have_three_lines(
    arguments: list[str], error: str, command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ended(arguments) == 2
    printed = capsys.readouterr().err
    assert printed.startswith(f"usage: pymoo-prune{command} ")
    assert f"\nerror: {printed.partition('error: ')[2]}" in printed
    assert error in printed
    assert printed.endswith(f"\n'pymoo-prune{command} --help' shows what there is\n")


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert ended([command, "--help"]) == 0
    assert capsys.readouterr().out.startswith(f"usage: pymoo-prune {command}")


@pytest.mark.parametrize(
    "arguments", [[], ["--help"], ["--version"], *([command, "--help"] for command in COMMANDS)]
)
def test_help_appears_without_torch(arguments: list[str]) -> None:
    code = (
        "from pymoo_prune.cli import main\n"
        f"try:\n    main({arguments})\nexcept SystemExit as end:\n    code = end.code\n"
        f"assert code == {0 if arguments else 2}"
    )
    assert not imported(code)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_a_function(command: str) -> None:
    parser = make_parser()
    words = [] if command in ("list", "networks", "suite") else ["ecomp"]
    assert callable(pkgutil.resolve_name(parser.parse_args([command, *words]).command))


@pytest.mark.slow
def test_the_package_runs_as_a_module_and_imports_little() -> None:
    script = (
        "import runpy, sys\n"
        "sys.argv = ['pymoo-prune', 'networks', '--size', '0']\n"
        "try:\n"
        "    runpy.run_module('pymoo_prune.cli', run_name='__main__')\n"
        "except SystemExit as end:\n"
        "    print(end.code)\n"
        "heavy = {'bokeh', 'numba', 'onnx', 'onnxruntime', 'ray', 'sklearn', 'torchvision'}\n"
        "print(sorted(heavy & set(sys.modules)))\n"
    )
    process = subprocess.run(  # noqa: S603 - our own command
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert process.stderr == "error: --size must be at least 1, but it is 0\n"
    assert process.stdout == "2\n[]\n"


@pytest.mark.slow
def test_letters_that_a_terminal_lacks_are_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    file = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(file, encoding="ascii"))
    assert main(["networks", "--size", "3"]) == 0
    sys.stdout.flush()
    assert file.getvalue().startswith(b"networks for 3?3?3 images, 10 classes")


# Ctrl-C.


def interrupt(*args: object, **given: object) -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize("command", ["report", "export", "ticket"])
def test_a_command_without_resume_is_just_stopped(
    command: str,
    finished: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(Run, "results" if command == "report" else command, interrupt)
    assert main([command, str(finished)]) == 130
    assert capsys.readouterr().out == "stopped.\n"


def test_a_stopped_run_says_how_to_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(Run, "execute", interrupt)
    folder = tmp_path / "my run"
    line = "stopped; everything that was measured is kept. pymoo-prune resume "
    for arguments in (pixels_run(folder), ["resume", str(folder)]):
        assert main(arguments) == 130
        assert capsys.readouterr().out == f'{line}"{folder}"\n'


def test_a_stopped_comparison_says_how_to_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(Campaign, "execute", interrupt)
    monkeypatch.chdir(tmp_path)
    assert main(["compare", "tests.support.tiny_problem:Pixels"]) == 130
    (folder,) = Path("runs").iterdir()
    assert folder.name.startswith("compare-tests.support.tiny_problem-Pixels-")
    assert capsys.readouterr().out.endswith(f" pymoo-prune resume {folder}\n")
    assert main(["resume", str(folder)]) == 130
    assert capsys.readouterr().out.endswith(f" pymoo-prune resume {folder}\n")


def test_a_stopped_reproduction_goes_on_with_the_same_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def found(name: str) -> Callable[..., None]:
        assert name == "ecomp"
        return interrupt

    monkeypatch.setattr("pymoo_prune.cli.catalogue.find_reproduction", found)
    monkeypatch.chdir(tmp_path)
    assert main(["reproduce", "ecomp"]) == 130
    folder = Path("runs") / "ecomp-reproduction"
    assert capsys.readouterr().out == (
        f"stopped; what is in {folder} is kept. The same command goes on\n"
    )
