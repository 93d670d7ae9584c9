from __future__ import annotations

import shlex
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pymoo_prune.errors import command


@given(st.lists(st.text(st.characters(exclude_characters="\0")), min_size=1, max_size=3))
def test_a_shell_reads_a_command_as_it_is_meant(words: list[str]) -> None:
    assert shlex.split(command("resume", *words)) == ["pymoo-prune", "resume", *words]


@pytest.mark.parametrize(
    ("folder", "text"),
    [
        ("runs/my-run", "pymoo-prune resume runs/my-run"),
        ("my run", 'pymoo-prune resume "my run"'),
        ("my $HOME run", "pymoo-prune resume 'my $HOME run'"),
    ],
)
def test_folders_with_spaces_are_in_double_quotes(folder: str, text: str) -> None:
    """Messages put commands between single ones."""
    assert command("resume", Path(folder)) == text
