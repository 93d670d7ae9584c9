"""From settings to a problem with its parent, which is kept in a folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import nn

from pymoo_prune.data import DATA_SETS, Data
from pymoo_prune.errors import DataError, PruneError, StoreError
from pymoo_prune.measuring import KnownLatencies
from pymoo_prune.networks import own_inputs
from pymoo_prune.objectives import Objectives
from pymoo_prune.problem import (
    PruningProblem,
    build_problem,
    check_trust,
    default_objectives,
    objectives_on,
    own_network,
)
from pymoo_prune.results import (
    can_be_saved,
    is_onnx,
    load_network,
    load_onnx,
    load_weights,
    needs_own,
    save_network,
    save_weights,
    unknown_kind_in,
)
from pymoo_prune.runs.checks import check_parent
from pymoo_prune.runs.files import (
    LATENCIES_FILE,
    PARENT_FOLDER,
    PLAN_FILE,
    SHARED_LATENCIES,
)
from pymoo_prune.runs.folder import RunFolder
from pymoo_prune.runs.images import is_module, named_data
from pymoo_prune.runs.settings import GIVEN, Settings
from pymoo_prune.search import Display


class Given(NamedTuple):
    """What a caller brings along, in place of what settings name.

    Attributes:
        data: The images.
        network: The network to prune.
        place: Where the images are now: a name for `named_data`, which the caller trusts.
        named: Where the network's code is now: a name for `own_network`, which the caller trusts.
    """

    data: Data | None = None
    network: nn.Module | None = None
    place: str | None = None
    named: str | None = None


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
    metric = None if given.data is None else given.data.task.metric
    settings.check(metric=metric)  # before anything is trained
    data = given.data
    if data is None:
        data = _named_data(settings, folder, given.place, download=download)
    elif settings.own_metric is not None:
        data = data.judged_by(settings.own_metric)
    data = data.to(torch.device(settings.device))
    objectives = _objectives_on(data, settings)  # before the parent is loaded
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
        if objectives is not None:
            arguments["objectives"] = objectives
        problem = build_problem(settings.problem_class, data, settings.options, arguments)
    own = given.network is not None or settings.network is not None
    # A network that is named afterwards is not known to be the run's yet.
    if problem.parent is not None and not kept.is_dir() and given.named is None:
        if can_be_saved(problem.parent) or not own:
            keep_parent(own_inputs(problem.parent), kept)
        elif settings.parent is not None:
            keep_parent(own_inputs(problem.parent), kept, save=save_weights)
        # Any other network that no description can rebuild is brought along each time.
    problem.known_latencies = KnownLatencies(_latencies_file(settings, folder))
    judge = problem.judged[0] if problem.judged else "accuracy"
    if judge != "accuracy" and settings.objectives is None:
        why = f"is judged by {judge}" if data.labelled else "has no labels"
        display.console.print(
            f"{data.name} {why}: the objectives are {', '.join(problem.goals.searched)}",
            markup=False,
            highlight=False,
        )
    if settings.front:
        problem = problem.with_goals(problem.goals.objectives, front=settings.front)
    return problem


def _objectives_on(data: Data, settings: Settings) -> Objectives | None:
    """The objectives for some images, or an error that names one that needs labels.

    None leaves them to the problem.
    """
    cls, asked = settings.problem_class, settings.objectives
    default = default_objectives(cls)
    objectives = default if asked is None else asked
    if objectives is None:
        return asked
    found = objectives_on(data, cls, objectives, settings.constraints, settings.front)
    return asked if found is objectives else found


def _latencies_file(settings: Settings, folder: Path) -> Path:
    """The run's own file, or that of the comparison that it belongs to; nothing else."""
    if settings.latencies not in (None, SHARED_LATENCIES):
        msg = (
            f"{folder} keeps latencies in {settings.latencies!r}, outside of the run; this is "
            f"not followed: set latencies in its run.json to null or {SHARED_LATENCIES!r}"
        )
        raise StoreError(msg)
    file = folder / (settings.latencies or LATENCIES_FILE)
    if settings.latencies is not None:
        _check_shared(folder)
    return file


