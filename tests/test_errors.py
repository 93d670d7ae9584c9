from __future__ import annotations

import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pymoo_prune.errors import DataError, PruneError, check_images, command, in_users_code
from pymoo_prune.networks import load_named


@given(st.lists(st.text(st.characters(exclude_characters="\0")), min_size=1, max_size=3))
def test_a_shell_reads_a_command_as_it_is_meant(words: list[str]) -> None:
    assert shlex.split(command("resume", *words)) == ["pymoo-prune", "resume", *words]


@pytest.mark.parametrize(
    ("folder", "text"),
    [
        ("runs/my-run", "pymoo-prune resume runs/my-run"),
        ("my run", 'pymoo-prune resume "my run"'),
        ("my $HOME run", "pymoo-prune resume 'my $HOME run'"),
        (Path("-mine"), "pymoo-prune resume ./-mine"),
    ],
)
def test_folders_with_spaces_are_in_double_quotes(folder: str, text: str) -> None:
    """Messages put commands between single ones."""
    assert command("resume", Path(folder)) == text


def test_an_error_of_the_users_code_is_named_with_its_line(tmp_path: Path) -> None:
    source = tmp_path / "mine.py"
    source.write_text("import json\n\ndef broken():\n    json.loads('{')\n")
    names: dict[str, Any] = {}
    exec(compile(source.read_text(), str(source), "exec"), names)  # noqa: S102 - as an import does
    with pytest.raises(PruneError) as caught, in_users_code("it cannot be made"):
        names["broken"]()
    message = str(caught.value)
    assert message.startswith("it cannot be made: JSONDecodeError: Expecting property name")
    ended = r"^it cannot be made: sys\.exit: 0; what a script does"
    with pytest.raises(PruneError, match=ended), in_users_code("it cannot be made"):
        sys.exit(0)
    with pytest.raises(DataError, match=r"^as it is$"), in_users_code("it cannot be made"):
        raise DataError("as it is")


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("1 / 0\n", r"ZeroDivisionError: division by zero \(.*users_broken\.py, line 1\)"),
        ("\nimport not_here\n", r"No module named 'not_here' \(.*users_broken\.py, line 2\)"),
        ("def f(:\n", r"SyntaxError: invalid syntax \(.*users_broken\.py, line 1\)"),
        ("import sys\nsys.exit(0)\n", r"sys\.exit: 0; what a script does belongs behind if __n"),
        ("def given(): ...\n", r"there is no 'givn' in users_broken\. Did you mean 'given'\?"),
    ],
)
def test_a_module_that_cannot_be_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str, message: str
) -> None:
    (tmp_path / "users_broken.py").write_text(source)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "users_broken", raising=False)
    with pytest.raises(PruneError, match=f"'users_broken:givn' cannot be imported: .*{message}"):
        load_named("users_broken:givn")
    sys.modules.pop("users_broken", None)


def test_code_that_ends_the_program_is_an_error(
    monkeypatch: pytest.MonkeyPatch, failed: Callable[..., str]
) -> None:
    def ends(*_: Any) -> None:
        sys.exit(0)

    monkeypatch.setattr("pymoo_prune.cli.catalogue.do_networks", ends)
    assert "the program was ended: sys.exit: 0; what a script does" in failed("networks")


@pytest.mark.parametrize(("images", "bound"), [(-1, "at least 0"), (10**11, "at most 10,000,000,")])
def test_trainings_that_would_only_hang(images: int, bound: str) -> None:
    with pytest.raises(PruneError, match=f"images must be {bound}"):
        check_images(images)
