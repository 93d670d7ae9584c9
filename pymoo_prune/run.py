"""One run in one folder: settings, parent, evaluations, front, report; resumed where it stopped."""

from __future__ import annotations

import json
import zipfile
import zlib
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from torch import nn

from pymoo_prune.baselines import baseline_series
from pymoo_prune.complexity import thop_macs
from pymoo_prune.data import load_data
from pymoo_prune.errors import DataError, PruneError, StoreError
from pymoo_prune.export import load_network, save_network
from pymoo_prune.files import write_text, writing
from pymoo_prune.finish import Series
from pymoo_prune.front import Front, Member, csv_text, read_csv
from pymoo_prune.genome import pack, unpack
from pymoo_prune.machine import check_device, processor, versions
from pymoo_prune.objectives import Constraint, Goals
from pymoo_prune.problem import PruningProblem
from pymoo_prune.progress import Display, SearchReporter
from pymoo_prune.registry import build_problem, find_problem
from pymoo_prune.search import Found, make_algorithm, search
from pymoo_prune.settings import Settings
from pymoo_prune.store import Store
from pymoo_prune.ticket import BATCH_SIZES, WinningTicket, winning_ticket

SETTINGS, PARENT, STORE = "run.json", "parent", "evaluations.sqlite"
FRONT, CHROMOSOMES, SUMMARY = "front.csv", "front.npz", "summary.json"
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
            msg = f"{folder} is not a run folder: there is no {SETTINGS} in it"
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
        except StoreError:
            return False
        return True

    # Doing it.

    def execute(self, display: Display, *, download: bool = False) -> Front:
        """Everything: prepare, search, finish, compare, write. Goes on where it was stopped."""
        try:
            problem = self.prepare(display, download=download)
        except DataError:
            raise  # once the files are there, resume goes on
        except PruneError:
            self._forget_if_empty()
            raise
        store = self.store(problem)
        try:
            found = self._search(problem, store, display)
            front = Front.from_candidates(problem, found.X, found.measurements)
            images = self.settings.finish_images
            with display.phase("finish") as update:
                done = iter(range(1, len(front) + 1))
                front = front.finish(
                    images=images,
                    progress=lambda: update(next(done) / len(front), "retrain and test"),
                )
            others = baseline_series(
                problem,
                front,
                store=store,
                evaluations=found.last.evaluated,
                pop_size=self.settings.pop_size,
                seed=self.settings.seed,
                images=images,
                display=display,
            )
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
        cls = find_problem(settings.problem)
        # Before anything is trained: names and bounds that cannot be.
        bounds = [Constraint.parse(text) for text in settings.constraints]
        Goals(cls.quantities, settings.objectives or ("accuracy",), bounds)
        device = check_device(settings.device)
        data = load_data(
            settings.data,
            root=settings.data_root,
            download=download,
            validation=settings.validation,
        ).to(device)
        saved = self.folder / PARENT
        start = saved if saved.is_dir() else settings.parent
        with display.phase("parent") as update:
            given: dict[str, Any] = {
                "constraints": settings.constraints,
                "seed": settings.seed,
                "parent": None if start is None else load_network(start),
                "progress": lambda done: update(done, "training the parent"),
            }
            if settings.objectives is not None:
                given["objectives"] = settings.objectives
            problem = build_problem(cls, data, settings.options, given)
        self._keep_parent(problem.parent_network())
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

    def _search(self, problem: PruningProblem, store: Store, display: Display) -> Found:
        settings = self.settings
        algorithm = make_algorithm(
            settings.algorithm, problem, settings.pop_size, surrogate=settings.surrogate
        )
        with display.phase("search") as update:
            return search(
                problem,
                algorithm,
                settings.budget,
                seed=settings.seed,
                store=store,
                on_generation=SearchReporter(problem, update),
            )

    # What it leaves.

    def _write(self, front: Front, others: Sequence[Series], found: Found, store: Store) -> None:
        problem, reasons = front.problem, Counter(found.failures.values())
        with writing(self.folder / CHROMOSOMES) as path:
            np.savez_compressed(path, **pack(front.X))
        write_text(self.folder / FRONT, csv_text([front.series(THIS_SEARCH), *others]))
        summary = {
            "generations": found.last.generation,
            "evaluations": found.last.evaluated,
            "known_evaluations": store.hits,
            "seconds": round(found.last.seconds, 3),
            "parent": dict(problem.parent_measurements()),
            "goals": list(problem.goals.names),
            "knee": front.knee().place,
            "fittest": front.fittest().place if problem.n_obj == 1 else None,
            "failed": {
                "candidates": reasons.total(),
                "reasons": dict(reasons.most_common(REASONS)),
            },
            "notes": [*problem.notes(front.X), *failure_notes(reasons, found.last.evaluated)],
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

    def export(self, pick: str, output: Path | str | None, display: Display) -> tuple[Member, Path]:
        """Carries one network of the front away, retrained as the report shows it.

        Args:
            pick: As `Front.pick` takes it.
            output: Where to; None is a folder of the run.
            display: Shows progress.

        Returns:
            The network's row, and the folder with `network.pt` and `network.json`.
        """
        front = self.front(display)
        member = front.pick(pick)
        images = self.settings.finish_images
        network = member.network(finish_images=images).cpu()
        folder = Path(output) if output else self.folder / f"network-{member.place}"
        return member, self._carry(member, network, folder, images, member.values)

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
        shape = member.front.problem.data_set.shape
        about = {
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
        return save_network(network, folder, about=about)


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
