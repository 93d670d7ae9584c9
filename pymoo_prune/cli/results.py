"""The commands for finished runs: report, cite, export, ticket."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from pymoo_prune.cli.arguments import given_of
from pymoo_prune.cli.showing import (
    check_report_place,
    hypervolume_of,
    labels_of,
    refuse_for_a_run,
    reporting,
    style_of,
)
from pymoo_prune.cli.studies import report_study
from pymoo_prune.comparing import (
    FRONTS_PICTURE,
    Campaign,
    ComparisonReport,
    HypervolumeOptions,
    citations,
    report_of_campaign,
)
from pymoo_prune.plots import SCREEN, FigureStyle
from pymoo_prune.results import Member
from pymoo_prune.runs import FRONT_PICTURE, TICKET_PAGE, TICKET_PICTURE, Report, Run
from pymoo_prune.search import Display
from pymoo_prune.studies import Study, cited_by_study
from pymoo_prune.tables import listed


def do_report(options: argparse.Namespace, console: Console) -> None:
    """`pymoo-prune report`."""
    if options.output is not None:
        check_report_place(options.output, options.folder)  # before anything is shown
    with reporting(options.folder):
        _report(options, console)


def _report(options: argparse.Namespace, console: Console) -> None:
    if Study.is_one(options.folder):
        report_study(options, console)
        return
    shown = {
        "html": options.html,
        "latex": options.latex,
        "output": options.output,
        "style": style_of(options),
    }
    if Campaign.is_one(options.folder):
        campaign = Campaign.open(options.folder)
        volumes, labels = hypervolume_of(options), labels_of(options)
        show_campaign(campaign, console, volumes=volumes, labels=labels, **shown)
    else:
        refuse_for_a_run(options)
        show_run(Run.open(options.folder), console, **shown)


def show_run(
    run: Run,
    console: Console,
    *,
    html: bool = False,
    latex: bool = False,
    output: Path | None = None,
    style: FigureStyle = SCREEN,
) -> None:
    """Prints what a run found, and writes its report.

    Args:
        run: A finished run.
        console: Where to print.
        html: Whether to write the interactive page too.
        latex: Whether to write the tables in LaTeX too.
        output: Where the report goes; None is the run's folder.
        style: The sizes of pictures, for a screen or a paper.
    """
    report = Report(run)
    try:
        page = report.write(output, style)
    finally:  # tables are shown even if the folder cannot be written to
        _print_tables(report.tables(), console)
        _print_text(report.verdict(), console)
        _print_text(report.suggestion(), console)
        _print_text(report.parent_line(), console)
        if line := report.time_line:
            _print_text(line, console)
        for name, origin in report.origins().items():
            _print_line(f"{name}: {origin}.", console)
        for note in report.findings.summary.get("notes", ()):
            _print_text(note, console)
    where = f"report: {page}, picture: {page.parent / FRONT_PICTURE}"
    if html:
        from pymoo_prune.runs.report_page import write_page  # noqa: PLC0415 - Bokeh is slow to import

        where += f", interactive: {write_page(report, output)}"
    _print_line(where, console)
    if latex:
        _print_latex(report.write_latex(page.parent), console)


def show_campaign(
    campaign: Campaign,
    console: Console,
    *,
    html: bool = False,
    latex: bool = False,
    output: Path | None = None,
    style: FigureStyle = SCREEN,
    volumes: HypervolumeOptions | None = None,
    labels: Mapping[str, str] | None = None,
) -> None:
    """Prints what a comparison found, and writes its report.

    Args:
        campaign: A finished comparison.
        console: Where to print.
        html: Whether to write the interactive page too.
        latex: Whether to write the tables in LaTeX too.
        output: Where the report goes; None is the comparison's folder.
        style: The sizes of pictures, for a screen or a paper.
        volumes: Options of hypervolumes; what is not given is as the comparison was made with.
        labels: Names of methods and baselines in pictures and in LaTeX, by their own names.
    """
    report = report_of_campaign(campaign, volumes, labels)
    folder = output or campaign.folder
    show_comparison(report, folder, console, html=html, latex=latex, style=style)


def show_comparison(
    report: ComparisonReport,
    folder: Path,
    console: Console,
    *,
    html: bool = False,
    latex: bool = False,
    style: FigureStyle = SCREEN,
) -> None:
    """Prints what a comparison found, and writes its report.

    Args:
        report: The comparison.
        folder: Where its files go.
        console: Where to print.
        html: Whether to write the interactive page too.
        latex: Whether to write the tables in LaTeX too.
        style: The sizes of pictures, for a screen or a paper.
    """
    try:
        page = report.write(folder, style)
    finally:  # as in `show_run`
        _print_tables(report.tables(), console)
        _print_text(report.verdict(), console)
    where = f"report: {page}, picture: {folder / FRONTS_PICTURE}.png"
    if html:
        from pymoo_prune.comparing.page import write_page  # noqa: PLC0415 - Bokeh is slow to import

        where += f", interactive: {write_page(report, folder)}"
    _print_line(where, console)
    if latex:
        _print_latex(report.write_latex(folder), console)


def do_cite(options: argparse.Namespace, console: Console) -> None:
    """`pymoo-prune cite`."""
    studies = [folder for folder in options.folders if Study.is_one(folder)]
    found = citations(folder for folder in options.folders if folder not in studies)
    for folder in studies:
        found.merge(cited_by_study(Study.open(folder)))
    text = found.text()
    # As it is: a key may look like an emoji's name.
    console.print(text, end="", highlight=False, markup=False, emoji=False, soft_wrap=True)


def do_export(options: argparse.Namespace, console: Console) -> None:
    """`pymoo-prune export`."""
    carried = Run.open(options.folder, given=given_of(options)).export(
        options.pick,
        options.output,
        Display(console),
        onnx=options.format == "onnx",
        int8=options.int8,
        latency=options.latency,
    )
    _print_text(str(carried.member), console)
    _print_reason(options.pick, carried.member, console)
    _print_tables(carried.tables(), console)
    for note in carried.notes():
        _print_text(note, console)
    _print_written(carried.folder, console)


def do_ticket(options: argparse.Namespace, console: Console) -> None:
    """`pymoo-prune ticket`."""
    ticket, folder = Run.open(options.folder, given=given_of(options)).ticket(
        options.pick,
        options.images,
        options.output,
        Display(console),
        batch_sizes=options.batch_sizes,
    )
    _print_tables(ticket.tables(), console)
    _print_reason(options.pick, ticket.winner, console)
    for text in (ticket.origin(), ticket.conditions(), ticket.verdict()):
        _print_text(text, console)
    _print_line(f"report: {folder / TICKET_PAGE}, picture: {folder / TICKET_PICTURE}", console)
    _print_written(folder, console)


def _print_tables(tables: Sequence[Table], console: Console) -> None:
    """Prints tables with all their columns, also where the terminal is narrower."""
    for table in tables:
        console.print(table, crop=False)
        console.print()


def _print_text(text: str, console: Console) -> None:
    """Prints sentences, wrapped at the width of the terminal."""
    console.print(text, highlight=False, markup=False)


def _print_reason(pick: str, member: Member, console: Console) -> None:
    """Prints why a network was taken, where the user did not choose one."""
    if pick == "suggestion":
        text = f"Network {member.place} is suggested: it is {member.why}."
        _print_text(text, console)


def _print_line(text: str, console: Console) -> None:
    """Prints one unbroken line, from which a path can be copied."""
    console.print(text, highlight=False, markup=False, soft_wrap=True)


def _print_latex(paths: Sequence[Path], console: Console) -> None:
    names = listed([path.stem for path in paths])
    _print_line(
        f"tables: {paths[0].parent}/NAME.tex for {names}; they need \\usepackage{{booktabs}}",
        console,
    )


def _print_written(folder: Path, console: Console) -> None:
    name = str(folder)
    _print_line(f"written to {name}; pymoo_prune.load_network({name!r}) rebuilds it", console)
