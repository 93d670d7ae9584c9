from __future__ import annotations

import json
import re
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib import image
from rich.console import Console

from pymoo_prune import Data, Run, Series, Settings, Store, StoreError, WeightedSum, plots
from pymoo_prune.chromosomes import Array
from pymoo_prune.cli import main
from pymoo_prune.engines import make_algorithm
from pymoo_prune.errors import NothingFoundError
from pymoo_prune.measuring import accuracy as accuracy_of
from pymoo_prune.problem import Illustration
from pymoo_prune.results import csv_text, read_csv
from pymoo_prune.runs import Report, words
from pymoo_prune.search import Budget, Display, SearchReporter, Step, search
from pymoo_prune.tables import listed
from pymoo_prune_problems.ecomp import REFITTED
from tests.support.tiny_problem import (
    AllFailing,
    FailingPixels,
    Pixels,
    ecomp_run,
    pixels_run,
)

REFITTED_RIVALS = [f"{name} with refit" for name in REFITTED]
PICTURES = [f"{n}.{e}" for n in ("front", "generations", "layers") for e in ("png", "svg")]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("report") / "run"
    assert main(ecomp_run(folder)) == 0
    return folder


@pytest.fixture
def report(folder: Path) -> Report:
    return Report(Run.open(folder))


def area(errors: list[float], costs: list[float]) -> float:
    """The area of the unit square that points (error, cost) dominate, computed naively."""
    points = sorted((e, c) for e, c in zip(errors, costs, strict=True) if e < 1 and c < 1)
    total, lowest = 0.0, 1.0
    for error, cost in points:
        total += (1 - error) * max(lowest - cost, 0)
        lowest = min(lowest, cost)
    return total


def test_the_page_shows_what_was_found(folder: Path) -> None:
    page = (folder / "report.md").read_text(encoding="utf-8")
    (front, *others) = read_csv(folder / "front.csv")
    summary = json.loads((folder / "summary.json").read_text())
    parent, evaluations = summary["parent"], summary["evaluations"]
    assert page.startswith(
        "# ecomp on digits\n\nnsga2, population 8, seed 0: 3 generations, "
        f"{evaluations} evaluations on "
    )
    assert f"The parent: accuracy {100 * parent['accuracy']:.2f}\u00a0%" in page
    assert "300 images" in page
    assert f"export {folder} --pick" in page
    for one in (front, *others):
        assert f"| {one.name} | {len(one)} |" in page
    for picture in ("front.png", "layers.png", "generations.png"):
        assert f"]({picture})" in page
        assert (folder / picture).read_bytes().startswith(b"\x89PNG")
        assert image.imread(folder / picture)[..., :3].std() > 0.05
    for picture in PICTURES:
        assert (folder / picture).stat().st_size > 5_000
    assert "parallel" not in page
    for accuracy in front.columns["finished_test_accuracy"]:
        assert f"{100 * accuracy:.2f}\u00a0%" in page


def test_every_report_has_what_a_user_would_do_instead(report: Report) -> None:
    names = [one.name for one in report.findings.series]
    assert names == [
        "this search", "L1 pruning", *REFITTED_RIVALS, "random search", "first population",
    ]  # fmt: skip
    for one in report.findings.series:
        assert one.columns.keys() >= {"test_accuracy", "finished_test_accuracy", "width"}


def test_hypervolumes_are_those_of_error_and_size(report: Report) -> None:
    head, rows = report.method_rows()
    assert len(head) == 4
    for one, row in zip(report.findings.series, rows, strict=True):
        for place, accuracy in ((2, "test_accuracy"), (3, "finished_test_accuracy")):
            expected = area((1 - one.columns[accuracy]).tolist(), one.columns["width"].tolist())
            assert float(row[place]) == pytest.approx(expected, abs=6e-5), (one.name, accuracy)


def with_columns(folder: Path, tmp_path: Path, changes: dict[str, dict[str, float]]) -> Report:
    """The report of the same run with some columns set, by method."""
    copy = tmp_path / "run"
    copy.mkdir()
    for name in ("run.json", "summary.json"):
        (copy / name).write_bytes((folder / name).read_bytes())
    series = read_csv(folder / "front.csv")
    for one in series:
        for name, value in changes.get(one.name, {}).items():
            one.columns[name][:] = value
    (copy / "front.csv").write_text(csv_text(series), encoding="utf-8")
    return Report(Run.open(copy))


