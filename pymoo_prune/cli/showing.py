"""The options of reports, and how to go on after a stop."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pymoo_prune.comparing import HypervolumeOptions
from pymoo_prune.errors import PruneError, StoreError, command
from pymoo_prune.files import check_writable
from pymoo_prune.plots import FIGURES, FigureStyle, paper_style
from pymoo_prune.runs import holds_results
from pymoo_prune.tables import listed

OF_COMPARISONS = ("reference", "log", "label")
"""Options that mean nothing in the report of one run."""


MOST = {"seeds": 100_000, "jobs": 10_000, "seed": 2**62}
"""The most of what a comparison counts."""


def check_counts(options: argparse.Namespace) -> None:
    """Refuses numbers of seeds and jobs, and a first seed, that nothing can be made with."""
    for name, most in MOST.items():
        value, least = getattr(options, name), int(name != "seed")
        if value is not None and not least <= value <= most:
            bound = f"at least {least}" if value < least else f"at most {most:,}"
            msg = f"--{name} must be {bound}, but it is {value}"
            raise PruneError(msg)


def hypervolume_of(options: argparse.Namespace) -> HypervolumeOptions:
    """The options that a command was given."""
    return HypervolumeOptions.parse(options.reference or (), options.log or ())


def style_of(options: argparse.Namespace) -> FigureStyle:
    """The style of pictures that a command was given."""
    if options.style is None:
        return FIGURES[options.figures or "screen"]
    if options.figures == "screen":
        msg = "--style is for pictures in a paper: give --figures column or page with it, or none"
        raise PruneError(msg)
    return paper_style(options.style, options.figures or "column")


def labels_of(options: argparse.Namespace) -> dict[str, str]:
    """The names in pictures that a command was given."""
    labels: dict[str, str] = {}
    for text in options.label or ():
        # The name of a method may have an equals sign, and a label hardly ever has one.
        name, equals, label = text.rpartition("=")
        if not (equals and name and label) or name in labels:
            msg = f"--label {text!r} must read NAME=TEXT, each name once"
            raise PruneError(msg)
        labels[name] = label
    return labels


def refuse_for_a_run(options: argparse.Namespace) -> None:
    """Refuses options that only comparisons have."""
    given = [f"--{name}" for name in OF_COMPARISONS if getattr(options, name)]
    if given:
        msg = f"{listed(given)} cannot be given with a run, only with a comparison or a study"
        raise PruneError(msg)


@contextmanager
def resumable(folder: Path, kept: str = "everything that was measured is") -> Iterator[None]:
    """Says how to go on after Ctrl-C, or after an error such as a full disk.

    Args:
        folder: The folder of the run, comparison or study.
        kept: What is kept after Ctrl-C, with a verb.
    """
    resume = command("resume", folder)
    try:
        yield
    except KeyboardInterrupt:
        msg = f"stopped; {kept} kept. {resume}"
        raise KeyboardInterrupt(msg) from None
    except OSError as error:
        begun = "what was measured is kept; once that is fixed: " + resume
        go_on = begun if holds_results(folder) else "once that is fixed, give the command again"
        msg = f"{error}; {go_on}"
        raise StoreError(msg) from error


@contextmanager
def reporting(folder: Path) -> Iterator[None]:
    """Says that results are whole, after an error such as a full disk in writing a report.

    Args:
        folder: The folder of the run, comparison or study.
    """
    try:
        yield
    except OSError as error:
        msg = (
            f"{error}; the results in {folder} are whole. Once that is fixed, "
            f"'{command('report', folder)}' writes the report; with --output, elsewhere"
        )
        raise StoreError(msg) from error


def check_report_place(output: Path, of: Path) -> None:
    """Refuses a place for a report that cannot be written to, or that has results of its own.

    Args:
        output: The place.
        of: The folder of the results that the report is of.
    """
    if holds_results(output) and output.resolve() != of.resolve():
        msg = f"{output} holds other results, whose report would be replaced; give another --output"
        raise StoreError(msg)
    check_writable(output)
