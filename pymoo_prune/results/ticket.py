"""The winning ticket: one network of the front, retrained at length, beside its parent."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import matplotlib as mpl
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import PercentFormatter
from rich.console import Console
from rich.table import Table
from torch import nn

from pymoo_prune.data import Data
from pymoo_prune.errors import PruneError, TrainingDiverged
from pymoo_prune.machine import processor
from pymoo_prune.measuring import (
    BATCH_SIZES,
    PERTURBATIONS,
    STRENGTHS,
    Latency,
    accuracy,
    count_macs,
    count_parameters,
    latencies,
    robustness,
    thop_macs,
)
from pymoo_prune.objectives import Values
from pymoo_prune.plots import COLOURS, MARKERS, STYLE
from pymoo_prune.results.front import ACCURACIES, Front, Member
from pymoo_prune.search import Display
from pymoo_prune.tables import Row, listed, markdown_table, terminal_table


@dataclass(frozen=True)
class Appraisal:
    """What a finished network is worth on the test images.

    Attributes:
        name: What it is called, "parent" or "network 7".
        test_accuracy: On the images as they are.
        parameters: How many it has; those that are not 0 where a `WinningTicket` says `masked`.
        macs: Multiply-accumulates for one image, of the same weights.
        thop_macs: What thop counts, zeros too.
        latencies: One for each batch size.
        robustness: Test accuracies by perturbation, at the strengths from 1 on.
    """

    name: str
    test_accuracy: float
    parameters: int
    macs: int
    thop_macs: float
    latencies: tuple[Latency, ...]
    robustness: Mapping[str, Sequence[float]]

    def losses(self) -> dict[str, Values]:
        """Accuracy lost to each perturbation at each strength, against the images as they are."""
        return {kind: self.test_accuracy - np.array(a) for kind, a in self.robustness.items()}


def appraise(
    networks: Mapping[str, nn.Module],
    data: Data,
    *,
    batch_sizes: Sequence[int] = BATCH_SIZES,
    threads: int = 1,
    repeats: int = 50,
    seed: int = 0,
    display: Display | None = None,
) -> list[Appraisal]:
    """Measures finished networks side by side, on the test images.

    Args:
        networks: What to measure, by name; nothing happens to them.
        data: The images; networks run where they are.
        batch_sizes: Images at once, for latencies; all networks take turns.
        threads: Of torch's, for latencies.
        repeats: Measurements of each latency.
        seed: Of the perturbations; every network sees the same images.
        display: Shows progress; None for silence.

    Returns:
        One for each network, in their order.
    """
    _check_latencies(batch_sizes, threads, repeats)
    display = display or Display(Console(quiet=True))
    device = data.test.images.device
    # Training may leave weights in another layout, which changes how long they take: all are
    # measured in the usual one.
    copies = {
        name: copy.deepcopy(network).to(device).to(memory_format=torch.contiguous_format)
        for name, network in networks.items()
    }
    times = []
    with display.phase("latency") as update:
        for place, size in enumerate(batch_sizes):
            update(place / len(batch_sizes), f"batch of {size}")
            times.append(
                latencies(
                    copies,
                    data.shape,
                    batch_size=size,
                    threads=threads,
                    repeats=repeats,
                    device=device,
                )
            )
    found = []
    with display.phase("robustness") as update:
        for place, (name, network) in enumerate(copies.items()):
            perturbed: dict[str, Sequence[float]] = {}
            for kind in PERTURBATIONS:
                done = place + len(perturbed) / len(PERTURBATIONS)
                update(done / len(copies), f"{name}, {kind}")
                perturbed |= robustness(network, data.test, kinds=[kind], seed=seed)
            found.append(
                Appraisal(
                    name=name,
                    test_accuracy=accuracy(network, data.test),
                    parameters=count_parameters(network),
                    macs=count_macs(network, data.shape),
                    thop_macs=thop_macs(network, data.shape),
                    latencies=tuple(each[name] for each in times),
                    robustness=perturbed,
                )
            )
    return found


def _check_latencies(batch_sizes: Sequence[int], threads: int, repeats: int) -> None:
    if not batch_sizes or min(*batch_sizes, threads, repeats) < 1:
        msg = (
            "batch_sizes must be one or more numbers, and they, threads and repeats at least 1, "
            f"but batch_sizes={list(batch_sizes)}, {threads=} and {repeats=}"
        )
        raise PruneError(msg)


@dataclass(frozen=True)
class WinningTicket:
    """The chosen network of a front, retrained at length, and the network that was pruned.

    Attributes:
        winner: Its place in the front.
        network: The ticket itself.
        parent: What the parent is worth.
        ticket: What the ticket is worth.
        images: Training images that the ticket was retrained with.
        masked: Whether what was pruned is still there, as zeros; parameters and MACs are then of
            weights that are not 0.
    """

    winner: Member
    network: nn.Module
    parent: Appraisal
    ticket: Appraisal
    images: int
    masked: bool = False

    @property
    def compression(self) -> float:
        """The share of the parent's parameters that is gone."""
        return _removed(self.parent.parameters, self.ticket.parameters)

    @property
    def macs_removed(self) -> float:
        """The share of the parent's MACs that is gone."""
        return _removed(self.parent.macs, self.ticket.macs)

    @property
    def speedups(self) -> tuple[float, ...]:
        """How many times as fast as the parent, for each batch size."""
        pairs = zip(self.parent.latencies, self.ticket.latencies, strict=True)
        return tuple(parent.median / ticket.median for parent, ticket in pairs)

    @property
    def extra_losses(self) -> dict[str, float]:
        """How much more accuracy the ticket loses than the parent, by perturbation.

        On average over the strengths; below 0 where it loses less.
        """
        parent = self.parent.losses()
        return {k: float(np.mean(v - parent[k])) for k, v in self.ticket.losses().items()}

    # What a person reads.

    def size_rows(self) -> tuple[Row, list[Row]]:
        """Accuracy, size and speed of both."""
        parent, ticket = self.parent, self.ticket
        percent = ACCURACIES["test_accuracy"].format
        points = 100 * (ticket.test_accuracy - parent.test_accuracy)
        kept, zeros = (" (non-zero)", " (all)") if self.masked else ("", "")
        rows: list[Row] = [
            (
                "test accuracy",
                percent(parent.test_accuracy),
                percent(ticket.test_accuracy),
                f"{points:+.2f} points".replace("-", "−"),
            ),
            (
                f"parameters{kept}",
                f"{parent.parameters:,}",
                f"{ticket.parameters:,}",
                f"{percent(self.compression)} removed",
            ),
            (
                f"MACs{kept}",
                f"{parent.macs:,}",
                f"{ticket.macs:,}",
                f"{percent(self.macs_removed)} removed",
            ),
            (
                f"MACs by thop{zeros}",
                f"{parent.thop_macs:,.0f}",
                f"{ticket.thop_macs:,.0f}",
                f"{percent(_removed(parent.thop_macs, ticket.thop_macs))} removed",
            ),
        ]
        for one, other, speedup in zip(
            parent.latencies, ticket.latencies, self.speedups, strict=True
        ):
            # One unit a row, in which the faster one still has digits enough.
            micro = min(one.median, other.median) < 1e-3
            unit, factor, digits = ("µs", 1e6, 0) if micro else ("ms", 1e3, 2)
            times = (
                f"{factor * each.median:,.{digits}f} (IQR {factor * each.iqr:,.{digits}f})"
                for each in (one, other)
            )
            label = f"{unit} for a batch of {one.batch_size}"
            rows.append((label, *times, f"{speedup:.2f}× as fast"))
        return ("", "parent", "ticket", "difference"), rows

    def perturbation_rows(self) -> tuple[Row, list[Row]]:
        """Accuracies of both on perturbed images, in percent."""
        rows = []
        for kind, ours in self.ticket.robustness.items():
            pairs = zip(self.parent.robustness[kind], ours, strict=True)
            rows.append((kind, *(f"{100 * p:.1f} / {100 * t:.1f}" for p, t in pairs)))
        return ("strength", *(f"{k + 1}" for k in range(STRENGTHS))), rows

    def origin(self) -> str:
        """Which network the ticket is, and what both are measured on."""
        how = f"retrained with {self.images:,} images" if self.images else "not retrained"
        tested = len(self.winner.front.problem.data_set.test)
        return (
            f"The ticket is network {self.winner.place} of the front, {how}; the parent is the "
            f"network that was pruned. Accuracies are on all {tested:,} test images."
        )

    def conditions(self) -> str:
        """How latencies were measured."""
        one = self.ticket.latencies[0]
        threads = f"{one.threads} thread{'s' * (one.threads > 1)}"
        where = f"{processor()}, {threads}" if one.device == "cpu" else one.device
        repeats = f"{one.repeats} repeat{'s' * (one.repeats > 1)}"
        text = (
            f"Latencies are medians of {repeats} with interquartile ranges (IQR), both networks "
            f"in turns, on {where}."
        )
        unclear = [
            f"{one.batch_size:,}"
            for one, other in zip(self.parent.latencies, self.ticket.latencies, strict=True)
            if one.lower <= other.upper and other.lower <= one.upper
        ]
        if unclear:
            text += (
                f" The ranges of the two overlap for batches of {listed(unclear)}: there the "
                "difference may be chance."
            )
        return text

    def verdict(self) -> str:
        """In which perturbations the ticket loses more than the parent, and where less."""
        more: list[str] = []
        less: list[str] = []
        same: list[str] = []
        for kind, extra in self.extra_losses.items():
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
            "Of its accuracy on images as they are, and on average over the strengths, the ticket "
            f"loses {start}{', '.join(parts)}."
        )

    def tables(self) -> list[Table]:
        """Both tables for the terminal."""
        return [
            terminal_table("the winning ticket", *self.size_rows()),
            terminal_table(
                "test accuracy on perturbed images, in %: parent / ticket",
                *self.perturbation_rows(),
            ),
        ]

    def markdown(self, *, title: str = "The winning ticket", picture: str | None = None) -> str:
        """All of it as a page.

        Args:
            title: Its heading.
            picture: Where `draw` has drawn, as a link from the page.
        """
        parts = [
            f"# {title}",
            self.origin(),
            markdown_table(*self.size_rows()),
            self.conditions(),
            "## Perturbed images",
            *([f"![accuracy on perturbed images]({picture})"] if picture else []),
            "Test accuracy in %, parent / ticket, at each strength:",
            markdown_table(*self.perturbation_rows()),
            self.verdict(),
        ]
        return "\n\n".join(parts) + "\n"

    def draw(self, path: Path | str) -> None:
        """Draws test accuracy over the strength of each perturbation into a PNG or SVG file."""
        kinds = list(self.ticket.robustness)
        rows = (len(kinds) + 1) // 2
        with mpl.rc_context(STYLE):
            layout = ConstrainedLayoutEngine(wspace=0.05, hspace=0.05)
            figure = Figure(figsize=(7.2, 0.8 + 2.4 * rows), layout=layout)
            panels: list[Axes] = []
            for place, kind in enumerate(kinds):
                # One scale for all, so that panels can be compared.
                first = panels[0] if panels else None
                axes = figure.add_subplot(rows, 2, place + 1, sharex=first, sharey=first)
                self._draw_panel(axes, kind)
                panels.append(axes)
            for axes in panels:
                axes.label_outer()
            handles, labels = panels[0].get_legend_handles_labels()
            figure.legend(handles, labels, loc="outside upper center", ncols=2)
            figure.savefig(path, dpi=160)

    def _draw_panel(self, axes: Axes, kind: str) -> None:
        for place, (label, one) in enumerate((("parent", self.parent), ("ticket", self.ticket))):
            axes.plot(
                [one.test_accuracy, *one.robustness[kind]],
                label=label,
                color=COLOURS[place],
                marker=MARKERS[place],
                # The parent's stay visible where the ticket's lie on top of them.
                markersize=(7, 4)[place],
                linewidth=(2.2, 1.2)[place],
            )
        axes.set_title(kind)
        axes.set_xlabel("strength")
        axes.set_ylabel("test accuracy")
        axes.set_xticks(
            range(STRENGTHS + 1), labels=["clean", *(f"{k + 1}" for k in range(STRENGTHS))]
        )
        axes.yaxis.set_major_formatter(PercentFormatter(1.0))


