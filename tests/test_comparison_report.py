from __future__ import annotations

import csv
import io
import json
import re
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib import image
from rich.console import Console

from pymoo_prune import Budget, PruneError, Quantity, Run, Series, Settings, StoreError, WeightedSum
from pymoo_prune.cli import main
from pymoo_prune.comparison import SEARCHED, TESTED, Comparison, Trial
from pymoo_prune.comparison_report import ComparisonReport, _probability, report_of_runs
from pymoo_prune.front import ACCURACIES, EVALUATION
from pymoo_prune.objectives import STANDARD, Constraint, Goals, Values
from pymoo_prune.progress import Display
from pymoo_prune.statistics import contrasts, mann_whitney
from tests.tiny_problem import threads

QUANTITIES = {**STANDARD, "pixels": Quantity("lower", "pixels kept", share=True)}
ALL = {**QUANTITIES, **ACCURACIES, **EVALUATION}
PARENT = {"accuracy": 0.9, "accuracy_drop": 0.0, "parameters": 1000.0, "macs": 2000.0}
GOALS = Goals(QUANTITIES, ["accuracy", "parameters"])


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    with threads(1):
        yield


def front(accuracy: Sequence[float], sizes: Sequence[float]) -> dict[str, Values]:
    values, shares = np.array(accuracy), np.array(sizes)
    return {
        "accuracy": values,
        "parameters": 1000 * shares,
        "macs": 2000 * shares,
        "pixels": shares,
        "evaluation": 3.0 + np.arange(len(values)),
        "test_accuracy": values,
    }


def runs(method: str, *volumes: float) -> list[Trial]:
    """With such hypervolumes on the test images; None found nothing."""
    return [
        Trial(
            *(method, seed, front([1.0], [1 - volume]) if volume else {}),
            history={"generation": np.ones(4), **front([0.2, 0.4, 0.6, 0.8], [0.1, 0.3, 0.5, 0.7])},
            evaluations=4,
            known=1,
            seconds=2.0,
            goal="accuracy,parameters",
            origin=f"runs/{method}-{seed}",
        )
        for seed, volume in enumerate(volumes)
    ]


def report(
    trials: Sequence[Trial], others: Sequence[Series] = (), caution: str = "", **given: Any
) -> ComparisonReport:
    comparison = Comparison(
        trials, others, **{"goals": GOALS, "quantities": ALL, "parent": PARENT, **given}
    )
    facts = {"budget of each run": "4 evaluations"}
    return ComparisonReport(comparison, title="Pixels on digits", facts=facts, caution=caution)


HIGH = (0.81, 0.82, 0.83, 0.84, 0.85)
LOW = (0.61, 0.62, 0.63, 0.64, 0.65)
MIXED = (0.60, 0.90, 0.70, 0.86, 0.835)


# Who wins.


def test_a_clear_winner_is_called_one() -> None:
    text = report([*runs("ga", *LOW), *runs("nsga2", *HIGH)]).verdict()
    assert text == (
        "nsga2 has the largest mean hypervolume on the test images: .8300 ± .0158; ahead of ga "
        "(p = 0.008)."
    )


def test_what_chance_could_have_made_is_not_called_a_difference() -> None:
    text = report([*runs("ga", *MIXED), *runs("nsga2", *HIGH), *runs("random", *LOW)]).verdict()
    assert text.startswith("nsga2 has the largest mean")
    assert "ahead of random (p = 0.024)" in text
    assert "not shown to be ahead of ga" in text


def test_too_few_seeds_are_said_with_what_they_could_show() -> None:
    text = report([*runs("ga", *LOW[:3]), *runs("nsga2", *HIGH[:3])]).verdict()
    assert text.endswith(
        "too few seeds to say whether it is ahead of ga (p cannot be below 0.100)."
    )
    assert "; ahead of" not in text


def test_few_seeds_of_one_method_do_not_hide_what_is_known_of_others() -> None:
    trials = [*runs("ga", *LOW, 0.66), *runs("nsga2", *HIGH, 0.86), *runs("random", 0.1)]
    text = report(trials).verdict()
    assert "ahead of ga (p = 0.006)" in text
    assert "too few seeds to say whether it is ahead of random (p cannot be below 0.571)" in text


def test_the_largest_mean_may_be_behind_in_most_pairs_of_runs() -> None:
    lucky = [0.50 + 0.001 * k for k in range(9)]
    steady = [0.52 + 0.001 * k for k in range(10)]
    text = report([*runs("lucky", *lucky, 0.99), *runs("steady", *steady)]).verdict()
    assert text.startswith("lucky has the largest mean hypervolume")
    assert "but behind steady (p = 0.002) in most pairs of runs" in text
    assert not re.search(r"(?<!but )ahead of", text)