def test_the_verdict_names_the_winner(folder: Path, tmp_path: Path) -> None:
    best = {"finished_test_accuracy": 1.0, "width": 0.01}
    won = with_columns(folder, tmp_path / "a", {"this search": best})
    assert (
        words.verdict(won.findings)
        == "The search dominates most after the same retraining: 0.9900."
    )
    lost = with_columns(folder, tmp_path / "b", {"L1 pruning": best})
    own = lost.method_rows()[1][0][-1]
    assert words.verdict(lost.findings) == (
        "The search does not win after the same retraining: L1 pruning has 0.9900, "
        f"the search {own}."
    )


def test_a_method_that_dominates_as_much_as_the_search_does_not_lose(
    folder: Path, tmp_path: Path
) -> None:
    alike = {"finished_test_accuracy": 0.9, "width": 0.1}
    report = with_columns(folder, tmp_path / "a", {"this search": alike, "L1 pruning": alike})
    assert words.verdict(report.findings) == (
        "The search and L1 pruning dominate alike after the same retraining: 0.8100."
    )


def test_what_is_equal_in_the_digits_that_are_shown_is_alike(folder: Path, tmp_path: Path) -> None:
    more = {"finished_test_accuracy": 0.9, "width": 0.1 - 1e-6}
    less = {"finished_test_accuracy": 0.9, "width": 0.1}
    for place, (own, other) in {"a": (less, more), "b": (more, less)}.items():
        changes = {"this search": own, "L1 pruning": other}
        report = with_columns(folder, tmp_path / place, changes)
        volumes = report.findings.hypervolumes["finished_test_accuracy"]
        assert abs(volumes[0] - volumes[1]) == pytest.approx(9e-7)
        assert words.verdict(report.findings) == (
            "The search and L1 pruning dominate alike after the same retraining: 0.8100."
        )


def test_without_others_there_is_nothing_to_compare_with(folder: Path, tmp_path: Path) -> None:
    report = with_columns(folder, tmp_path / "a", {})
    report.findings.series = report.findings.series[:1]
    own = report.method_rows()[1][0][-1]
    assert words.verdict(report.findings) == (
        f"There is nothing to compare the search with: {own} is its hypervolume."
    )
    assert "## Methods" in report.page()


@pytest.mark.slow
def test_a_run_may_go_without_baselines(tmp_path: Path) -> None:
    name = "tests.support.tiny_problem:Pixels"
    settings = Settings(name, "nsga2", 8, Budget(generations=3), threads=1)
    plain = Run.create(tmp_path / "plain", settings)
    alone = Run.create(tmp_path / "alone", replace(settings, baselines=False))
    display = Display(Console(quiet=True))
    for run in (plain, alone):
        run.execute(display)
    assert len(Report(plain).findings.series) == 3
    report = Report(alone)
    # The first population belongs to the search.
    names = [one.name for one in report.findings.series]
    assert names == ["this search", "first population"]
    assert report.verdict().startswith("There is nothing to compare")
    report.write()
    assert report.findings.front.columns["evaluation"].tolist() == (
        Report(plain).findings.front.columns["evaluation"].tolist()
    )


def test_every_network_can_be_traced(folder: Path, report: Report) -> None:
    line = {
        "this search": f"evaluations, numbered from 0, of {folder} (`evaluations.sqlite`), seed 0",
        **dict.fromkeys(
            ["L1 pruning", *REFITTED_RIVALS],
            "made without a search, at sizes of the front, retrained with seed 0",
        ),
        "random search": (
            "as many random candidates as the search had, numbered from 0 on their own, seed 0"
        ),
        "first population": (
            f"evaluations of the first generation, numbered from 0, of {folder} "
            "(`evaluations.sqlite`), seed 0"
        ),
    }
    assert report.origins() == line
    page = (folder / "report.md").read_text(encoding="utf-8")
    assert all(f"- {name}: {text}.\n" in page for name, text in line.items())
    # The number leads to the candidate, and that to what was measured.
    store = Store.existing(folder / "evaluations.sqlite")
    try:
        asked = store.evaluations()
    finally:
        store.close()
    rows = report.findings.front.columns["evaluation"].astype(int)
    for name in ("accuracy", "width", "macs"):
        assert asked[name][rows].tolist() == report.findings.front.columns[name].tolist()


def test_origins_say_what_is_not_known(folder: Path, tmp_path: Path) -> None:
    report = with_columns(folder, tmp_path / "a", {})
    report.findings.run.settings = replace(report.findings.run.settings, seed=3, problem_seed=0)
    for one in report.findings.series:
        one.columns.pop("evaluation", None)
        one.columns.pop("finished_test_accuracy")
    where = f"{report.findings.run.folder} (`evaluations.sqlite`)"
    assert list(report.origins().values()) == [
        f"the last population of {where}, seed 3, 0 for the problem",
        *["made without a search, at sizes of the front"] * (1 + len(REFITTED_RIVALS)),
        "as many random measurements of candidates as the search had, seed 3, 0 for the problem",
        f"the first generation of {where}, seed 3, 0 for the problem",
    ]


