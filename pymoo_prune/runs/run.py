"""One run in one folder: settings, parent, evaluations, front, report; resumed where it stopped."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Self

from pymoo_prune.errors import DataError, PruneError
from pymoo_prune.executors import Executor, InProcess
from pymoo_prune.measuring import BATCH_SIZES
from pymoo_prune.problem import PruningProblem
from pymoo_prune.results import Carried, Front, WinningTicket, check_formats
from pymoo_prune.runs.carrying import Carrier
from pymoo_prune.runs.execution import Execution, check_store, store_of
from pymoo_prune.runs.folder import RunFolder
from pymoo_prune.runs.places import at_work
from pymoo_prune.runs.preparing import NOTHING_GIVEN, Given, prepare_problem
from pymoo_prune.runs.recorded import RecordedRun
from pymoo_prune.runs.run_front import RunFront
from pymoo_prune.runs.settings import Settings
from pymoo_prune.search import Display, Store


class Run(RecordedRun):
    """A run in its folder: made, executed, read, and its networks carried away.

    Args:
        folder: The run's folder.
        settings: What the run depends on.
        given: Data and a network that a caller brings along; nothing loads what settings name.
    """

    def __init__(self, folder: Path, settings: Settings, *, given: Given = NOTHING_GIVEN) -> None:
        super().__init__(folder, settings)
        self.given = given

    def __repr__(self) -> str:
        state = "finished" if self.complete else "not finished"
        title, engine = self.settings.title, self.settings.algorithm
        return f"Run({str(self.folder)!r}: {title}, {engine}, {state})"

    def _repr_html_(self) -> str:
        """What a notebook shows: the verdict, a picture and a table."""
        from pymoo_prune.runs.showing import run_html  # noqa: PLC0415 - it brings Bokeh

        return run_html(self)

    @classmethod
    def create(
        cls, folder: Path | str, settings: Settings, *, given: Given = NOTHING_GIVEN
    ) -> Self:
        """A new run; a folder with something in it is refused."""
        RunFolder(folder).create(settings)
        return cls(Path(folder), settings, given=given)

    @classmethod
    def open(cls, folder: Path | str, *, given: Given = NOTHING_GIVEN) -> Self:
        """A run that is there."""
        settings = RunFolder(folder).settings()
        if given.named is not None:
            settings = replace(settings, network=given.named)
        return cls(Path(folder), settings, given=given)

    def execute(
        self,
        display: Display,
        *,
        download: bool = False,
        executor: Executor | None = None,
        profile: bool = False,
    ) -> Front:
        """Everything: prepare, search, finish, compare, write. Goes on where it was stopped.

        Args:
            display: Shows progress.
            download: Whether to fetch the data set.
            executor: Measures candidates; None measures here. Results do not depend on it.
            profile: Whether to write a trace of the first generations; it does not show what
                workers do.
        """
        executor = executor or InProcess()
        try:
            with at_work(self.folder):
                own = None if self.given.data is None else self.given.data.task.metric
                self.settings.check(workers=executor.loses, metric=own)
                problem = self.prepare(display, download=download)
                execution = Execution(
                    problem, self.settings, self.folder, display, executor, profile
                )
                return execution.run()
        except DataError:
            raise  # resume goes on once the data set is there
        except PruneError:
            if self.settings.origin is None:  # a folder that was there is not ours to remove
                self._files.remove_if_empty()
            raise

    def prepare(self, display: Display, *, download: bool = False) -> PruningProblem:
        """The problem, with its parent: trained the first time, and kept."""
        problem = prepare_problem(
            self.settings, self.folder, display, download=download, given=self.given
        )
        if self.given.named is not None and self._files.has_store:
            check_store(problem, self.folder)
        return problem

    def store(self, problem: PruningProblem) -> Store:
        """The run's evaluations."""
        return store_of(problem, self.folder)

    # Its front.

    def front(self, display: Display) -> Front:
        """The front of a finished run, with chromosomes and networks."""
        front = self._front(display)
        _ = front.problem  # what is missing is an error here
        return front

    def _front(self, display: Display) -> RunFront:
        """The same; the problem is prepared where it is needed."""
        (series, *_), summary = self.results()
        X = self._files.chromosomes(series)
        return RunFront(
            lambda: self.prepare(display),
            X,
            series.columns,
            summary,
            self._files.finished(self.settings),
        )

    # Its networks.

    def export(
        self,
        pick: str,
        output: Path | str | None,
        display: Display,
        *,
        onnx: bool = False,
        int8: bool = False,
        latency: bool = False,
    ) -> Carried:
        """Carries one network of the front away, retrained as the report shows it.

        It needs no data where the run keeps the network, and neither ONNX nor latencies are asked
        for.

        Args:
            pick: Which network, as `Front.pick` takes it.
            output: Folder of the network; None is a folder of the run. Another exported network
                there is replaced.
            display: Shows progress.
            onnx: Whether to write `network.onnx` too, and to measure latencies.
            int8: Whether to write `network.int8.onnx` too; only with onnx.
            latency: Whether to measure latencies without ONNX too.

        Returns:
            Which network it is, its folder, and what was measured.
        """
        check_formats(onnx=onnx, int8=int8)  # before anything is retrained
        return self._carrier(display).export(
            pick, output, display, onnx=onnx, int8=int8, latency=latency
        )

    def ticket(
        self,
        pick: str,
        images: int | None,
        output: Path | str | None,
        display: Display,
        *,
        batch_sizes: Sequence[int] = BATCH_SIZES,
    ) -> tuple[WinningTicket, Path]:
        """Retrains one network of the front at length, and measures it beside its parent.

        Args:
            pick: Which network, as `Front.pick` takes it.
            images: Training images; None is ten times the run's own, or an epoch where it has none.
            output: Folder of the ticket; None is a folder of the run. Another ticket's files there
                are replaced.
            display: Shows progress.
            batch_sizes: How many images at once, for each latency.

        Returns:
            The ticket, and the folder with `ticket.md`, `robustness.png`, `network.pt` and
            `network.json`.
        """
        return self._carrier(display).ticket(pick, images, output, display, batch_sizes=batch_sizes)

    def _carrier(self, display: Display) -> Carrier:
        return Carrier(self._front(display), self.settings, self.folder)
