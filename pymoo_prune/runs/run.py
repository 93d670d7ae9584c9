"""One run in one folder: settings, parent, evaluations, front, report; resumed where it stopped."""

from __future__ import annotations

import json
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from torch import nn

from pymoo_prune.chromosomes import Array, pack, unpack
from pymoo_prune.data import load_data
from pymoo_prune.engines import make_algorithm, population_of
from pymoo_prune.errors import DataError, PruneError, StoreError
from pymoo_prune.executors import Executor, InProcess
from pymoo_prune.files import locked, write_text, writing
from pymoo_prune.machine import processor, versions
from pymoo_prune.measuring import BATCH_SIZES, Anatomies, KnownLatencies, anatomy, thop_macs
from pymoo_prune.objectives import Series
from pymoo_prune.problem import PruningProblem, build_problem, find_problem
from pymoo_prune.results import (
    Carried,
    Front,
    Member,
    WinningTicket,
    baseline_series,
    carry,
    check_formats,
    csv_text,
    is_exported,
    load_network,
    read_csv,
    save_network,
    winning_ticket,
)
from pymoo_prune.runs.settings import Settings
from pymoo_prune.search import Display, Found, Profile, SearchReporter, Step, Store, search

SETTINGS, PARENT, STORE = "run.json", "parent", "evaluations.sqlite"
FRONT, CHROMOSOMES, SUMMARY = "front.csv", "front.npz", "summary.json"
LAYERS, MATRICES = "layers.json", "matrices.npz"
LATENCIES = "latency.sqlite"
TICKET, TICKET_PAGE, TICKET_PICTURE = "ticket", "ticket.md", "robustness.png"
THIS_SEARCH = "this search"
AT_LENGTH = 10
"""How many times as many images a ticket is retrained with as the networks of the front."""
REASONS = 3
"""Reasons of failed candidates that are named, the most frequent first."""


