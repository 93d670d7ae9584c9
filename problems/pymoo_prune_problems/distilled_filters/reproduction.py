"""The experiments of the distilled-filters paper: Tables I and II, and the claim of robustness."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing, nullcontext
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Any, Unpack

import numpy as np
from rich.console import Console
from torch import nn

from pymoo_prune.data import Data
from pymoo_prune.executors import Executor
from pymoo_prune.files import write_text
from pymoo_prune.machine import versions
from pymoo_prune.measuring import accuracy
from pymoo_prune.results import Front, WinningTicket, save_network, winning_ticket
from pymoo_prune.runs import (
    ReproductionOptions,
    chosen,
    kept_parent,
    kept_runs,
    limit_of,
    reproduced,
)
from pymoo_prune.search import Budget, Display, SearchReporter, Store, search
from pymoo_prune.training import train_parent
from pymoo_prune_problems.distilled_filters.experiments import (
    NAMES,
    PAPER,
    PAPER_PUBLISHED,
    PUBLISHED,
    REFITTED,
    SMALL,
    SMALL_PUBLISHED,
    Scale,
)
from pymoo_prune_problems.distilled_filters.problem import FITNESS, DistilledFilters
from pymoo_prune_problems.distilled_filters.tables import report

UNIFORM = "L1 norm, all layers alike"


def teacher(
    data: Data, name: str, scale: Scale, *, seed: int = 0, display: Display | None = None
) -> nn.Module:
    """A network, trained as the scale says.

    Args:
        data: The images.
        name: The network, of the zoo.
        scale: The scale of the reproduction.
        seed: The seed of weights and of the images' order.
        display: Shows progress; None for silence.
    """
    display = display or Display(Console(quiet=True))
    with display.phase("parent") as update:
        return train_parent(
            data,
            name,
            scale.teacher_images[name] / len(data.train),
            recipe=DistilledFilters.TEACHER,
            seed=seed,
            progress=lambda done: update(done, f"training {NAMES[name]}"),
        )


def one_network(
    data: Data,
    name: str,
    scale: Scale,
    *,
    seed: int = 0,
    display: Display | None = None,
    parent: nn.Module | None = None,
    store: Path | None = None,
    executor: Executor | None = None,
) -> tuple[dict[str, Any], WinningTicket]:
    """Teacher, search and winning ticket of one network: a row of Tables I and II.

    Args:
        data: The images.
        name: The network, of the zoo.
        scale: The scale of the reproduction.
        seed: The seed of everything random.
        display: Shows progress; None for silence.
        parent: The teacher; None trains one.
        store: Keeps the search's evaluations, so that a stopped one goes on; None keeps none.
        executor: Measures candidates; None measures them in this process.
    """
    display = display or Display(Console(quiet=True))
    began = perf_counter()
    parent = parent or teacher(data, name, scale, seed=seed, display=display)
    trained = perf_counter()
    problem = DistilledFilters(
        data, parent=parent, objectives=FITNESS, seed=seed, **scale.options.get(name, {})
    )
    front, evaluated = _searched(problem, scale.evaluations[name], seed, display, store, executor)
    searched = perf_counter()
    images = scale.finish_images[name]
    ticket = winning_ticket(front, pick="fittest", images=images, display=display)
    finished = perf_counter()
    with display.phase("baseline") as update:
        update(0.0, UNIFORM)
        rival, size = _rival(problem, ticket.compression)
        tested = accuracy(problem.finished(rival, images=images, seed=seed), data.test)
    row = {
        "network": name,
        "teacher_accuracy": ticket.parent.test_accuracy,
        "teacher_parameters": ticket.parent.parameters,
        "accuracy": ticket.ticket.test_accuracy,
        "compression": ticket.compression,
        "parameters": ticket.ticket.parameters,
        "macs_removed": ticket.macs_removed,
        "thop_macs": [ticket.parent.thop_macs, ticket.ticket.thop_macs],
        "speedups": list(ticket.speedups),
        "latencies": [
            [asdict(one) for one in each.latencies] for each in (ticket.parent, ticket.ticket)
        ],
        "robustness": [dict(each.robustness) for each in (ticket.parent, ticket.ticket)],
        "extra_losses": ticket.extra_losses,
        "uniform_accuracy": tested,
        "uniform_sizes": size,
        "branches_dropped": int((~problem.filters.genes.pieces(ticket.winner.x)).sum()),
        "branches": problem.filters.genes.n_pieces,
        "evaluations": evaluated,
        "seconds": {
            "teacher": round(trained - began, 1),
            "search": round(searched - trained, 1),
            "ticket": round(finished - searched, 1),
        },
    }
    return row, ticket


def _searched(
    problem: DistilledFilters,
    evaluations: int,
    seed: int,
    display: Display,
    store: Path | None,
    executor: Executor | None,
) -> tuple[Front, int]:
    """The paper's search: its front, and the number of evaluations."""
    if store is not None:
        # Each candidate is stored as soon as it is measured.
        problem.portions = replace(problem.portions, chunk=1)
    with (
        display.phase("search") as update,
        nullcontext() if store is None else closing(_opened(store, problem)) as opened,
    ):
        found = search(
            problem,
            problem.algorithm(),
            Budget(evaluations=evaluations),
            seed=seed,
            store=opened,
            executor=executor,
            on_generation=SearchReporter(problem, update),
        )
    return Front.from_candidates(problem, found.X, found.measurements), found.last.evaluated


