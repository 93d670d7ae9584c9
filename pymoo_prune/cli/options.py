"""The options that several commands have.

Nothing here imports torch, so that help appears at once.
"""

from __future__ import annotations

import argparse
from typing import TypeAlias

from pymoo_prune.data import DATA_SETS
from pymoo_prune.runs import KEEP_NETWORKS

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"  # noqa: SLF001
"""The subparsers that a command is added to."""

FIGURE_SIZES = ("screen", "column", "page")
"""The sizes of pictures; `plots.FIGURES` has their styles."""
PAPER_STYLES = ("plain", "ieee", "acm")
"""The styles of publishers; `plots.STYLES` has them."""

METHODS = ("ga", "nsga2")
"""Methods that are compared by default: for one objective, and for several."""


def add_trust(command: argparse.ArgumentParser) -> None:
    """Adds `--trust`, for commands that read a folder, which may name a user's modules."""
    command.add_argument(
        "--trust",
        action="store_true",
        help="import what the folder names, such as a problem of your own",
    )


def add_search_options(command: argparse.ArgumentParser) -> None:
    """Adds the options of a search, except those of its engine.

    Args:
        command: A command that searches; `settings_of` reads its options.
    """
    problem = command.add_argument_group("the problem")
    problem.add_argument(
        "--preset", metavar="NAME", help="settings under one name; 'pymoo-prune list' shows them"
    )
    problem.add_argument(
        "--set", action="append", metavar="NAME=VALUE", help="an option of the problem"
    )
    problem.add_argument(
        "--parent",
        metavar="PATH",
        help="the network to prune: a folder of 'export', or an .onnx file; with --network, a file "
        "with its weights",
    )
    problem.add_argument(
        "--network",
        metavar="MODULE:NAME",
        help="a network of your own to prune, or a function that returns it",
    )
    _add_goals(command)
    _add_images(command)
    _add_budget(command)
    machine = command.add_argument_group("machine and seed")
    machine.add_argument("--device", default="cpu", help="such as cuda or cuda:1; default: cpu")
    machine.add_argument("--threads", type=int, metavar="N", help="torch's number of threads")
    machine.add_argument("--seed", type=int, default=0, metavar="N", help="default: 0")


def _add_goals(command: argparse.ArgumentParser) -> None:
    goals = command.add_argument_group("goals")
    goals.add_argument(
        "--objectives",
        nargs="+",
        metavar="NAME",
        help="one objective each; or pwad alone: pruned weights per accuracy drop",
    )
    goals.add_argument(
        "--quantity",
        action="append",
        metavar="MODULE:NAME",
        help="adds a quantity: your function of measurements; NAME=MODULE:NAME names it",
    )
    goals.add_argument(
        "--metric",
        metavar="MODULE:NAME",
        help="judges networks in place of the accuracy: your pymoo_prune.Metric",
    )
    goals.add_argument(
        "--weights",
        metavar="NAME=W,...",
        help="one objective, a weighted sum: 'accuracy=1,width=0.5'",
    )
    goals.add_argument(
        "--constraint",
        action="append",
        metavar="BOUND",
        help="a bound: 'accuracy_drop<=0.02', or 'macs<=20%%' of the parent's",
    )


def _add_images(command: argparse.ArgumentParser) -> None:
    images = command.add_argument_group("the images")
    add_data(images, "digits")
    images.add_argument(
        "--validation", metavar="N", help="share or number of training images to search with"
    )


def add_data(images: argparse._ArgumentGroup, default: str) -> None:
    """Adds `--data`, `--data-root` and `--download`.

    Args:
        images: The group of a command's options that they belong to.
        default: The data set that is taken where none is named.
    """
    images.add_argument(
        "--data",
        default=default,
        metavar="NAME",
        help=f"{', '.join(DATA_SETS)}, a folder of images, a file of arrays (.npz), or "
        f"module:name of your own data; default: {default}",
    )
    images.add_argument("--data-root", metavar="FOLDER", help="where data sets lie")
    images.add_argument(
        "--download", action="store_true", help="fetch the data set if it is missing"
    )


def add_limits(budget: argparse._ArgumentGroup) -> None:
    """Adds `--generations`, `--evaluations` and `--time`; `limits_of` reads them.

    Args:
        budget: The group of a command's options that they belong to.
    """
    budget.add_argument(
        "--generations", type=int, metavar="N", help="the first population is generation 1"
    )
    budget.add_argument("--evaluations", type=int, metavar="N", help="candidates asked for")
    budget.add_argument("--time", help="working time: '90', '90s', '15m' or '2h'")


