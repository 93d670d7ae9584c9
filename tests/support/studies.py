"""Small studies in folders, and a user's own engines that fail."""

from __future__ import annotations

import csv
import io
import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from pymoo.algorithms.moo.nsga2 import NSGA2
from pymoo.core.evaluator import Evaluator
from rich.console import Console

from pymoo_prune import Budget, Settings
from pymoo_prune.studies import OwnProblem, Results, Study, chosen_problems
from tests.support.running import HISTORY, MEASUREMENTS

NEURONS = "two-layers-digits-neurons"
BOUNDED = "resnet8-digits-levels-bounded"
PIXELS = "tests.support.tiny_problem:Pixels"
BUDGET = 40


class Mine(NSGA2):
    """An engine that takes a population's size and operators."""


class Breaking(NSGA2):
    """The same; it raises an error in its second generation."""

    broken = True

    def _infill(self) -> Any:
        if type(self).broken:
            msg = "the children are gone\nand nobody knows where"
            raise RuntimeError(msg)
        return super()._infill()


class Asking(Mine):
    """Has half of its children evaluated itself, in pymoo's words."""

    def _infill(self) -> Any:
        children = super()._infill()
        self.evaluator.eval(self.problem, children[: len(children) // 2])
        return children


class Uncounted(Mine):
    """Has its children evaluated by an evaluator of its own."""

    def _infill(self) -> Any:
        children = super()._infill()
        Evaluator().eval(self.problem, children)
        return children


class Early(Mine):
    """Ends by itself after its second generation."""

    def _post_advance(self) -> None:
        super()._post_advance()
        if self.n_iter > 1:
            self.termination.force_termination = True


def unmade(problem: Any, pop_size: int) -> NSGA2:
    """A factory with a bug."""
    msg = "my engine has a bug"
    raise ZeroDivisionError(msg)


def named(engine: str) -> str:
    """An engine of this module, as a user names it."""
    return f"{__name__}:{engine}"


def created(
    folder: Path,
    names: Sequence[str] = (NEURONS,),
    methods: Sequence[str] = ("nsga2", "random"),
    seeds: Sequence[int] = (0, 1),
    *,
    evaluations: int = BUDGET,
    **more: Any,
) -> Study:
    problems = chosen_problems(names, {}, evaluations=evaluations, pop_size=10)
    return Study.create(folder, problems, methods, seeds, **more)


def pixels(**changes: Any) -> OwnProblem:
    """A tiny problem that is no instance of the suite."""
    given = {"pop_size": 8, "budget": Budget(evaluations=24), "threads": 1, **changes}
    return OwnProblem(PIXELS, Settings(problem=PIXELS, algorithm="nsga2", **given))


def done(study: Study, **options: Any) -> tuple[Results, str]:
    """The results, and what was printed."""
    console = Console(file=io.StringIO(), width=300)
    results = study.execute(console, **options)
    return results, console.file.getvalue()  # type: ignore[attr-defined]


def values(results: Results) -> dict[tuple[str, str, int], float]:
    """The figure of each run."""
    return {
        (task.name, course.method, course.seed): course.value
        for task in results.tasks
        for course in task.courses
    }


def run_files(folder: Path) -> list[Path]:
    return sorted((folder / "problems").glob("*/runs/*.sqlite"))


def rows(path: Path) -> list[list[Any]]:
    """What a run's file has, without working times."""
    wanted = (HISTORY, MEASUREMENTS, "SELECT generation FROM generations")
    with closing(sqlite3.connect(path)) as database:
        return [database.execute(sql).fetchall() for sql in wanted]


def assert_same(one: Study, other: Study) -> None:
    """The same runs to the last bit, and the same figures."""
    mine, theirs = run_files(one.folder), run_files(other.folder)
    assert [path.name for path in mine] == [path.name for path in theirs] != []
    for a, b in zip(mine, theirs, strict=True):
        assert rows(a) == rows(b)
    assert values(one.results()) == values(other.results())


def written(path: Path, head: Sequence[str], lines: Iterable[Sequence[object]]) -> Path:
    """A CSV file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([head, *lines])
    return path
