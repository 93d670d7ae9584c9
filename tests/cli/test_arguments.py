from __future__ import annotations

import math
from typing import Any

import pytest

from pymoo_prune import Budget, PruneError, WeightedSum
from pymoo_prune.cli.arguments import assignments, seconds, settings_of
from pymoo_prune.cli.program import make_parser
from pymoo_prune.runs import Settings


@pytest.mark.parametrize(
    ("text", "expected"),
    [("90", 90), ("90s", 90), ("1.5m", 90), ("2h", 7_200), ("0.5", 0.5)],
)
def test_times(text: str, expected: float) -> None:
    assert seconds(text) == expected


@pytest.mark.parametrize("text", ["", "soon", "-3", "1d", "1h30m", "inf", "m"])
def test_wrong_times_are_refused(text: str) -> None:
    with pytest.raises(PruneError, match=f"--time '{text}' must read like '90', '90s', '15m'"):
        seconds(text)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("8", 8),
        ("0.5", 0.5),
        ("1e-3", 0.001),
        ("[16, 16]", [16, 16]),
        ("true", True),
        ("True", True),
        ("false", False),
        ("False", False),
        ("null", None),
        ("None", None),
        ("masks", "masks"),
        ('"8"', "8"),
        ("a=b", "a=b"),
        ("", ""),
    ],
)
def test_values_are_read_as_json_as_python_writes_them_or_as_text(text: str, value: Any) -> None:
    found = assignments([f" name ={text}", "other= 1 "])
    assert found == {"name": value, "other": 1}
    assert type(found["name"]) is type(value)


def test_nan_may_be_a_value() -> None:
    assert math.isnan(assignments(["x=NaN"])["x"])


def given(*words: str, **more: Any) -> Settings:
    options = make_parser().parse_args(["run", "layer-vector", *words])
    return settings_of(options, options.problem, **more)


def test_a_preset_gives_what_the_options_leave_out() -> None:
    quick, paper = given(), given("--preset", "paper")
    assert (quick.algorithm, quick.budget.seconds) == ("levels", None)
    assert quick.objectives == ("divergence", "sparsity")
    # Walks are for these objectives; NSGA-II takes any.
    assert given("--objectives", "accuracy", "sparsity", "macs").algorithm == "nsga2"
    assert given("--objectives", "divergence", "sparsity").algorithm == "levels"
    assert (paper.algorithm, paper.options["recovery"]) == ("own", "none")
    assert paper.budget.seconds is not None
    both = given("--preset", "paper", "--set", "recovery=refit", "--set", "levels=8")
    assert {**paper.options, "recovery": "refit", "levels": 8} == both.options
    assert paper.options["recovery"] == "none"  # the preset itself is not changed


def test_options_go_before_a_preset() -> None:
    found = given(
        *("--preset", "paper", "--weights", "accuracy=1,sparsity=0.5", "--evaluations", "30"),
        *("--pop-size", "6", "--finish", "0", "--validation", "50"),
        algorithm="ga",
        surrogate="ridge",
        threads=3,
    )
    assert found.objectives == WeightedSum({"accuracy": 1, "sparsity": 0.5})
    assert found.budget == Budget(evaluations=30)
    assert (found.pop_size, found.finish_images, found.validation) == (6, 0, 50)
    assert (found.algorithm, found.surrogate, found.threads) == ("ga", "ridge", 3)


def test_validation_is_a_share_or_a_number() -> None:
    assert isinstance(given("--validation", "50").validation, int)
    assert given("--validation", "0.5").validation == 0.5
    assert given().validation is None
