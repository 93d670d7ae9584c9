"""Reproductions of papers: a folder in which nothing is made twice, and a page."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Literal, NotRequired, TypedDict, Unpack

import torch
from rich.console import Console
from torch import nn

from pymoo_prune.data import Data
from pymoo_prune.errors import PruneError, unknown_name
from pymoo_prune.executors import Executor
from pymoo_prune.files import holds_something, write_text
from pymoo_prune.results import load_network
from pymoo_prune.runs.files import REPORT_PAGE, REPRODUCED_FILE
from pymoo_prune.runs.images import is_module, named_data
from pymoo_prune.runs.preparing import keep_parent
from pymoo_prune.runs.unreadable import reading
from pymoo_prune.search import Budget


def prepare(
    output: Path,
    settings: Mapping[str, Any],
    *,
    runs: int,
    data: str,
    data_root: str | None,
    download: bool = False,
    validation: int | None = None,
    gpu: bool = True,
) -> Data:
    """Loads the images and makes the folder; one with results of other settings is refused.

    Args:
        output: The folder.
        settings: What results depend on besides the data set, as plain values.
        runs: How many runs each setting has; a folder may get more of them later.
        data: Name of the images, as `named_data` takes it.
        data_root: Folder of data sets.
        download: Whether to fetch a data set.
        validation: How many validation images; None leaves it to `load_data`. Data in a module may
            have their parts already.
        gpu: Whether the images go to a GPU, where there is one.
    """
    if runs < 1:
        msg = f"--runs must be at least 1, but it is {runs}"
        raise PruneError(msg)
    held_out = None if is_module(data) else validation
    images = named_data(data, root=data_root, download=download, validation=held_out)
    settings_file = output / REPRODUCED_FILE
    if output.exists() and not settings_file.is_file() and holds_something(output):
        msg = f"{output} is there already, and is no reproduction; take another --output"
        raise PruneError(msg)
    output.mkdir(parents=True, exist_ok=True)
    wanted: dict[str, Any] = json.loads(json.dumps({"data": data, **settings}))
    found: dict[str, Any] = kept(settings_file, lambda: wanted)
    if found != wanted:
        names, nothing = sorted(wanted.keys() | found.keys()), object()
        differing = [
            name for name in names if wanted.get(name, nothing) != found.get(name, nothing)
        ]
        msg = (
            f"{output} holds results of another reproduction: {', '.join(differing)} differ; "
            "take another --output"
        )
        raise PruneError(msg)
    return images.to("cuda") if gpu and torch.cuda.is_available() else images


def kept(path: Path, make: Callable[[], Any]) -> Any:
    """A result from its file; where there is none, it is made and written.

    Args:
        path: A JSON file.
        make: Makes the result, of plain values.
    """
    if not path.is_file():
        write_text(path, json.dumps(make(), indent=2) + "\n")
    with reading(path, "remove it, and it is made again"):
        return json.loads(path.read_text(encoding="utf-8"))


def kept_runs(
    output: Path, names: Iterable[str], runs: int, make: Callable[[str, int], Any]
) -> dict[str, list[Any]]:
    """The results of all runs of each setting, from the files NAME-SEED.json.

    Args:
        output: The folder.
        names: The settings' names.
        runs: How many runs each setting has; their seeds are 0, 1, ...
        make: Makes the result of a setting and a seed, where it is not there.
    """
    return {
        name: [
            kept(output / f"{name}-{seed}.json", partial(make, name, seed)) for seed in range(runs)
        ]
        for name in names
    }


def kept_parent(folder: Path, make: Callable[[], nn.Module]) -> nn.Module:
    """A network from its folder, on the CPU; where there is none, it is made and saved.

    Args:
        folder: The network's own folder.
        make: Makes the network, as a rule by training it.
    """
    if not folder.is_dir():
        keep_parent(make(), folder)
    return load_network(folder)


def publish(page: str, output: Path, console: Console) -> None:
    """Writes the page into the folder, prints it, and says where it is.

    Args:
        page: The page in Markdown.
        output: The folder.
        console: Prints the page.
    """
    path = output / REPORT_PAGE
    write_text(path, page)
    for text in (page, f"report: {path}"):
        console.print(text, emoji=False, highlight=False, markup=False, soft_wrap=True)


class ReproductionOptions(TypedDict):
    """The options of `pymoo-prune reproduce`, besides the folder.

    Attributes:
        runs: Runs of each setting, with the seeds 0, 1, ...
        data: Name of the images, as `named_data` takes it.
        data_root: Where data sets lie.
        console: Where progress and the page go.
        download: Whether to fetch the data set.
        networks: Some of the paper's networks, which `chosen` checks; None is all of them.
        budget: The budget of each search, which `limit_of` checks; None is the reproduction's own.
        executor: Measures the candidates of searches; None measures them in this process.
    """

    runs: int
    data: str
    data_root: str | None
    console: Console
    download: NotRequired[bool]
    networks: NotRequired[list[str] | None]
    budget: NotRequired[Budget | None]
    executor: NotRequired[Executor | None]


def chosen(networks: Iterable[str], options: ReproductionOptions) -> tuple[str, ...]:
    """The networks that a reproduction goes through: all of them, or those that a user named.

    Args:
        networks: The paper's networks, by name; none where it has only one.
        options: The options of the command line.
    """
    offered, named = tuple(networks), options.get("networks")
    if named is None:
        return offered
    if not offered:
        raise PruneError("--networks chooses among a paper's networks, but this one has only one")
    for name in named:
        if name not in offered:
            raise unknown_name("network of the paper", name, offered)
    return tuple(name for name in offered if name in named)


def limit_of(
    options: ReproductionOptions, limit: Literal["generations", "evaluations"]
) -> int | None:
    """The limit of each search that a user gave; None where they gave none.

    Args:
        options: The options of the command line.
        limit: What the reproduction's searches are limited by; other limits are refused.
    """
    budget = options.get("budget")
    if budget is None:
        return None
    found: int | None = getattr(budget, limit)
    if found is None or budget != Budget(**{limit: found}):
        msg = f"searches of this reproduction end after a number of {limit}: give --{limit} alone"
        raise PruneError(msg)
    return found


def without_workers(options: ReproductionOptions) -> None:
    """Refuses workers where a candidate costs less than to hand it to one.

    Args:
        options: The options of the command line.
    """
    if options.get("executor") is not None:
        msg = (
            "--workers is for reproductions whose candidates take long; here a generation takes "
            "less time than to hand it to workers: leave --workers out"
        )
        raise PruneError(msg)


def reproduced(
    make: Callable[[Data], str],
    output: Path,
    settings: Mapping[str, Any],
    *,
    validation: int | None = None,
    gpu: bool = True,
    **options: Unpack[ReproductionOptions],
) -> None:
    """One reproduction: loads the images, makes all results, and publishes the page.

    Args:
        make: Makes the results from the images, and gives the page, in Markdown.
        output: The folder.
        settings: See `prepare`.
        validation: See `prepare`.
        gpu: See `prepare`.
        options: The options of the command line.
    """
    images = prepare(
        output,
        settings,
        runs=options["runs"],
        data=options["data"],
        data_root=options["data_root"],
        download=options.get("download", False),
        validation=validation,
        gpu=gpu,
    )
    publish(make(images), output, options["console"])
