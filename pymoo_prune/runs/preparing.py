"""From settings to a problem with its parent, which is kept in a folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import nn

from pymoo_prune.data import load_data
from pymoo_prune.measuring import KnownLatencies
from pymoo_prune.problem import PruningProblem, build_problem, find_problem
from pymoo_prune.results import load_network, save_network
from pymoo_prune.runs.files import LATENCIES_FILE, PARENT_FOLDER
from pymoo_prune.runs.settings import Settings
from pymoo_prune.search import Display


def prepare_problem(
    settings: Settings, folder: Path, display: Display, *, download: bool = False
) -> PruningProblem:
    """The problem of a run or comparison, with its parent: trained the first time, and kept.

    Args:
        settings: What to prepare.
        folder: Where the parent and known latencies are kept.
        display: Shows progress.
        download: Whether to fetch the data set.
    """
    torch.set_num_threads(settings.threads)
    settings.check()  # before anything is trained
    data = load_data(
        settings.data,
        root=settings.data_root,
        download=download,
        validation=settings.validation,
    ).to(torch.device(settings.device))
    kept = folder / PARENT_FOLDER
    start = kept if kept.is_dir() else settings.parent
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
    parent = problem.parent_network()
    if parent is not None and not kept.is_dir():
        keep_parent(parent, kept)
    problem.known_latencies = KnownLatencies(folder / (settings.latencies or LATENCIES_FILE))
    if settings.front:
        problem = problem.with_goals(problem.goals.objectives, front=settings.front)
    return problem


def keep_parent(parent: nn.Module, folder: Path) -> None:
    """Saves a parent, complete or not at all.

    Args:
        parent: The network.
        folder: Its own folder, which is not there yet.
    """
    # Written beside and moved: half a parent would be taken for a whole one.
    part = folder.with_name(f".part-{folder.name}")
    save_network(parent, part, about={"role": "parent"}).replace(folder)
