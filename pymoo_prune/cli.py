"""The command line: list, networks, run, resume, report, export, ticket, reproduce."""

from __future__ import annotations

import argparse
import datetime as dt
import json
import re
import shlex
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from pymoo_prune.campaign import Campaign
from pymoo_prune.comparison_report import (
    FRONTS,
    ComparisonReport,
    report_of_campaign,
    report_of_runs,
)
from pymoo_prune.complexity import count_parameters, layer_macs, prunable_layers
from pymoo_prune.data import DATA_SETS
from pymoo_prune.engines import ENGINES
from pymoo_prune.errors import PruneError, unknown_name
from pymoo_prune.executors import Executor, InProcess, Processes, Ray
from pymoo_prune.latency import BATCH_SIZES
from pymoo_prune.machine import cores
from pymoo_prune.networks import ZOO, named_network
from pymoo_prune.objectives import Objectives, WeightedSum, parse_objectives
from pymoo_prune.problem import Preset, PruningProblem
from pymoo_prune.progress import Display
from pymoo_prune.registry import REPRODUCTIONS, find_problem, find_reproduction, registered
from pymoo_prune.report import Report
from pymoo_prune.run import AT_LENGTH, TICKET_PAGE, TICKET_PICTURE, Run
from pymoo_prune.search import Budget
from pymoo_prune.settings import Settings
from pymoo_prune.surrogates import MODELS

METHODS = ("ga", "nsga2")
"""What a comparison is of unless one says so: one objective, and several."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command; returns the exit code."""
    console = Console(stderr=False)
    options = _parser().parse_args(arguments)
    try:
        options.command(options, console)
    except KeyboardInterrupt:
        console.print(_interrupted(options), highlight=False, markup=False, soft_wrap=True)
        return 130
    except (PruneError, OSError) as error:
        # Unbroken lines: a path or a command can be copied from them.
        errors = Console(stderr=True, soft_wrap=True)
        errors.print(f"[bold red]error:[/] {_plain(str(error))}", highlight=False)
        return 2
    return 0


def _plain(text: str) -> str:
    return text.replace("[", r"\[")


def _interrupted(options: argparse.Namespace) -> str:
    folder = getattr(options, "folder", None) or getattr(options, "output", None)
    if folder is None or options.command is _ticket:  # resuming would bring no ticket
        return "stopped."
    command = f"pymoo-prune resume {shlex.quote(str(folder))}"
    return f"stopped; everything that was measured is kept. {command}"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="pymoo-prune", description="Evolutionary neural-network pruning with pymoo."
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_list(commands)
    _add_networks(commands)
    _add_run(commands)
    _add_compare(commands)
    resume = commands.add_parser("resume", help="go on with a run that was stopped")
    resume.add_argument("folder", type=Path)
    resume.add_argument("--jobs", type=int, help="of a comparison: runs at once; default: cores")
    _add_workers(resume)
    resume.set_defaults(command=_resume)
    report = commands.add_parser("report", help="show a finished run, and write its report again")
    report.add_argument("folder", type=Path)
    report.add_argument(
        "--html", action="store_true", help="write report.html too: interactive, opens offline"
    )
    report.set_defaults(command=_report)
    _add_export(commands)
    _add_ticket(commands)
    reproduce = commands.add_parser(
        "reproduce", help="run a paper's experiments, redraw its figures"
    )
    reproduce.add_argument("paper")
    reproduce.add_argument("--runs", type=int, default=1, help="runs of each setting")
    reproduce.add_argument("--data", default="fashion-mnist")
    reproduce.add_argument("--data-root")
    reproduce.add_argument("--output", type=Path)
    reproduce.set_defaults(command=_reproduce)
    return parser


def _add_pick(command: Any) -> None:
    command.add_argument(
        "--pick",
        default="knee",
        help="knee, fittest, a number of the table, a quantity to be best in, or a bound such as "
        "'accuracy_drop<=0.02' (the smallest within it) or 'macs<=20%%' (the most accurate)",
    )


def _add_export(commands: Any) -> None:
    export = commands.add_parser("export", help="carry a network of a finished run away")
    export.add_argument("folder", type=Path)
    _add_pick(export)
    export.add_argument("--output", type=Path, help="folder for the network")
    export.add_argument(
        "--format",
        choices=("pt", "onnx"),
        default="pt",
        help="pt: for torch; onnx: for onnxruntime too, with latencies of both; default: pt",
    )
    export.add_argument("--int8", action="store_true", help="with onnx: in eight bits too")
    export.add_argument("--latency", action="store_true", help="measure latencies with pt too")
    export.set_defaults(command=_export)


