"""Options of a problem's constructor, and the values that they take."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Optional

import pytest

from pymoo_prune import Data, PruneError
from pymoo_prune.problem import check_options, default_objectives
from pymoo_prune_problems import DenseConnectivity, EComp
from tests.support.tiny_problem import Pixels

if TYPE_CHECKING:
    from nowhere import Unknown  # type: ignore[import-not-found]


class Annotated(Pixels):
    """Has options of every kind."""

    def __init__(
        self,
        data: Data,
        *,
        whole: int = 1,
        share: float = 0.5,
        word: str = "a",
        flag: bool = False,
        perhaps: int | None = None,
        older: Optional[float] = None,  # noqa: UP045 - some write it so
        either: str | int = "b",
        choice: Literal["c", 4] = "c",
        numbers: Sequence[int] = (1, 2),
        names: list[str] | None = None,
        table: Mapping[str, int] | None = None,
        place: Path | None = None,
        anything: Any = None,
        objectives: Sequence[str] = ("accuracy", "pixels"),
    ) -> None:
        super().__init__(data, objectives=objectives)


class Bare(Pixels):
    """Has options with defaults only."""

    def __init__(self, data, *, needed, share=0.5, open=None, objectives=None):  # type: ignore[no-untyped-def]  # noqa: A002
        super().__init__(data, objectives=objectives)


class Unreadable(Pixels):
    """Has annotations that only type checkers can read."""

    def __init__(self, data: Data, *, share: float = 0.5, other: Unknown = None) -> None:
        super().__init__(data)


@pytest.mark.parametrize(
    ("name", "suiting", "others", "must"),
    [
        ("whole", [0, -3], [1.0, "1", True, None, [1]], r"like 1 \(int\)"),
        ("share", [0, 0.25], ["1", True, None], r"like 0\.5 \(float\)"),
        ("word", ["", "b"], [1, None, ["a"]], r"like 'a' \(str\)"),
        ("flag", [True], [0, "True", None], r"like False \(bool\)"),
        ("perhaps", [3, None], ["abc", 1.5, True], "int or None"),
        ("older", [3, 0.5, None], ["abc", True], "float or None"),
        ("either", ["b", 3], [1.5, None], r"like 'b' \(str or int\)"),
        ("choice", ["c", "d", 5], [1.5, None], r"like 'c' \(str or int\)"),
        ("numbers", [[], [3], (3, 4)], [3, "34", [1.5], [True], None], r"like \[1, 2\] \(list of"),
        ("names", [["a"], None], ["a", [1]], "list of str or None"),
        ("table", [{"a": 1}, "left to the problem"], [], ""),
        ("place", ["left/to/the/problem"], [], ""),
        ("anything", [None, 1, "a", [1.5]], [], ""),
    ],
)
def test_values_must_suit_annotations(
    name: str, suiting: list[Any], others: list[Any], must: str
) -> None:
    for value in suiting:
        check_options(Annotated, {name: value})
    for value in others:
        with pytest.raises(PruneError, match=f"^option {name} must be {must}.*, but it is "):
            check_options(Annotated, {name: value})


def test_without_annotations_values_must_be_like_defaults() -> None:
    check_options(Bare, {"needed": "b", "share": 1, "open": [3]})
    with pytest.raises(PruneError, match=r"^option share must be like 0\.5 \(float\), but it is"):
        check_options(Bare, {"share": "much"})


def test_annotations_that_cannot_be_read_count_as_none() -> None:
    check_options(Unreadable, {"share": 1, "other": "whatever"})
    with pytest.raises(PruneError, match=r"^option share must be like 0\.5 \(float\), but it is"):
        check_options(Unreadable, {"share": "much"})


@pytest.mark.parametrize("name", ["data", "objectives", "constraints", "seed", "wole"])
def test_unknown_options(name: str) -> None:
    with pytest.raises(PruneError, match=f"unknown option of Annotated '{name}'; there are: any"):
        check_options(Annotated, {name: 1})


def test_what_a_user_asks_for_needs_a_parameter() -> None:
    check_options(EComp, {}, ["parent", "constraints", "objectives"])
    with pytest.raises(PruneError, match=r"^Annotated takes no constraints: its constructor has"):
        check_options(Annotated, {}, ["objectives", "constraints"])


def test_default_objectives() -> None:
    assert default_objectives(EComp) == ("accuracy", "width")
    assert default_objectives(DenseConnectivity) == ("accuracy", "parameters", "macs")
    assert default_objectives(Annotated) == ("accuracy", "pixels")
    assert default_objectives(Bare) is None
    assert default_objectives(Unreadable) is None
