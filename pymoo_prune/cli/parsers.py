"""The commands' parsers. Each names the function that does its command, "module:function".

Nothing here imports torch, so that help appears at once: `main` imports that function's module.
"""

from __future__ import annotations

from pathlib import Path

from pymoo_prune.cli.options import (
    METHODS,
    Commands,
    add_again,
    add_data,
    add_hypervolume,
    add_limits,
    add_places,
    add_search_options,
    add_study,
    add_trust,
    add_workers,
)
from pymoo_prune.engines import ENGINES
from pymoo_prune.surrogates import MODELS


def add_list(commands: Commands) -> None:
    """`pymoo-prune list`."""
    command = commands.add_parser("list", help="problems, algorithms, data sets, reproductions")
    command.set_defaults(command="pymoo_prune.cli.catalogue:do_list")


def add_networks(commands: Commands) -> None:
    """`pymoo-prune networks`."""
    command = commands.add_parser("networks", help="networks to start from, and how large they are")
    command.add_argument(
        "--channels", type=int, default=3, metavar="N", help="channels of an image; default: 3"
    )
    command.add_argument(
        "--classes", type=int, default=10, metavar="N", help="outputs; default: 10"
    )
    command.add_argument(
        "--size", type=int, default=32, metavar="N", help="height and width; default: 32"
    )
    command.set_defaults(command="pymoo_prune.cli.catalogue:do_networks")


def add_run(commands: Commands) -> None:
    """`pymoo-prune run`."""
    command = commands.add_parser(
        "run", help="search, finish and report in one folder", usage="%(prog)s PROBLEM [options]"
    )
    command.add_argument(
        "problem",
        metavar="PROBLEM",
        help="a name that 'pymoo-prune list' shows, or package.module:Class",
    )
    command.add_argument(
        "--algorithm",
        metavar="NAME",
        help=f"{', '.join(ENGINES)}, or package.module:function",
    )
    command.add_argument(
        "--surrogate",
        metavar="MODEL",
        help=f"a model that chooses the children worth measuring: {', '.join(MODELS)}",
    )
    command.add_argument(
        "--output",
        type=Path,
        metavar="FOLDER",
        help="the run's folder; default: runs/PROBLEM-DATE-TIME-CODE",
    )
    command.add_argument(
        "--profile", action="store_true", help="write a trace of the first generations"
    )
    command.add_argument(
        "--no-baselines",
        dest="baselines",
        action="store_false",
        help="compare the front with no simpler method: that may take longer than the search",
    )
    add_search_options(command)
    add_workers(command)
    command.set_defaults(command="pymoo_prune.cli.runs:do_run")


def add_compare(commands: Commands) -> None:
    """`pymoo-prune compare`."""
    command = commands.add_parser(
        "compare",
        help="let several algorithms search one problem or many, or compare finished runs",
        usage="%(prog)s PROBLEM [options]\n       %(prog)s PROBLEM PROBLEM ... [options]\n"
        "       %(prog)s --suite GROUP [options]\n       %(prog)s FOLDER FOLDER ... [options]",
    )
    add_study(command)
    command.add_argument(
        "--algorithms",
        nargs="+",
        metavar="METHOD",
        help="ENGINE, ENGINE+MODEL for a surrogate, ENGINE@accuracy=1,width=0.5 for objectives of "
        f"its own; default: {' '.join(METHODS)}, without ga where there are suite instances; "
        "random search is always among them",
    )
    command.add_argument(
        "--seeds",
        type=int,
        default=5,
        metavar="N",
        help="runs of each method, with seeds from --seed on; default: 5",
    )
    command.add_argument(
        "--jobs",
        type=int,
        metavar="N",
        help="runs at once, each in a process; default: as many as cores",
    )
    command.add_argument(
        "--bounds",
        nargs="+",
        metavar="BOUND",
        help="sizes at which accuracies are compared, such as 'macs<=20%%'",
    )
    command.add_argument(
        "--against",
        metavar="METHOD",
        help="test each other method against this one alone; default: all pairs, which needs more "
        "seeds",
    )
    add_hypervolume(command)
    command.add_argument(
        "--output",
        type=Path,
        metavar="FOLDER",
        help="where the comparison or study is kept, which may be there already; default: "
        "runs/compare-PROBLEM-DATE-TIME-CODE, runs/study-DATE-TIME-CODE",
    )
    add_trust(command)
    add_search_options(command)
    add_workers(command, shown=False)
    untouched = vars(command.parse_args(["PROBLEM"]))
    command.set_defaults(command="pymoo_prune.cli.comparisons:do_compare", untouched=untouched)


def add_resume(commands: Commands) -> None:
    """`pymoo-prune resume`."""
    command = commands.add_parser(
        "resume",
        help="go on with a run, a comparison or a study that was stopped",
        usage="%(prog)s FOLDER [options]",
    )
    command.add_argument(
        "folder", type=Path, metavar="FOLDER", help="folder of a run, comparison or study"
    )
    command.add_argument(
        "--jobs",
        type=int,
        metavar="N",
        help="with a comparison or study: runs at once; default: cores",
    )
    add_again(command)
    command.add_argument(
        "--download", action="store_true", help="fetch the data set if it is missing"
    )
    add_places(command)
    add_trust(command)
    add_workers(command)
    command.set_defaults(command="pymoo_prune.cli.runs:do_resume")


def add_reproduce(commands: Commands) -> None:
    """`pymoo-prune reproduce`."""
    command = commands.add_parser(
        "reproduce",
        help="run a paper's experiments, redraw its figures",
        usage="%(prog)s PAPER [options]",
    )
    command.add_argument(
        "paper", metavar="PAPER", help="one of the reproductions that 'pymoo-prune list' shows"
    )
    command.add_argument(
        "--runs", type=int, default=1, metavar="N", help="runs of each setting; default: 1"
    )
    command.add_argument(
        "--networks", nargs="+", metavar="NAME", help="these of the paper's networks; default: all"
    )
    command.add_argument(
        "--output",
        type=Path,
        metavar="FOLDER",
        help="a stopped reproduction goes on here; default: runs/PAPER-reproduction",
    )
    add_data(command.add_argument_group("the images"), "fashion-mnist")
    add_limits(command.add_argument_group("budget of each search; default: the reproduction's own"))
    command.add_argument(
        "--workers", type=int, metavar="N", help="measure candidates in this many processes"
    )
    command.set_defaults(command="pymoo_prune.cli.catalogue:do_reproduce")


def add_suite(commands: Commands) -> None:
    """`pymoo-prune suite`."""
    command = commands.add_parser(
        "suite",
        help="fixed problems with known fronts, to compare algorithms on",
        usage="%(prog)s [--group GROUP]\n       %(prog)s NAME [options]",
    )
    command.add_argument(
        "name", nargs="?", metavar="NAME", help="describe this instance; default: list all"
    )
    command.add_argument(
        "--group", metavar="GROUP", help="list quick, tabular or live instances; default: all"
    )
    command.add_argument(
        "--front", type=Path, metavar="CSV", help="write the known front into a new file"
    )
    command.add_argument(
        "--improve",
        type=Path,
        metavar="CSV",
        help="measure the candidates of a file (columns x0, x1, ...), and say what they add to "
        "the known front",
    )
    command.add_argument(
        "--output", type=Path, metavar="CSV", help="with --improve: write the better front"
    )
    command.set_defaults(command="pymoo_prune.cli.suite:do_suite")