def _add_ticket(commands: Any) -> None:
    ticket = commands.add_parser(
        "ticket", help="retrain a network of a finished run at length, and test it with its parent"
    )
    ticket.add_argument("folder", type=Path)
    _add_pick(ticket)
    ticket.add_argument(
        "--images",
        type=int,
        metavar="N",
        help=f"training images; default: {AT_LENGTH} times the run's --finish, or an epoch",
    )
    ticket.add_argument("--output", type=Path, help="folder for page, picture and network")
    ticket.add_argument(
        "--batch-sizes",
        nargs="+",
        type=int,
        default=list(BATCH_SIZES),
        metavar="N",
        help="images at once, for latencies; default: 1 64",
    )
    ticket.set_defaults(command=_ticket)


def _add_list(commands: Any) -> None:
    what = commands.add_parser("list", help="problems, algorithms and data sets")
    what.set_defaults(command=_list)


def _add_networks(commands: Any) -> None:
    networks = commands.add_parser(
        "networks", help="networks to start from, and how large they are"
    )
    networks.add_argument("--channels", type=int, default=3, help="of an image")
    networks.add_argument("--classes", type=int, default=10, help="outputs")
    networks.add_argument("--size", type=int, default=32, help="height and width of an image")
    networks.set_defaults(command=_networks)


def _add_run(commands: Any) -> None:
    run = commands.add_parser("run", help="search, finish and report in one folder")
    run.add_argument("problem")
    run.add_argument("--algorithm", help=f"{', '.join(ENGINES)}, or package.module:function")
    run.add_argument(
        "--surrogate",
        metavar="MODEL",
        help=f"a model that chooses the children worth measuring: {', '.join(MODELS)}",
    )
    run.add_argument("--output", type=Path, help="run folder; default: runs/PROBLEM-DATE-TIME")
    run.add_argument(
        "--profile", action="store_true", help="write a trace of the first generations"
    )
    _add_workers(run)
    _add_search(run)
    run.set_defaults(command=_run)


def _add_workers(command: Any) -> None:
    command.add_argument("--workers", type=int, metavar="N", help="measure in so many processes")
    command.add_argument(
        "--ray",
        nargs="?",
        const="",
        metavar="ADDRESS",
        help="measure on a Ray cluster; no address: the one that runs here, or a new one",
    )
    command.add_argument(
        "--time-limit",
        type=float,
        metavar="SECONDS",
        help="with workers: a candidate that takes longer, three times, has failed",
    )


def _has_workers(options: argparse.Namespace) -> bool:
    return options.workers is not None or options.ray is not None


def _executor(options: argparse.Namespace, threads: int) -> Executor:
    """What measures candidates."""
    limit = options.time_limit
    if options.ray is not None:
        return Ray(options.ray or None, workers=options.workers, threads=threads, time_limit=limit)
    if options.workers is not None:
        return Processes(options.workers, threads=threads, time_limit=limit)
    if limit is not None:
        msg = "--time-limit needs workers that can be ended: give --workers 1, or more"
        raise PruneError(msg)
    return InProcess()


def _add_compare(commands: Any) -> None:
    compare = commands.add_parser(
        "compare", help="let several algorithms search the same problem, or compare finished runs"
    )
    compare.add_argument(
        "what", nargs="+", metavar="PROBLEM|FOLDER", help="a problem, or folders of finished runs"
    )
    compare.add_argument(
        "--algorithms",
        nargs="+",
        metavar="METHOD",
        help="ENGINE, ENGINE+MODEL for a surrogate, ENGINE@accuracy=1,width=0.5 for objectives of "
        f"its own; default: {' '.join(METHODS)}; random search is always among them",
    )
    compare.add_argument("--seeds", type=int, default=5, help="runs of each, from --seed on")
    compare.add_argument(
        "--jobs", type=int, help="runs at once, each in a process; default: as many as cores"
    )
    compare.add_argument(
        "--bounds",
        nargs="+",
        metavar="BOUND",
        help="sizes at which accuracies are compared, such as 'macs<=20%%'",
    )
    compare.add_argument(
        "--output", type=Path, help="folder; default: runs/compare-PROBLEM-DATE-TIME"
    )
    _add_search(compare)
    compare.set_defaults(command=_compare)


