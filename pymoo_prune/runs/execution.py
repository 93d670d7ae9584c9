"""Executing a run: search, finish, compare, write."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from pymoo_prune.engines import make_algorithm
from pymoo_prune.errors import NothingFoundError
from pymoo_prune.executors import Executor
from pymoo_prune.machine import versions
from pymoo_prune.measuring import Anatomies, anatomy
from pymoo_prune.objectives import Series
from pymoo_prune.problem import PruningProblem
from pymoo_prune.results import Finishing, FirstPopulation, Front, Keeper, baseline_series
from pymoo_prune.runs.files import FINISHED_FILE, STORE_FILE
from pymoo_prune.runs.folder import RunFolder
from pymoo_prune.runs.settings import Settings
from pymoo_prune.runs.share import share_of
from pymoo_prune.runs.summary import summary_of
from pymoo_prune.search import (
    Display,
    Found,
    Profile,
    SearchReporter,
    Step,
    Store,
    search,
    settle,
)

THIS_SEARCH = "this search"
"""The front's name beside the baselines."""


def store_of(problem: PruningProblem, folder: Path) -> Store:
    """The evaluations of a run, in its folder."""
    return Store(folder / STORE_FILE, tuple(problem.quantities), problem.fingerprint, versions())


def check_store(problem: PruningProblem, folder: Path) -> None:
    """Refuses a problem that is not the one whose evaluations are there; reads only."""
    path, quantities = folder / STORE_FILE, tuple(problem.quantities)
    Store(path, quantities, problem.fingerprint, read_only=True).close()


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
            self._files.write_data(self.problem.data_set)
            found = self._search(store)
            front, notes = self._finish(Front.from_found(self.problem, found))
            others = self._baselines(front, found, store)
            first = self._first_population(front, found)
            self._write(front, others, first, found, store, [*notes, *self._left_out])
        except NothingFoundError:
            self._settle(store)
            raise
        finally:
            store.close()
        return front

    @staticmethod
    def _settle(store: Store) -> None:
        """Closes the store; kills leave no trace in it."""
        store.close()
        settle(store.path)

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

    @property
    def _files(self) -> RunFolder:
        return RunFolder(self.folder)

    def _finish(self, front: Front) -> tuple[Front, Sequence[str]]:
        """The finished front, and what the report says of its networks' weights."""
        problem, images = self.problem, self.settings.finish_images
        finishing = Finishing.of(problem.fingerprint, images, front.X)
        known = self._files.finished_if_whole(finishing)
        keeper = Keeper(self.settings.keep_networks)
        front = Front(problem, front.X, front.columns, finished=known)
        with self.display.phase("finish") as update:
            done = iter(range(1, len(front) + 1))
            finished = front.finish(
                images=images,
                keep=keeper.add if known is None else None,
                progress=lambda: update(next(done) / len(front), "retrain and test"),
            )
        if known is None:
            keeper.write(self.folder / FINISHED_FILE, finishing, problem.data_set)
        return finished, keeper.notes("--keep-networks")

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

    @property
    def _left_out(self) -> Sequence[str]:
        """Sentences on the baselines that cannot be had here."""
        rivals = self.problem.rivals
        return () if rivals is None or not self.settings.baselines else rivals.left_out()

    def _first_population(self, front: Front, found: Found) -> FirstPopulation:
        return FirstPopulation.of(
            self.problem,
            found,
            front,
            images=self.settings.finish_images,
            display=self.display,
        )

    def _write(
        self,
        front: Front,
        others: Sequence[Series],
        first: FirstPopulation,
        found: Found,
        store: Store,
        notes: Sequence[str],
    ) -> None:
        problem = self.problem
        series = [
            front.series(THIS_SEARCH),
            *others,
            *([first.series] if len(first.series) else []),
        ]
        summary = {
            **summary_of(front, found, store, self.settings, notes),
            "first_population": first.about(),
            "search_share": share_of(series, problem),
        }
        self._settle(store)
        parent, matrices = problem.parent, problem.illustration.matrices
        whole = None if parent is None else anatomy(parent, problem.data_set.shape)
        self._files.write(
            front.X,
            None if matrices is None else matrices(front.X),
            series,
            Anatomies(whole, front.layers or ()),
            summary,
        )