def test_one_method_alone_is_said_to_be_ahead_of_nobody() -> None:
    assert report(runs("ga", 0.5)).verdict() == (
        "ga has the largest mean hypervolume on the test images: .5000."
    )


def test_baselines_are_beaten_where_every_run_is_above_them() -> None:
    others = [
        Series("below", front([1.0], [0.5])),
        Series("between", front([1.0], [0.17])),
        Series("unknown", {n: np.array([0.5]) for n in ("accuracy", "test_accuracy", "pixels")}),
    ]
    text = report([*runs("ga", *HIGH)], others).verdict()
    assert "all its runs are above below (0.5000)" in text
    assert "not all its runs are above between (0.8300)" in text
    assert "unknown" not in text


def test_runs_that_found_nothing_are_counted_in_the_verdict() -> None:
    trials = [*runs("ga", *HIGH), *runs("nsga2", 0.9, 0.9, 0, 0, 0.9)]
    text = report(trials).verdict()
    assert text.endswith("; 2 of 5 runs of nsga2 found nothing, which counts as 0.")
    assert text.startswith("ga has the largest mean")


def test_a_caution_follows_the_verdict() -> None:
    assert report(runs("ga", 0.5), caution="Beware.").verdict().endswith(": .5000. Beware.")


def test_the_documentation_shows_the_least_p_that_there_can_be() -> None:
    page = Path(__file__).parents[1] / "docs" / "compare.md"
    rows = re.findall(r"^\| (\d+) \| (.+) \|$", page.read_text(), flags=re.MULTILINE)
    assert [int(seeds) for seeds, _ in rows] == [3, 4, 5, 6, 7]
    for seeds, shown in rows:
        for methods, text in enumerate(shown.split(" | "), 2):
            apart = {str(m): [10.0 * m + k / 10 for k in range(int(seeds))] for m in range(methods)}
            for c in contrasts(apart):
                assert _probability(c.adjusted) == _probability(c.possible) == text


# Tables.


def cells(rows: tuple[tuple[str, ...], list[tuple[str, ...]]]) -> list[dict[str, str]]:
    head, body = rows
    return [dict(zip(head, row, strict=True)) for row in body]


def test_means_say_of_how_many_runs_they_are_where_some_have_no_number() -> None:
    trials = [*runs("ga", 0.5, 0.7), *runs("nsga2", 0.8, 0)]
    shown = report(trials, bounds=["parameters<=40%", "macs<=1%"])
    ga, nsga2 = cells(shown.quality_rows())
    assert (ga["method"], nsga2["method"], nsga2["runs"]) == ("ga ←", "nsga2", "2")
    assert ga["on test"] == ".6000 ± .1414"
    assert nsga2["on test"] == ".4000 ± .5657"
    assert nsga2["IGD+"] == ".0000 (1 of 2)"
    ga, nsga2 = cells(shown.bound_rows())
    assert ga["parameters<=40%"] == "100.00 (1 of 2)"
    assert nsga2["macs<=1%"] == "–"


def test_baselines_stand_below_the_methods() -> None:
    other = Series("L1", {n: c for n, c in front([0.9], [0.5]).items() if n != "parameters"})
    shown = report(runs("ga", 0.5), [other], bounds=["macs<=60%", "parameters<=60%"])
    row = cells(shown.quality_rows())[1]
    assert row == {"method": "L1", "runs": "", "searched": "–", "IGD+": "–", "on test": "–"}
    row = cells(shown.bound_rows())[1]
    assert row == {"method": "L1", "macs<=60%": "90.00", "parameters<=60%": "–"}


def test_pairs_are_shown_for_the_search_and_for_what_decides() -> None:
    trials = [*runs("a", *(0.5 + 0.01 * k for k in range(10))),
              *runs("b", *(0.7 + 0.01 * k for k in range(10)))]  # fmt: skip
    shown = report(trials)
    searched, tested = cells(shown.contrast_rows())
    assert (searched["hypervolume"], tested["hypervolume"]) == ("searched", "on test")
    assert (tested["pair"], tested["A"], tested["ahead"]) == ("a / b", "0.00", "b")
    p = mann_whitney(shown.comparison.of("a", TESTED), shown.comparison.of("b", TESTED))
    assert 0 < p < 0.001
    assert tested["p"] == tested["p (Holm)"] == "< 0.001"
    assert cells(report(runs("ga", 0.5, 0.6)).contrast_rows()) == []