def winning_ticket(
    front: Front,
    *,
    pick: str = "knee",
    images: int,
    batch_sizes: Sequence[int] = BATCH_SIZES,
    threads: int = 1,
    repeats: int = 50,
    seed: int = 0,
    display: Display | None = None,
) -> WinningTicket:
    """Chooses a network, retrains it at length, and measures it beside its parent.

    Args:
        front: Of a search.
        pick: As `Front.pick` takes it.
        images: Training images, counted with repetition; 0 leaves the network as it was found.
        batch_sizes: Images at once, for latencies.
        threads: Of torch's, for latencies.
        repeats: Measurements of each latency.
        seed: Of the perturbations.
        display: Shows progress; None for silence.

    Raises:
        PruneError: A number is too small, the pick is not there, the problem has no parent network,
            or the retraining diverged.
    """
    # All that can be refused is refused before hours of retraining.
    if images < 0:
        msg = f"images must be at least 0, but they are {images}"
        raise PruneError(msg)
    _check_latencies(batch_sizes, threads, repeats)
    problem, winner = front.problem, front.pick(pick)
    parent = problem.parent
    if parent is None:
        msg = (
            f"{type(problem).__name__} has no parent network to compare a ticket with; "
            "set its `parent`, or carry the network away with 'pymoo-prune export'"
        )
        raise PruneError(msg)
    display = display or Display(Console(quiet=True))
    try:
        with display.phase("retraining the ticket"):
            network = winner.network(finish_images=images)
    except TrainingDiverged as error:
        msg = (
            f"network {winner.place} is no ticket: {error}, pick another network, or retrain it "
            "with another number of images"
        )
        raise PruneError(msg) from error
    name = f"network {winner.place}"
    before, after = appraise(
        {"parent": parent, name: network},
        problem.data_set,
        batch_sizes=batch_sizes,
        threads=threads,
        repeats=repeats,
        seed=seed,
        display=display,
    )
    masked = winner.values["parameters"] < after.parameters
    if masked:
        before = _without_zeros(before, problem.parent_measurements())
        after = _without_zeros(after, winner.values)
    return WinningTicket(winner, network, before, after, images, masked)


def _without_zeros(appraisal: Appraisal, measured: Mapping[str, float]) -> Appraisal:
    """The same with the sizes that the search measured, in which zeros do not count."""
    sizes = {name: round(measured[name]) for name in ("parameters", "macs")}
    return replace(appraisal, parameters=sizes["parameters"], macs=sizes["macs"])


def _removed(before: float, after: float) -> float:
    return 1 - after / before if before else 0.0
