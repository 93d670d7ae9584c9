"""The commands for finished runs: report, export, ticket."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from pymoo_prune.cli.arguments import Commands, add_place_of_data, add_trust, given_of
from pymoo_prune.comparing import FRONTS_PICTURE, Campaign, ComparisonReport, report_of_campaign
from pymoo_prune.measuring import BATCH_SIZES
from pymoo_prune.runs import AT_LENGTH, FRONT_PICTURE, TICKET_PAGE, TICKET_PICTURE, Report, Run
from pymoo_prune.search import Display


def add_report(commands: Commands) -> None:
    """`pymoo-prune report`."""
    command = commands.add_parser(
        "report",
        help="show a finished run or comparison, and write its report again",
        usage="%(prog)s FOLDER [--html]",
    )
    command.add_argument(
        "folder", type=Path, metavar="FOLDER", help="folder of a run or comparison"
    )
    command.add_argument(
        "--html", action="store_true", help="write report.html too: interactive, opens offline"
    )
    command.add_argument(
        "--output",
        type=Path,
        metavar="FOLDER",
        help="where the report goes, for folders that cannot be written to; default: FOLDER",
    )
    add_trust(command)
    command.set_defaults(command=_report)


def _report(options: argparse.Namespace, console: Console) -> None:
    if Campaign.is_one(options.folder):
        campaign = Campaign.open(options.folder)
        show_campaign(campaign, console, html=options.html, output=options.output)
    else:
        show_run(Run.open(options.folder), console, html=options.html, output=options.output)


def show_run(run: Run, console: Console, *, html: bool = False, output: Path | None = None) -> None:
    """Prints what a run found, and writes its report.

    Args:
        run: A finished run.
        console: Where to print.
        html: Whether to write the interactive page too.
        output: Where the report goes; None is the run's folder.
    """
    report = Report(run)
    try:
        page = report.write(output)
    finally:  # tables are shown even if the folder cannot be written to
        _print_tables(report.tables(), console)
        _print_text(report.verdict(), console)
        _print_text(report.parent_line(), console)
        for name, origin in report.origins().items():
            _print_line(f"{name}: {origin}.", console)
        for note in report.findings.summary.get("notes", ()):
            _print_text(note, console)
    where = f"report: {page}, picture: {page.parent / FRONT_PICTURE}"
    if html:
        from pymoo_prune.runs.report_page import write_page  # noqa: PLC0415 - Bokeh is slow to import

        where += f", interactive: {write_page(report, output)}"
    _print_line(where, console)


def show_campaign(
    campaign: Campaign, console: Console, *, html: bool = False, output: Path | None = None
) -> None:
    """Prints what a comparison found, and writes its report.

    Args:
        campaign: A finished comparison.
        console: Where to print.
        html: Whether to write the interactive page too.
        output: Where the report goes; None is the comparison's folder.
    """
    report = report_of_campaign(campaign)
    show_comparison(report, output or campaign.folder, console, html=html)


def show_comparison(
    report: ComparisonReport, folder: Path, console: Console, *, html: bool = False
) -> None:
    """Prints what a comparison found, and writes its report.

    Args:
        report: The comparison.
        folder: Where its files go.
        console: Where to print.
        html: Whether to write the interactive page too.
    """
    try:
        page = report.write(folder)
    finally:  # as in `show_run`
        _print_tables(report.tables(), console)
        _print_text(report.verdict(), console)
    where = f"report: {page}, picture: {folder / FRONTS_PICTURE}.png"
    if html:
        from pymoo_prune.comparing.page import write_page  # noqa: PLC0415 - Bokeh is slow to import

        where += f", interactive: {write_page(report, folder)}"
    _print_line(where, console)


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
    add_place_of_data(command)
    add_trust(command)
    command.set_defaults(command=_export)


def _export(options: argparse.Namespace, console: Console) -> None:
    carried = Run.open(options.folder, given=given_of(options)).export(
        options.pick,
        options.output,
        Display(console),
        onnx=options.format == "onnx",
        int8=options.int8,
        latency=options.latency,
    )
    _print_text(str(carried.member), console)
    _print_tables(carried.tables(), console)
    for note in carried.notes():
        _print_text(note, console)
    _print_written(carried.folder, console)


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
    add_place_of_data(command)
    add_trust(command)
    command.set_defaults(command=_ticket)


def _ticket(options: argparse.Namespace, console: Console) -> None:
    ticket, folder = Run.open(options.folder, given=given_of(options)).ticket(
        options.pick,
        options.images,
        options.output,
        Display(console),
        batch_sizes=options.batch_sizes,
    )
    _print_tables(ticket.tables(), console)
    for text in (ticket.origin(), ticket.conditions(), ticket.verdict()):
        _print_text(text, console)
    _print_line(f"report: {folder / TICKET_PAGE}, picture: {folder / TICKET_PICTURE}", console)
    _print_written(folder, console)


def _add_folder_and_pick(command: argparse.ArgumentParser) -> None:
    command.add_argument("folder", type=Path, metavar="FOLDER", help="folder of a finished run")
    command.add_argument(
        "--pick",
        default="knee",
        metavar="CHOICE",
        help="knee, fittest, a number of the table, a quantity (the best in it), or a bound such "
        "as 'accuracy_drop<=0.02' (the smallest within it) or 'macs<=20%%' (the most accurate); "
        "default: knee",
    )


def _print_tables(tables: Sequence[Table], console: Console) -> None:
    """Prints tables with all their columns, also where the terminal is narrower."""
    for table in tables:
        console.print(table, crop=False)
        console.print()


def _print_text(text: str, console: Console) -> None:
    """Prints sentences, wrapped at the width of the terminal."""
    console.print(text, highlight=False, markup=False)


def _print_line(text: str, console: Console) -> None:
    """Prints one unbroken line, from which a path can be copied."""
    console.print(text, highlight=False, markup=False, soft_wrap=True)


def _print_written(folder: Path, console: Console) -> None:
    name = str(folder)
    _print_line(f"written to {name}; pymoo_prune.load_network({name!r}) rebuilds it", console)
