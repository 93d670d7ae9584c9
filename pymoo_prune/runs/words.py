"""The findings of a run in sentences."""

from __future__ import annotations

import shlex
from contextlib import suppress

from pymoo_prune.errors import StoreError
from pymoo_prune.objectives import DIVERGENCE, Series, judges
from pymoo_prune.results import FIRST_POPULATION, RANDOM, Gain, there_before
from pymoo_prune.runs.files import STORE_FILE
from pymoo_prune.runs.findings import DIGITS, Findings
from pymoo_prune.tables import Row, listed

TOGETHER, ADDED = "before the search", "the search adds"
"""Rows of the table of hypervolumes."""
MEANT = {
    TOGETHER: "the first population and the rivals that need no search, together",
    ADDED: "these and the search's networks together, less these alone; as a share of the former",
}
"""What these rows mean, beside the origins of networks."""


def title(findings: Findings) -> str:
    """The problem and its data."""
    return findings.run.settings.title


def volume(value: float) -> str:
    """A hypervolume as it is shown."""
    return f"{value:.{DIGITS}f}"


def verdict(findings: Findings) -> str:
    """Whether the search paid off."""
    own, *others = (round(value, DIGITS) for value in findings.hypervolumes[findings.tested])
    rows = [row for row, one in enumerate(findings.series) if row and one.name != FIRST_POPULATION]
    if not rows:
        return f"There is nothing to compare the search with: {volume(own)} is its hypervolume."
    row = max(rows, key=lambda row: others[row - 1])
    best = others[row - 1]
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


def share(findings: Findings) -> str:
    """What the search adds to what was there before it; empty in folders of older versions."""
    gain = findings.gain
    if gain is None:
        return ""
    if not gain.added:
        return "The search adds nothing to what was there before its first generation."
    if not gain.before:
        return (
            "Nothing was there before the first generation: all of the hypervolume is the search's."
        )
    rivals = bool(_free(findings))
    names = [] if findings.first is None else ["the first population"]
    names += ["the rivals that need no search"] if rivals else []
    subject = listed(names)
    before, added = in_percent(gain)
    text = (
        f"{subject[0].upper()}{subject[1:]} {'have' if rivals else 'has'} {before} of the "
        f"hypervolume; the search adds {added}"
    )
    if findings.gain_within_noise:
        images = findings.summary["search_share"]["test_images"]
        text += f", no more than the standard error of an accuracy on {images:,} images"
    return f"{text}."


def in_percent(gain: Gain) -> tuple[str, str]:
    """The share that was there before a search, and the share that it adds; together 100 %."""
    tenths = round(1000 * gain.share)
    if gain.added and not tenths:
        return "more than 99.9\u00a0%", "less than 0.1\u00a0%"
    return f"{100 - tenths / 10:.1f}\u00a0%", f"{tenths / 10:.1f}\u00a0%"


def gain_rows(findings: Findings) -> list[Row]:
    """Rows of the table of hypervolumes: what was there before the search, and what it adds."""
    if not (gains := findings.gains.values()):
        return []
    networks = sum(len(one) for one in there_before(findings.series))
    added = (f"{volume(gain.added)} ({in_percent(gain)[1]})" for gain in gains)
    return [
        (TOGETHER, str(networks), *(volume(gain.before) for gain in gains)),
        (ADDED, "", *added),
    ]


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
        for n in dict.fromkeys(("accuracy", *judges(quantities), "parameters", "macs"))
        if n in parent
    ]
    return f"The parent: {', '.join(parts)}.{_unknown(findings)}"


def _unknown(findings: Findings) -> str:
    """Which accuracies are unknown, and why; empty where all images have labels."""
    if findings.judged.by_divergence:
        which = "test images" if findings.labelled else "images"
    elif findings.labelled:
        return ""
    else:
        which = "training and validation images"
    return (
        f" The {which} have no labels, so accuracies on them are unknown: networks are judged by "
        "their divergence from the parent."
    )


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
        parts[0] += f" (the parent's: {quantities[findings.tested].format(float(whole))})"
    left = 100 * columns["parameters"][place] / findings.summary["parent"]["parameters"]
    share = f"{left:.2g}" if left < 10 else f"{left:.0f}"  # never 1e+02
    return (
        f"The suggestion is network {place}, {suggested.reason}: {', '.join(parts)}. Of the "
        f"parent's parameters {share}\u00a0% are left."
    )


