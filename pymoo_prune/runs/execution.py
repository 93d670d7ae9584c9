"""Executing a run: search, finish, compare, write."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from pymoo_prune.engines import make_algorithm
from pymoo_prune.executors import Executor
from pymoo_prune.machine import versions
from pymoo_prune.measuring import Anatomies, anatomy
from pymoo_prune.objectives import Series
from pymoo_prune.problem import PruningProblem
from pymoo_prune.results import Front, baseline_series
from pymoo_prune.runs.files import STORE_FILE
from pymoo_prune.runs.folder import RunFolder
from pymoo_prune.runs.settings import Settings
from pymoo_prune.runs.summary import summary_of
from pymoo_prune.search import Display, Found, Profile, SearchReporter, Step, Store, search

THIS_SEARCH = "this search"
"""The front's name beside the baselines."""


def store_of(problem: PruningProblem, folder: Path) -> Store:
    """The evaluations of a run, in its folder."""
    return Store(folder / STORE_FILE, tuple(problem.quantities), problem.fingerprint, versions())


@dataclass(frozen=True)
class Execution:
    """One execution of a run, with all that it needs.

    Attributes:
        problem: What is searched, with its parent.
        settings: What the run depends on.
        folder: Where evaluations are kept, and results written.
        display: Shows progress.
        executor: Measures candidates.
        profile: Whether to write a trace of the first generations.
    """

    problem: PruningProblem
    settings: Settings
    folder: Path
    display: Display
    executor: Executor
    profile: bool = False

    def run(self) -> Front:
        """Everything; what the store has is not measured again."""
        store = store_of(self.problem, self.folder)
        try:
            found = self._search(store)
            front = self._finish(Front.from_found(self.problem, found))
            self._write(front, self._baselines(front, found, store), found, store)
        finally:
            store.close()
        return front

    def _search(self, store: Store) -> Found:
        settings, problem, executor = self.settings, self.problem, self.executor
        algorithm = make_algorithm(
            settings.algorithm, problem, settings.pop_size, surrogate=settings.surrogate
        )
        with self.display.phase("search") as update, ExitStack() as stack:
            reporter = SearchReporter(problem, update)
            stack.enter_context(executor.watched(lambda: reporter.refresh(executor)))
            watchers: list[Callable[[Step], None]] = [reporter]
            if self.profile:
                watchers.append(stack.enter_context(Profile(self.folder)))

            def note(step: Step) -> None:
                for watch in watchers:
                    watch(step)

            return search(
                problem,
                algorithm,
                settings.budget,
                seed=settings.seed,
                store=store,
                executor=executor,
                on_generation=note,
            )

    def _finish(self, front: Front) -> Front:
        with self.display.phase("finish") as update:
            done = iter(range(1, len(front) + 1))
            return front.finish(
                images=self.settings.finish_images,
                progress=lambda: update(next(done) / len(front), "retrain and test"),
            )

    def _baselines(self, front: Front, found: Found, store: Store) -> Sequence[Series]:
        settings = self.settings
        if not settings.baselines:
            return ()
        return baseline_series(
            front.problem,
            front,
            store=store,
            evaluations=found.last.evaluated,
            pop_size=settings.pop_size,
            seed=settings.seed,
            images=settings.finish_images,
            display=self.display,
            executor=self.executor,
        )

    def _write(self, front: Front, others: Sequence[Series], found: Found, store: Store) -> None:
        problem = self.problem
        parent = problem.parent_network()
        whole = None if parent is None else anatomy(parent, problem.data_set.shape)
        RunFolder(self.folder).write(
            front.X,
            problem.matrices(front.X),
            [front.series(THIS_SEARCH), *others],
            Anatomies(whole, front.layers or ()),
            summary_of(front, found, store, self.settings),
        )
