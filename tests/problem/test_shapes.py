"""The shapes of plain values: what is wrong is named by its path."""

from __future__ import annotations

from typing import Any, Literal, TypedDict

import pytest

from pymoo_prune import PruneError
from pymoo_prune.problem import check_shape
from pymoo_prune.problem.shapes import suits


class Inner(TypedDict):
    name: str
    sizes: list[int]


class _Always(TypedDict):
    inner: Inner
    most: int | None


class Outer(_Always, total=False):
    shares: dict[str, float]
    anything: Any


GOOD: dict[str, Any] = {
    "inner": {"name": "a", "sizes": [1, 2]},
    "most": None,
    "shares": {"a": 1, "b": 0.5},
    "anything": object(),
    "newer": 3,
}


def test_what_fits_is_let_through() -> None:
    check_shape(GOOD, Outer)
    check_shape({"inner": {"name": "", "sizes": ()}, "most": 3}, Outer)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ([], r"^it must be object, but it is \[\]"),
        ({"most": 3}, "^it has no 'inner'$"),
        ({**GOOD, "inner": {"name": "a"}}, r"^it has no 'inner\.sizes'$"),
        ({**GOOD, "inner": {"name": "a", "sizes": [1, "2"]}}, r"^inner\.sizes\[1\] must be int"),
        ({**GOOD, "inner": {"name": "a", "sizes": "12"}}, r"^inner\.sizes must be list of int"),
        ({**GOOD, "inner": None}, "^inner must be object, but it is None"),
        ({**GOOD, "most": "3"}, "^most must be int, but it is '3'"),
        ({**GOOD, "most": True}, "^most must be int, but it is True"),
        ({**GOOD, "shares": {"a": None}}, r"^shares\.a must be float, but it is None"),
        ({**GOOD, "shares": [1]}, "^shares must be object of float, but it is "),
        ({**GOOD, "most": "3" * 200}, "^most must be int, but it is '3+…$"),
    ],
)
def test_what_is_wrong_is_named_by_its_path(value: object, message: str) -> None:
    with pytest.raises(PruneError, match=message):
        check_shape(value, Outer)


def test_literals_and_unions() -> None:
    assert suits("a", Literal["b", "c"])
    assert not suits(1, Literal["b", "c"])
    assert suits(1, int | str)
    assert not suits(None, int | str)
    with pytest.raises(PruneError, match=r"^x must be int or str, but it is None"):
        check_shape(None, int | str, "x")
