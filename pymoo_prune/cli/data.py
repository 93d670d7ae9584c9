"""The command data: all evaluations of a folder, for other tools."""

from __future__ import annotations

import argparse

from rich.console import Console

from pymoo_prune.comparing import evaluations_in
from pymoo_prune.exchange import FORMATS, check_output, write_evaluations
from pymoo_prune.files import check_writable
from pymoo_prune.search import Display
from pymoo_prune.studies import Study, evaluations_of_study


def do_data(options: argparse.Namespace, console: Console) -> None:
    """`pymoo-prune data`."""
    output = options.output or options.folder / FORMATS[options.format].output
    check_output(output)  # before anything is read
    if options.output is not None:
        check_writable(output.parent)
    display = Display(console)
    with display.phase("read") as update:
        if Study.is_one(options.folder):
            runs = evaluations_of_study(Study.open(options.folder), update)
        else:
            runs = evaluations_in(options.folder, update)
    with display.phase("write") as update:
        notes = write_evaluations(runs, options.format, output, progress=update)
    for note in notes:
        console.print(note, highlight=False, markup=False, soft_wrap=True)
    total, many = sum(map(len, runs)), "run" if len(runs) == 1 else "runs"
    text = f"{total:,} evaluations of {len(runs)} {many} written to {output}"
    console.print(text, highlight=False, markup=False, soft_wrap=True)