def export_command(findings: Findings, pick: int | str) -> str:
    """The command that exports a network.

    Args:
        findings: The numbers.
        pick: The network's number, or text for a shell.
    """
    return f"pymoo-prune export {shlex.quote(str(findings.run.folder))} --pick {pick}"


def search_line(findings: Findings) -> str:
    """The engine of a run, its seed and what it asked for."""
    settings, summary = findings.run.settings, findings.summary
    # Some engines have a population of their own; older runs do not say.
    population = summary.get("population") or settings.pop_size
    engine = settings.algorithm
    if settings.surrogate is not None:
        engine += f" with a surrogate ({settings.surrogate})"
    return (
        f"{engine}, population {population}, seed {settings.seed}: "
        f"{_count(summary['generations'], 'generation')}, "
        f"{_count(summary['evaluations'], 'evaluation')}"
    )


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}" + ("" if number == 1 else "s")


def made_line(findings: Findings) -> str:
    """How the run was made."""
    summary = findings.summary
    machine = summary["machine"]
    return (
        f"{search_line(findings)} on {machine['processor']} "
        f"({machine['threads']} thread{'s' * (machine['threads'] > 1)}, {machine['device']})."
    )


def time_line(findings: Findings) -> str:
    """How long the search worked, which no page says: it is never the same twice."""
    with suppress(StoreError):  # the file of times is damaged, and nothing else
        if (seconds := findings.seconds) is not None:
            return f"The search worked for {seconds:,.1f} s."
    return ""


def times_line(findings: Findings) -> str:
    """Where a page's reader finds times."""
    return f"Working seconds at the end of each generation are in `{findings.times}`."


def meaning(findings: Findings) -> str:
    """The axes of the hypervolumes, and how networks are compared."""
    settings = findings.run.settings
    unit = findings.goals.quantities.get(DIVERGENCE)
    first = findings.judged.axis(
        findings.quantities,
        "divergence in nats" if unit is None or "(nats)" in unit.label else unit.label,
    )
    axes = ", ".join([first, *(findings.quantities[name].label for name in findings.axes)])
    text = f"Hypervolumes of ({axes}), reference point 1 for each"
    if findings.judged.by_metric and not findings.quantities[findings.judged.name].share:
        text += f" (of {findings.judged.name} 1/2 is the parent's value, and 1 the worst)"
    if images := settings.finish_images:
        text += f"; every network is retrained with the same {images:,} images"
    if findings.gain is not None:
        text += (
            "; what the search adds is the hypervolume of its networks and of all that was there "
            "before its first generation together, less that of the latter alone, and as a share "
            "of the former"
        )
    free = _free(findings)
    if free and (bounds := settings.constraints):
        text += f"; networks of {listed(free)} need not keep {listed(bounds)}"
    return f"{text}."


def _free(findings: Findings) -> list[str]:
    """The rivals that need no search, and know no constraints."""
    names = (one.name for one in there_before(findings.series))
    return [name for name in names if name != FIRST_POPULATION]


def origins(findings: Findings) -> dict[str, str]:
    """From which seed and which evaluations the networks of each method come."""
    return {one.name: _origin(findings, one) for one in findings.series}


def _left_out(findings: Findings) -> str:
    """How many of the first generation's non-dominated networks are shown, if not all."""
    counts = findings.summary["first_population"]
    shown, there = counts["shown"], counts["nondominated"]
    return "" if shown == there else f"; {shown} of {there} networks that none dominates"


def _origin(findings: Findings, one: Series) -> str:
    settings, numbered = findings.run.settings, "evaluation" in one.columns
    seeds = f"seed {settings.seed}"
    if settings.problem_seed is not None:
        seeds += f", {settings.problem_seed} for the problem"
    if one is findings.front:
        which = "evaluations, numbered from 0," if numbered else "the last population"
        return f"{which} of {findings.run.folder} (`{STORE_FILE}`), {seeds}"
    if one.name == FIRST_POPULATION:
        which = "evaluations of the first generation, numbered from 0,"
        place = f"of {findings.run.folder} (`{STORE_FILE}`), {seeds}"
        return f"{which if numbered else 'the first generation'} {place}{_left_out(findings)}"
    if one.name == RANDOM:
        own = ", numbered from 0 on their own" if numbered else ""
        # Where batches change, survivors are measured again: they are fewer candidates.
        what = "candidates" if numbered else "measurements of candidates"
        return f"as many random {what} as the search had{own}, {seeds}"
    retrained = f", retrained with seed {settings.seed}" if findings.finished else ""
    return f"made without a search, at sizes of the front{retrained}"