def test_what_runs_took() -> None:
    (row,) = cells(report([*runs("ga", 0.5, 0)]).cost_rows())
    assert row == {
        "method": "ga",
        "objectives": "accuracy,parameters",
        "evaluations": "4",
        "known before": "1",
        "seconds": "2.0",
        "networks": "0",
    }


def test_every_number_can_be_found_again() -> None:
    rows = cells(report(runs("ga", 0.5, 0), bounds=["macs<=60%"]).run_rows())
    assert rows[0]["from"] == "runs/ga-0"
    assert rows[0]["macs<=60%"] == "100.00 % (evaluation 3)"
    assert (rows[1]["seed"], rows[1]["macs<=60%"]) == ("1", "–")
    assert rows[1]["hypervolume on the test images"] == "0.0000"


def test_the_numbers_are_written_exactly() -> None:
    shown = report([*runs("a", 1 / 3), *runs("b", 0)], bounds=["macs<=99%"])
    table = list(csv.DictReader(io.StringIO(shown.csv())))
    assert [row["method"] for row in table] == ["a", "b"]
    for place, row in enumerate(table):
        for name, values in shown.comparison.indicators.items():
            assert float(row[name]) == pytest.approx(values[place], rel=0, abs=0, nan_ok=True)
    assert (table[0]["from"], table[0]["evaluations"], table[0]["known"]) == ("runs/a-0", "4", "1")


def test_what_the_numbers_mean_names_axes_and_bounds() -> None:
    text = report(runs("ga", 0.5)).meaning()
    assert "Hypervolumes are of (accuracy, parameters) on the search images" in text
    assert "of (error, parameters) on the test images" in text
    assert "at most 0.05" in text
    assert "aselines" not in text
    bounded = Goals(QUANTITIES, ["accuracy", "pixels"], [Constraint.parse("macs<=20%")])
    text = report(runs("ga", 0.5), [Series("L1", front([0.9], [0.5]))], goals=bounded).meaning()
    assert "Their networks need not keep macs<=20%" in text
    assert "(error, pixels kept)" in text


def test_tables_fit_into_a_terminal() -> None:
    shown = report([*runs("ga", *HIGH), *runs("nsga2", *LOW), *runs("random", *MIXED)])
    console = Console(file=io.StringIO(), width=80)
    for table in shown.tables():
        console.print(table)
    lines = console.file.getvalue().splitlines()  # type: ignore[attr-defined]
    assert max(map(len, lines)) <= 80
    assert any(".6300 ± .0158" in line for line in lines)


# Pages and pictures.


@pytest.mark.parametrize(
    ("names", "pictures"),
    [
        (("accuracy", "parameters"), {"fronts", "hypervolume", "attainment"}),
        (("accuracy", "parameters", "pixels"), {"fronts", "hypervolume", "parallel"}),
        (("accuracy",), {"fronts", "hypervolume"}),
    ],
)
def test_a_folder_with_a_page_pictures_and_numbers(
    tmp_path: Path, names: tuple[str, ...], pictures: set[str]
) -> None:
    trials = [*runs("ga", 0.5, 0), *runs("random", 0)]  # a front of one point, and none at all
    shown = report(trials, [Series("L1", front([0.9], [0.5]))], goals=Goals(QUANTITIES, names))
    page = shown.write(tmp_path / "out")
    files = {path.name for path in page.parent.iterdir()}
    assert files == {"report.md", "runs.csv"} | {
        f"{p}.{s}" for p in pictures for s in ("png", "svg")
    }
    for name in pictures:
        assert image.imread(page.parent / f"{name}.png")[..., :3].std() > 0.02
    text = page.read_text()
    for part in ("# Pixels on digits", shown.verdict(), shown.meaning(), "| budget of each run |"):
        assert part in text
    assert set(re.findall(r"!\[[^]]+\]\((\w+)\.png\)", text)) == pictures
    assert (page.parent / "runs.csv").read_text() == shown.csv()


def test_without_curves_there_is_no_picture_of_them(tmp_path: Path) -> None:
    trials = [Trial("a", 0, front([0.5], [0.5]), None, 4, 0, 1.0)]
    assert "hypervolume" not in report(trials).draw(tmp_path)


def test_the_report_of_a_run_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text("{}")
    (tmp_path / "report.md").write_text("mine")
    with pytest.raises(StoreError, match="is a run, whose own report would be lost; give another"):
        report(runs("ga", 0.5)).write(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"run.json", "report.md"}


