"""The options of a search, and the settings that they make."""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeAlias

import torch

from pymoo_prune.data import DATA_SETS
from pymoo_prune.errors import PruneError
from pymoo_prune.objectives import Objectives, WeightedSum, parse_objectives
from pymoo_prune.problem import Preset, find_problem, module_of, preset_of, trust
from pymoo_prune.runs import Given, Settings, is_module, lasting
from pymoo_prune.search import Budget

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"  # noqa: SLF001
"""The subparsers that a command is added to."""

_WORDS = {"None": None, "True": True, "False": False}
"""Values in Python's spelling; all else is read as JSON, or as text."""


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
        metavar="FOLDER",
        help="an exported network to prune; with --network, a file with its weights",
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
    images.add_argument(
        "--data",
        default="digits",
        metavar="NAME",
        help=f"{', '.join(DATA_SETS)}, a folder of images, a file of arrays (.npz), or "
        "module:name of your own data; default: digits",
    )
    images.add_argument("--data-root", metavar="FOLDER", help="where data sets lie")
    images.add_argument(
        "--download", action="store_true", help="fetch the data set if it is missing"
    )
    images.add_argument(
        "--validation", metavar="N", help="share or number of training images to search with"
    )


def _add_budget(command: argparse.ArgumentParser) -> None:
    budget = command.add_argument_group(
        "budget: the search ends at the first limit that it reaches"
    )
    budget.add_argument(
        "--generations", type=int, metavar="N", help="the first population is generation 1"
    )
    budget.add_argument("--evaluations", type=int, metavar="N", help="candidates asked for")
    budget.add_argument("--time", help="working time: '90', '90s', '15m' or '2h'")
    budget.add_argument("--pop-size", type=int, metavar="N", help="candidates of a generation")
    budget.add_argument(
        "--finish", type=int, metavar="IMAGES", help="images to retrain the front with"
    )
    budget.add_argument(
        "--keep-networks",
        type=int,
        default=Settings.keep_networks,
        metavar="MB",
        help="most megabytes of finished networks to keep; "
        f"default: {Settings.keep_networks}; 0 keeps none",
    )


def add_place_of_data(command: argparse.ArgumentParser) -> None:
    """Adds `--data`, for commands that need the images of a run; `given_of` reads it."""
    command.add_argument(
        "--data",
        metavar="PATH",
        help="where the run's images are now, if they have moved",
    )


def given_of(options: argparse.Namespace) -> Given:
    """What a command's options bring along for a run: the place of its images.

    Args:
        options: The options of a command with `--data PATH`.
    """
    if options.data is not None and is_module(options.data):
        trust([str(module_of(options.data))])
    return Given(place=options.data)


def settings_of(
    options: argparse.Namespace,
    problem: str,
    *,
    algorithm: str | None = None,
    surrogate: str | None = None,
    threads: int | None = None,
) -> Settings:
    """The settings that a command's options ask for.

    Args:
        options: The options of a command that searches.
        problem: The problem's name.
        algorithm: The engine's name; None takes the preset's.
        surrogate: A model's name.
        threads: Torch's threads; None keeps their present number.
    """
    preset = preset_of(find_problem(problem), options.preset)
    return Settings(
        problem=problem,
        algorithm=algorithm or preset.algorithm,
        pop_size=preset.pop_size if options.pop_size is None else options.pop_size,
        options={**preset.options, **assignments(options.set or ())},
        budget=_budget(options, preset),
        data=lasting(options.data),
        data_root=None if options.data_root is None else str(Path(options.data_root).absolute()),
        validation=None if options.validation is None else _share_or_number(options.validation),
        objectives=_objectives(options) or preset.objectives,
        constraints=options.constraint or (),
        seed=options.seed,
        device=options.device,
        threads=torch.get_num_threads() if threads is None else threads,
        finish_images=preset.finish_images if options.finish is None else options.finish,
        parent=options.parent,
        network=options.network,
        quantities=options.quantity or (),
        keep_networks=options.keep_networks,
        surrogate=surrogate,
    )


def _objectives(options: argparse.Namespace) -> Objectives | None:
    if options.objectives and options.weights:
        msg = "give --objectives (one objective each) or --weights (one weighted sum), not both"
        raise PruneError(msg)
    if options.weights:
        texts = options.weights.split(",")
        pairs = assignments(texts)
        if len(pairs) < len(texts):
            msg = f"--weights must name each quantity once, but they are {options.weights!r}"
            raise PruneError(msg)
        wrong = [name for name, value in pairs.items() if type(value) not in (int, float)]
        if wrong:
            msg = (
                f"--weights must give numbers, such as 'accuracy=1,width=0.5', but {wrong} are not"
            )
            raise PruneError(msg)
        return WeightedSum(pairs)
    return parse_objectives(options.objectives) if options.objectives else None


def _budget(options: argparse.Namespace, preset: Preset) -> Budget:
    time = None if options.time is None else seconds(options.time)
    given = options.generations, options.evaluations, time
    if given == (None, None, None):
        return Budget(generations=preset.generations, seconds=preset.seconds)
    return Budget(*given)


def seconds(text: str) -> float:
    """A time in seconds.

    Args:
        text: Such as "90", "90s", "1.5m" or "2h".
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([smh]?)", text)
    if match is None:
        msg = f"--time {text!r} must read like '90', '90s', '15m' or '2h'"
        raise PruneError(msg)
    return float(match[1]) * {"": 1, "s": 1, "m": 60, "h": 3600}[match[2]]


def _share_or_number(text: str) -> float | int:
    try:
        return int(text) if text.isdigit() else float(text)
    except ValueError:
        msg = f"--validation {text!r} must be a share such as 0.2 or a number of images"
        raise PruneError(msg) from None


def assignments(texts: Sequence[str]) -> dict[str, Any]:
    """Values by name.

    Args:
        texts: Such as "levels=8", "parent_widths=[16, 16]" or "encoding=masks".
    """
    pairs = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals:
            msg = f"{text!r} must read NAME=VALUE"
            raise PruneError(msg)
        pairs[name.strip()] = _value(value.strip())
    return pairs


def _value(text: str) -> Any:
    if text in _WORDS:
        return _WORDS[text]
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text
