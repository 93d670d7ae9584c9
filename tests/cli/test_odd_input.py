"""Odd input ends in a named error, a usage error or a success, never in a traceback."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pymoo_prune import (
    Budget,
    DataError,
    PruneError,
    Run,
    Settings,
    Store,
    WeightedSum,
    load_network,
)
from pymoo_prune.cli import main

NUMBERS = (
    "0", "-1", "1.5", "nan", "inf", "-inf", "1e999", "1e-999", "99999999999999999999", "9" * 5_000,
    "0x10", "1_000", "²", "one", "", " ", "true", "null",
)  # fmt: skip
NAMES = (
    "..:x", ":x", "x:", ":", "a:b:c", "a b:c", ".:x", "os:path", "os:nothing", "json:loads", "..",
    "/", "/dev/null", "a" * 5_000, "-", "--", "é", "nsga2@", "@", "+rbf", "ga@=",
    "[red]", "macs<=", "macs<=nan", "macs<=1e999%", "<=", "=", "a=", "=a", "accuracy=nan",
    "accuracy=1e999", "accuracy=[1]",
)  # fmt: skip
DEEP = "[" * 5_000 + "]" * 5_000
LESS_DEEP = "[" * 500 + "]" * 500
"""Python's JSON reads it."""
SETS = (
    *NAMES, f"parent_widths={DEEP}", f"parent_widths={'9' * 5_000}", "parent_widths=[100000000000]",
    "parent_widths=[]", "parent_widths=[0]", "parent_widths=[-1]", "batch_size=-1", "batch_size=0",
    f"parent_widths={LESS_DEEP}", f"recovery={LESS_DEEP}", "together=NaN", "together=Infinity",
    "batch_size=1e400", f"batch_size={'9' * 400}", "encoding=\udc80",
    "recovery=steps:99999999999999999999", "recovery=+",
)  # fmt: skip
DEVICES = ("hpu", "cuda:99", "cuda:-1", "meta", "cpu:7", "xla", "mps", "privateuseone", "vulkan")
VALUES: dict[str, Sequence[str]] = {
    "--seed": NUMBERS,
    "--threads": NUMBERS,
    "--pop-size": NUMBERS,
    "--generations": NUMBERS,
    "--evaluations": NUMBERS,
    "--finish": NUMBERS,
    "--keep-networks": NUMBERS,
    "--time": (*NUMBERS, "9" * 400 + "h"),
    "--validation": NUMBERS,
    "--device": (*DEVICES, *NAMES),
    "--set": SETS,
    "--preset": NAMES,
    "--parent": NAMES,
    "--network": NAMES,
    "--objectives": NAMES,
    "--quantity": NAMES,
    "--weights": NAMES,
    "--constraint": NAMES,
    "--data": NAMES,
    "--data-root": NAMES,
    "--output": ("/dev/null", "/dev/null/x", "", "/proc/x", "a" * 5_000),
}
OF_RUN = {
    "--algorithm": NAMES,
    "--surrogate": NAMES,
    "--workers": NUMBERS,
    "--time-limit": NUMBERS,
    "--patience": NUMBERS,
}
OF_COMPARE = {
    "--algorithms": NAMES, "--seeds": NUMBERS, "--jobs": NUMBERS, "--bounds": NAMES,
    "--against": NAMES, "--reference": NAMES, "--log": NAMES, "--suite": NAMES, "--outside": NAMES,
}  # fmt: skip
SHARE = 7
"""One of so many is tried each time; 1 tries all, in minutes."""
FOLDERS = (*NAMES, *NUMBERS)


def ends_well(arguments: Sequence[str]) -> None:
    """Runs a command; it must end with an exit code, and tell of errors in a line."""
    errors = io.StringIO()
    with redirect_stdout(io.StringIO()), redirect_stderr(errors):
        try:
            code = main(arguments)
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else 1
    assert code in (0, 2), errors.getvalue()
    assert code == 0 or errors.getvalue()