def _opened(path: Path, problem: DistilledFilters) -> Store:
    return Store(path, tuple(problem.quantities), problem.fingerprint, versions())


def _rival(problem: DistilledFilters, compression: float) -> tuple[nn.Module, dict[str, float]]:
    """The network of L1 pruning at the ticket's size, and its sizes: no search is needed for it."""
    family = problem.filters.uniform(np.linspace(0, 1, 400))
    x = family[problem.filters.nearest(family, np.array([1 - compression]))[0]]
    sizes = {name: float(value[0]) for name, value in problem.preview.sizes(x[None]).items()}
    return problem.network(x), sizes


def reproduce(output: Path, **options: Unpack[ReproductionOptions]) -> None:
    """Tables I and II at a budget for two cores; goes on where it stopped."""
    _reproduce({"": SMALL}, output, options)


def reproduce_published(output: Path, **options: Unpack[ReproductionOptions]) -> None:
    """The same by the paper's recipe for candidates, nothing refitted; our recipe beside it."""
    _reproduce({PUBLISHED: SMALL_PUBLISHED, REFITTED: SMALL}, output, options)


def reproduce_fully(output: Path, **options: Unpack[ReproductionOptions]) -> None:
    """Both recipes at length, for a GPU."""
    _reproduce({PUBLISHED: PAPER_PUBLISHED, REFITTED: PAPER}, output, options)


def _reproduce(scales: Mapping[str, Scale], output: Path, options: ReproductionOptions) -> None:
    """One reproduction.

    Args:
        scales: Its scale for each recipe; a recipe without a name is the only one.
        output: The folder.
        options: The options of the command line.
    """
    display = Display(options["console"])
    names = chosen(next(iter(scales.values())).evaluations, options)
    if (evaluations := limit_of(options, "evaluations")) is not None:
        scales = {
            recipe: replace(scale, evaluations=dict.fromkeys(scale.evaluations, evaluations))
            for recipe, scale in scales.items()
        }
    # In this order each teacher's networks are made one after the other.
    rows = {
        f"{name}-{recipe.replace(' ', '-')}" if recipe else name: (name, recipe)
        for name in names
        for recipe in scales
    }

    def page(images: Data) -> str:
        def row(key: str, seed: int) -> dict[str, Any]:
            name, recipe = rows[key]
            make = partial(teacher, images, name, scales[recipe], seed=seed, display=display)
            found, ticket = one_network(
                images,
                name,
                scales[recipe],
                seed=seed,
                display=display,
                parent=kept_parent(output / f"teacher-{name}-{seed}", make),
                store=output / f"{key}-{seed}.sqlite",
                executor=options.get("executor"),
            )
            found |= {"recipe": recipe}
            _keep_ticket(output / f"{key}-{seed}", ticket, found, f"{NAMES[name]} on {images.name}")
            return found

        return report(kept_runs(output, rows, options["runs"], row), images.name)

    settings = {recipe: asdict(scale) for recipe, scale in scales.items()}
    reproduced(page, output, settings.get("", settings), **options)


def _keep_ticket(folder: Path, ticket: WinningTicket, row: Mapping[str, Any], title: str) -> None:
    save_network(ticket.network, folder, about={"row": row})
    ticket.draw(folder / "robustness.png")
    write_text(folder / "ticket.md", ticket.markdown(title=title, picture="robustness.png"))
