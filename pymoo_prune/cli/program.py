"""The program: its commands, its error messages, and Ctrl-C."""

from __future__ import annotations

import argparse
import difflib
import pkgutil
import sys
from collections.abc import Sequence
from importlib.metadata import version
from io import TextIOWrapper
from typing import Any, NoReturn

from rich.console import Console

from pymoo_prune.cli.parsers import (
    add_compare,
    add_list,
    add_networks,
    add_reproduce,
    add_resume,
    add_run,
    add_suite,
)
from pymoo_prune.cli.result_parsers import add_cite, add_data, add_export, add_report, add_ticket
from pymoo_prune.errors import PruneError, failure_of


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command; returns the exit code.

    Args:
        arguments: The words after `pymoo-prune`; None takes those of this process.
    """
    if isinstance(sys.stdout, TextIOWrapper):  # prints "?" for letters that it lacks
        sys.stdout.reconfigure(errors="replace")
    parser = make_parser()
    options = parser.parse_args(arguments)
    if options.command is None:  # show all commands
        parser.print_help(sys.stderr)
        parser.exit(2)
    console = Console(stderr=False)
    try:
        if getattr(options, "trust", False):
            _trust_everything()
        do = pkgutil.resolve_name(options.command)  # imports torch, as most commands do
        do(options, console)
    except KeyboardInterrupt as stop:  # a command that can be resumed says how
        console.print(str(stop) or "stopped.", highlight=False, markup=False, soft_wrap=True)
        return 130
    except (PruneError, OSError, SystemExit) as error:
        # Unbroken lines: a path or a command can be copied from them.
        errors = Console(stderr=True, soft_wrap=True)
        why = str(error)
        if isinstance(error, SystemExit):  # code of the user's called it
            why = f"the program was ended: {failure_of(error)}"
        text = f"[bold red]error:[/] {_plain(why)}"
        errors.print(text, highlight=False, emoji=False)  # my:b: is a name here
        return 2
    return 0


def _trust_everything() -> None:
    from pymoo_prune.problem import EVERYTHING, trust  # noqa: PLC0415 - torch is slow to import

    trust([EVERYTHING])


def make_parser() -> argparse.ArgumentParser:
    """The parser of the command line; `options.command` names the chosen command's function."""
    parser: argparse.ArgumentParser = _Parser(
        prog="pymoo-prune",
        description="Evolutionary neural-network pruning with pymoo.",
        epilog="'pymoo-prune COMMAND --help' shows the options of a command. "
        "To begin with: 'pymoo-prune list', then 'pymoo-prune run ecomp'.",
    )
    parser.add_argument(
        "-V", "--version", action="version", version=f"pymoo-prune {version('pymoo-prune')}"
    )
    parser.set_defaults(command=None)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")
    add_list(commands)
    add_networks(commands)
    add_run(commands)
    add_compare(commands)
    add_resume(commands)
    add_report(commands)
    add_cite(commands)
    add_data(commands)
    add_export(commands)
    add_ticket(commands)
    add_reproduce(commands)
    add_suite(commands)
    return parser


class _Parser(argparse.ArgumentParser):
    """Its errors suggest the option that was meant, and name the command with `--help`."""

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        for one in sys.argv[1:] if args is None else args:
            name, equals, value = one.partition("=")
            if name.startswith("--") and equals and value == "--":  # argparse makes it a list
                self.error(f"argument {name}: expected one argument")
        options, unknown = super().parse_known_args(args, namespace)
        if unknown:
            nearest = difflib.get_close_matches(unknown[0], self._option_string_actions, n=1)
            hint = f"; did you mean {nearest[0]}?" if nearest else ""
            self.error(f"unrecognized arguments: {' '.join(unknown)}{hint}")
        return options, unknown

    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        self.exit(2, f"error: {message}\n'{self.prog} --help' shows what there is\n")


def _plain(text: str) -> str:
    """Escapes brackets, so that a path is not read as markup."""
    return text.replace("[", r"\[")
