"""A comparison in one folder: every method, once for each seed, each run in a folder of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Self

from rich.console import Console

from pymoo_prune.comparing.comparison import Comparison
from pymoo_prune.comparing.files import RUNS_FOLDER, SHARED_FILE
from pymoo_prune.comparing.jobs import first_line, is_of_method, make_runs
from pymoo_prune.comparing.methods import Method, file_name, power_note
from pymoo_prune.comparing.plan import Plan, has_plan
from pymoo_prune.comparing.runs import create_run, is_done, trial_of
from pymoo_prune.comparing.shared import Shared
from pymoo_prune.comparing.trials import Trial
from pymoo_prune.comparing.volumes import HypervolumeOptions
from pymoo_prune.errors import DataError, PruneError, StoreError, command
from pymoo_prune.files import holds_something
from pymoo_prune.problem import PruningProblem
from pymoo_prune.results import EVALUATION, final_of
from pymoo_prune.runs import (
    NOTHING_GIVEN,
    PARENT_FOLDER,
    PLAN_FILE,
    SHARED_LATENCIES,
    Given,
    Run,
    RunFolder,
    Settings,
    at_work,
    prepare_problem,
)
from pymoo_prune.search import Display


class Campaign:
    """A comparison in a folder: made, executed, extended and read.

    Args:
        folder: The comparison's folder.
        plan: Which runs there are.
        new: Whether the folder was just made. It is removed after an error that leaves it empty.
    """

    def __init__(self, folder: Path, plan: Plan, *, new: bool = False) -> None:
        self.folder, self.plan, self._new = folder, plan, new

    @classmethod
    def create(
        cls,
        folder: Path | str,
        settings: Settings,
        methods: Sequence[str],
        seeds: Sequence[int],
        bounds: Sequence[str] | None = None,
        against: str | None = None,
        volumes: HypervolumeOptions | None = None,
    ) -> Self:
        """A new comparison, or one that is there with more methods or seeds.

        Runs that are done stay; a folder with runs of other settings is refused.

        Args:
            folder: The comparison's folder; made if it is not there.
            settings: What all runs share; each run has its own engine and seed.
            methods: Names, as `Method.parse` takes them.
            seeds: The engines' seeds.
            bounds: Bounds on sizes, as `Comparison` takes them.
            against: The method that each other one is tested against; None tests all pairs.
            volumes: The reference point and the logarithmic axes of hypervolumes.
        """
        folder = Path(folder)
        plan = Plan.of(settings, methods, seeds, bounds, against, volumes)
        if cls.is_one(folder):
            more = plan.added_to(Plan.read(folder), folder)
            # A plan without runs may be impossible, and is replaced.
            return cls(folder, more if (folder / RUNS_FOLDER).is_dir() else plan)
        if folder.exists() and (not folder.is_dir() or holds_something(folder)):
            msg = f"{folder} is there already, and is no comparison; give another --output"
            raise StoreError(msg)
        folder.mkdir(parents=True, exist_ok=True)
        try:
            plan.write(folder, new=True)
        except FileExistsError:
            msg = f"{folder} was taken by another process just now; give another --output"
            raise StoreError(msg) from None
        return cls(folder, plan, new=True)

    @classmethod
    def open(cls, folder: Path | str) -> Self:
        """A comparison that is there."""
        return cls(Path(folder), Plan.read(Path(folder)))

    @staticmethod
    def is_one(folder: Path | str) -> bool:
        """Whether a folder holds a comparison."""
        return has_plan(Path(folder))

    @property
    def settings(self) -> Settings:
        """The settings that all runs share."""
        return self.plan.settings

    # Making it.

    def execute(
        self,
        console: Console,
        *,
        jobs: int = 1,
        download: bool = False,
        given: Given = NOTHING_GIVEN,
        failures: dict[str, str] | None = None,
    ) -> Comparison:
        """Makes every run that is not done, and the baselines at what they found.

        Args:
            console: Shows progress.
            jobs: How many runs at once, each in a process of its own; where latencies are measured
                it is one. Results do not depend on it, unless time is the budget.
            download: Whether to fetch the data set.
            given: The place of the images, if they have moved.
            failures: Takes methods that cannot search the problem or raise an error, and why; they
                leave the plan, and the others go on. None ends with the first error.
        """
        if jobs < 1:
            msg = f"jobs must be at least 1, but it is {jobs}"
            raise PruneError(msg)
        try:
            with at_work(self.folder):
                return self._execute(Display(console), jobs, given, failures, download=download)
        except DataError:
            raise  # resume goes on once the data set is there
        except PruneError:
            if self._new:  # a folder that was there is not ours to remove
                self._forget_if_empty()
            raise
        except OSError as error:
            msg = (
                f"{error}; what was measured is kept: once that is mended, 'pymoo-prune resume "
                f"{self.folder}' goes on"
            )
            raise StoreError(msg) from error

    def _execute(
        self,
        display: Display,
        jobs: int,
        given: Given,
        failures: dict[str, str] | None,
        *,
        download: bool,
    ) -> Comparison:
        self.plan.check_names(failures)
        if failures:
            self._leave_out(failures)
        if not self.complete and failures is None:
            self._say_power(display)
        problem, twins = self._prepare(display, given, failures, download=download)
        if jobs > 1 and any(twin.measures_latency for twin in twins):
            display.console.print("one run at a time: others would disturb the latencies")
            jobs = 1
        self.plan.write(self.folder)
        RunFolder(self.folder).write_data(problem.data_set)
        runs = self._runs(problem, twins, given)
        pending = {name: run for name, run in runs.items() if not is_done(run)}
        if pending:
            (self.folder / SHARED_FILE).unlink(missing_ok=True)
        if failures is None:
            make_runs(pending, display.console, jobs=jobs)
        else:
            make_runs(pending, display.console, jobs=jobs, failed=_noting(failures))
            self._leave_out(failures)
        if not self.complete:
            self._conclude(problem, display)
        return self.comparison()

    def _say_power(self, display: Display) -> None:
        plan = self.plan
        names = [method.name for method in plan.methods]
        if (note := power_note(names, len(plan.seeds), plan.against)) is not None:
            display.console.print(note, markup=False, highlight=False, soft_wrap=True)

    def _leave_out(self, failures: Mapping[str, str]) -> None:
        """Takes methods out of the plan; an error where none remains."""
        self.plan = self.plan.without(failures)
        if not self.plan.methods:
            msg = f"no method can search it: {next(iter(failures.values()))}"
            raise PruneError(msg)
        self.plan.write(self.folder)

    def _prepare(
        self,
        display: Display,
        given: Given,
        failures: dict[str, str] | None,
        *,
        download: bool,
    ) -> tuple[PruningProblem, list[PruningProblem]]:
        """The problem, and a twin with each method's goal; refuses what cannot be searched."""
        # The parent is trained once, for all runs.
        problem = prepare_problem(
            self.settings, self.folder, display, download=download, given=given
        )
        self.plan.check_numbers(problem)
        twins = []
        for method in self.plan.methods:
            try:
                twin = problem.with_goals(method.goal(problem), front=problem.goals.names)
                method.engine(twin, self.settings.pop_size)
            except Exception as error:  # of a user's own engine, it may be any
                if failures is None or not is_of_method(error):
                    raise
                failures[method.name] = first_line(error)
            else:
                twins.append(twin)
        if failures:
            self._leave_out(failures)
        return problem, twins

    def _forget_if_empty(self) -> None:
        """Removes a folder that holds only a plan: a corrected one may want the same place."""
        if not self.folder.is_dir():  # it was moved
            return
        if [path.name for path in self.folder.iterdir()] == [PLAN_FILE]:
            (self.folder / PLAN_FILE).unlink()
            self.folder.rmdir()

    def _runs(
        self, problem: PruningProblem, twins: Sequence[PruningProblem], given: Given
    ) -> dict[str, Run]:
        """All runs by name; makes missing folders, each with the parent."""
        runs = {}
        for method, twin in zip(self.plan.methods, twins, strict=True):
            for seed in self.plan.seeds:
                settings = replace(
                    self.settings,
                    algorithm=method.algorithm,
                    surrogate=method.surrogate,
                    objectives=twin.goals.objectives,
                    front=problem.goals.names,
                    seed=seed,
                    problem_seed=problem.seed,
                    latencies=SHARED_LATENCIES,
                    baselines=False,
                )
                folder = self.run_folder(method, seed)
                if not folder.exists():
                    create_run(folder, settings, parent=self.folder / PARENT_FOLDER)
                with self.remedied(folder):
                    runs[f"{method.name}, seed {seed}"] = Run.open(folder, given=given)
        return runs

    def run_folder(self, method: Method, seed: int) -> Path:
        """A run's folder."""
        return self.folder / RUNS_FOLDER / f"{file_name(method.name)}-{seed}"

    def _conclude(self, problem: PruningProblem, display: Display) -> None:
        """Writes the common results, with baselines at the sizes that the runs found."""
        images = self.settings.finish_images
        shared = Shared.of(problem, self.trials(), images=images, display=display)
        shared.write(self.folder)

    # Its results.

    @property
    def complete(self) -> bool:
        """Whether the comparison came to its end, and the common results can be read."""
        try:
            self.shared()
        except StoreError:
            return False
        return True

    def shared(self) -> Shared:
        """The common results of all runs."""
        return Shared.read(self.folder)

    def comparison(self, volumes: HypervolumeOptions | None = None) -> Comparison:
        """The findings of all runs, side by side.

        Args:
            volumes: Options of hypervolumes; what is not given is as the comparison was made with.
        """
        shared = self.shared()
        goals = shared.over(self.settings)
        return Comparison(
            self.trials(),
            shared.series,
            goals=goals,
            quantities={**goals.quantities, **final_of(goals.quantities), **EVALUATION},
            parent=shared.parent,
            bounds=self.plan.bounds,
            against=self.plan.against,
            volumes=(volumes or HypervolumeOptions()).or_else(self.plan.volumes),
            problem=self.settings.problem,
        )

    def trials(self) -> list[Trial]:
        """All runs."""
        return [
            self._trial(method, seed) for method in self.plan.methods for seed in self.plan.seeds
        ]

    def _trial(self, method: Method, seed: int) -> Trial:
        folder = self.run_folder(method, seed)
        with self.remedied(folder):
            return trial_of(Run.open(folder), method.name)

    @contextmanager
    def remedied(self, folder: Path) -> Iterator[None]:
        """Adds to errors of a run that cannot be read how to make it again.

        Args:
            folder: The run's folder.
        """
        try:
            yield
        except StoreError as error:
            first = f"remove {folder}, and " if folder.exists() else ""
            msg = f"{error}; {first}'{command('resume', self.folder)}' makes that run again"
            raise StoreError(msg) from error


def _noting(failures: dict[str, str]) -> Callable[[str, Exception], None]:
    """Notes the error of a run for its method: the first where there are several."""

    def note(run: str, error: Exception) -> None:
        method, _, seed = run.rpartition(", ")
        failures.setdefault(method, f"{seed}: {first_line(error)}")

    return note