def test_the_run_in_the_middle_is_shown() -> None:
    shown = report([*runs("ga", 0.2, 0.6, 0.4), *runs("random", 0)]).shown()
    assert [one.name for one in shown] == ["ga, median of 3 runs"]
    assert shown[0].columns["parameters"] == pytest.approx([600])


# Runs that were made one by one.


def executed(folder: Path, **changes: Any) -> Path:
    given = {
        "problem": "tests.tiny_problem:Pixels",
        "algorithm": "nsga2",
        "pop_size": 8,
        "budget": Budget(generations=2),
        "threads": 1,
    }
    Run.create(folder, Settings(**{**given, **changes})).execute(Display(Console(quiet=True)))
    return folder


@pytest.fixture(scope="module")
def apart(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("apart")
    weights = WeightedSum({"accuracy": 1.0, "parameters": 0.001})
    changes: dict[str, dict[str, Any]] = {
        "nsga2": {},
        "nsga2 again": {"seed": 1},
        "ga": {"algorithm": "ga", "objectives": weights},
        "lighter": {
            "algorithm": "ga",
            "objectives": WeightedSum({"accuracy": 1.0, "parameters": 0.0001}),
        },
        "model": {"surrogate": "ridge"},
        "longer": {"budget": Budget(evaluations=32), "baselines": False},
        "wider": {"pop_size": 10},
    }
    return {name: executed(folder / name, **change) for name, change in changes.items()}


def test_runs_are_compared_as_they_are(
    apart: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folders = [str(apart[name]) for name in ("nsga2", "nsga2 again", "ga", "model")]
    arguments = ["--bounds", "pixels<=50%", "--output", str(tmp_path / "out")]
    assert main(["compare", *folders, *arguments]) == 0
    out = capsys.readouterr().out
    assert "pixels<=50%" in out
    assert (tmp_path / "out" / "report.md").is_file()
    shown = report_of_runs([Path(folder) for folder in folders], ["pixels<=50%"])
    one = shown.comparison
    assert [(t.method, t.seed) for t in one.trials] == [
        ("nsga2", 0),
        ("nsga2", 1),
        ("ga", 0),
        ("nsga2+ridge", 0),
    ]
    assert [t.origin for t in one.trials] == folders
    assert one.goals.names == ("accuracy", "parameters")
    for trial in one.trials:
        columns = Run.open(trial.origin).results()[0][0].columns
        for name, column in columns.items():
            np.testing.assert_array_equal(column, trial.columns[name])
        curve = one.curve(trial)
        assert curve is not None
        assert curve[1][-1] == pytest.approx(one.indicators[SEARCHED][one.trials.index(trial)])
    # Baselines are those of the first.
    assert [other.name for other in one.others] == ["random search"]
    assert shown.facts["baselines"] == f"those of {folders[0]}"
    assert shown.facts["problem's seed"] == "0, 1"
    assert shown.caution == ""
    assert shown.csv() == (tmp_path / "out" / "runs.csv").read_text()


def methods(apart: dict[str, Path], *names: str) -> list[str]:
    return report_of_runs([apart[name] for name in names]).comparison.methods


def test_what_differs_among_runs_of_an_engine_is_in_their_names(apart: dict[str, Path]) -> None:
    assert methods(apart, "nsga2", "longer") == ["nsga2, 2 generations", "nsga2, 32 evaluations"]
    assert methods(apart, "nsga2", "wider") == ["nsga2, population 8", "nsga2, population 10"]
    assert methods(apart, "ga", "nsga2", "lighter") == [
        "ga, accuracy=1,parameters=0.001",
        "nsga2",
        "ga, accuracy=1,parameters=0.0001",
    ]
    assert methods(apart, "nsga2", "nsga2 again", "model") == ["nsga2", "nsga2+ridge"]


def test_different_budgets_are_said_with_the_verdict(apart: dict[str, Path]) -> None:
    shown = report_of_runs([apart["longer"], apart["ga"]])
    assert shown.verdict().endswith(
        "The runs had different budgets: 32 evaluations / 2 generations."
    )
    assert shown.facts["budget of each run"] == "32 evaluations / 2 generations"
    assert shown.comparison.others == ()
    assert "baselines" not in shown.facts


def test_the_same_search_twice_is_refused(apart: dict[str, Path], tmp_path: Path) -> None:
    copied = Path(shutil.copytree(apart["nsga2"], tmp_path / "copy"))
    for other in (copied, apart["nsga2"]):
        with pytest.raises(
            StoreError, match=r"nsga2 and .* are both nsga2 with seed 0: .*leave one out"
        ):
            report_of_runs([apart["nsga2"], apart["ga"], other])


@pytest.mark.parametrize(
    ("file", "changes", "message"),
    [
        ("run.json", {"problem": "tests.tiny_problem:FailingPixels"}, "problem .*FailingPixels"),
        ("run.json", {"options": {"pause": 0.1}}, r"options \({} and {'pause': 0.1}\)"),
        ("run.json", {"data": "mnist"}, r"data \('digits' and 'mnist'\)"),
        ("run.json", {"validation": 0.3}, r"validation \(None and 0.3\)"),
        ("run.json", {"constraints": ["macs<=20%"]}, r"constraints .*and \['macs<=20%'\]\)"),
        ("run.json", {"finish_images": 100}, r"finish_images \(0 and 100\)"),
        ("summary.json", {"goals": ["accuracy"]}, r"objectives .*and \['accuracy'\]\)"),
        ("summary.json", {"parent": {"parameters": 7, "macs": 8}}, "parent's parameters .* macs"),
        ("summary.json", {"data": "abc"}, "images .*'abc'"),
    ],
)
def test_what_differs_is_named(
    apart: dict[str, Path], tmp_path: Path, file: str, changes: dict[str, Any], message: str
) -> None:
    other = Path(shutil.copytree(apart["ga"], tmp_path / "other"))
    values = json.loads((other / file).read_text())
    (other / file).write_text(json.dumps({**values, **changes}))
    with pytest.raises(StoreError, match=f"cannot be compared: they differ in {message}") as error:
        report_of_runs([apart["nsga2"], apart["model"], other])
    for part in (str(apart["nsga2"]), str(other), "'pymoo-prune compare PROBLEM' makes runs that"):
        assert part in str(error.value)


def test_folders_that_are_no_finished_runs(
    apart: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "empty").mkdir()
    unfinished = Path(shutil.copytree(apart["ga"], tmp_path / "unfinished"))
    (unfinished / "summary.json").unlink()
    for folder, message in (
        (tmp_path / "empty", "is not a run folder: there is no run.json in it"),
        (tmp_path / "nowhere", "is not a run folder"),
        (unfinished, f"is not finished; 'pymoo-prune resume {unfinished}' goes on with it"),
    ):
        assert main(["compare", str(apart["nsga2"]), str(folder)]) == 2
        assert message in capsys.readouterr().err
    with pytest.raises(PruneError, match="unknown size to bound 'mac'"):
        report_of_runs([apart["nsga2"], apart["ga"]], ["mac<=3"])


def test_folders_from_before_are_compared_too(apart: dict[str, Path], tmp_path: Path) -> None:
    """Without what has been added since: in run.json, in summary.json, and in front.csv."""
    expected = report_of_runs([apart["nsga2"], apart["ga"]]).comparison
    older = [Path(shutil.copytree(apart[name], tmp_path / name)) for name in ("nsga2", "ga")]
    for folder in older:
        for file, names in (
            ("run.json", ["problem_seed", "front", "baselines", "surrogate"]),
            ("summary.json", ["data", "failed", "notes"]),
        ):
            values = json.loads((folder / file).read_text())
            kept = {name: value for name, value in values.items() if name not in names}
            (folder / file).write_text(json.dumps(kept))
        (folder / "layers.json").unlink()
        rows = list(csv.reader(io.StringIO((folder / "front.csv").read_text())))
        place = rows[0].index("evaluation")
        lines = [",".join(cell for k, cell in enumerate(row) if k != place) for row in rows]
        (folder / "front.csv").write_text("\n".join(lines) + "\n")
    shown = report_of_runs(older)
    for name, values in expected.indicators.items():
        np.testing.assert_array_equal(values, shown.comparison.indicators[name])
    cell = cells(shown.run_rows())[0][str(expected.bounds[-1])]
    assert re.fullmatch(r"\d+\.\d\d % \(network \d+\)", cell)
    for mine, theirs in zip(expected.trials, shown.comparison.trials, strict=True):
        np.testing.assert_array_equal(expected.curve(mine), shown.comparison.curve(theirs))


def test_a_run_of_a_comparison_can_be_compared_with_one_beside_it(
    apart: dict[str, Path], tmp_path: Path
) -> None:
    more = executed(
        tmp_path / "more", seed=3, problem_seed=0, front=["accuracy", "parameters"],
        algorithm="ga", objectives=WeightedSum({"accuracy": 1}), baselines=False,
    )  # fmt: skip
    shown = report_of_runs([apart["nsga2"], more])
    assert shown.comparison.methods == ["nsga2", "ga"]
    assert shown.facts["problem's seed"] == "0"
    assert shown.facts["engine seeds"] == "0, 3"
