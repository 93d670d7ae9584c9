"""A winning ticket beside its parent, in tables and sentences."""

from __future__ import annotations

from pymoo_prune.machine import processor
from pymoo_prune.measuring import STRENGTHS, Latency
from pymoo_prune.objectives import Quantity
from pymoo_prune.results.appraisal import Appraisal, extra_losses, removed, speedups
from pymoo_prune.results.quantities import ACCURACIES
from pymoo_prune.tables import Row, listed

percent = ACCURACIES["test_accuracy"].format


AGREEMENT = "agreement with the parent"
"""What test accuracies are where images have no labels."""


HEAD = ("", "parent", "ticket", "difference")
NO_IMAGES = "Inputs that are no images are not perturbed: noise and blur are for images."
"""In place of a verdict on perturbations."""


def size_rows(
    parent: Appraisal,
    ticket: Appraisal,
    measure: str,
    *,
    masked: bool,
    judged: Quantity | None = None,
) -> tuple[Row, list[Row]]:
    """Accuracy and size of both.

    Args:
        parent: The parent.
        ticket: The ticket.
        measure: What test accuracies are.
        masked: Whether the ticket's pruned weights are still there, as zeros.
        judged: What they are, where they are no accuracies.
    """
    write = percent if judged is None else judged.format
    more = ticket.test_accuracy - parent.test_accuracy
    points = f"{100 * more:+.2f} points" if judged is None or judged.share else f"{more:+.4g}"
    kept, zeros = (" (non-zero)", " (all)") if masked else ("", "")
    rows: list[Row] = [
        (
            measure,
            write(parent.test_accuracy),
            write(ticket.test_accuracy),
            points.replace("-", "−"),
        ),
        _size_row(f"parameters{kept}", parent.parameters, ticket.parameters),
        _size_row(f"MACs{kept}", parent.macs, ticket.macs),
        _size_row(f"MACs by thop{zeros}", parent.thop_macs, ticket.thop_macs),
    ]
    return HEAD, rows


def time_rows(parent: Appraisal, ticket: Appraisal) -> tuple[Row, list[Row]]:
    """The speed of both, for each batch size."""
    each = zip(parent.latencies, ticket.latencies, speedups(parent, ticket), strict=True)
    rows: list[Row] = [
        (*_times(before, after), f"{speedup:.2f}× as fast") for before, after, speedup in each
    ]
    return HEAD, rows


def _size_row(label: str, before: float, after: float) -> Row:
    return label, f"{before:,.0f}", f"{after:,.0f}", f"{percent(removed(before, after))} removed"


def _times(before: Latency, after: Latency) -> Row:
    """A label, and both latencies: in one unit, in which the faster one has digits enough."""
    micro = min(before.median, after.median) < 1e-3
    unit, factor, digits = ("µs", 1e6, 0) if micro else ("ms", 1e3, 2)
    times = (
        f"{factor * each.median:,.{digits}f} (IQR {factor * each.iqr:,.{digits}f})"
        for each in (before, after)
    )
    return f"{unit} for a batch of {before.batch_size}", *times


def perturbation_rows(parent: Appraisal, ticket: Appraisal) -> tuple[Row, list[Row]]:
    """Accuracies of both on perturbed images, in percent."""
    rows: list[Row] = []
    for kind, ours in ticket.robustness.items():
        pairs = zip(parent.robustness[kind], ours, strict=True)
        rows.append((kind, *(f"{100 * p:.1f} / {100 * t:.1f}" for p, t in pairs)))
    return ("strength", *(f"{k + 1}" for k in range(STRENGTHS))), rows


def origin(place: int, images: int, tested: int, *, labelled: bool, agreement: bool = True) -> str:
    """Which network the ticket is, and what both are measured on.

    Args:
        place: The ticket's place in the front.
        images: Training images that it was retrained with.
        tested: How many test images there are.
        labelled: Whether they have labels.
        agreement: Whether, without labels, predictions are compared with the parent's.
    """
    how = f"retrained with {images:,} images" if images else "not retrained"
    text = (
        f"The ticket is network {place} of the front, {how}; the parent is the "
        "network that was pruned. "
    )
    if labelled:
        return f"{text}Accuracies are on all {tested:,} test images."
    if not agreement:
        return (
            f"{text}The {tested:,} test images have no labels: the divergence from the parent's "
            "outputs takes the place of the accuracy."
        )
    return (
        f"{text}The test images have no labels, so accuracies are unknown. The agreement with the "
        f"parent is the share of all {tested:,} test images for which a network's prediction is "
        "the parent's for the image as it is."
    )


def conditions(parent: Appraisal, ticket: Appraisal) -> str:
    """How latencies were measured, and which differences may be chance."""
    one = ticket.latencies[0]
    threads = f"{one.threads} thread{'s' * (one.threads > 1)}"
    where = f"{processor()}, {threads}" if one.device == "cpu" else one.device
    repeats = f"{one.repeats} repeat{'s' * (one.repeats > 1)}"
    text = (
        f"Latencies are medians of {repeats} with interquartile ranges (IQR), both networks "
        f"in turns, on {where}."
    )
    unclear = [
        f"{before.batch_size:,}"
        for before, after in zip(parent.latencies, ticket.latencies, strict=True)
        if before.lower <= after.upper and after.lower <= before.upper
    ]
    if unclear:
        text += (
            f" The ranges of the two overlap for batches of {listed(unclear)}: there the "
            "difference may be chance."
        )
    return text


def verdict(parent: Appraisal, ticket: Appraisal, *, labelled: bool) -> str:
    """Under which perturbations the ticket loses more than the parent, and under which less.

    Args:
        parent: The parent.
        ticket: The ticket.
        labelled: Whether the test images have labels.
    """
    more: list[str] = []
    less: list[str] = []
    same: list[str] = []
    for kind, extra in extra_losses(parent, ticket).items():
        points = round(100 * extra, 1)
        if points == 0:
            same.append(kind)
        else:
            (more if points > 0 else less).append(f"{kind} (by {abs(points):.1f} points)")
    parts = [f"more than the parent under {listed(more)}"] if more else []
    parts += [f"less under {listed(less)}"] if less else []
    parts += [f"as much under {listed(same)}"] if same else []
    start = "" if more else "no more than the parent under any perturbation: "
    return (
        f"Of its {'accuracy' if labelled else AGREEMENT} on images as they are, and on average "
        "over the strengths, the ticket "
        f"loses {start}{', '.join(parts)}."
    )