def _add_search(run: Any) -> None:
    """What a search depends on besides its engine."""
    run.add_argument("--preset", help="settings under one name; 'pymoo-prune list' shows them")
    run.add_argument(
        "--objectives",
        nargs="+",
        metavar="NAME",
        help="one objective each; or pwad, pruned weights per accuracy drop",
    )
    run.add_argument("--weights", help="one objective: 'accuracy=1,width=0.5'")
    run.add_argument(
        "--constraint", action="append", metavar="BOUND", help="such as 'accuracy_drop<=0.02'"
    )
    run.add_argument("--data", default="digits", help=f"{', '.join(DATA_SETS)}, or a folder")
    run.add_argument("--data-root", help="where data sets lie")
    run.add_argument("--download", action="store_true", help="fetch the data set if it is missing")
    run.add_argument("--validation", help="share or number of training images to search with")
    run.add_argument("--generations", type=int, help="budget")
    run.add_argument("--evaluations", type=int, help="budget")
    run.add_argument("--time", help="budget: '90', '90s', '15m' or '2h' of working time")
    run.add_argument("--pop-size", type=int)
    run.add_argument("--seed", type=int, default=0)
    run.add_argument("--device", default="cpu")
    run.add_argument("--threads", type=int)
    run.add_argument(
        "--finish", type=int, metavar="IMAGES", help="images to retrain the front with"
    )
    run.add_argument("--parent", help="folder of an exported network to prune")
    run.add_argument(
        "--set", action="append", metavar="NAME=VALUE", help="an option of the problem"
    )


def _list(options: argparse.Namespace, console: Console) -> None:  # noqa: ARG001
    console.print("[bold]problems[/]")
    for name in sorted(registered()):
        cls = find_problem(name)
        summary = (cls.__doc__ or "").strip().splitlines()[0]
        console.print(f"  {name:<22} {summary}", highlight=False, soft_wrap=True)
        for preset, settings in cls.presets.items():
            console.print(
                f"    --preset {preset:<9} {settings.description}", highlight=False, soft_wrap=True
            )
        console.print(f"    measures {', '.join(cls.offered())}", highlight=False, soft_wrap=True)
    console.print("[bold]algorithms[/]")
    for name, text in ENGINES.items():
        console.print(f"  {name:<22} {text}", highlight=False, soft_wrap=True)
    console.print("[bold]data sets[/]")
    for name, text in DATA_SETS.items():
        console.print(f"  {name:<22} {text}", highlight=False, soft_wrap=True)
    console.print("[bold]reproductions[/]")
    console.print(
        f"  {', '.join(sorted(registered(REPRODUCTIONS)))}", highlight=False, soft_wrap=True
    )


def _networks(options: argparse.Namespace, console: Console) -> None:
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
    """Names; parameters, MACs, prunable layers, and a description, or why the network cannot be."""
    for name, kind in ZOO.items():
        try:
            with torch.device("meta"):  # nothing is computed
                network = named_network(name, channels=channels, classes=classes, size=(size, size))
            layers = prunable_layers(network, (channels, size, size))
        except PruneError as error:
            yield name, ("–", "–", "–", str(error))
        else:
            counts = count_parameters(network), layer_macs(layers), len(layers)
            yield name, (*(f"{count:,}" for count in counts), kind.description)


