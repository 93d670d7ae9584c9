"""One call for a network of one's own: prune it, and look at the front."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import NoneType
from typing import Any

import torch
from rich.console import Console
from torch import nn

from pymoo_prune.data import Data
from pymoo_prune.errors import PruneError, check_kind, unknown_name
from pymoo_prune.executors import Executor
from pymoo_prune.networks import Builder, name_of
from pymoo_prune.objectives import Objectives
from pymoo_prune.problem import find_problem, preset_of
from pymoo_prune.results import Front
from pymoo_prune.runs.folder import RunFolder, new_folder
from pymoo_prune.runs.images import lasting, named_data
from pymoo_prune.runs.preparing import Given
from pymoo_prune.runs.report import Report
from pymoo_prune.runs.run import Run
from pymoo_prune.runs.settings import GIVEN, Settings
from pymoo_prune.search import Budget, Display
from pymoo_prune.training import seeded

KINDS: Mapping[str, str] = {
    "filters": "distilled-filters",
    "weights": "layer-vector",
    "neurons": "ecomp",
    "connections": "dense-connectivity",
}
"""What can be pruned, and the problem that does it."""


def prune(
    network: Builder,
    data: Data | str,
    what: str = "filters",
    *,
    objectives: Objectives | None = None,
    constraints: Sequence[str] = (),
    preset: str | None = None,
    options: Mapping[str, Any] | None = None,
    algorithm: str | None = None,
    pop_size: int | None = None,
    budget: Budget | None = None,
    finish_images: int | None = None,
    baselines: bool = True,
    seed: int = 0,
    output: Path | str | None = None,
    executor: Executor | None = None,
    console: Console | None = None,
) -> Front:
    """Prunes a trained network: searches, retrains the front, compares, and writes a report.

    It does what `pymoo-prune run` does. Where it is stopped, the same call with the same `output`
    goes on; where it is done, the same call reads the front.

    Args:
        network: Any classifier that the problem can follow; it is not changed. Or a function or
            class without arguments that makes one: where it can be imported, pruned networks can
            be saved and loaded again, as with `networks.described`.
        data: The images, or a data set's name, a folder, a file or "package.module:name".
        what: One of `KINDS`, or a problem's name: "filters", "weights", "neurons", "connections".
        objectives: Names of quantities, or a scalarisation; None takes the preset's.
        constraints: Bounds, such as "accuracy_drop<=0.02".
        preset: The problem's settings by name; None is the first.
        options: Options of the problem; they take the place of the preset's.
        algorithm: An engine's name; None takes the preset's.
        pop_size: Candidates of a generation; None takes the preset's.
        budget: When the search ends; None takes the preset's.
        finish_images: Images that each network of the front is retrained with; None takes the
            preset's.
        baselines: Whether simpler methods, retrained alike, stand beside the front in the report.
        seed: The engine's and the problem's seed.
        output: The run's folder; None makes one under `runs`.
        executor: Measures candidates; None measures here.
        console: Shows progress; None takes the terminal.

    Returns:
        The front, retrained and tested. Its report stands in the folder, `report.md`.
    """
    given, name = _given(network)
    check_kind("what", what, str, f"one of {', '.join(KINDS)}, or a problem's name")
    check_kind("data", data, (Data, str), "a data set, or a name")
    check_kind("options", options, (Mapping, NoneType), "an object of options by name")
    check_kind("constraints", constraints, (list, tuple), "a list of texts")
    problem = KINDS.get(what, what)
    if problem == what and ":" not in what:
        _check_name(what)
    images = named_data(data) if isinstance(data, str) else data
    device = images.train.images.device
    chosen = preset_of(find_problem(problem), preset)
    settings = Settings(
        problem=problem,
        algorithm=algorithm or chosen.engine_for(objectives),
        pop_size=chosen.pop_size if pop_size is None else pop_size,
        budget=budget or Budget(generations=chosen.generations, seconds=chosen.seconds),
        options={**chosen.options, **(options or {})},
        data=lasting(data) if isinstance(data, str) else images.name,
        objectives=objectives or chosen.objectives,
        constraints=tuple(constraints),
        seed=seed,
        device=str(device),
        finish_images=chosen.finish_images if finish_images is None else finish_images,
        baselines=baselines,
        network=name,
    )
    console = console or Console()
    run = _run_in(Path(output) if output else new_folder(what), settings, Given(images, given))
    display = Display(console)
    if run.complete:
        front = run.front(display)
        run.store(front.problem).close()  # refuses another network or other images
    else:
        front = run.execute(display, executor=executor)
    page = Report(run).write()
    console.print(f"report: {page}", markup=False, highlight=False, soft_wrap=True)
    return front


def _given(network: Builder) -> tuple[nn.Module | None, str]:
    """The network of the caller's, and its name; None where the name alone leads to it."""
    if callable(network) and not isinstance(network, nn.Module):
        if (name := name_of(network)) is not None:
            return None, name
        with seeded(0, torch.device("cpu")):  # random weights are the same each time
            network = network()
    if not isinstance(network, nn.Module):
        msg = f"network must be a torch.nn.Module, but it is a {type(network).__name__}"
        raise PruneError(msg)
    return network, GIVEN


def _check_name(what: str) -> None:
    try:
        find_problem(what)
    except PruneError:
        raise unknown_name("kind of pruning", what, KINDS) from None


def _run_in(folder: Path, settings: Settings, given: Given) -> Run:
    """A new run, or the run of the same settings that is there."""
    if not RunFolder(folder).is_run:
        return Run.create(folder, settings, given=given)
    run = Run.open(folder, given=given)
    if run.settings.to_json() != settings.to_json():
        msg = (
            f"{folder} holds a run with other settings (see run.json); give the same arguments to "
            "go on with it, or another output"
        )
        raise PruneError(msg)
    return run