def _check_shared(folder: Path) -> None:
    """Refuses a file above a run that belongs to no comparison, and links in its place.

    Args:
        folder: The run's folder.
    """
    above = folder.absolute().parent.parent
    if not (above / PLAN_FILE).is_file():
        msg = (
            f"{folder} keeps latencies in {SHARED_LATENCIES!r}, but is no run of a comparison: "
            "nothing outside of it is changed; set latencies in its run.json to null"
        )
        raise StoreError(msg)
    for path in above.glob(f"{LATENCIES_FILE}*"):
        if path.is_symlink():
            msg = f"{path} is a link, and what is written there would change another file"
            raise StoreError(msg)


def _named_data(settings: Settings, folder: Path, place: str | None, *, download: bool) -> Data:
    name, expected = place or settings.data, RunFolder(folder).data_digest()
    if place is None and is_module(name) and settings.origin is not None:
        check_trust([name], settings.origin)
    try:
        data = named_data(
            name,
            root=settings.data_root if place is None else None,
            download=download,
            validation=settings.validation,
            metric=settings.own_metric,
        )
    except PruneError as error:
        if name in DATA_SETS or place is not None or settings.origin is None:
            raise
        end = "" if str(error).endswith((".", "?")) else "."
        msg = f"{error}{end} Say where the images are now: --data PATH"
        if settings.network == GIVEN:
            msg += f". {_IN_PYTHON.format(folder)}"
        raise (DataError if isinstance(error, DataError) else StoreError)(msg) from error
    moving = place is not None or name not in DATA_SETS  # others are the same everywhere
    if moving and expected not in (None, data.digest):
        msg = (
            f"{name} holds other images than those that the run in {folder} was made with; say "
            "where those are: --data PATH"
        )
        raise DataError(msg)
    return data


def _named_parent(settings: Settings, kept: Path, folder: Path) -> nn.Module | None:
    """The parent that is kept, or that settings name; None where the problem trains one."""
    own = settings.network
    check_parent(folder)
    if kept.is_dir():
        if own is not None and own != GIVEN and needs_own(kept):
            return load_weights(kept, own_network(own), own)
        return _kept_network(kept, settings)
    if own == GIVEN:
        msg = (
            f"the network of {folder} was given in Python and is not kept. {_IN_PYTHON}; or say "
            "which function gives the network: --network module:function"
        )
        raise StoreError(msg.format(folder))
    if settings.parent is None:
        return None if own is None else own_network(own)
    if is_onnx(settings.parent):
        if own is not None:
            msg = f"{settings.parent} holds a whole network: give it without --network"
            raise PruneError(msg)
        return load_onnx(settings.parent)
    if own is not None:
        return load_weights(settings.parent, own_network(own), own)
    _check_can_be_built(settings.parent)
    return load_network(settings.parent)


def _kept_network(kept: Path, settings: Settings) -> nn.Module:
    """The parent in a run's folder."""
    try:
        return load_network(kept)
    except PruneError as error:
        if settings.parent is not None or settings.network is not None:
            raise
        msg = f"{error}; or remove {kept}, and the parent is trained again"
        raise PruneError(msg) from error


def _check_can_be_built(parent: str) -> None:
    """Refuses weights without how to build their network."""
    remedy = f"say which network they are of: --parent {parent} --network my_module:network"
    if Path(parent).is_file():
        msg = f"{parent} holds weights, but not how to build their network; {remedy}"
        raise PruneError(msg)
    if (kind := unknown_kind_in(parent)) is not None:
        msg = f"{parent} holds weights of a network {kind!r} that nothing here builds; {remedy}"
        raise PruneError(msg)


def keep_parent(
    parent: nn.Module, folder: Path, *, save: Callable[..., Path] = save_network
) -> None:
    """Saves a parent, complete or not at all.

    Args:
        parent: The network.
        folder: Its own folder, which is not there yet.
        save: `save_network`, or `save_weights` where only the user can build the network.
    """
    save(parent, folder, about={"role": "parent"})
