"""The command suite: the benchmark suite's instances, and candidates set beside their fronts."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from pymoo_prune.errors import PruneError
from pymoo_prune.files import write_text
from pymoo_prune.suite import (
    Cost,
    Definition,
    Facts,
    Improvement,
    Instance,
    candidates_csv,
    improvement,
    problem,
    read_candidates,
    suite,
)
from pymoo_prune.tables import listed

QUANTITIES: Mapping[str, str] = {
    "parameters": "parameters",
    "macs": "MACs for one image",
    "width": "share of the hidden neurons that live",
    "similarity_loss": "EComp's similarity loss",
    "accuracy": "accuracy",
}
"""Quantities as descriptions name them."""

LONGEST = 18
"""Letters of a line of objectives in the list, which then has at most 100 letters a line."""


def do_suite(options: argparse.Namespace, console: Console) -> None:
    """`pymoo-prune suite`."""
    if options.name is None:
        for option in ("improve", "front", "output"):
            if getattr(options, option) is not None:
                msg = f"--{option} needs the name of an instance; 'pymoo-prune suite' lists them"
                raise PruneError(msg)
        _list(options.group or "all", console)
        return
    instance = problem(options.name)
    if options.group is not None:
        raise PruneError("--group is for the list; leave it out where an instance is named")
    if options.improve is not None and options.front is not None:
        raise PruneError("give --improve or --front, one at a time")
    if options.output is not None and options.improve is None:
        raise PruneError("--output is for the better front of --improve; --front writes the known")
    if options.front is not None:
        _write_front(instance, options.front, console)
    elif options.improve is not None:
        _improve(instance, options.improve, options.output, console)
    else:
        _describe(instance.definition, console)


# The list.


def _list(group: str, console: Console) -> None:
    definitions = suite(group)
    for title, tabular in (
        ("tabular: a table has all candidates", True),
        ("live: networks are measured when they are asked for", False),
    ):
        chosen = [one for one in definitions if bool(one.table) == tabular]
        if chosen:
            console.print(_instances(title, chosen), crop=False)
            console.print()
    _line(
        console,
        "'pymoo-prune suite NAME' describes one; 'front' counts the points of the known front",
    )


def _instances(title: str, definitions: Sequence[Definition]) -> Table:
    table = Table(
        title=title,
        title_justify="left",
        box=SIMPLE_HEAD,
        show_edge=False,
        pad_edge=False,
        collapse_padding=True,
    )
    rows = [
        (
            one.name,
            Facts(one).genes,
            ", ".join(cost.name for cost in one.costs),
            ", ".join(one.constraints) or "–",
            _front_size(Facts(one)),
        )
        for one in definitions
    ]
    for place, name in enumerate(("instance", "genes", "objectives", "constraints", "front")):
        cells = [name, *(row[place] for row in rows)]
        # Objectives may go on in the next line; the rest stays whole.
        words = [word for cell in cells for word in (cell.split(" ") if place == 2 else [cell])]
        width = max(map(len, words))
        table.add_column(
            name,
            justify="right" if place == 4 else "left",
            min_width=width,
            max_width=LONGEST if place == 2 else None,
        )
    for row in rows:
        table.add_row(*map(escape, row))
    return table


def _front_size(facts: Facts) -> str:
    size = facts.front_size
    return "–" if size is None else f"{size:,}"


# One instance.


def _describe(definition: Definition, console: Console) -> None:
    facts = Facts(definition)
    grid = Table.grid(padding=(0, 2))
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    for name, text in (*_about(definition, facts), *_about_front(facts)):
        grid.add_row(name, escape(text))
    console.print(f"[bold]{definition.name}[/]", highlight=False)
    console.print(grid)
    console.print()
    console.print(_objectives(definition, facts), crop=False)
    console.print()
    for line in _code(definition):
        _line(console, line)


def _about(definition: Definition, facts: Facts) -> Iterator[tuple[str, str]]:
    yield "what", definition.what
    live = definition.live
    if live is not None:
        options = ", ".join(f"{name}={value}" for name, value in live.options.items())
        yield "problem", f"{live.problem}{f' with {options}' if options else ''}"
    yield "network", facts.network
    if live is not None:
        yield "data", live.data
    yield "parent", _parent(facts)
    yield "genes", f"{facts.genes}{_bounds(definition)}"
    yield "n_var", f"{definition.genes.n_var}"
    candidates = definition.candidates
    yield "candidates", "infinitely many" if candidates is None else _large(candidates)
    yield "constraints", ", ".join(definition.constraints) or "none"
    noise = "each generation has images of its own; the known front is without noise"
    yield "noise", noise if definition.noisy else "none"
    seeds = "networks that need no search" if definition.seeded else "random"
    yield "first population", seeds
    how = "looked up in a table" if definition.table else "networks are run when they are asked for"
    yield "measurements", how
    yield "version", f"{definition.version}"


def _about_front(facts: Facts) -> Iterator[tuple[str, str]]:
    known, recorded = facts.known, facts.recorded
    if known is None:
        yield "known front", "not there yet"
    else:
        kind = "the true one" if recorded.get("true") else "the best that was found"
        yield "known front", f"{len(known.F):,} points, {kind}"
    if "evaluations" in recorded:
        yield "evaluations behind", f"{recorded['evaluations']:,}"
    if "milliseconds" in recorded:
        yield "an evaluation takes", f"{recorded['milliseconds']:.3g} ms"


def _parent(facts: Facts) -> str:
    if not facts.about:
        values = Instance(facts.definition).measurer.parent
        return f"accuracy {100 * values['accuracy']:.2f} %, {values['parameters']:,.0f} parameters"
    return (
        f"accuracy {100 * facts.about['validation_accuracy']:.2f} % on all validation images, "
        f"{100 * facts.about['test_accuracy']:.2f} % on test images; {facts.parameters:,} "
        "parameters"
    )


def _bounds(definition: Definition) -> str:
    genes = definition.genes
    if genes.kind == "bits":
        return ": 1 keeps a part"
    pairs = list(dict.fromkeys(zip(genes.xl.tolist(), genes.xu.tolist(), strict=True)))
    texts = [f"{low:g} to {high:g}" for low, high in pairs]
    return f": {genes.kind} from {listed(texts)}"


def _large(number: int) -> str:
    return f"{number:,}" if number < 10**12 else f"about {Decimal(number):.1e}"


def _objectives(definition: Definition, facts: Facts) -> Table:
    table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False)
    table.add_column("objective", no_wrap=True)
    table.add_column("what is minimised", overflow="fold")
    for name in ("ideal", "nadir", "reference"):
        table.add_column(name, justify="right", no_wrap=True)
    known = facts.known
    for place, cost in enumerate(definition.costs):
        ends = (
            ("–", "–")
            if known is None
            else (f"{known.ideal[place]:.4g}", f"{known.nadir[place]:.4g}")
        )
        table.add_row(cost.name, _scale(cost), *ends, f"{cost.reference:g}")
    return table


def _scale(cost: Cost) -> str:
    what = QUANTITIES.get(cost.quantity, cost.quantity)
    return {
        "error": f"1 − {what}, a share",
        "plain": what,
        "share": f"{what}, as a share of the parent's",
        "log": f"log10 of the parent's share: {what}",
    }[cost.scale]


def _code(definition: Definition) -> tuple[str, ...]:
    return (
        "from pymoo.algorithms.moo.nsga2 import NSGA2",
        "from pymoo.optimize import minimize",
        "from pymoo_prune.suite import problem",
        f'instance = problem("{definition.name}", version={definition.version})',
        "algorithm = NSGA2(pop_size=40, **instance.operators())",
        f"result = minimize(instance, algorithm, ('n_eval', {definition.budget}), seed=1)",
        "print(instance.hypervolume(result.F, result.G))",
    )


# Fronts.


def _write_front(instance: Instance, path: Path, console: Console) -> None:
    _check_new(path)
    known = Facts(instance.definition).known
    if known is None:
        msg = f"the known front of {instance.name()} is not there yet"
        raise PruneError(msg)
    write_text(path, candidates_csv(instance, known.X, known.F))
    _line(console, f"{path}: the known front of {instance.name()}, {len(known.F):,} points")


def _improve(instance: Instance, given: Path, output: Path | None, console: Console) -> None:
    if output is not None:
        _check_new(output)
    X = read_candidates(given, instance)
    found = improvement(instance, X)
    for line in _findings(instance, found):
        _line(console, line)
    if output is None:
        return
    write_text(output, candidates_csv(instance, found.X, found.F))
    _line(console, f"{output}: the better front, {len(found.F):,} points")


def _findings(instance: Instance, found: Improvement) -> Iterator[str]:
    text = f"{found.measured:,} candidates of {instance.name()} measured"
    if instance.constraints:
        text += f", of which {found.kept:,} keep {', '.join(instance.constraints)}"
    yield text
    known = Facts(instance.definition).known
    if known is None:
        yield f"there is no known front yet; {found.new:,} of them are a front"
        return
    yield (
        f"{found.new:,} are non-dominated and new: none of the {len(known.F):,} known points "
        f"dominates or equals them; {found.equal:,} equal a known point"
    )
    if found.alone is None or found.together is None:
        yield "hypervolume: no known point is better than the reference point in all objectives"
        return
    yield (
        f"hypervolume: {100 * found.alone:.3f} % of the known front's alone; together "
        f"{100 * found.together:.3f} % ({100 * (found.together - 1):+.3f} points)"
    )
    if Facts(instance.definition).recorded.get("true"):
        yield "the known front is the true one: no candidate improves it"


def _check_new(path: Path) -> None:
    if path.exists() or path.is_symlink():
        msg = f"{path} is there already; name another file"
        raise PruneError(msg)
    if not path.parent.is_dir():
        msg = f"{path} cannot be written: there is no folder {path.parent}"
        raise PruneError(msg)


def _line(console: Console, text: str) -> None:
    console.print(text, highlight=False, markup=False, soft_wrap=True)