def _run(options: argparse.Namespace, console: Console) -> None:
    if options.profile and _has_workers(options):
        msg = "--profile sees what is done in this process only; give it without workers"
        raise PruneError(msg)
    if options.threads is None and _has_workers(options):
        # Together as many as there are here; of other machines nothing is known.
        here = options.workers if options.ray is None else cores()
        options.threads = max(1, cores() // max(here, 1))
    preset = _preset(find_problem(options.problem), options.preset)
    settings = replace(
        _settings(options, options.problem, preset),
        algorithm=options.algorithm or preset.algorithm,
        surrogate=options.surrogate,
    )
    if options.output is None:
        options.output = _new_folder(options.problem)
    executor = _executor(options, settings.threads)
    run = Run.create(options.output, settings)
    _work(run, console, executor, download=options.download, profile=options.profile)


def _new_folder(name: str) -> Path:
    now = dt.datetime.now().astimezone().strftime("%Y%m%d-%H%M%S")
    return Path("runs") / f"{name.replace(':', '-')}-{now}"


def _compare(options: argparse.Namespace, console: Console) -> None:
    known = registered()
    if any(Path(what).is_dir() and what not in known for what in options.what):
        _compare_folders(options, console)
        return
    if len(options.what) > 1:
        msg = f"compare takes one problem, or folders of runs, but it was given {options.what}"
        raise PruneError(msg)
    (name,) = options.what
    if options.seeds < 1:
        msg = f"--seeds must be at least 1, but it is {options.seeds}"
        raise PruneError(msg)
    cls = find_problem(name)
    methods = list(options.algorithms or METHODS)
    if "random" not in methods and cls.random is not PruningProblem.random:
        methods.append("random")
    runs = len(methods) * options.seeds
    jobs = min(cores(), runs) if options.jobs is None else options.jobs
    if options.threads is None and options.output and Campaign.is_one(options.output):
        options.threads = Campaign.open(options.output).settings.threads  # it is being extended
    if options.threads is None:
        options.threads = max(1, cores() // max(jobs, 1))
    if options.output is None:
        options.output = _new_folder(f"compare-{name}")
    campaign = Campaign.create(
        options.output,
        _settings(options, name, _preset(cls, options.preset)),
        methods,
        range(options.seed, options.seed + options.seeds),
        options.bounds,
    )
    campaign.execute(console, jobs=jobs, download=options.download)
    _show_campaign(campaign, console)


def _compare_folders(options: argparse.Namespace, console: Console) -> None:
    folders = [Path(what) for what in options.what]
    if options.output is None:
        options.output = _new_folder("compare")
    _show_comparison(report_of_runs(folders, options.bounds), options.output, console)


def _settings(options: argparse.Namespace, problem: str, preset: Preset) -> Settings:
    """What is asked for, but for the engine."""
    given = {
        "pop_size": preset.pop_size if options.pop_size is None else options.pop_size,
        "finish_images": preset.finish_images if options.finish is None else options.finish,
        "threads": options.threads,
        "validation": None if options.validation is None else _number(options.validation),
    }
    return Settings(
        problem=problem,
        algorithm="nsga2",
        options={**preset.options, **_assignments(options.set or ())},
        budget=_budget(options, preset),
        data=options.data,
        data_root=options.data_root,
        objectives=_objectives(options) or preset.objectives,
        constraints=options.constraint or (),
        seed=options.seed,
        device=options.device,
        parent=options.parent,
        **{name: value for name, value in given.items() if value is not None},
    )


def _preset(cls: type[PruningProblem], name: str | None) -> Preset:
    if name is None:
        return next(iter(cls.presets.values()))
    if name not in cls.presets:
        raise unknown_name("preset", name, cls.presets)
    return cls.presets[name]


def _objectives(options: argparse.Namespace) -> Objectives | None:
    if options.objectives and options.weights:
        msg = "give --objectives (one objective each) or --weights (one weighted sum), not both"
        raise PruneError(msg)
    if options.weights:
        pairs = _assignments(options.weights.split(","))
        wrong = [name for name, value in pairs.items() if not isinstance(value, (int, float))]
        if wrong:
            msg = (
                f"--weights must give numbers, such as 'accuracy=1,width=0.5', but {wrong} are not"
            )
            raise PruneError(msg)
        return WeightedSum(pairs)
    return parse_objectives(options.objectives) if options.objectives else None


def _budget(options: argparse.Namespace, preset: Preset) -> Budget:
    seconds = None if options.time is None else _seconds(options.time)
    given = options.generations, options.evaluations, seconds
    if given == (None, None, None):
        return Budget(generations=preset.generations, seconds=preset.seconds)
    return Budget(*given)


def _seconds(text: str) -> float:
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([smh]?)", text)
    if match is None:
        msg = f"--time {text!r} must read like '90', '90s', '15m' or '2h'"
        raise PruneError(msg)
    return float(match[1]) * {"": 1, "s": 1, "m": 60, "h": 3600}[match[2]]


def _number(text: str) -> float | int:
    try:
        return int(text) if text.isdigit() else float(text)
    except ValueError:
        msg = f"--validation {text!r} must be a share such as 0.2 or a number of images"
        raise PruneError(msg) from None


def _assignments(texts: Sequence[str]) -> dict[str, Any]:
    pairs = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals:
            msg = f"{text!r} must read NAME=VALUE"
            raise PruneError(msg)
        try:
            pairs[name.strip()] = json.loads(value)
        except json.JSONDecodeError:
            pairs[name.strip()] = value
    return pairs


def _resume(options: argparse.Namespace, console: Console) -> None:
    if Campaign.is_one(options.folder):
        if _has_workers(options):
            msg = "a comparison makes whole runs at once, each in a process: give --jobs"
            raise PruneError(msg)
        campaign = Campaign.open(options.folder)
        at_once = max(1, cores() // campaign.settings.threads)
        campaign.execute(console, jobs=at_once if options.jobs is None else options.jobs)
        _show_campaign(campaign, console)
        return
    run = Run.open(options.folder)
    if run.complete:
        console.print(f"{options.folder} is finished already.", markup=False, soft_wrap=True)
        _show(run, console)
    else:
        _work(run, console, _executor(options, run.settings.threads))


def _work(
    run: Run,
    console: Console,
    executor: Executor,
    *,
    download: bool = False,
    profile: bool = False,
) -> None:
    with executor:
        run.execute(Display(console), download=download, executor=executor, profile=profile)
    _show(run, console)


def _report(options: argparse.Namespace, console: Console) -> None:
    if Campaign.is_one(options.folder):
        _show_campaign(Campaign.open(options.folder), console, html=options.html)
        return
    _show(Run.open(options.folder), console, html=options.html)


def _show_campaign(campaign: Campaign, console: Console, *, html: bool = False) -> None:
    _show_comparison(report_of_campaign(campaign), campaign.folder, console, html=html)


def _show_comparison(
    report: ComparisonReport, folder: Path, console: Console, *, html: bool = False
) -> None:
    page = report.write(folder)
    for table in report.tables():
        console.print(table)
    console.print(report.verdict(), highlight=False, markup=False)
    where = f"report: {page}, picture: {folder / FRONTS}.png"
    if html:
        from pymoo_prune.comparison_page import write_page  # noqa: PLC0415 - Bokeh takes a moment

        where += f", interactive: {write_page(report, folder)}"
    console.print(where, highlight=False, markup=False, soft_wrap=True)


def _show(run: Run, console: Console, *, html: bool = False) -> None:
    report = Report(run)
    page = report.write()
    for table in report.tables():
        console.print(table)
    console.print(report.verdict(), highlight=False, markup=False)
    console.print(report.parent_line(), highlight=False, markup=False)
    for name, origin in report.origins().items():
        console.print(f"{name}: {origin}.", highlight=False, markup=False, soft_wrap=True)
    for note in report.summary.get("notes", ()):
        console.print(note, highlight=False, markup=False)
    where = f"report: {page}, picture: {page.parent / 'front.png'}"
    if html:
        from pymoo_prune.report_page import write_page  # noqa: PLC0415 - Bokeh takes its time

        where += f", interactive: {write_page(report)}"
    console.print(where, highlight=False, markup=False, soft_wrap=True)


def _export(options: argparse.Namespace, console: Console) -> None:
    carried = Run.open(options.folder).export(
        options.pick,
        options.output,
        Display(console),
        onnx=options.format == "onnx",
        int8=options.int8,
        latency=options.latency,
    )
    console.print(str(carried.member), highlight=False)
    for table in carried.tables():
        console.print(table)
    for note in carried.notes():
        console.print(note, highlight=False, markup=False)
    folder = str(carried.folder)
    where = f"written to {folder}; pymoo_prune.load_network({folder!r}) rebuilds it"
    console.print(where, highlight=False, markup=False, soft_wrap=True)


def _ticket(options: argparse.Namespace, console: Console) -> None:
    ticket, folder = Run.open(options.folder).ticket(
        options.pick,
        options.images,
        options.output,
        Display(console),
        batch_sizes=options.batch_sizes,
    )
    for table in ticket.tables():
        console.print(table)
    for text in (ticket.origin(), ticket.conditions(), ticket.verdict()):
        console.print(text, highlight=False, markup=False)
    where = f"report: {folder / TICKET_PAGE}, picture: {folder / TICKET_PICTURE}"
    console.print(where, highlight=False, markup=False, soft_wrap=True)
    where = f"written to {folder}; pymoo_prune.load_network({str(folder)!r}) rebuilds it"
    console.print(where, highlight=False, markup=False, soft_wrap=True)


def _reproduce(options: argparse.Namespace, console: Console) -> None:
    output = options.output or Path("runs") / f"{options.paper}-reproduction"
    options.output = output
    find_reproduction(options.paper)(
        output, runs=options.runs, data=options.data, data_root=options.data_root, console=console
    )


if __name__ == "__main__":
    sys.exit(main())