@pytest.mark.slow
def test_three_objectives_are_drawn_side_by_side(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    assert main(pixels_run(folder, "--objectives", "accuracy", "pixels", "macs")) == 0
    assert "](parallel.png)" in (folder / "report.md").read_text(encoding="utf-8")
    assert image.imread(folder / "parallel.png")[..., :3].std() > 0.05
    assert (folder / "parallel.svg").is_file()
    # A problem without a parent network has no shares of one.
    assert not (folder / "layers.png").exists()


@pytest.mark.parametrize(
    ("left", "text"), [(0.00012, "0.012"), (0.0523, "5.2"), (0.104, "10"), (0.998, "100")]
)
def test_the_suggestion_says_how_much_is_left(
    folder: Path, tmp_path: Path, left: float, text: str
) -> None:
    report = with_columns(folder, tmp_path / "a", {})
    report.findings.summary["parent"]["parameters"] = 10_000.0
    report.findings.front.columns["parameters"][report.findings.chosen] = 10_000 * left
    suggestion = words.suggestion(report.findings)
    assert suggestion.endswith(f" Of the parent's parameters {text}\u00a0% are left.")


def test_the_suggestion_stands_in_the_report_beside_the_parents_test_accuracy(
    folder: Path, tmp_path: Path, report: Report, digits: Data, capsys: pytest.CaptureFixture[str]
) -> None:
    columns, summary = report.findings.front.columns, report.findings.summary
    place = report.findings.chosen
    within = columns["accuracy_drop"] <= 0.01 + 1e-6
    smallest = np.where(within, columns["width"], np.inf).argmin()
    assert place == (smallest if within.any() else columns["accuracy"].argmax())
    problem = Run.open(folder).prepare(Display(Console(quiet=True)))
    assert problem.parent is not None
    assert summary["parent_test_accuracy"] == accuracy_of(problem.parent, digits.test)
    tested, whole = columns["finished_test_accuracy"][place], summary["parent_test_accuracy"]
    shown = f"retraining {100 * tested:.2f}\u00a0% (the parent's: {100 * whole:.2f}\u00a0%), param"
    assert report.suggestion().startswith(f"The suggestion is network {place}, the ")
    assert shown in report.suggestion()
    assert f"\n\n{report.suggestion()}\n\n" in (folder / "report.md").read_text(encoding="utf-8")
    assert main(["report", str(folder), "--output", str(tmp_path / "a")]) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert " ".join(report.suggestion().split()) in out
    # Older runs have no test accuracy of the parent.
    older = with_columns(folder, tmp_path / "b", {"this search": {"accuracy_drop": 0.02}})
    del older.findings.summary["parent_test_accuracy"]
    reason = (
        "the most accurate, as none is within one point of the parent's accuracy on the "
        "validation images: test accuracy after retraining "
    )
    assert reason in older.suggestion()
    assert "(the parent's" not in older.suggestion()


def test_a_report_names_methods_with_networks_that_may_break_the_constraints(
    folder: Path, tmp_path: Path
) -> None:
    report = with_columns(folder, tmp_path / "a", {})
    plain = words.meaning(report.findings)
    bounds = ("accuracy_drop<=0.02", "macs<=20%")
    report.findings.run.settings = replace(report.findings.run.settings, constraints=bounds)
    rivals = ["L1 pruning", *REFITTED_RIVALS]
    note = f"networks of {listed(rivals)} need not keep accuracy_drop<=0.02 and macs<=20%."
    assert words.meaning(report.findings) == f"{plain[:-1]}; {note}"
    report.findings.series = [one for one in report.findings.series if one.name not in rivals]
    assert words.meaning(report.findings) == plain  # random search keeps them


def test_a_report_counts_threads(folder: Path, tmp_path: Path) -> None:
    report = with_columns(folder, tmp_path / "a", {})
    assert "(1 thread, cpu)." in words.made_line(report.findings)
    report.findings.summary["machine"]["threads"] = 2
    assert "(2 threads, cpu)." in words.made_line(report.findings)


def test_the_command_can_be_copied(folder: Path, tmp_path: Path) -> None:
    report = with_columns(folder, tmp_path / "a", {})
    report.findings.run.folder = tmp_path / "a" / "my runs"
    command = f"pymoo-prune export '{tmp_path}/a/my runs' --pick 3"
    assert words.export_command(report.findings, 3) == command
    assert "`pymoo-prune export '" in report.page()


@pytest.fixture(autouse=True)
def folders(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()


def test_methods_are_compared_over_what_all_of_them_know(folder: Path, tmp_path: Path) -> None:
    report = with_columns(folder, tmp_path / "a", {})
    assert report.findings.axes == ["width"]
    report.findings.summary["goals"] = ["accuracy", "similarity_loss", "width"]
    summary = json.dumps(report.findings.summary)
    (report.findings.run.folder / "summary.json").write_text(summary, encoding="utf-8")
    three = Report(report.findings.run)
    # L1 pruning measures no similarity: a volume in three dimensions is not one in two.
    assert three.findings.axes == ["width"]
    assert three.method_rows() == report.method_rows()
    assert "Hypervolumes of (error, hidden neurons kept)" in three.page()


def test_networks_are_thinned_evenly_and_the_chosen_one_is_marked(report: Report) -> None:
    head, rows = report.network_rows()
    assert len(head) == len(rows[0])
    marked = [row[0] for row in rows if "←" in row[0]]
    assert marked == [f"{report.findings.chosen} ←"]
    n = 60
    columns = {name: np.linspace(0.1, 0.9, n) for name in report.findings.front.columns}
    columns["accuracy_drop"] = np.where(np.arange(n) < 7, 0.02, 0.0)
    report.findings.series[0] = Series("this search", columns)
    rows = report.network_rows(most=5)[1]
    assert [row[0] for row in rows] == ["0", "7 ←", "15", "30", "44", "59"]


@pytest.mark.slow
def test_writing_again_gives_the_same(report: Report, folder: Path) -> None:
    names = ["report.md", *PICTURES]
    before = {name: (folder / name).read_bytes() for name in names}
    report.write()
    assert before == {name: (folder / name).read_bytes() for name in names}


@pytest.mark.slow
def test_without_retraining_there_are_no_columns_of_it(tmp_path: Path) -> None:
    assert main(pixels_run(tmp_path / "run")) == 0
    report = Report(Run.open(tmp_path / "run"))
    head, rows = report.method_rows()
    assert head == ("method", "networks", "hypervolume on test")
    assert [row[0] for row in rows] == ["this search", "random search", "first population"]
    assert "retrained" not in report.page()
    assert " on the test images: " in report.verdict()
    columns, parent = report.findings.front.columns, report.findings.summary["parent"]
    sizes = columns["parameters"] / parent["parameters"]
    errors = 1 - columns["test_accuracy"]
    expected = area(errors.tolist(), sizes.tolist())
    assert float(rows[0][2]) == pytest.approx(expected, abs=6e-5)


@pytest.mark.slow
def test_failed_candidates_are_counted_and_in_no_table(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    assert main(pixels_run(folder, "--generations", "4", problem=FailingPixels)) == 0
    report = Report(Run.open(folder))
    failed = report.findings.summary["failed"]["candidates"]
    assert failed > 0
    sentence = (
        f"\n- {failed} candidates failed in 32 evaluations: the training diverged: its last loss "
        f"is nan ({failed}×). Failed candidates rank last, and are in no table.\n"
    )
    assert sentence in (folder / "report.md").read_text(encoding="utf-8")
    for one in report.findings.series:
        assert all(np.isfinite(column).all() for column in one.columns.values())
    plain = tmp_path / "plain"
    assert main(pixels_run(plain)) == 0
    assert "Failed candidates" not in (plain / "report.md").read_text(encoding="utf-8")
    summary = json.loads((plain / "summary.json").read_text())
    assert summary["failed"] == {"candidates": 0, "reasons": {}}


def test_generations_in_which_all_failed_leave_a_gap_in_the_picture(
    folder: Path, tmp_path: Path
) -> None:
    report = with_columns(folder, tmp_path / "a", {})
    quantities = {name: report.findings.quantities[name] for name in ("accuracy", "parameters")}
    for values in ([0.5, np.nan, 0.7], [np.nan] * 3):
        means = {name: np.array(values) for name in quantities} | {"generation": np.arange(3.0)}
        path = tmp_path / "generations.png"
        plots.draw_generations(path, means, list(quantities), quantities)
        assert image.imread(path)[..., :3].std() > 0.02


def test_a_network_without_accuracy_after_retraining_has_a_dash(
    folder: Path, tmp_path: Path
) -> None:
    nan = float("nan")
    changes = {"finished_test_accuracy": nan, "finished_accuracy": nan}
    report = with_columns(folder, tmp_path / "a", {"random search": changes})
    plain = with_columns(folder, tmp_path / "b", {})
    rows, others = report.method_rows()[1], plain.method_rows()[1]
    place = [row[0] for row in rows].index("random search")
    assert rows[:place] + rows[place + 1 :] == others[:place] + others[place + 1 :]
    assert rows[place][-1] == "0.0000"
    report.findings.series[0].columns["finished_test_accuracy"][report.findings.chosen] = nan
    head, rows = report.network_rows()
    column = head.index("test accuracy after retraining")
    assert [row[column] == "–" for row in rows] == ["←" in row[0] for row in rows]


def test_progress_tells_how_many_failed(digits: Data) -> None:
    def line(problem: Pixels) -> str:
        algorithm = make_algorithm("ga" if problem.n_obj == 1 else "nsga2", problem, 8)
        reporter = SearchReporter(problem, lambda *_: None)
        steps: list[Step] = []
        with suppress(NothingFoundError):
            search(problem, algorithm, Budget(generations=1), seed=3, on_generation=steps.append)
        return reporter.text(steps[-1])

    assert "failed" not in line(Pixels(digits))
    two = line(FailingPixels(digits))
    assert re.search(r"8 evaluations · 0 known · [1-7] failed · best accuracy \d", two)
    fitness = WeightedSum({"accuracy": 1.0, "pixels": 0.5})
    one = line(FailingPixels(digits, objectives=fitness))
    assert re.search(r"[1-7] failed · best fitness -?0\.\d{4} ", one)
    for objectives in (fitness, ("accuracy", "parameters")):
        assert "8 failed · 0 s left" in line(AllFailing(digits, objectives=objectives))


@pytest.mark.slow
def test_one_objective_points_at_the_fittest(tmp_path: Path) -> None:
    weights = ["--weights", "accuracy=1,pixels=0.5", "--algorithm", "ga"]
    assert main(pixels_run(tmp_path / "run", *weights)) == 0
    report = Report(Run.open(tmp_path / "run"))
    columns = report.findings.front.columns
    assert report.findings.chosen == (columns["accuracy"] - 0.5 * columns["pixels"]).argmax()


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("summary.json", b"{"),
        ("summary.json", b"\xff"),
        ("front.csv", b""),
        ("front.csv", b"method,network,accuracy\n"),
        ("front.csv", b"method,network,accuracy\nthis search,0,much\n"),
        ("front.csv", b"method,network,accuracy\nthis search,0\n"),
        ("front.csv", b"a,b\n1,2\n"),
        ("front.csv", None),
    ],
)
def test_damaged_results_are_refused(
    folder: Path, tmp_path: Path, file: str, content: bytes | None
) -> None:
    report = with_columns(folder, tmp_path / "a", {})
    path = report.findings.run.folder / file
    path.unlink() if content is None else path.write_bytes(content)
    with pytest.raises(StoreError, match=r"cannot be read.*resume"):
        Report(report.findings.run)


def test_an_unfinished_run_has_no_report(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text(
        '{"format": 1, "problem": "ecomp", "algorithm": "nsga2", "pop_size": 8, '
        '"objectives": null, "budget": {"generations": 3}}'
    )
    with pytest.raises(StoreError, match="is not finished; 'pymoo-prune resume"):
        Report(Run.open(tmp_path))


class Square(Pixels):
    """Pixels with chromosomes that are drawn as matrices of the image's pixels."""

    def __init__(self, data: Data, **options: Any) -> None:
        super().__init__(data, **options)
        self.illustration = Illustration(matrices=self.matrices)

    def matrices(self, X: Array) -> tuple[Array, Array]:
        possible = np.zeros((8, 8), dtype=bool)
        possible[:, 1:] = True
        return X.reshape(len(X), 1, 8, 8) & possible, possible


@pytest.mark.slow
def test_chromosomes_that_are_matrices_are_drawn(tmp_path: Path) -> None:
    arguments = ["run", f"{Square.__module__}:Square", "--threads", "1", "--output"]
    assert main([*arguments, str(tmp_path / "run")]) == 0
    run = Run.open(tmp_path / "run")
    found = run.matrices()
    assert found is not None
    live, _ = found
    X = run.front(Display(Console(quiet=True))).X
    assert np.array_equal(live[:, 0, :, 1:], X.reshape(-1, 8, 8)[:, :, 1:])
    assert "![which node reads which](matrices.png)" in Report(run).page()
    assert "block 1" in (run.folder / "matrices.svg").read_text()
    path = run.folder / "matrices.npz"
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(
        StoreError, match=r"matrices.npz cannot be read: .*resume .* makes it again"
    ):
        Report(run).write()


def test_others_have_no_matrices(folder: Path) -> None:
    assert Run.open(folder).matrices() is None
    assert not (folder / "matrices.png").exists()
