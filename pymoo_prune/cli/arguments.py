"""The settings that the options of a search make."""

from __future__ import annotations

import argparse
import re
from pathlib import Path

import torch

from pymoo_prune.errors import PruneError
from pymoo_prune.networks import load_named
from pymoo_prune.objectives import Objectives, WeightedSum, parse_objectives
from pymoo_prune.problem import Preset, assignments, find_problem, module_of, preset_of, trust
from pymoo_prune.runs import Given, Settings, is_module, lasting
from pymoo_prune.search import Budget


def given_of(options: argparse.Namespace) -> Given:
    """What a command's options bring along for a run: the places of its images and its network.

    Args:
        options: The options of a command with `--data PATH` and `--network MODULE:NAME`.
    """
    named: str | None = options.network
    if named is not None and module_of(named) is None:
        msg = f"--network must read module:name, but it is {named!r}"
        raise PruneError(msg)
    if options.data is not None and is_module(options.data):
        trust([str(module_of(options.data))])
    if named is not None:
        trust([str(module_of(named))])
        load_named(named)  # an error now, and not only where the network is needed
    return Given(place=options.data, named=named)


def settings_of(
    options: argparse.Namespace,
    problem: str,
    *,
    algorithm: str | None = None,
    surrogate: str | None = None,
    baselines: bool = True,
    threads: int | None = None,
) -> Settings:
    """The settings that a command's options ask for.

    Args:
        options: The options of a command that searches.
        problem: The problem's name.
        algorithm: The engine's name; None takes the preset's.
        surrogate: A model's name.
        baselines: Whether the front is compared with simpler methods.
        threads: Torch's threads; None keeps their present number.
    """
    preset = preset_of(find_problem(problem), options.preset)
    objectives = _objectives(options)
    return Settings(
        problem=problem,
        algorithm=algorithm or preset.engine_for(objectives),
        pop_size=preset.pop_size if options.pop_size is None else options.pop_size,
        options={**preset.options, **assignments(options.set or ())},
        budget=_budget(options, preset),
        data=lasting(options.data),
        data_root=None if options.data_root is None else str(Path(options.data_root).absolute()),
        validation=None if options.validation is None else _share_or_number(options.validation),
        objectives=objectives or preset.objectives,
        constraints=options.constraint or (),
        seed=options.seed,
        device=options.device,
        threads=torch.get_num_threads() if threads is None else threads,
        finish_images=preset.finish_images if options.finish is None else options.finish,
        parent=options.parent,
        network=options.network,
        quantities=options.quantity or (),
        metric=options.metric,
        keep_networks=options.keep_networks,
        surrogate=surrogate,
        baselines=baselines,
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
    given = limits_of(options)
    return (
        Budget(generations=preset.generations, seconds=preset.seconds) if given is None else given
    )


def limits_of(options: argparse.Namespace) -> Budget | None:
    """The budget that a command's options ask for; None where they name no limit.

    Args:
        options: The options of a command with `--generations`, `--evaluations` and `--time`.
    """
    time = None if options.time is None else seconds(options.time)
    given = options.generations, options.evaluations, time
    return None if given == (None, None, None) else Budget(*given)


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
