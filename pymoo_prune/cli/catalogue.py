"""The commands list, networks and reproduce."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import torch
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from pymoo_prune.cli.arguments import limits_of
from pymoo_prune.cli.workers import processes
from pymoo_prune.data import DATA_SETS
from pymoo_prune.engines import ENGINES
from pymoo_prune.errors import PruneError
from pymoo_prune.measuring import count_parameters, count_work
from pymoo_prune.networks import ZOO, named_network
from pymoo_prune.problem import (
    REPRODUCTIONS,
    find_problem,
    find_reproduction,
    module_of,
    registered,
    trust,
)
from pymoo_prune.runs import is_module, lasting


def do_list(options: argparse.Namespace, console: Console) -> None:  # noqa: ARG001
    """`pymoo-prune list`."""

    def line(text: str) -> None:
        console.print(f"  {text}", highlight=False, markup=False, soft_wrap=True)

    console.print("[bold]problems[/]")
    for name in sorted(registered()):
        cls = find_problem(name)
        summary = (cls.__doc__ or "").strip().splitlines()[0]
        line(f"{name:<22} {summary}")
        for preset, settings in cls.presets.items():
            line(f"  --preset {preset:<9} {settings.description}")
        line(f"  measures {', '.join(cls.offered())}")
    console.print("[bold]algorithms[/]")
    for name, text in ENGINES.items():
        line(f"{name:<22} {text}")
    console.print("[bold]data sets[/]")
    for name, text in DATA_SETS.items():
        line(f"{name:<22} {text}")
    console.print("[bold]reproductions[/]")
    line(", ".join(sorted(registered(REPRODUCTIONS))))


def do_networks(options: argparse.Namespace, console: Console) -> None:
    """`pymoo-prune networks`."""
    channels, classes, size = options.channels, options.classes, options.size
    for name in ("channels", "classes", "size"):
        if (value := getattr(options, name)) < 1:
            msg = f"--{name} must be at least 1, but it is {value}"
            raise PruneError(msg)
    title = f"networks for {channels}×{size}×{size} images, {classes} classes"
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("network", no_wrap=True)
    for number in ("parameters", "MACs", "layers"):
        table.add_column(number, justify="right", no_wrap=True)
    table.add_column("description", overflow="fold")
    for name, (*numbers, text) in _network_rows(channels, classes, size):
        table.add_row(name, *numbers, escape(text))
    console.print(table)


def _network_rows(channels: int, classes: int, size: int) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Names; parameters, MACs, prunable layers, and a description, or why there is no network."""
    for name, kind in ZOO.items():
        try:
            with torch.device("meta"):  # no weights are allocated
                network = named_network(name, channels=channels, classes=classes, size=(size, size))
            work = count_work(network, (channels, size, size))
        except PruneError as error:
            yield name, ("–", "–", "–", str(error))
        else:
            counts = count_parameters(network), work.macs, len(work.layers)
            yield name, (*(f"{count:,}" for count in counts), kind.description)


def do_reproduce(options: argparse.Namespace, console: Console) -> None:
    """`pymoo-prune reproduce`."""
    reproduce = find_reproduction(options.paper)
    if is_module(options.data):
        trust([str(module_of(options.data))])
    output = options.output or Path("runs") / f"{options.paper}-reproduction"
    try:
        with processes(options.workers) as executor:
            reproduce(
                output,
                runs=options.runs,
                data=lasting(options.data),
                data_root=options.data_root,
                download=options.download,
                networks=options.networks,
                budget=limits_of(options),
                executor=executor,
                console=console,
            )
    except KeyboardInterrupt:
        msg = f"stopped; what is in {output} is kept. The same command goes on"
        raise KeyboardInterrupt(msg) from None