class Run:
    """A run folder.

    Args:
        folder: Where it is.
        settings: What it does.
    """

    def __init__(self, folder: Path, settings: Settings) -> None:
        self.folder, self.settings = folder, settings

    @classmethod
    def create(cls, folder: Path | str, settings: Settings) -> Self:
        """A new run; a folder with something in it is refused."""
        folder = Path(folder)
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            hint = f"; 'pymoo-prune resume {folder}' goes on with it" if cls._is_run(folder) else ""
            msg = f"{folder} is there already{hint}; give another --output for a new run"
            raise StoreError(msg)
        folder.mkdir(parents=True, exist_ok=True)
        write_text(folder / SETTINGS, settings.to_json())
        return cls(folder, settings)

    @classmethod
    def open(cls, folder: Path | str) -> Self:
        """A run that is there."""
        folder = Path(folder)
        if not cls._is_run(folder):
            why = f"there is no {SETTINGS} in it" if folder.is_dir() else "there is no such folder"
            msg = f"{folder} is not a run folder: {why}"
            raise StoreError(msg)
        try:
            text = (folder / SETTINGS).read_text(encoding="utf-8")
            return cls(folder, Settings.from_json(text))
        except (ValueError, KeyError, TypeError) as error:
            msg = f"{folder / SETTINGS} cannot be read: {error}"
            raise StoreError(msg) from error

    @staticmethod
    def _is_run(folder: Path) -> bool:
        return (folder / SETTINGS).is_file()

    @property
    def complete(self) -> bool:
        """Whether it came to its end, and what it found can be read."""
        try:
            self.results()
            self._chromosomes()
            self.layers()
        except StoreError:
            return False
        return True

    # Doing it.

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
            profile: Whether to write a trace of the first generations; what workers do is not
                in it.
        """
        executor = executor or InProcess()
        try:
            with locked(self.folder):
                self.settings.check(workers=executor.loses)
                problem = self.prepare(display, download=download)
                return self._execute(problem, display, executor, profile=profile)
        except DataError:
            raise  # once the files are there, resume goes on
        except PruneError:
            self._forget_if_empty()
            raise

    def _execute(
        self, problem: PruningProblem, display: Display, executor: Executor, *, profile: bool
    ) -> Front:
        store = self.store(problem)
        try:
            found = self._search(problem, store, display, executor, profile=profile)
            front = Front.from_found(problem, found)
            images = self.settings.finish_images
            with display.phase("finish") as update:
                done = iter(range(1, len(front) + 1))
                front = front.finish(
                    images=images,
                    progress=lambda: update(next(done) / len(front), "retrain and test"),
                )
            others = self._others(front, found, store, display, executor)
            self._write(front, others, found, store)
        finally:
            store.close()
        return front

    def _forget_if_empty(self) -> None:
        """Removes a folder in which nothing happened: mended settings may want the same place."""
        if [path.name for path in self.folder.iterdir()] == [SETTINGS]:
            (self.folder / SETTINGS).unlink()
            self.folder.rmdir()

    def prepare(self, display: Display, *, download: bool = False) -> PruningProblem:
        """The problem, with its parent: trained the first time, and kept."""
        settings = self.settings
        torch.set_num_threads(settings.threads)
        settings.check()  # before anything is trained
        data = load_data(
            settings.data,
            root=settings.data_root,
            download=download,
            validation=settings.validation,
        ).to(torch.device(settings.device))
        saved = self.folder / PARENT
        start = saved if saved.is_dir() else settings.parent
        with display.phase("parent") as update:
            given: dict[str, Any] = {
                "constraints": settings.constraints,
                "seed": settings.seed if settings.problem_seed is None else settings.problem_seed,
                "parent": None if start is None else load_network(start),
                "progress": lambda done: update(done, "training the parent"),
            }
            if settings.objectives is not None:
                given["objectives"] = settings.objectives
            problem = build_problem(find_problem(settings.problem), data, settings.options, given)
        self._keep_parent(problem.parent)
        problem.known_latencies = KnownLatencies(self.folder / (settings.latencies or LATENCIES))
        if settings.front:
            problem = problem.with_goals(problem.goals.objectives, front=settings.front)
        return problem

    def _keep_parent(self, parent: nn.Module | None) -> None:
        saved = self.folder / PARENT
        if parent is None or saved.is_dir():
            return
        # Written beside and moved: a parent half written would be taken for whole.
        part = self.folder / f".part-{PARENT}"
        save_network(parent, part, about={"role": "parent"})
        part.replace(saved)

    def store(self, problem: PruningProblem) -> Store:
        """The run's evaluations."""
        return Store(
            self.folder / STORE, tuple(problem.quantities), problem.fingerprint, versions()
        )

    def _search(
        self,
        problem: PruningProblem,
        store: Store,
        display: Display,
        executor: Executor,
        *,
        profile: bool,
    ) -> Found:
        settings = self.settings
        algorithm = make_algorithm(
            settings.algorithm, problem, settings.pop_size, surrogate=settings.surrogate
        )
        with display.phase("search") as update, ExitStack() as stack:
            reporter = SearchReporter(problem, update)
            stack.enter_context(executor.watched(lambda: reporter.refresh(executor)))
            watchers: list[Callable[[Step], None]] = [reporter]
            if profile:
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

    def _others(
        self, front: Front, found: Found, store: Store, display: Display, executor: Executor
    ) -> Sequence[Series]:
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
            display=display,
            executor=executor,
        )

    # What it leaves.

    def _write(self, front: Front, others: Sequence[Series], found: Found, store: Store) -> None:
        problem, reasons = front.problem, Counter(found.failures.values())
        with writing(self.folder / CHROMOSOMES) as path:
            np.savez_compressed(path, **pack(front.X))
        if problem.illustration.matrices is not None:
            live, possible = problem.illustration.matrices(front.X)
            with writing(self.folder / MATRICES) as path:
                np.savez_compressed(path, live=live, possible=possible)
        write_text(self.folder / FRONT, csv_text([front.series(THIS_SEARCH), *others]))
        parent = problem.parent
        whole = None if parent is None else anatomy(parent, problem.data_set.shape)
        write_text(self.folder / LAYERS, Anatomies(whole, front.layers or ()).to_json())
        summary = {
            "generations": found.last.generation,
            "evaluations": found.last.evaluated,
            "population": population_of(found.last.algorithm),
            "known_evaluations": store.hits,
            "seconds": round(found.last.seconds, 3),
            "parent": dict(problem.parent_values),
            "data": problem.data_set.digest,
            "goals": list(problem.goals.names),
            "knee": front.knee().place,
            "fittest": front.fittest().place if problem.n_obj == 1 else None,
            "failed": {
                "candidates": reasons.total(),
                "reasons": dict(reasons.most_common(REASONS)),
            },
            "notes": [
                *notes_on(front),
                *failure_notes(reasons, found.last.evaluated),
            ],
            "versions": versions(),
            "machine": {
                "processor": processor(),
                "threads": self.settings.threads,
                "device": self.settings.device,
            },
        }
        write_text(self.folder / SUMMARY, json.dumps(summary, indent=2) + "\n")

    def results(self) -> tuple[list[Series], dict[str, Any]]:
        """The numbers of a complete run: the search's, the baselines', and the summary."""
        if not (self.folder / SUMMARY).is_file():
            msg = (
                f"{self.folder} is not finished; 'pymoo-prune resume {self.folder}' goes on with it"
            )
            raise StoreError(msg)
        try:
            summary = json.loads((self.folder / SUMMARY).read_text(encoding="utf-8"))
            return read_csv(self.folder / FRONT), summary
        except (OSError, ValueError, TypeError, KeyError) as error:
            msg = (
                f"the results in {self.folder} cannot be read: {error}; "
                f"'pymoo-prune resume {self.folder}' makes them again"
            )
            raise StoreError(msg) from error

    def layers(self) -> Anatomies | None:
        """What the front's networks are made of; None in folders from before that was kept."""
        path = self.folder / LAYERS
        if not path.is_file():
            return None
        try:
            layers = Anatomies.from_json(path.read_text(encoding="utf-8"))
        except (OSError, ValueError, TypeError, KeyError) as error:
            msg = (
                f"{path} cannot be read: {error}; 'pymoo-prune resume {self.folder}' makes it again"
            )
            raise StoreError(msg) from error
        if len(layers.networks) != (n := len(self.results()[0][0])):
            msg = (
                f"{path} has {len(layers.networks)} networks, but {FRONT} has {n}; "
                f"'pymoo-prune resume {self.folder}' makes both again"
            )
            raise StoreError(msg)
        return layers

    def matrices(self) -> tuple[Array, Array] | None:
        """The front's chromosomes as matrices, and cells that may live; None if it has none."""
        path = self.folder / MATRICES
        if not path.is_file():
            return None
        try:
            with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
                return arrays["live"], arrays["possible"]
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error) as error:
            msg = f"{path} cannot be read: {error}; remove it to do without"
            raise StoreError(msg) from error

    def front(self, display: Display) -> Front:
        """The front of a complete run, with chromosomes and networks."""
        series, _ = self.results()
        X = self._chromosomes()
        return Front(self.prepare(display), X, series[0].columns)

    def _chromosomes(self) -> Any:
        path = self.folder / CHROMOSOMES
        try:
            with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
                return unpack(arrays)
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error) as error:
            msg = (
                f"{path} cannot be read: {error}; 'pymoo-prune resume {self.folder}' makes it again"
            )
            raise StoreError(msg) from error

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

        Args:
            pick: As `Front.pick` takes it.
            output: Where to; None is a folder of the run. Another exported network is replaced.
            display: Shows progress.
            onnx: Whether to write `network.onnx` too, and to measure latencies.
            int8: Whether to write `network.int8.onnx` too; only with onnx.
            latency: Whether to measure latencies without ONNX too.

        Returns:
            Which network it is, its folder, and what was measured.
        """
        check_formats(onnx=onnx, int8=int8)  # before anything is retrained
        front = self.front(display)
        member = front.pick(pick)
        folder = Path(output) if output else self.folder / f"network-{member.place}"
        self._check_output(folder)
        images = self.settings.finish_images
        with display.phase("retraining the network"):
            network = member.network(finish_images=images)
        about = self._about(member, network, images, member.values)
        return carry(
            member,
            network,
            folder,
            about=about,
            onnx=onnx,
            int8=int8,
            latency=latency,
            display=display,
        )

    @classmethod
    def _check_output(cls, folder: Path) -> None:
        """Refuses a folder in which an exported network would replace something else."""
        cls._check_no_parent(folder)
        if folder.exists() and not folder.is_dir():
            msg = f"{folder} is a file"
        elif (folder / TICKET_PAGE).exists():
            msg = f"{folder} is a winning ticket, whose page would be of another network"
        elif folder.is_dir() and any(folder.iterdir()) and not is_exported(folder):
            msg = f"{folder} is there already, and is no exported network"
        else:
            return
        msg += "; give another --output"
        raise StoreError(msg)

    @classmethod
    def _check_no_parent(cls, folder: Path) -> None:
        """Refuses the folder of a run's parent."""
        place = folder.resolve()
        if place.name == PARENT and cls._is_run(place.parent):
            msg = (
                f"{folder} is the parent of the run in {place.parent}, which needs it; "
                "give another --output"
            )
            raise StoreError(msg)

    def ticket(
        self,
        pick: str,
        images: int | None,
        output: Path | str | None,
        display: Display,
        *,
        batch_sizes: Sequence[int] = BATCH_SIZES,
    ) -> tuple[WinningTicket, Path]:
        """Retrains one network of the front at length, measures it beside its parent, carries both.

        Args:
            pick: As `Front.pick` takes it.
            images: Training images; None is ten times the run's own, or an epoch where it has none.
            output: Where to; None is a folder of the run. Files of another ticket are replaced.
            display: Shows progress.
            batch_sizes: Images at once, for latencies.

        Returns:
            The ticket, and the folder with `ticket.md`, `robustness.png`, `network.pt` and
            `network.json`.
        """
        folder = Path(output) if output else self.folder / TICKET
        self._check_no_parent(folder)
        if folder.exists() and not folder.is_dir():  # before hours of retraining
            msg = f"{folder} is a file; give another --output, a folder"
            raise StoreError(msg)
        front = self.front(display)
        if images is None:
            images = AT_LENGTH * self.settings.finish_images or len(front.problem.data_set.train)
        ticket = winning_ticket(
            front, pick=pick, images=images, batch_sizes=batch_sizes, display=display
        )
        # The front's accuracies after retraining are those of another retraining.
        values = ticket.winner.values
        values = {n: value for n, value in values.items() if not n.startswith("finished")}
        values["finished_test_accuracy"] = ticket.ticket.test_accuracy
        self._carry(ticket.winner, ticket.network, folder, images, values)
        with writing(folder / TICKET_PICTURE) as path:
            ticket.draw(path)
        title = f"The winning ticket of {self.settings.problem} on {self.settings.data}"
        page = ticket.markdown(title=title, picture=TICKET_PICTURE)
        write_text(folder / TICKET_PAGE, page)
        return ticket, folder

    def _carry(
        self,
        member: Member,
        network: nn.Module,
        folder: Path,
        images: int,
        measurements: Mapping[str, float],
    ) -> Path:
        """Writes a network of the front, and what is known of it."""
        about = self._about(member, network, images, measurements)
        return carry(member, network, folder, about=about).folder

    def _about(
        self,
        member: Member,
        network: nn.Module,
        images: int,
        measurements: Mapping[str, float],
    ) -> dict[str, Any]:
        """What is known of a network of the front."""
        shape = member.front.problem.data_set.shape
        return {
            "input_shape": list(shape),
            "measurements": dict(measurements),
            "macs_by_thop": thop_macs(network, shape),
            "made_by": {
                "run": str(self.folder),
                "problem": self.settings.problem,
                "seed": self.settings.seed,
                "network": member.place,
                "retrained_with_images": images,
            },
            "versions": versions(),
        }


def notes_on(front: Front) -> list[str]:
    """What a reader should know of a front's networks: the problem's notes, and on latencies."""
    problem = front.problem
    notes = [*problem.illustration.notes(front.X)]
    return notes if problem.latencies is None else [*notes, problem.latencies.note(front.X)]


def failure_notes(reasons: Counter[str], evaluations: int) -> list[str]:
    """What a reader should know where candidates failed: how many, and most of the reasons.

    Args:
        reasons: How many candidates failed for each.
        evaluations: How many candidates the search asked for.
    """
    if not reasons:
        return []
    total, most = reasons.total(), reasons.most_common(REASONS)
    rest = total - sum(count for _, count in most)
    parts = [f"{reason} ({count:,}×)" for reason, count in most]
    parts += [f"other reasons ({rest:,}×)"] if rest else []
    who = "candidate" if total == 1 else "candidates"
    text = f"{total:,} {who} failed in {evaluations:,} evaluations: {', '.join(parts)}."
    return [f"{text} Who failed is ranked last, and is in no table."]
