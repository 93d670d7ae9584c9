"""The winning ticket: one network of the front, retrained at length, beside its parent."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table
from torch import nn

from pymoo_prune import plots
from pymoo_prune.data import Split
from pymoo_prune.errors import PruneError, TrainingDiverged, check_images
from pymoo_prune.machine import check_memory
from pymoo_prune.measuring import BATCH_SIZES
from pymoo_prune.networks import evaluating, own_inputs
from pymoo_prune.objectives import Quantity
from pymoo_prune.results import ticket_words as words
from pymoo_prune.results.appraisal import (
    Appraisal,
    appraise,
    check_latencies,
    extra_losses,
    removed,
    speedups,
)
from pymoo_prune.results.finishing import Judge
from pymoo_prune.results.front import Front
from pymoo_prune.results.member import Member
from pymoo_prune.results.quantities import final_of
from pymoo_prune.search import Display
from pymoo_prune.tables import Row, markdown_table, terminal_table

BATCH = 128
"""Images that the parent predicts at once."""


@dataclass(frozen=True)
class WinningTicket:
    """The chosen network of a front, retrained at length, and the network that was pruned.

    Attributes:
        winner: Which network of the front it is.
        network: The ticket itself; it takes the inputs that the parent took.
        parent: The parent's measurements.
        ticket: The ticket's measurements.
        images: Training images that the ticket was retrained with.
        masked: Whether pruned weights are still there, as zeros; parameters and MACs are then of
            weights that are not 0.
        labelled: Whether the test images have labels. Without them, accuracies are the share of
            images for which the prediction is the parent's for the plain image, or, where networks
            predict no classes, divergences.
        judged: What the test accuracies are, where they are no accuracies: a metric, or the
            divergence.
    """

    winner: Member
    network: nn.Module
    parent: Appraisal
    ticket: Appraisal
    images: int
    masked: bool = False
    labelled: bool = True
    judged: Quantity | None = None

    @property
    def measure(self) -> str:
        """What the test accuracies are."""
        if self.judged is not None:
            return self.judged.label
        return "test accuracy" if self.labelled else words.AGREEMENT

    @property
    def compression(self) -> float:
        """The share of the parent's parameters that is gone."""
        return removed(self.parent.parameters, self.ticket.parameters)

    @property
    def macs_removed(self) -> float:
        """The share of the parent's MACs that is gone."""
        return removed(self.parent.macs, self.ticket.macs)

    @property
    def speedups(self) -> tuple[float, ...]:
        """The parent's latency as a multiple of the ticket's, for each batch size."""
        return speedups(self.parent, self.ticket)

    @property
    def extra_losses(self) -> dict[str, float]:
        """How much more accuracy the ticket loses than the parent, by perturbation.

        On average over the strengths; below 0 where the ticket loses less.
        """
        return extra_losses(self.parent, self.ticket)

    # For a reader.

    def size_rows(self) -> tuple[Row, list[Row]]:
        """Accuracy, size and speed of both."""
        head, rows = self._sizes()
        return head, [*rows, *self.time_rows()[1]]

    def time_rows(self) -> tuple[Row, list[Row]]:
        """The speed of both, which no other measurement repeats exactly."""
        return words.time_rows(self.parent, self.ticket)

    def _sizes(self) -> tuple[Row, list[Row]]:
        return words.size_rows(
            self.parent, self.ticket, self.measure, masked=self.masked, judged=self.judged
        )

    def origin(self) -> str:
        """Which network the ticket is, and what both are measured on."""
        tested = len(self.winner.front.problem.data_set.test)
        agreement = not self.labelled and self.judged is None
        return words.origin(
            self.winner.place, self.images, tested, labelled=self.labelled, agreement=agreement
        )

    def conditions(self) -> str:
        """How latencies were measured, and which differences may be chance."""
        return words.conditions(self.parent, self.ticket)

    def verdict(self) -> str:
        """Under which perturbations the ticket loses more than the parent, and under which less."""
        if not self.ticket.robustness:
            return words.NO_IMAGES
        return words.verdict(self.parent, self.ticket, labelled=self.labelled)

    def tables(self) -> list[Table]:
        """Both tables for the terminal."""
        return [
            terminal_table("the winning ticket", *self.size_rows()),
            *(
                [
                    terminal_table(
                        f"{self.measure} on perturbed images, in %: parent / ticket",
                        *words.perturbation_rows(self.parent, self.ticket),
                    )
                ]
                if self.ticket.robustness
                else []
            ),
        ]

    def markdown(
        self,
        *,
        title: str = "The winning ticket",
        picture: str | None = None,
        times: str | None = None,
    ) -> str:
        """Everything as a page.

        Args:
            title: The page's heading.
            picture: The file that `draw` has written, as a link from the page.
            times: The file with `times_markdown`, which is named in place of the latencies.
        """
        shown = "accuracy" if self.labelled else self.measure
        parts = [
            f"# {title}",
            self.origin(),
            markdown_table(*(self._sizes() if times else self.size_rows())),
            f"Latencies of both are in [{times}]({times})." if times else self.conditions(),
            "## Perturbed images",
            *(self._perturbed(shown, picture) if self.ticket.robustness else []),
            self.verdict(),
        ]
        return "\n\n".join(parts) + "\n"

    def times_markdown(self, *, title: str = "The winning ticket") -> str:
        """The latencies as a page.

        Args:
            title: The page's heading.
        """
        parts = [f"# {title}: latencies", markdown_table(*self.time_rows()), self.conditions()]
        return "\n\n".join(parts) + "\n"

    def _perturbed(self, shown: str, picture: str | None) -> list[str]:
        return [
            *([f"![{shown} on perturbed images]({picture})"] if picture else []),
            f"{self.measure.capitalize()} in %, parent / ticket, at each strength:",
            markdown_table(*words.perturbation_rows(self.parent, self.ticket)),
        ]

    def draw(self, path: Path | str) -> None:
        """Draws test accuracy over the strength of each perturbation into a PNG or SVG file."""
        both = {"parent": self.parent, "ticket": self.ticket}
        accuracies = {
            kind: {name: [one.test_accuracy, *one.robustness[kind]] for name, one in both.items()}
            for kind in self.ticket.robustness
        }
        plots.draw_robustness(path, accuracies, label=self.measure)


