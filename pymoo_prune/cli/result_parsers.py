"""The parsers of commands that show, write and carry away what was found; see `parsers`."""

from __future__ import annotations

import argparse
from pathlib import Path

from pymoo_prune.cli.options import (
    Commands,
    add_figures,
    add_hypervolume,
    add_places,
    add_trust,
)
from pymoo_prune.exchange import FORMATS
from pymoo_prune.measuring import BATCH_SIZES
from pymoo_prune.runs import AT_LENGTH


def add_report(commands: Commands) -> None:
    """`pymoo-prune report`."""
    command = commands.add_parser(
        "report",
        help="show a finished run, comparison or study, and write its report again",
        usage="%(prog)s FOLDER [options]",
    )
    command.add_argument(
        "folder", type=Path, metavar="FOLDER", help="folder of a run, comparison or study"
    )
    command.add_argument(
        "--html", action="store_true", help="write report.html too: interactive, opens offline"
    )
    command.add_argument(
        "--latex", action="store_true", help="write each table into tables/NAME.tex too"
    )
    command.add_argument(
        "--output",
        type=Path,
        metavar="FOLDER",
        help="where the report goes, for folders that cannot be written to; default: FOLDER",
    )
    add_figures(command)
    add_hypervolume(command)
    add_trust(command)
    command.set_defaults(command="pymoo_prune.cli.results:do_report")


def add_cite(commands: Commands) -> None:
    """`pymoo-prune cite`."""
    command = commands.add_parser(
        "cite",
        help="print BibTeX of what runs, comparisons and studies used",
        usage="%(prog)s [FOLDER ...] [options]",
    )
    command.add_argument(
        "folders",
        nargs="*",
        type=Path,
        metavar="FOLDER",
        help="folders of runs, comparisons and studies; default: pymoo-prune and pymoo alone",
    )
    add_trust(command)
    command.set_defaults(command="pymoo_prune.cli.results:do_cite")


def add_data(commands: Commands) -> None:
    """`pymoo-prune data`."""
    command = commands.add_parser(
        "data",
        help="write all evaluations of a run, comparison or study for other tools",
        usage="%(prog)s FOLDER --format FORMAT [options]",
    )
    command.add_argument(
        "folder", type=Path, metavar="FOLDER", help="of a run, comparison or study, finished or not"
    )
    command.add_argument(
        "--format",
        required=True,
        choices=tuple(FORMATS),
        help="; ".join(f"{name}: {form.about}" for name, form in FORMATS.items()),
    )
    command.add_argument(
        "--output",
        type=Path,
        metavar="PATH",
        help="a new file, or a new folder for ioh and moocore; default: in FOLDER, "
        + ", ".join(form.output for form in FORMATS.values()),
    )
    add_trust(command)
    command.set_defaults(command="pymoo_prune.cli.data:do_data")


def add_export(commands: Commands) -> None:
    """`pymoo-prune export`."""
    command = commands.add_parser(
        "export",
        help="write a network of a finished run into a folder of its own",
        usage="%(prog)s FOLDER [options]",
    )
    _add_folder_and_pick(command)
    command.add_argument(
        "--output",
        type=Path,
        metavar="FOLDER",
        help="where the network goes; default: network-N in the run's folder",
    )
    command.add_argument(
        "--format",
        choices=("pt", "onnx"),
        default="pt",
        help="pt: for torch; onnx: for onnxruntime too, with latencies of both; default: pt",
    )
    command.add_argument(
        "--int8", action="store_true", help="with onnx: write a model in eight bits too"
    )
    command.add_argument("--latency", action="store_true", help="measure latencies with pt too")
    add_places(command)
    add_trust(command)
    command.set_defaults(command="pymoo_prune.cli.results:do_export")


def add_ticket(commands: Commands) -> None:
    """`pymoo-prune ticket`."""
    command = commands.add_parser(
        "ticket",
        help="retrain a network of a finished run at length, and test it with its parent",
        usage="%(prog)s FOLDER [options]",
    )
    _add_folder_and_pick(command)
    command.add_argument(
        "--images",
        type=int,
        metavar="N",
        help=f"training images; default: {AT_LENGTH} times the run's --finish, or an epoch",
    )
    command.add_argument(
        "--output",
        type=Path,
        metavar="FOLDER",
        help="where page, picture and network go; default: ticket in the run's folder",
    )
    command.add_argument(
        "--batch-sizes",
        nargs="+",
        type=int,
        default=list(BATCH_SIZES),
        metavar="N",
        help=f"images in a batch, for latencies; default: {' '.join(map(str, BATCH_SIZES))}",
    )
    add_places(command)
    add_trust(command)
    command.set_defaults(command="pymoo_prune.cli.results:do_ticket")


def _add_folder_and_pick(command: argparse.ArgumentParser) -> None:
    command.add_argument("folder", type=Path, metavar="FOLDER", help="folder of a finished run")
    command.add_argument(
        "--pick",
        default="suggestion",
        metavar="CHOICE",
        help="suggestion (the arrow in the report's table), knee, fittest, a number of the table, "
        "a quantity (the best in it), or a bound such as 'accuracy_drop<=0.02' (the smallest "
        "within it) or 'macs<=20%%' (the most accurate); default: suggestion",
    )
