from __future__ import annotations

import pytest

from benchmarks.rows import VARIABLE, chosen, said
from pymoo_prune import PruneError

NAMES = ("simple-cnn", "resnet-18", "googlenet")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (None, list(NAMES)),
        ("googlenet", ["googlenet"]),
        (" googlenet, simple-cnn,", ["simple-cnn", "googlenet"]),
    ],
)
def test_a_variable_chooses_rows(
    text: str | None, found: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    if text is not None:
        monkeypatch.setenv(VARIABLE, text)
    assert chosen(NAMES) == found


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("resnet", "row 'resnet'.*resnet-18"),
        ("", "names no row; take some of simple-cnn, resnet-18, googlenet, joined by commas"),
    ],
)
def test_other_rows_are_refused(text: str, why: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, text)
    with pytest.raises(PruneError, match=why):
        chosen(NAMES)


def test_titles_say_which_rows_are_missing() -> None:
    assert said(NAMES, NAMES) == ""
    assert said(NAMES[:1], NAMES) == "; 1 of 3 rows: without resnet-18, googlenet"
