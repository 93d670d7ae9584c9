"""The report of a study: its files, tables and pages."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from dataclasses import replace
from html import unescape
from io import StringIO
from pathlib import Path

import numpy as np
import pytest

from pymoo_prune import PruneError
from pymoo_prune.plots import COLUMN
from pymoo_prune.standings import Standings, StudyReport, Task
from pymoo_prune.standings.tables import standings_table, target_table
from pymoo_prune.tables import latex
from tests.support.latex import read
from tests.support.made_up_studies import RATES, suite_task, task, tasks, valued

pytestmark = pytest.mark.slow

FACTS = {"machine": "a <machine>", "seeds": "4"}
TITLE = "three engines & <friends>"


def some_tasks() -> list[Task]:
    """Problems of all kinds: three objectives, a missing method, missing seeds, no courses."""
    plain, many, noisy, few, with_page = (
        task("plain", RATES, seeds=4),
        task("many", RATES, seeds=4, objectives=3),
        task("noisy", RATES, seeds=4),
        task("few@runs=2", RATES, seeds=4),
        task("paged", RATES, seeds=4, page="problems/paged/report.html"),
    )
    return [
        plain,
        many,
        replace(
            noisy, courses=tuple(replace(c, costs=None, final_share=c.value) for c in noisy.courses)
        ),
        replace(few, courses=tuple(c for c in few.courses if c.method != "slow" or c.seed < 2)),
        with_page,
        replace(task("bounded", {k: RATES[k] for k in ("slow", "quick")}, seeds=4),
                missing={"steady": "it takes <no> constraints"}),
    ]  # fmt: skip


@pytest.fixture(scope="module")
def report() -> StudyReport:
    standings = Standings(some_tasks(), against="steady")
    return StudyReport(standings, TITLE, FACTS, notes=["wide is left out: <not finished>"])


@pytest.fixture(scope="module")
def folder(report: StudyReport, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("study") / "deep" / "folder"
    (path / "problems" / "paged").mkdir(parents=True)
    for name in ("comparison.json", "report.html"):
        (path / "problems" / "paged" / name).write_text("{}")
    assert report.write(path, html=True) == path / "report.md"
    return path


def rows_of(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(StringIO(path.read_text("utf-8"))))


def test_the_files_of_a_report(folder: Path) -> None:
    names = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    pictures = {"ranks", "targets-reached"}
    pictures |= {f"difference-{name}" for name in ("plain", "few@runs=2", "paged")}
    tables = {"standings", "ranks", "signed-ranks", "over-time", "fixed-budgets", "fixed-targets",
              "differences"}  # fmt: skip
    numbers = {"runs", "times", "standings", "running-times", "targets-reached", "ranks"}
    own = {"plain", "many", "noisy", "few@runs=2", "bounded"}  # "paged" has a page already
    wanted = {"report.md", "report.html", "problems/paged/comparison.json"}
    wanted |= {"problems/paged/report.html"}
    wanted |= {f"{name}.{ending}" for name in pictures for ending in ("png", "svg")}
    wanted |= {f"tables/{name}.tex" for name in tables}
    wanted |= {f"tables/{name}.csv" for name in numbers}
    for name in own:
        wanted |= {f"problems/{name}/report.html"}
        if name != "noisy":
            wanted |= {f"problems/{name}/{one}.svg" for one in ("fronts", "hypervolume")}
    assert names == wanted


def test_the_report_says_what_the_numbers_say(report: StudyReport, folder: Path) -> None:
    text = (folder / "report.md").read_text("utf-8")
    title = TITLE.replace("<", "&lt;")
    assert text.startswith(f"# {title}\n\nquick has the best mean rank over 5 problems (1.00 of 3)")
    headings = re.findall(r"^## (.*)$", text, re.MULTILINE)
    assert headings == [
        "Who is ahead",
        "Ranks over all problems",
        "Over time",
        "Where two methods differ",
        "Numbers",
        "Made with",
    ]
    table = standings_table(report.standings)
    assert table.rows[-1][0] == "+/−/= against steady"
    assert table.rows[-1][1:] == tuple(
        "" if m == "steady" else "/".join(map(str, report.standings.score(m)))
        for m in report.standings.methods
    )
    assert table.rows[3][1].endswith(" (2)")
    assert table.rows[5][2] == "– (a)"
    assert table.notes == ("(a) steady: it takes <no> constraints.",)
    assert table.bold == {(row, 3) for row in range(6)}
    for part in ("bounded is left out here", "On noisy some searches measured approximately",
                 "many: only two objectives can be shown", "not finished: some methods have fewer",
                 "the 10 tests of the table"):  # fmt: skip
        assert part in text, part
    assert "nan" not in text.lower().replace("shannan", "")
    for name in re.findall(r"!\[[^\]]*\]\(([^)]*)\)", text):
        assert (folder / name).is_file()


def test_tags_of_html_are_shown_and_do_nothing(tmp_path: Path) -> None:
    tag = "<img src=x onerror=alert(1)>"
    found = [
        replace(task(f"p{tag}", {"a": 1.0}, seeds=1), missing={"b": f"TypeError: {tag} at 1 < 2"}),
        task("q", {"a": 1.0, "b": 2.0}, seeds=1),
    ]
    report = StudyReport(Standings(found), tag, {"machine": tag}, notes=[tag])
    text = report.write(tmp_path).read_text("utf-8")
    assert tag not in text
    assert text.startswith(f"# {tag.replace('<', '&lt;')}\n")
    assert "at 1 < 2" in text


def test_tables_in_latex_name_tests_budgets_and_seeds(folder: Path) -> None:
    for path in (folder / "tables").glob("*.tex"):
        text = path.read_text("utf-8")
        assert text.count(r"\begin{tabular}") == 1
        assert "6 problems, 4 seeds, 300 evaluations" in text, path.name
        assert rf"\label{{tab:{path.stem}}}" in text
    standings = (folder / "tables" / "standings.tex").read_text("utf-8")
    assert "Mann-Whitney" in standings
    assert latex("(a) steady: it takes <no> constraints.") in standings
    assert standings.count(r"\textbf") == 6


def test_tables_in_latex_are_as_wide_as_their_cells(report: StudyReport, folder: Path) -> None:
    found = {path.stem: read(path.read_text("utf-8")) for path in (folder / "tables").glob("*.tex")}
    wide = {name for name, table in found.items() if table.kind == "table*"}
    assert wide == {"standings", "signed-ranks", "over-time"}  # few columns may be wide ones
    assert found["ranks"].columns == "lrrl"
    assert found["signed-ranks"].columns == "lrrrrl"
    assert found["standings"].columns == "lrrr"


def test_numbers_are_exact(report: StudyReport, folder: Path) -> None:
    one = report.standings
    runs = rows_of(folder / "tables" / "runs.csv")
    assert len(runs) == sum(len(each.courses) for each in one.tasks)
    found = {(r["problem"], r["method"], int(r["seed"])): float(r["value"]) for r in runs}
    for each in one.tasks:
        for course in each.courses:
            assert found[each.name, course.method, course.seed] == course.value
    cells = rows_of(folder / "tables" / "standings.csv")
    assert len(cells) == 6 * 3
    assert {(c["problem"], c["method"]): c["sign"] for c in cells} == {
        place: cell.sign for place, cell in one.cells.items()
    }
    (missing,) = [c for c in cells if c["missing"]]
    assert (missing["mean"], missing["runs"]) == ("", "0")
    times = rows_of(folder / "tables" / "running-times.csv")
    assert len(times) == 5 * 3 * 60
    hits = one.over_time.hits(one.tasks[0], "quick")
    mine = [t for t in times if (t["problem"], t["method"]) == ("plain", "quick")]
    assert [float(t["expected running time"] or "inf") for t in mine] == hits.running_times.tolist()
    reached = [r for r in rows_of(folder / "tables" / "targets-reached.csv")
               if r["method"] == "slow"]  # fmt: skip
    x, share = one.over_time.reached("slow")
    assert [float(r["evaluations"]) for r in reached] == x.tolist()
    assert [float(r["share of targets reached"]) for r in reached] == share.tolist()


def test_running_times_in_the_table(report: StudyReport) -> None:
    table = target_table(report.standings)
    assert table.head == ("problem", "share", "slow", "steady", "quick")
    assert [row[:2] for row in table.rows[:3]] == [
        ("plain", "0.9"),
        ("plain", "0.99"),
        ("plain", "0.999"),
    ]
    hits = report.standings.over_time.hits_of(report.standings.tasks[0], "quick", [0.1])
    assert table.rows[0][4] == f"{hits.running_times[0]:,.0f} (4/4)"
    assert table.rows[0][2] == "– (0/4)"
    assert (0, 4) in table.bold


# Pages.


def without_scripts(page: str) -> str:
    return re.sub(r"<script.*?</script>", "", page, flags=re.DOTALL)


def links_of(page: str) -> Iterator[str]:
    found = re.findall(r'<a href="([^"#][^"]*)"', without_scripts(page))
    yield from (unescape(link) for link in found)


def test_pages_are_whole_and_lead_to_each_other(folder: Path) -> None:
    page = (folder / "report.html").read_text("utf-8")
    assert not re.search(r"<(?:script|link|img|iframe)[^>]*(?:src|href)=[\"']?https?:", page)
    assert "default-src 'none'" in page
    assert "three engines &amp; &lt;friends&gt;" in page
    assert "it takes &lt;no&gt; constraints" in page
    assert "a &lt;machine&gt;" in page
    assert "wide is left out: &lt;not finished&gt;" in page
    headings = re.findall(r"<h2>(.*?)</h2>", page)
    assert headings[:5] == [
        "Who is ahead",
        "Ranks over all problems",
        "Over time",
        "Where two methods differ",
        "Problems",
    ]
    links = set(links_of(page))
    assert "problems/paged/report.html" in links
    assert "problems/few%40runs%3D2/report.html" in links
    assert len(links) == 6
    for name in ("plain", "many", "noisy", "few@runs=2", "bounded"):
        path = folder / "problems" / name / "report.html"
        (up,) = links_of(path.read_text("utf-8"))
        assert (path.parent / up).resolve() == (folder / "report.html").resolve()


def test_pages_are_written_again_but_not_those_of_comparisons(tmp_path: Path) -> None:
    for name in ("compared", "made"):
        (tmp_path / "problems" / name).mkdir(parents=True)
        (tmp_path / "problems" / name / "report.html").write_text("from the last time")
    (tmp_path / "problems" / "compared" / "comparison.json").write_text("{}")
    pages = {name: f"problems/{name}/report.html" for name in ("compared", "made")}
    pages["elsewhere"] = "other/report.html"
    some = [task(name, {"a": 1, "b": 2}, seeds=1, page=page) for name, page in pages.items()]
    StudyReport(Standings(some), "again").write(tmp_path, html=True)
    texts = {name: (tmp_path / pages[name]).read_text("utf-8") for name in ("compared", "made")}
    assert texts["compared"] == "from the last time"
    assert "<title>made</title>" in texts["made"]
    assert not (tmp_path / "other").exists()
    assert set(pages.values()) <= set(links_of((tmp_path / "report.html").read_text("utf-8")))


def test_a_problems_page_has_all_its_runs(report: StudyReport, folder: Path) -> None:
    for each in report.standings.tasks:
        if each.page:
            continue
        page = (folder / "problems" / each.name / "report.html").read_text("utf-8")
        for course in each.courses:
            assert f">{course.value:.4f}<" in page
        assert page.count("<img") == (0 if each.name == "noisy" else 2)
    bounded = (folder / "problems" / "bounded" / "report.html").read_text("utf-8")
    assert "steady is missing: it takes &lt;no&gt; constraints." in bounded
    assert "<td>–</td>" in bounded
    noisy = (folder / "problems" / "noisy" / "report.html").read_text("utf-8")
    assert "No hypervolume over the evaluations" in noisy


def test_tables_for_the_terminal(report: StudyReport) -> None:
    titles = [str(table.title).strip() for table in report.tables()]
    assert titles == [
        "targets reached, and share of the best hypervolume",
        "mean ranks",
        "against steady, over all problems",
        "problems and methods",
    ]
    assert "not finished" in report.verdict()


def test_steps_of_the_interactive_picture() -> None:
    from pymoo_prune.standings.profile_figure import MOST_STEPS, steps

    x, y = steps(np.array([2.0, 5.0]), np.array([0.1, 0.4]), 10.0)
    assert list(zip(x, y, strict=True)) == [
        (1, 0), (2, 0), (2, 0.1), (5, 0.1), (5, 0.4), (10, 0.4),
    ]  # fmt: skip
    x, y = steps(np.array([1.0]), np.array([0.5]), 3.0)
    assert list(zip(x, y, strict=True)) == [(1, 0), (1, 0.5), (3, 0.5)]
    x, y = steps(np.empty(0), np.empty(0), 3.0)
    assert list(zip(x, y, strict=True)) == [(1, 0), (3, 0)]
    many = np.arange(1.0, 5_000)
    x, y = steps(many, many / 5_000, 5_000.0)
    assert len(x) <= 2 * MOST_STEPS + 2
    assert (x[-1], y[-1]) == (5_000, 4_999 / 5_000)
    assert all(value == 0 or value * 5_000 <= at + 1e-6 for at, value in zip(x, y, strict=True))


def test_the_interactive_picture_has_every_method(folder: Path) -> None:
    page = (folder / "report.html").read_text("utf-8")
    for method in RATES:
        assert f'"{method}"' in page
    assert "targets reached" in page


# Small and strange studies.


STRANGE = {
    "one problem": [task("alone", RATES, seeds=2)],
    "one seed": tasks(3, seeds=1),
    "ties everywhere": [valued(f"p{k}", dict.fromkeys("abc", [0.5] * 3)) for k in range(3)],
    "three objectives": tasks(2, seeds=2, objectives=3),
    "one objective": [
        replace(valued(f"p{k}", {"a": [0.5], "b": [0.4]}), objectives=("error",),
                courses=tuple(replace(c, costs=np.full((1, 1), 0.5))
                              for c in valued("x", {"a": [0.5], "b": [0.4]}).courses),
                front=np.zeros((1, 1))) for k in range(2)
    ],
    "nothing found": [
        replace(valued(f"p{k}", {"a": [0.0, 0.0], "b": [0.0, 0.0]}),
                courses=tuple(replace(c, costs=np.full((1, 2), np.nan)) for c in
                              valued("x", {"a": [0.0, 0.0], "b": [0.0, 0.0]}).courses))
        for k in range(2)
    ],
    "no method everywhere": [valued("p", {"a": [0.1]}), valued("q", {"b": [0.1]})],
    "no best": [replace(one, best=0.0) for one in tasks(2, seeds=2)],
    "no runs of a method": [valued("p", {"a": [0.1, 0.2]}, missing={"b": "it crashed."})],
}  # fmt: skip


@pytest.mark.parametrize("name", STRANGE)
def test_strange_studies_have_reports_too(name: str, tmp_path: Path) -> None:
    report = StudyReport(Standings(STRANGE[name]), name)
    report.write(tmp_path, html=True)
    for page in ("report.md", "report.html"):
        text = without_scripts((tmp_path / page).read_text("utf-8"))
        assert not re.search(r"\bnan\b", text), page
    assert report.tables()


def test_a_study_of_one_method(tmp_path: Path) -> None:
    report = StudyReport(Standings(tasks(3, seeds=2), ["quick"]), "one method")
    text = report.write(tmp_path, html=True).read_text("utf-8")
    assert "There are no ranks: quick is the only method with results." in text
    assert "There is one method with results, so there is nothing to compare it with." in text
    assert "+/−/=" not in text


def test_real_instances_in_a_column(tmp_path: Path) -> None:
    names = ("two-layers-digits-neurons", "three-layers-digits-widths")
    found = [suite_task(name, ["nsga2", "random"], seeds=3, budget=120) for name in names]
    report = StudyReport(Standings(found), "real")
    report.write(tmp_path, style=COLUMN, log=False)
    assert (tmp_path / "targets-reached.pdf").is_file()
    assert not (tmp_path / "report.html").exists()
    assert report.standings.leader == "nsga2"
    assert "nsga2 has the best mean rank over 2 problems" in report.verdict()


def test_a_run_keeps_its_own_report(report: StudyReport, tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text("{}")
    with pytest.raises(PruneError, match="is a run, and its own report would be lost"):
        report.write(tmp_path)
