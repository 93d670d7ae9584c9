"""Reproductions of papers: a folder in which nothing is made twice, and a page."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, TypedDict, Unpack

import torch
from rich.console import Console
from torch import nn

from pymoo_prune.data import Data, load_data
from pymoo_prune.errors import PruneError
from pymoo_prune.files import write_text
from pymoo_prune.results import load_network
from pymoo_prune.runs.files import REPORT_PAGE
from pymoo_prune.runs.preparing import keep_parent
from pymoo_prune.runs.unreadable import reading

REPRODUCED_FILE = "settings.json"
"""The settings that a reproduction's results depend on."""


def prepare(
    output: Path,
    settings: Mapping[str, Any],
    *,
    runs: int,
    data: str,
    data_root: str | None,
    validation: int | None = None,
    gpu: bool = True,
) -> Data:
    """Loads the images and makes the folder; one with results of other settings is refused.

    Args:
        output: The folder.
        settings: What results depend on besides the data set, as plain values.
        runs: How many runs each setting has; a folder may get more of them later.
        data: Name of the data set.
        data_root: Folder of data sets.
        validation: How many validation images; None leaves it to `load_data`.
        gpu: Whether the images go to a GPU, where there is one.
    """
    if runs < 1:
        msg = f"--runs must be at least 1, but it is {runs}"
        raise PruneError(msg)
    images = load_data(data, root=data_root, validation=validation)
    output.mkdir(parents=True, exist_ok=True)
    wanted: dict[str, Any] = json.loads(json.dumps({"data": data, **settings}))
    found: dict[str, Any] = kept(output / REPRODUCED_FILE, lambda: wanted)
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
        data: Name of the data set.
        data_root: Where data sets lie.
        console: Where progress and the page go.
    """

    runs: int
    data: str
    data_root: str | None
    console: Console


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
        validation=validation,
        gpu=gpu,
    )
    publish(make(images), output, options["console"])