@pytest.fixture(autouse=True)
def without_images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No data set can be loaded, so that nothing is trained."""

    def refuse(*_: object, **__: object) -> None:
        msg = "no images here"
        raise DataError(msg)

    monkeypatch.setattr("pymoo_prune.runs.images.load_data", refuse)
    monkeypatch.chdir(tmp_path)


def every(command: str, options: dict[str, Sequence[str]]) -> list[list[str]]:
    return [
        [command, "ecomp", f"{option}={value}"]
        for option, values in options.items()
        for value in values
    ]


REPORTED = (
    ("--seed", "99999999999999999999"), ("--device", "hpu"), ("--network", "..:x"),
    ("--set", f"parent_widths={DEEP}"), ("--set", f"parent_widths={'9' * 5_000}"),
    ("--set", f"parent_widths={LESS_DEEP}"), ("--set", "--"), ("--data", "json:loads"),
    ("--pop-size", "99999999999999999999"),
)  # fmt: skip
"""What once ended in a traceback."""


@pytest.mark.parametrize(("option", "value"), REPORTED, ids=[option for option, _ in REPORTED])
def test_what_once_ended_in_a_traceback(option: str, value: str) -> None:
    ends_well(["run", "ecomp", f"{option}={value}"])


def test_a_comparison_of_endless_seeds() -> None:
    ends_well(["compare", "ecomp", "--seeds", "99999999999999999999"])


@pytest.mark.parametrize("command", ["run", "compare"])
def test_odd_values_of_every_option(command: str) -> None:
    options = {**VALUES, **OF_RUN} if command == "run" else OF_COMPARE
    for arguments in every(command, options)[::SHARE]:
        ends_well(arguments)


COMMANDS = (
    "run", "compare", "resume", "report", "cite", "export", "ticket", "data", "reproduce",
    "networks", "suite",
)  # fmt: skip


def test_odd_names_of_every_command() -> None:
    for arguments in [[command, name] for command in COMMANDS for name in FOLDERS][::SHARE]:
        ends_well(arguments)


ODD = st.sampled_from([*NUMBERS, *NAMES, *DEVICES]) | st.text(max_size=8)


@settings(max_examples=150)
@given(
    command=st.sampled_from(["run", "compare", "report", "export", "ticket", "resume", "cite"]),
    name=st.sampled_from(["ecomp", "layer-vector"]) | ODD,
    options=st.lists(st.tuples(st.sampled_from([*VALUES, *OF_RUN, *OF_COMPARE]), ODD), max_size=4),
)
@example("run", "ecomp", [("--seed", "99999999999999999999"), ("--device", "hpu")])
def test_random_command_lines(command: str, name: str, options: list[tuple[str, str]]) -> None:
    ends_well([command, name, *(f"{option}={value}" for option, value in options)])


# In Python.


ANYTHING: list[Any] = [
    None, True, -1, 0, 1.5, float("nan"), float("inf"), 10**30, "", "x", "1", b"x", [], [None],
    {}, {"a": 1}, object(), np.float64(2), np.array([1, 2]), torch.zeros(2), Path("x"), {1, 2},
    "a" * 200, "9" * 200,
]  # fmt: skip
SETTINGS = (
    "algorithm", "pop_size", "budget", "options", "data", "data_root", "validation", "objectives",
    "constraints", "seed", "device", "threads", "finish_images", "parent", "surrogate", "network",
    "problem_seed", "quantities", "front", "latencies", "baselines", "keep_networks",
)  # fmt: skip


def only_named_errors(make: Callable[[], object]) -> None:
    try:
        make()
    except PruneError as error:
        assert str(error)  # noqa: PT017 - any other error fails the test by itself


@pytest.mark.parametrize("name", SETTINGS)
def test_settings_of_anything(name: str) -> None:
    given: dict[str, Any] = {"problem": "ecomp", "algorithm": "nsga2", "pop_size": 8}
    given["budget"] = Budget(generations=2)
    for value in ANYTHING:
        only_named_errors(lambda value=value: Settings(**{**given, name: value}).check())
    only_named_errors(lambda: Settings(**{**given, "problem": 3}))


@pytest.mark.parametrize("value", ANYTHING, ids=lambda value: type(value).__name__)
def test_other_constructors_of_anything(value: Any, tmp_path: Path) -> None:
    for limit in ("generations", "evaluations", "seconds"):
        only_named_errors(lambda limit=limit: Budget(**{limit: value}))
    if isinstance(value, str | Path):
        only_named_errors(lambda: Run.open(value))
        only_named_errors(lambda: Store.existing(value))
        only_named_errors(lambda: load_network(value))
    only_named_errors(lambda: WeightedSum({"accuracy": value}))
