"""From settings to a problem with its parent, which is kept in a folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import nn

from pymoo_prune.data import Data, load_data
from pymoo_prune.errors import PruneError, StoreError
from pymoo_prune.measuring import KnownLatencies
from pymoo_prune.problem import PruningProblem, build_problem, own_network
from pymoo_prune.results import can_be_saved, load_network, save_network
from pymoo_prune.runs.files import LATENCIES_FILE, PARENT_FOLDER, SHARED_LATENCIES
from pymoo_prune.runs.settings import GIVEN, Settings
from pymoo_prune.search import Display


class Given(NamedTuple):
    """What a caller brings along, in place of what settings name.

    Attributes:
        data: The images.
        network: The network to prune.
    """

    data: Data | None = None
    network: nn.Module | None = None


NOTHING_GIVEN = Given()
_IN_PYTHON = (
    "The run in {} was made by prune() with a network or data of the caller's; call it again with "
    "the same arguments and this folder as output: its front has the networks"
)


def prepare_problem(
    settings: Settings,
    folder: Path,
    display: Display,
    *,
    download: bool = False,
    given: Given = NOTHING_GIVEN,
) -> PruningProblem:
    """The problem of a run or comparison, with its parent: trained the first time, and kept.

    Args:
        settings: What to prepare.
        folder: Where the parent and known latencies are kept.
        display: Shows progress.
        download: Whether to fetch the data set.
        given: Data and a network that take the place of what settings name.
    """
    torch.set_num_threads(settings.threads)
    settings.check()  # before anything is trained
    data = given.data
    if data is None:
        data = _named_data(settings, folder, download=download)
    data = data.to(torch.device(settings.device))
    kept = folder / PARENT_FOLDER
    parent = given.network
    if parent is None:
        parent = _named_parent(settings, kept, folder)
    with display.phase("parent") as update:
        arguments: dict[str, Any] = {
            "constraints": settings.constraints,
            "seed": settings.seed if settings.problem_seed is None else settings.problem_seed,
            "parent": parent,
            "progress": lambda done: update(done, "training the parent"),
        }
        if settings.objectives is not None:
            arguments["objectives"] = settings.objectives
        problem = build_problem(settings.problem_class, data, settings.options, arguments)
    own = given.network is not None or settings.network is not None
    # A network of the user's own that no description can rebuild is brought along each time.
    keeps = problem.parent is not None and (can_be_saved(problem.parent) or not own)
    if problem.parent is not None and keeps and not kept.is_dir():
        keep_parent(problem.parent, kept)
    problem.known_latencies = KnownLatencies(_latencies_file(settings, folder))
    if settings.front:
        problem = problem.with_goals(problem.goals.objectives, front=settings.front)
    return problem


def _latencies_file(settings: Settings, folder: Path) -> Path:
    """The run's own file, or that of the comparison that it belongs to; nothing else."""
    if settings.latencies not in (None, SHARED_LATENCIES):
        msg = (
            f"{folder} keeps latencies in {settings.latencies!r}, outside of the run; this is "
            f"not followed: set latencies in its run.json to null or {SHARED_LATENCIES!r}"
        )
        raise StoreError(msg)
    return folder / (settings.latencies or LATENCIES_FILE)


def _named_data(settings: Settings, folder: Path, *, download: bool) -> Data:
    try:
        return load_data(
            settings.data,
            root=settings.data_root,
            download=download,
            validation=settings.validation,
        )
    except PruneError as error:
        if settings.network != GIVEN:
            raise
        msg = f"{error}. {_IN_PYTHON.format(folder)}"
        raise StoreError(msg) from error


def _named_parent(settings: Settings, kept: Path, folder: Path) -> nn.Module | None:
    """The parent that is kept, or that settings name; None where the problem trains one."""
    if kept.is_dir():
        return load_network(kept)
    if settings.network == GIVEN:
        msg = f"the network of {folder} was given in Python and is not kept. {_IN_PYTHON}"
        raise StoreError(msg.format(folder))
    if settings.network is not None:
        return own_network(settings.network)
    return None if settings.parent is None else load_network(settings.parent)


def keep_parent(parent: nn.Module, folder: Path) -> None:
    """Saves a parent, complete or not at all.

    Args:
        parent: The network.
        folder: Its own folder, which is not there yet.
    """
    # Written beside and moved: half a parent would be taken for a whole one.
    part = folder.with_name(f".part-{folder.name}")
    save_network(parent, part, about={"role": "parent"}).replace(folder)
