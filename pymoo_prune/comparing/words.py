"""A comparison in sentences: which method wins, if so few runs can show it, and what it means."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import numpy as np

from pymoo_prune.comparing.comparison import SEARCHED, Comparison
from pymoo_prune.comparing.statistics import LEVEL, Contrast, named_test
from pymoo_prune.objectives import DIVERGENCE, NATS, Values
from pymoo_prune.results import RANDOM
from pymoo_prune.tables import listed


def verdict(comparison: Comparison) -> str:
    """Which method wins, over which others, and whether so few runs can show it."""
    if (nothing := _unreached(comparison)) is not None:
        return nothing
    best = comparison.leader()
    values = comparison.of(best, comparison.decisive)
    name = comparison.volumes.named(f"hypervolume {stage(comparison)}")
    mean = f"{best} has the largest mean {name}: {spread(values, 4)}"
    mine = [c for c in comparison.contrasts(comparison.decisive) if best in (c.first, c.second)]
    parts = [
        mean,
        *_beside_methods(best, mine),
        *_beside_baselines(comparison, values),
        *_without_result(comparison),
    ]
    return f"{'; '.join(parts)}.{_unlabelled(comparison)}"


def _unlabelled(comparison: Comparison) -> str:
    """Says that accuracies are unknown, where that is so."""
    if comparison.judged.by_divergence:
        which, unknown = "images", "accuracies are"
    elif comparison.judged.by_metric or "accuracy" in comparison.quantities:
        return ""
    else:
        which, unknown = "training and validation images", "accuracies on them are"
    return (
        f" The {which} have no labels, so {unknown} unknown: networks are judged by their "
        "divergence from the parent."
    )


def shares(comparison: Comparison) -> str:
    """What the searches add to what was there before them; empty where that is not known."""
    means = {method: comparison.shares_of(method) for method in comparison.methods}
    known = {method: mean_share(values) for method, values in means.items()}
    texts = [f"{method} {text}" for method, text in known.items() if text != "–"]
    if not texts:
        return ""
    rivals = [one.name for one in comparison.others if one.name != RANDOM]
    there = "its first population" + (" and the rivals that need no search" if rivals else "")
    return (
        f"To {there}, a search adds this share of the hypervolume of all together, on average over "
        f"its runs: {listed(texts)}."
    )


def mean_share(values: Values) -> str:
    """The mean of shares in percent; a dash where none is known.

    Where some runs have no value, the text says how many have one.
    """
    known = values[np.isfinite(values)]
    if len(known) == 0:
        return "–"
    mean = float(known.mean())
    text = "< 0.1" if 0 < mean < 0.0005 else f"{100 * mean:.1f}"
    return f"{text}\u00a0%" + (
        "" if len(known) == len(values) else f" ({len(known)} of {len(values)})"
    )


def _unreached(comparison: Comparison) -> str | None:
    """The verdict where no network is better than a reference that was asked for; else None."""
    if not comparison.volumes or comparison.indicators[comparison.decisive].any():
        return None
    name = comparison.volumes.named(f"hypervolume {stage(comparison)}")
    return (
        "No network of any run is better than the reference point in all quantities, so every "
        f"{name} is 0: give another reference."
    )


def _beside_methods(best: str, mine: Sequence[Contrast]) -> list[str]:
    """Which methods the best one is ahead of, is behind, or cannot be told from."""
    ahead: list[str] = []
    behind: list[str] = []
    unclear: list[str] = []
    few: list[str] = []
    for c in mine:
        other, effect = (c.second, c.effect) if c.first == best else (c.first, 1 - c.effect)
        if c.possible > LEVEL:
            few.append(other)
        elif c.adjusted > LEVEL:
            unclear.append(other)
        else:  # a mean can be the largest thanks to few runs
            known = ahead if effect > 0.5 else behind
            known.append(f"{other} (p {probability(c.adjusted, '= ')})")
    least = min((c.possible for c in mine if c.possible > LEVEL), default=1.0)
    texts = {
        "ahead of {}": ahead,
        "but behind {} in most pairs of runs": behind,
        "not shown to be ahead of {}": unclear,
        f"too few seeds to say whether it is ahead of {{}} (p cannot be below {least:.3f})": few,
    }
    return [text.format(listed(names)) for text, names in texts.items() if names]


def _beside_baselines(comparison: Comparison, values: Values) -> list[str]:
    """Which baselines all runs of the best method are above, and which not."""
    beaten: list[str] = []
    ahead: list[str] = []
    for other, numbers in zip(comparison.others, comparison.indicators_of_others, strict=True):
        if np.isfinite(volume := numbers[comparison.decisive]):
            wins = bool((values > volume).all())
            (beaten if wins else ahead).append(f"{other.name} ({volume:.4f})")
    texts = {"all its runs are above {}": beaten, "not all its runs are above {}": ahead}
    return [text.format(listed(names)) for text, names in texts.items() if names]


def _without_result(comparison: Comparison) -> list[str]:
    """Runs that found nothing, by method."""
    found = []
    for method in comparison.methods:
        sizes = [len(trial) for trial in comparison.trials if trial.method == method]
        if empty := sizes.count(0):
            found.append(
                f"{empty} of {len(sizes)} runs of {method} found nothing, which counts as 0"
            )
    return found


def meaning(comparison: Comparison) -> str:
    """The meaning of the indicators and of the tests."""
    meanings = meaning_of_indicators(comparison), meaning_of_tests(comparison)
    return f"{' '.join(meanings)}{particulars(comparison)}"


def meaning_of_indicators(comparison: Comparison) -> str:
    """The meaning of hypervolumes and IGD+."""
    labels = [comparison.quantities[name].label for name in comparison.goals.names]
    first = comparison.judged.axis(comparison.quantities)
    axes = [first, *(comparison.quantities[name].label for name in comparison.axes)]
    return (
        f"Hypervolumes are of ({', '.join(labels)}) on the search images and of "
        f"({', '.join(axes)}) on the test images, each between 0 and 1 (accuracies as errors, "
        f"counts relative to the parent's{_nats(comparison)}), with 1 as reference point; larger "
        "is better. IGD+ "
        "is the distance to the best of all that is in the table together; smaller is better. "
        "Mean ± standard deviation over the runs."
    )


def meaning_of_tests(comparison: Comparison, labels: Mapping[str, str] | None = None) -> str:
    """The meaning of effects and p.

    Args:
        comparison: The numbers.
        labels: Names of methods in the text, by their own names.
    """
    return (
        "A is the share of pairs of runs in which the first is ahead, ties half; p is of the "
        f"{tested_by(comparison)}, with Holm's correction for "
        f"{pairs_tested(comparison, labels)} that share a hypervolume, and a difference is called "
        f"one where it is at most {LEVEL}."
    )


def tested_by(comparison: Comparison) -> str:
    """The test of two methods, in words."""
    runs = sorted(len(comparison.of(method, SEARCHED)) for method in comparison.methods)
    return named_test(sum(runs[-2:]))


def particulars(comparison: Comparison) -> str:
    """What holds for some comparisons alone, each sentence after a space."""
    text = ""
    if comparison.volumes.reference:
        text += (
            f" Here the reference point is {listed(comparison.volumes.texts)} (% of the parent's), "
            "and 1 for all else; each axis is divided by it. IGD+ has none."
        )
    if comparison.volumes.log:
        text += (
            f" Of {listed(comparison.volumes.log)} hypervolumes take the logarithm, from the "
            "smallest value of any front, which is 0, to the reference point, which is 1."
        )
    if comparison.others:
        text += (
            " Baselines are measured on all validation images, which the search images may be "
            "a part of."
        )
    if np.isfinite(comparison.shares).any():
        text += (
            ' "adds" is the share that a search adds to its first population and the baselines '
            "that need no search: the hypervolume of these and of its front together, less that "
            "of these alone, relative to the former."
        )
    if comparison.others and comparison.goals.constraints:
        bounds = ", ".join(map(str, comparison.goals.constraints))
        text += f" Their networks need not keep {bounds}; those of the runs do."
    return text


def _nats(comparison: Comparison) -> str:
    if comparison.judged.by_metric:
        share = comparison.quantities[comparison.judged.name].share
        return "" if share else f", of {comparison.judged.name} 1/2 is the parent's, 1 the worst"
    return f", divergences in {_unit(comparison)}" if comparison.judged.by_divergence else ""


def _unit(comparison: Comparison) -> str:
    """The unit of divergences."""
    known = comparison.quantities.get(DIVERGENCE, NATS)
    return known.label.rpartition("(")[2].removesuffix(")")


def within_bounds(comparison: Comparison) -> str:
    """What the table of bounds shows, and in which unit."""
    what, unit = shown_within_bounds(comparison)
    return f"{what} in {unit}" if unit else what


def shown_within_bounds(comparison: Comparison) -> tuple[str, str]:
    """What the table of bounds shows, and its unit, which may be empty."""
    if comparison.judged.by_divergence:
        return "divergence on the test images", _unit(comparison)
    if comparison.judged.by_metric:
        quantity = comparison.quantities[comparison.judged.name]
        return f"{quantity.label} on the test images", "%" if quantity.share else ""
    return "test accuracy", "%"


def pairs_tested(comparison: Comparison, labels: Mapping[str, str] | None = None) -> str:
    """The pairs of methods that are tested.

    Args:
        comparison: The numbers.
        labels: Names of methods in the text, by their own names.
    """
    if comparison.against is None:
        return "the pairs"
    name = (labels or {}).get(comparison.against, comparison.against)
    return f"the pairs with {name}, the only ones tested,"


def stage(comparison: Comparison) -> str:
    """When networks are tested for the decisive hypervolume, in words."""
    return "after the same retraining" if comparison.finished else "on the test images"


def spread(values: Values, digits: int) -> str:
    """Mean and standard deviation; the value alone where there is one, a dash where none.

    Where some runs have no value, the text says how many have one.
    """
    known = values[np.isfinite(values)]
    if len(known) == 0:
        return "–"
    numbers = [known.mean()] if len(known) == 1 else [known.mean(), known.std(ddof=1)]
    # Without leading zeros four columns fit into a terminal.
    text = " ± ".join(re.sub(r"^0\.", ".", f"{number:.{digits}f}") for number in numbers)
    return text if len(known) == len(values) else f"{text} ({len(known)} of {len(values)})"


def probability(p: float, equals: str = "") -> str:
    """A p as text.

    Args:
        p: The probability.
        equals: Written before the number, unless it is only known to be below a limit.
    """
    return f"{equals}{p:.3f}" if p >= 0.001 else "< 0.001"
