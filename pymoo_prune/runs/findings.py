"""The findings of a finished run as numbers."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path

from pymoo_prune.errors import UntrustedCode
from pymoo_prune.objectives import DIVERGENCE, Goals, Quantity, Series, Values, judge_of
from pymoo_prune.results import (
    EVALUATION,
    FIRST_POPULATION,
    Gain,
    Judged,
    Suggestion,
    comparable,
    final_of,
    published_series,
)
from pymoo_prune.runs.files import STORE_FILE
from pymoo_prune.runs.run import Run
from pymoo_prune.runs.run_front import recorded_suggestion
from pymoo_prune.runs.settings import Settings, measured_quantities
from pymoo_prune.runs.share import Volumes, shared_axes, with_lower_accuracies
from pymoo_prune.search import Store, times_of

DIGITS = 4
"""Digits of hypervolumes that are shown; what is equal in them is alike."""


class Findings:
    """The numbers of a finished run.

    Args:
        run: The run.

    Attributes:
        series: The search's networks first, then those of each baseline, the first population last.
        summary: How the search went.
        layers: What the networks are made of; None in folders of older versions.
        quantities: Labels and units of all columns.
        goals: The search's goals.
    """

    def __init__(self, run: Run) -> None:
        self.run = run
        self.series, self.summary = run.results()
        self.layers = run.layers()
        measured = measured_quantities(run.settings, self.summary.get("quantities"))
        self.quantities: dict[str, Quantity] = {**measured, **final_of(measured), **EVALUATION}
        self.goals = Goals(measured, self.summary["goals"])

    @property
    def front(self) -> Series:
        """The search's own networks."""
        return self.series[0]

    @property
    def first(self) -> Series | None:
        """The first population; None where no candidate was feasible, and in older folders."""
        return next((one for one in self.series if one.name == FIRST_POPULATION), None)

    @property
    def suggestion(self) -> Suggestion:
        """The network that the report suggests, and why."""
        return recorded_suggestion(self.summary, self.front.columns, self.quantities)

    @property
    def chosen(self) -> int:
        """The place of the network that the report suggests."""
        return self.suggestion.place

    @property
    def shares(self) -> dict[str, float] | None:
        """The share of each of the parent's layers that the suggestion keeps, where it is known."""
        return None if self.layers is None else self.layers.kept(self.chosen)

    @property
    def finished(self) -> bool:
        """Whether networks were retrained in the end."""
        return self.judged.finished

    @property
    def labelled(self) -> bool:
        """Whether the search's images have labels."""
        return self.searched != DIVERGENCE

    @property
    def searched(self) -> str:
        """What says how good networks are on the search images."""
        known = {n: q for n, q in self.goals.quantities.items() if n in self.front.columns}
        name = judge_of(known)
        return name if name in known else DIVERGENCE

    @property
    def judged(self) -> Judged:
        """The columns that say how good networks are."""
        return Judged.of(self.front.columns)

    @property
    def tested(self) -> str:
        """The accuracy that decides: on the test images, after retraining where there was one.

        Where these have no labels, it is the divergence.
        """
        return self.judged.last

    @property
    def axes(self) -> list[str]:
        """The axes of hypervolumes besides the error: the objectives that all methods measure."""
        return shared_axes(self.goals.names, self.series, self.goals.quantities)

    @cached_property
    def hypervolumes(self) -> dict[str, list[float]]:
        """How much of the objectives each method dominates, in the order of `series`.

        By accuracy, or divergence without labels: on the test images as found, and after
        retraining where there was one.
        """
        accuracies = dict.fromkeys([self.judged.found, self.tested])
        return {name: [self._hypervolume(one, name) for one in self.series] for name in accuracies}

    @property
    def noise(self) -> Mapping[str, float]:
        """How far two measurements of an axis may differ, as a share, where that is not 0."""
        found = self.summary.get("noise", {})
        return {name: share for name, share in found.items() if name in self.axes and share > 0}

    def spread(self, place: int) -> tuple[float, float]:
        """The decisive hypervolume of a method if all noisy axes were larger, or all smaller.

        Args:
            place: The method's place in `series`.
        """
        one = self.series[place]
        return self._with_noise(one, 1), self._with_noise(one, -1)

    def _with_noise(self, one: Series, sign: int) -> float:
        moved = {n: one.columns[n] * (1 + sign * share) for n, share in self.noise.items()}
        return self._hypervolume(Series(one.name, one.columns | moved), self.tested)

    def _hypervolume(self, one: Series, accuracy: str) -> float:
        return self._volumes.of(one.columns, accuracy)

    @property
    def _volumes(self) -> Volumes:
        return Volumes(self.axes, self.quantities, self.summary["parent"])

    # What the search itself adds.

    @property
    def gains(self) -> dict[str, Gain]:
        """What the search adds to what was there before it, by accuracy as in `hypervolumes`.

        Empty in folders of older versions.
        """
        if "search_share" not in self.summary:
            return {}
        names = dict.fromkeys([self.judged.found, self.tested])
        return {name: self._volumes.gain(self.series, name) for name in names}

    @property
    def gain(self) -> Gain | None:
        """The decisive one of `gains`; None in folders of older versions."""
        return self.gains.get(self.tested)

    @property
    def gain_within_noise(self) -> bool:
        """Whether nothing is gained if each accuracy of the search is lower by a standard error."""
        judged = self.judged
        if "search_share" not in self.summary or judged.by_divergence or judged.by_metric:
            return False
        images = self.summary["search_share"]["test_images"]
        lower = with_lower_accuracies(self.front, self.tested, images)
        lowered = self._volumes.gain([lower, *self.series[1:]], self.tested)
        return round(lowered.added, DIGITS) == 0

    @property
    def seconds(self) -> float | None:
        """Working time of the search; None where it is not known."""
        store = Store.existing(self.run.folder / STORE_FILE)
        try:
            return store.elapsed(self.summary["generations"]) or None
        finally:
            store.close()

    @property
    def times(self) -> str | None:
        """The name of the file of seconds; None in folders of older versions."""
        return None if "seconds" in self.summary else times_of(Path(STORE_FILE)).name

    @cached_property
    def generation_means(self) -> Mapping[str, Values]:
        """The mean of each measurement over each generation, (generations,) each."""
        store = Store.existing(self.run.folder / STORE_FILE)
        try:
            return store.generation_means()
        finally:
            store.close()

    @cached_property
    def history(self) -> Mapping[str, Values] | None:
        """Every evaluation, in the order of the search, (evaluations,) each.

        None where the search measured approximately, so that its numbers cannot be compared.
        """
        store = Store.existing(self.run.folder / STORE_FILE)
        try:
            asked = [row for row in store.history() if row[1] <= self.summary["generations"]]
            found = {name: column[: len(asked)] for name, column in store.evaluations().items()}
        finally:
            store.close()
        images = [one for _, _, one, _ in asked]
        return found if comparable(found, self.front.columns, images) else None

    @property
    def published(self) -> list[Series]:
        """Results that papers report on the same data set."""
        return published_on(self.run.settings)


def published_on(settings: Settings) -> list[Series]:
    """What papers report on the same data set; nothing where the problem is not imported."""
    try:
        return published_series(settings.problem_class, settings.data)
    except UntrustedCode:
        return []
