from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from pymoo_prune.cli import main
from pymoo_prune.suite import Facts, problem, read_candidates, suite
from pymoo_prune.suite.definitions import DEFINITIONS
from tests.support.imports import imported
from tests.support.suite import NEURONS, WIDTHS, with_front

REFUSED = "none of the 62 known points dominates or equals them"


def printed(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(["suite", *arguments]) == 0
    return capsys.readouterr().out


def rows(text: str) -> dict[str, str]:
    """The first line of each instance of the list, with single spaces."""
    found = {}
    for line in text.splitlines():
        if line.split(" ")[0] in DEFINITIONS:
            name, *rest = line.split()
            found[name] = " ".join(rest)
    return found


# The list.


@pytest.mark.parametrize("columns", ["60", "80", "100", "200"])
def test_the_list_has_every_instance_within_100_columns(
    columns: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    text = printed(capsys)
    assert max(map(len, text.splitlines())) <= 100
    assert list(rows(text)) == list(DEFINITIONS)
    assert "…" not in text
    words = set(text.replace(",", " ").split())
    for definition in suite():
        facts = Facts(definition)
        row = rows(text)[definition.name]
        assert row.startswith(f"{facts.genes} ")
        assert row.endswith(" –" if facts.front_size is None else f" {facts.front_size:,}")
        assert all(constraint in row for constraint in definition.constraints)
        assert {cost.name for cost in definition.costs} <= words


def test_genes_are_named_in_few_words(capsys: pytest.CaptureFixture[str]) -> None:
    found = rows(printed(capsys))
    for name, genes in (
        (NEURONS, "18 bits"),
        (WIDTHS, "3 × 32 widths"),
        ("resnet8-digits-levels", "8 × 5 levels"),
        ("simplecnn-digits-widths", "4 × 10–15 widths"),
        ("deep-digits-thresholds", "10 reals"),
    ):
        assert found[name].startswith(f"{genes} ")


@pytest.mark.parametrize("group", ["quick", "tabular", "live", "all"])
def test_a_group_is_listed(group: str, capsys: pytest.CaptureFixture[str]) -> None:
    text = printed(capsys, "--group", group)
    assert list(rows(text)) == [definition.name for definition in suite(group)]
    assert ("tabular: " in text) == (group != "live")
    assert ("live: " in text) == (group in ("live", "all"))


# One instance.


@pytest.mark.parametrize("name", DEFINITIONS)
def test_every_instance_is_described(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    text = printed(capsys, name)
    plain = " ".join(text.split())
    definition, facts = DEFINITIONS[name], Facts(DEFINITIONS[name])
    assert max(map(len, text.splitlines())) <= 100
    assert text.startswith(f"{name}\n")
    for part in (
        " ".join(definition.what.split()),
        f"n_var {definition.genes.n_var} ",
        f"version {definition.version} ",
        f"problem {definition.live.problem}" if definition.live else "",
        f"{facts.parameters:,} parameters" if facts.parameters else "parameters",
        f"network {facts.network}",
        f"constraints {', '.join(definition.constraints) or 'none'} ",
        *(cost.name for cost in definition.costs),
        *(f" {cost.reference:g} " for cost in definition.costs),
    ):
        assert part in plain, part
    assert ("first population networks that need no search" in plain) == definition.seeded
    assert ("noise none" in plain) != definition.noisy
    assert ("known front not there yet" in plain) == (facts.known is None)
    assert ("looked up in a table" in plain) == bool(definition.table)


def test_a_description_has_numbers(capsys: pytest.CaptureFixture[str]) -> None:
    with_front(WIDTHS)
    text = " ".join(printed(capsys, WIDTHS).split())
    for part in (
        "network feed-forward, 64–32–32–32–10",
        "genes 3 × 32 widths: whole numbers from 0 to 31",
        "candidates 32,768",
        "accuracy 94.57 %",
        "4,522 parameters",
        "known front 62 points, the true one",
        "evaluations behind 32,768",
        "error 1 − accuracy, a share 0.0501 0.8497 0.3",
        "-1.706 -0.25 0",
    ):
        assert part in text, part
    text = " ".join(printed(capsys, "deep-digits-thresholds").split())
    assert "genes 10 reals: real numbers from 0 to 6.64 and -2 to 2" in text
    assert "candidates infinitely many" in text


def test_the_lines_of_python_solve_the_instance(capsys: pytest.CaptureFixture[str]) -> None:
    with_front(WIDTHS)
    code = printed(capsys, WIDTHS)
    exec(code[code.index("from pymoo") :], {})  # noqa: S102 - our own lines
    assert 0.9 < float(capsys.readouterr().out) <= 1


def test_tables_are_listed_described_and_improved_without_torch(tmp_path: Path) -> None:
    with_front(WIDTHS)
    path = tmp_path / "front.csv"
    lines = [
        "from pymoo_prune.cli import main",
        *(
            f"assert main({arguments}) == 0"
            for arguments in (
                ["suite"],
                ["suite", WIDTHS],
                ["suite", WIDTHS, "--front", str(path)],
                ["suite", WIDTHS, "--improve", str(path)],
            )
        ),
    ]
    assert not {"torch", "torchvision"} & imported("\n".join(lines))


# Fronts.


def test_the_known_front_is_written_and_improves_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    instance = with_front(WIDTHS)
    front, better = tmp_path / "my front.csv", tmp_path / "better.csv"
    text = printed(capsys, WIDTHS, "--front", str(front))
    assert text == f"{front}: the known front of {WIDTHS}, 62 points\n"
    assert np.array_equal(read_candidates(front, instance), instance.known.X)
    text = printed(capsys, WIDTHS, "--improve", str(front), "--output", str(better))
    assert text.splitlines() == [
        f"62 candidates of {WIDTHS} measured",
        f"0 are non-dominated and new: {REFUSED}; 62 equal a known point",
        "hypervolume: 100.000 % of the known front's alone; together 100.000 % (+0.000 points)",
        "the known front is the true one: no candidate improves it",
        f"{better}: the better front, 62 points",
    ]
    assert better.read_text() == front.read_text()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["better.csv", "my front.csv"]


def test_a_front_without_a_known_one_is_written(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    failed: Callable[..., str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("pymoo_prune.suite.facts.holds", lambda _: False)
    name, path = "deep-digits-levels-bounded", tmp_path / "mine.csv"
    assert f"the known front of {name} is not there yet" in failed(
        "suite", name, "--front", str(path)
    )
    X = np.array([[0] * 9, [31] * 9, [2] * 9])
    head = ",".join(f"x{gene}" for gene in range(9))
    path.write_text("\n".join([head, *(",".join(map(str, x)) for x in X)]))
    better = tmp_path / "better.csv"
    text = printed(capsys, name, "--improve", str(path), "--output", str(better))
    assert f"3 candidates of {name} measured, of which 2 keep accuracy_drop<=0.05" in text
    assert "there is no known front yet; 1 of them are a front" in text
    assert read_candidates(better, problem(name)).tolist() == [[2] * 9]


# Refusals.


def test_existing_files_are_kept(tmp_path: Path, failed: Callable[..., str]) -> None:
    with_front(WIDTHS)
    path, link = tmp_path / "there.csv", tmp_path / "link.csv"
    path.write_text("x0,x1,x2\n1,2,3\n")
    link.symlink_to(tmp_path / "elsewhere.csv")
    for file in (path, link):
        for options in (["--front", str(file)], ["--improve", str(path), "--output", str(file)]):
            assert f"{file} is there already; name another file" in failed(
                "suite", WIDTHS, *options
            )
    assert path.read_text() == "x0,x1,x2\n1,2,3\n"
    assert not (tmp_path / "elsewhere.csv").exists()
    lost = tmp_path / "none" / "front.csv"
    assert f"there is no folder {lost.parent}" in failed("suite", WIDTHS, "--front", str(lost))


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["three-layer-digits-width"], f"Did you mean '{WIDTHS}'?"),
        (["--group", "tabul"], "Did you mean 'tabular'?"),
        ([WIDTHS, "--group", "quick"], "--group is for the list"),
        (["--improve", "a.csv"], "--improve needs the name of an instance"),
        (["--front", "a.csv"], "--front needs the name of an instance"),
        (["--output", "a.csv"], "--output needs the name of an instance"),
        ([WIDTHS, "--output", "a.csv"], "--output is for the better front of --improve"),
        ([WIDTHS, "--improve", "a.csv", "--front", "b.csv"], "one at a time"),
        ([WIDTHS, "--improve", "none.csv"], "none.csv"),
    ],
)
def test_what_makes_no_sense_is_refused(
    arguments: list[str], error: str, failed: Callable[..., str]
) -> None:
    assert error in failed("suite", *arguments)


def test_a_wrong_file_is_refused_with_its_line(tmp_path: Path, failed: Callable[..., str]) -> None:
    path = tmp_path / "mine.csv"
    path.write_text("x0,x1,x2\n1,2,[3]\n")
    error = failed("suite", WIDTHS, "--improve", str(path))
    assert f"line 2 of {path}: x2 must be a number, but it is '[3]'" in error