def winning_ticket(
    front: Front,
    *,
    pick: str = "suggestion",
    images: int,
    batch_sizes: Sequence[int] = BATCH_SIZES,
    threads: int = 1,
    repeats: int = 50,
    seed: int = 0,
    display: Display | None = None,
) -> WinningTicket:
    """Chooses a network, retrains it at length, and measures it beside its parent.

    Args:
        front: The front of a search.
        pick: Which network, as `Front.pick` takes it.
        images: Training images, counted with repetition; 0 leaves the network as it was found.
        batch_sizes: How many images at once, for each latency.
        threads: torch's threads, for latencies.
        repeats: Measurements of each latency.
        seed: The perturbations' seed.
        display: Shows progress; None for silence.

    Raises:
        PruneError: A number is too small, there is no such network, the problem has no parent
            network, or the retraining diverged.
    """
    # Everything is checked before hours of retraining.
    check_images(images)
    check_latencies(batch_sizes, threads, repeats)
    size = 4 * max(batch_sizes) * math.prod(front.input_shape)
    check_memory(f"a batch of {max(batch_sizes):,} images", size)
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
            network = winner.packed_network(images)
    except TrainingDiverged as error:
        msg = (
            f"network {winner.place} is no ticket: {error}, pick another network, or retrain it "
            "with another number of images"
        )
        raise PruneError(msg) from error
    name, data = f"network {winner.place}", problem.data_set
    labelled = data.test.labels is not None
    judge = Judge(data.test, parent)
    agree = not labelled and data.task.name == "classes" and data.train.are_images
    before, after = appraise(
        {"parent": parent, name: network},
        replace(data, test=_as_predicted(parent, data.test)) if agree else data,
        judge=None if agree else judge,
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
    judged = None
    if not agree and judge.name != "accuracy":
        judged = final_of(problem.quantities)[f"test_{judge.name}"]
    own = own_inputs(network, data.packing)
    return WinningTicket(winner, own, before, after, images, masked, labelled, judged)


@torch.no_grad()
def _as_predicted(parent: nn.Module, split: Split) -> Split:
    """Images with the parent's predictions in place of labels."""
    with evaluating(parent):
        predicted = [parent(images).argmax(dim=1) for images in split.images.split(BATCH)]
    return Split(split.images, torch.cat(predicted))


def _without_zeros(appraisal: Appraisal, measured: Mapping[str, float]) -> Appraisal:
    """The same appraisal with the sizes that the search measured, which leave zeros out."""
    sizes = {name: round(measured[name]) for name in ("parameters", "macs")}
    return replace(appraisal, parameters=sizes["parameters"], macs=sizes["macs"])
