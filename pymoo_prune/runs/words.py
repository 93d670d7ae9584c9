"""The findings of a run in sentences."""

from __future__ import annotations

import shlex

from pymoo_prune.objectives import Series
from pymoo_prune.results import RANDOM
from pymoo_prune.runs.files import STORE_FILE
from pymoo_prune.runs.findings import Findings
from pymoo_prune.tables import listed

DIGITS = 4
"""Digits of hypervolumes that are shown; what is equal in them is alike."""


def title(findings: Findings) -> str:
    """The problem and its data."""
    return findings.run.settings.title


def volume(value: float) -> str:
    """A hypervolume as it is shown."""
    return f"{value:.{DIGITS}f}"


def verdict(findings: Findings) -> str:
    """Whether the search paid off."""
    own, *others = (round(value, DIGITS) for value in findings.hypervolumes[findings.tested])
    if not others:
        return f"There is nothing to compare the search with: {volume(own)} is its hypervolume."
    best = max(others)
    row = 1 + others.index(best)
    name = findings.series[row].name
    place = "after the same retraining" if findings.finished else "on the test images"
    if own != best and within_noise(findings, row):
        shares = listed([f"{n} by {100 * share:.1f} %" for n, share in findings.noise.items()])
        return (
            f"The search and {name} cannot be told apart {place}: {volume(own)} and "
            f"{volume(best)}, but measured twice, the same networks differ in {shares} at most, "
            "and that is more."
        )
    if own > best:
        return f"The search dominates most {place}: {volume(own)}."
    if own == best:
        return f"The search and {name} dominate alike {place}: {volume(own)}."
    return f"The search does not win {place}: {name} has {volume(best)}, the search {volume(own)}."


def within_noise(findings: Findings, row: int) -> bool:
    """Whether noise alone could turn the order of the search and another method.

    Args:
        findings: The numbers.
        row: The other method's place in the series.
    """
    if not findings.noise:
        return False
    (low, high), (other_low, other_high) = findings.spread(0), findings.spread(row)
    return low <= other_high and other_low <= high


def parent_line(findings: Findings) -> str:
    """The unpruned network's measurements."""
    parent, quantities = findings.summary["parent"], findings.quantities
    parts = [
        f"{quantities[n].label} {quantities[n].format(parent[n])}"
        for n in ("accuracy", "parameters", "macs")
    ]
    return f"The parent: {', '.join(parts)}."


def suggestion(findings: Findings) -> str:
    """The network that the report suggests, why, and its test accuracy beside the parent's."""
    columns, quantities, suggested = (
        findings.front.columns,
        findings.quantities,
        findings.suggestion,
    )
    place, whole = suggested.place, findings.summary.get("parent_test_accuracy")
    parts = [
        f"{quantities[n].label} {quantities[n].format(float(columns[n][place]))}"
        for n in (findings.tested, "parameters", "macs")
    ]
    if whole is not None:  # older runs did not measure it
        parts[0] += f" (the parent's: {quantities['test_accuracy'].format(float(whole))})"
    left = 100 * columns["parameters"][place] / findings.summary["parent"]["parameters"]
    share = f"{left:.2g}" if left < 10 else f"{left:.0f}"  # never 1e+02
    return (
        f"The suggestion is network {place}, {suggested.reason}: {', '.join(parts)}. Of the "
        f"parent's parameters {share}\u00a0% are left."
    )


def export_command(findings: Findings, place: int) -> str:
    """The command that exports a network."""
    return f"pymoo-prune export {shlex.quote(str(findings.run.folder))} --pick {place}"


def made_line(findings: Findings) -> str:
    """How the run was made."""
    settings, summary = findings.run.settings, findings.summary
    machine = summary["machine"]
    # Some engines have a population of their own; older runs do not say.
    population = summary.get("population") or settings.pop_size
    engine = settings.algorithm
    if settings.surrogate is not None:
        engine += f" with a surrogate ({settings.surrogate})"
    return (
        f"{engine}, population {population}, seed {settings.seed}: "
        f"{summary['generations']} generations, {summary['evaluations']:,} evaluations in "
        f"{summary['seconds']:.1f} s on {machine['processor']} "
        f"({machine['threads']} thread{'s' * (machine['threads'] > 1)}, {machine['device']})."
    )


def meaning(findings: Findings) -> str:
    """The axes of the hypervolumes, and how networks are compared."""
    settings = findings.run.settings
    axes = ", ".join(["error", *(findings.quantities[name].label for name in findings.axes)])
    text = f"Hypervolumes of ({axes}), reference point 1 for each"
    if images := settings.finish_images:
        text += f"; every network is retrained with the same {images:,} images"
    free = [one.name for one in findings.series[1:] if one.name != RANDOM]
    if free and (bounds := settings.constraints):
        text += f"; networks of {listed(free)} need not keep {listed(bounds)}"
    return f"{text}."


def origins(findings: Findings) -> dict[str, str]:
    """From which seed and which evaluations the networks of each method come."""
    return {one.name: _origin(findings, one) for one in findings.series}


def _origin(findings: Findings, one: Series) -> str:
    settings, numbered = findings.run.settings, "evaluation" in one.columns
    seeds = f"seed {settings.seed}"
    if settings.problem_seed is not None:
        seeds += f", {settings.problem_seed} for the problem"
    if one is findings.front:
        which = "evaluations, numbered from 0," if numbered else "the last population"
        return f"{which} of {findings.run.folder} (`{STORE_FILE}`), {seeds}"
    if one.name == RANDOM:
        own = ", numbered from 0 on their own" if numbered else ""
        return f"as many random candidates as the search had{own}, {seeds}"
    retrained = f", retrained with seed {settings.seed}" if findings.finished else ""
    return f"made without a search, at sizes of the front{retrained}"
