"""A study in one folder: methods on many problems, made, extended and read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

from rich.console import Console

from pymoo_prune.comparing import HypervolumeOptions, Method
from pymoo_prune.errors import PruneError, StoreError
from pymoo_prune.files import holds_something
from pymoo_prune.problem import load_named, module_of, trust
from pymoo_prune.runs import NOTHING_GIVEN, Given, at_work
from pymoo_prune.standings import Task
from pymoo_prune.studies.cache import digest_of
from pymoo_prune.studies.failures import read_failures, write_failures
from pymoo_prune.studies.making import fetch_images, make_all, missing_jobs
from pymoo_prune.studies.outside import check_sources, copy_files, files_at
from pymoo_prune.studies.own import is_made, make_own
from pymoo_prune.studies.plan import Plan, has_study
from pymoo_prune.studies.problems import StudyProblem
from pymoo_prune.studies.reading import problem_folder
from pymoo_prune.studies.results import Results, power_note, read_results


class Study:
    """Methods on many problems, in a folder.

    Args:
        folder: The study's folder.
        plan: Which runs there are.
        sources: Files with results that were made elsewhere, by method; they are copied into the
            folder when the study is executed.
    """

    def __init__(
        self, folder: Path, plan: Plan, sources: Mapping[str, Sequence[Path]] | None = None
    ) -> None:
        self.folder, self.plan, self.sources = folder, plan, dict(sources or {})

    @classmethod
    def create(
        cls,
        folder: Path | str,
        problems: Sequence[StudyProblem],
        methods: Sequence[str],
        seeds: Sequence[int],
        *,
        against: str | None = None,
        bounds: Sequence[str] | None = None,
        volumes: HypervolumeOptions | None = None,
        outside: Mapping[str, Path | str] | None = None,
    ) -> Self:
        """A new study, or one that is there with more problems, methods or seeds.

        Nothing is written before `execute`.

        Args:
            folder: The study's folder.
            problems: The problems; of a study that is there, those that it has come first.
            methods: Names, as `Method.parse` takes them.
            seeds: The engines' seeds.
            against: The method that each other one is tested against; None lets the report choose.
            bounds: Bounds on sizes, for problems that are no instances of the suite.
            volumes: Options of these problems' hypervolumes.
            outside: Results that were made elsewhere: a folder with PROBLEM.csv, or a file, by
                method.
        """
        folder = Path(folder)
        sources = {name: files_at(name, Path(path)) for name, path in (outside or {}).items()}
        _check_engines(methods)
        plan = Plan(
            tuple(problems),
            tuple(methods),
            tuple(seeds),
            against,
            None if bounds is None else tuple(bounds),
            volumes or HypervolumeOptions(),
            {
                name: {path.name: digest_of(path) for path in paths}
                for name, paths in sources.items()
            },
        )
        if has_study(folder):
            plan = plan.added_to(Plan.read(folder), folder)
        elif folder.exists() and (not folder.is_dir() or holds_something(folder)):
            msg = f"{folder} is there already, and is no study; give another --output"
            raise StoreError(msg)
        plan.check_trust(folder)
        plan.check()
        check_sources(sources, plan.problems, plan.seeds)
        return cls(folder, plan, sources)

    @classmethod
    def open(cls, folder: Path | str) -> Self:
        """A study that is there."""
        return cls(Path(folder), Plan.read(Path(folder)))

    @staticmethod
    def is_one(folder: Path | str) -> bool:
        """Whether a folder holds a study."""
        return has_study(Path(folder))

    # Making it.

    def execute(
        self,
        console: Console,
        *,
        jobs: int = 1,
        download: bool = False,
        given: Given = NOTHING_GIVEN,
        again: bool = False,
    ) -> Results:
        """Makes every run that is not done; methods that fail are left out where they do.

        Args:
            console: Shows progress.
            jobs: How many runs at once, each in a process of its own.
            download: Whether to fetch data sets.
            given: The place of the images, if they have moved.
            again: Whether to try methods again that failed before.
        """
        if jobs < 1:
            msg = f"jobs must be at least 1, but it is {jobs}"
            raise PruneError(msg)
        self.plan.check_trust(self.folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        with at_work(self.folder):
            for name, paths in self.sources.items():
                copy_files(self.folder, name, paths)
            self.plan.write(self.folder)
            for one in self.plan.problems if again else ():
                write_failures(self._place(one), {})
            to_make = missing_jobs(self.folder, self.plan)
            self._say_before(console, len(to_make))
            if download:
                fetch_images(to_make)
            lacking = make_all(to_make, console, at_once=jobs) if to_make else {}
            for one in self.plan.own:
                why = make_own(
                    self.folder, one, self.plan, console, jobs=jobs, download=download, given=given
                )
                lacking |= {one.name: why} if why else {}
            return self.results(lacking=lacking)

    def _place(self, one: StudyProblem) -> Path:
        return problem_folder(self.folder, one.name)

    def _say_before(self, console: Console, jobs: int) -> None:
        """Says how many runs there are, and what their seeds cannot show.

        Args:
            console: Where to print.
            jobs: Runs on instances that are to be made.
        """
        plan, folder = self.plan, self.folder
        failed = {
            one.name: len(read_failures(self._place(one)).keys() & set(plan.methods))
            for one in plan.problems
        }
        each = {name: len(plan.methods) - lost for name, lost in failed.items()}
        own = sum(each[one.name] for one in plan.own if not is_made(folder, one, plan))
        to_make = jobs + own * len(plan.seeds)
        possible = sum(each.values()) * len(plan.seeds)
        text = (
            f"{_counted(plan.problems, 'problem')}, {_counted(plan.methods, 'method')}, "
            f"{_counted(plan.seeds, 'seed')}: {possible:,} runs, {possible - to_make:,} are there"
        )
        if lost := sum(failed.values()) * len(plan.seeds):
            text += f"; {lost:,} more of methods that failed (--again tries them once more)"
        console.print(text, highlight=False, markup=False, soft_wrap=True)
        if to_make and (note := power_note(plan)) is not None:
            console.print(note, highlight=False, markup=False, soft_wrap=True)

    # Its results.

    def results(
        self,
        volumes: HypervolumeOptions | None = None,
        lacking: Mapping[str, str] | None = None,
    ) -> Results:
        """What was found so far.

        Args:
            volumes: Options of hypervolumes, for problems that are no instances; what is not given
                is as the study was made with.
            lacking: Why problems could not be made, by name.
        """
        return read_results(self.folder, self.plan, volumes, lacking)

    def tasks(self, volumes: HypervolumeOptions | None = None) -> list[Task]:
        """The problems that have results.

        Args:
            volumes: As `results` takes them.
        """
        return self.results(volumes).tasks


def _counted(things: Sequence[object], what: str) -> str:
    """How many things there are, in words."""
    return f"1 {what}" if len(things) == 1 else f"{len(things):,} {what}s"


def _check_engines(methods: Sequence[str]) -> None:
    """Trusts and imports the engines that the user names, before anything is made."""
    for text in methods:
        algorithm = Method.parse(text).algorithm
        if (module := module_of(algorithm)) is not None:
            trust([module])
            load_named(algorithm)