def _add_budget(command: argparse.ArgumentParser) -> None:
    budget = command.add_argument_group(
        "budget: the search ends at the first limit that it reaches"
    )
    add_limits(budget)
    budget.add_argument("--pop-size", type=int, metavar="N", help="candidates of a generation")
    budget.add_argument(
        "--finish", type=int, metavar="IMAGES", help="images to retrain the front with"
    )
    budget.add_argument(
        "--keep-networks",
        type=int,
        default=KEEP_NETWORKS,
        metavar="MB",
        help=f"most megabytes of finished networks to keep; default: {KEEP_NETWORKS}; 0 keeps none",
    )


def add_places(command: argparse.ArgumentParser) -> None:
    """Adds `--data` and `--network`, for commands that need what a run was made with.

    `given_of` reads them.
    """
    command.add_argument(
        "--data",
        metavar="PATH",
        help="where the run's images are now, if they have moved",
    )
    command.add_argument(
        "--network",
        metavar="MODULE:NAME",
        help="your network that the run pruned, or a function that returns it, if the run does not "
        "know it or it has moved",
    )


def add_workers(command: argparse.ArgumentParser, *, shown: bool = True) -> None:
    """Adds the options that say where candidates are measured.

    Args:
        command: A command that searches.
        shown: Whether the command's help shows them; False where they are refused.
    """
    helps = {
        "--workers": "measure in this many processes",
        "--ray": "measure on a Ray cluster; no address: the one that runs here, or a new one",
        "--time-limit": "with workers: a candidate that exceeds this three times has failed",
        "--patience": "with workers: where each ends before it is ready, they are started again "
        "for so long; then this process measures alone; default: 30",
    }
    helps = helps if shown else dict.fromkeys(helps, argparse.SUPPRESS)
    workers = command.add_argument_group("workers")
    workers.add_argument("--workers", type=int, metavar="N", help=helps["--workers"])
    workers.add_argument("--ray", nargs="?", const="", metavar="ADDRESS", help=helps["--ray"])
    for name in ("--time-limit", "--patience"):
        workers.add_argument(name, type=float, metavar="SECONDS", help=helps[name])


def add_study(command: argparse.ArgumentParser) -> None:
    """Adds problems or folders, and the options of a study over many problems.

    Args:
        command: A command that makes studies.
    """
    command.add_argument(
        "what",
        nargs="*",
        metavar="PROBLEM|FOLDER",
        help="a problem, or folders of finished runs; two problems or more are a study: "
        "names, instances of the suite, or NAME@KEY=VALUE,KEY=VALUE with options of the problem",
    )
    many = command.add_argument_group("many problems")
    many.add_argument(
        "--suite",
        metavar="GROUP",
        help="all instances of a group of the suite: quick, tabular, live or all; budgets are "
        "evaluations, by default each instance's own",
    )
    many.add_argument(
        "--outside",
        action="append",
        metavar="NAME=PATH",
        help="results made elsewhere: a folder with PROBLEM.csv, or a file with a column problem; "
        "columns are seed, evaluation, and the objectives",
    )
    add_again(many)


def add_again(command: argparse.ArgumentParser | argparse._ArgumentGroup) -> None:
    """Adds `--again`.

    Args:
        command: A command that makes studies, or a group of its options.
    """
    command.add_argument(
        "--again", action="store_true", help="with a study: try methods again that failed before"
    )


def add_hypervolume(command: argparse.ArgumentParser) -> None:
    """Adds the options of a comparison's hypervolumes; `hypervolume_of` reads them."""
    command.add_argument(
        "--reference",
        nargs="+",
        metavar="NAME=VALUE",
        help="the hypervolumes' reference point, such as 'accuracy=.8 parameters=50%%' (of the "
        "parent's); default: an accuracy of 0, and the parent's counts",
    )
    command.add_argument(
        "--log",
        nargs="+",
        metavar="NAME",
        help="quantities of which hypervolumes take the logarithm, such as parameters",
    )


def add_figures(command: argparse.ArgumentParser) -> None:
    """Adds the options of a report's pictures; `style_of` and `labels_of` read them."""
    command.add_argument(
        "--figures",
        choices=FIGURE_SIZES,
        help="the size of pictures; column (3.5 inches) and page (7.16 inches) are for papers: no "
        "titles, text of 8 points, and PDF files too; default: screen, with --style column",
    )
    command.add_argument(
        "--style",
        choices=PAPER_STYLES,
        help="the widths and fonts of a publisher, for pictures in a paper: ieee, acm (3.33 and 7 "
        "inches), both in Times, or plain, without serifs; default: plain",
    )
    command.add_argument(
        "--label",
        action="append",
        metavar="NAME=TEXT",
        help="what pictures and LaTeX tables call a method or baseline of a comparison, such as "
        "nsga2=NSGA-II",
    )
