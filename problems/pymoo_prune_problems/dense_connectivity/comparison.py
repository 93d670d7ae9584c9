"""The networks that are compared: how each is chosen, and all of them trained to the end."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, suppress
from dataclasses import asdict, dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import torch
from torch import nn

from pymoo_prune.chromosomes import Array, Booleans, Connections, fully_connected
from pymoo_prune.data import Data
from pymoo_prune.engines import make_algorithm
from pymoo_prune.errors import TrainingDiverged
from pymoo_prune.executors import Executor
from pymoo_prune.machine import versions
from pymoo_prune.measuring import accuracy, count_macs, count_parameters
from pymoo_prune.networks import DenseNet, layers_of_depth
from pymoo_prune.objectives import Values
from pymoo_prune.runs import kept, kept_parent
from pymoo_prune.search import Budget, Found, Store, search
from pymoo_prune.training import Recipe, seeded, trained
from pymoo_prune_problems.dense_connectivity.experiments import (
    AS_LARGE,
    FIRST,
    FULL,
    GENETIC,
    METHODS,
    NARROWER,
    RANDOM,
    RANDOM_AGAIN,
    RANDOM_SEARCH,
    RATES,
    Row,
    Scale,
)
from pymoo_prune_problems.dense_connectivity.problem import DenseConnectivity
from pymoo_prune_problems.dense_connectivity.sizes import DenseNetSizes

ENGINES = {GENETIC: "own", RANDOM_SEARCH: "random"}
Progress = Callable[[float, str], None]


@dataclass(frozen=True)
class Choice:
    """An architecture.

    Attributes:
        connections: Connections of all blocks, (blocks, nodes, nodes).
        growth: Channels that each layer adds.
        fitness: The accuracy that a search saw, as in `Row`.
        seconds: Duration of the search.
    """

    connections: Booleans
    growth: int
    fitness: float | None = None
    seconds: float | None = None


def _silent(done: float, text: str) -> None:
    """Shows nothing."""


@dataclass(frozen=True, eq=False)
class Experiment:
    """The paper's experiments with one seed; finished rows are taken from the folder.

    Attributes:
        data: The images.
        scale: The scale of the reproduction.
        folder: Keeps finished rows, evaluations and the parent.
        seed: The seed of everything random.
        progress: Called with the share of a piece of work that is done and a text.
        executor: Measures candidates of the searches; None measures them in this process.
    """

    data: Data
    scale: Scale
    folder: Path
    seed: int = 0
    progress: Progress = _silent
    executor: Executor | None = None

    def rows(self) -> Iterator[Row]:
        """Table II: the DenseNet, and the rows of each p."""
        yield self.full()
        for rate in RATES:
            yield from self.one_rate(rate)

    def one_rate(self, rate: int) -> Iterator[Row]:
        """The winner of the paper's search at one p, and the networks that it is compared with.

        Args:
            rate: p in percent.
        """
        yield self.searched(GENETIC, rate)
        yield self.first(rate)
        yield self.searched(RANDOM_SEARCH, rate)
        yield self.as_large(rate)
        yield self.random_network(rate)
        yield self.narrower(rate)

    def there(self, rates: Iterable[int] = RATES) -> Iterator[Row]:
        """The rows that are in the folder already, whatever made them.

        Args:
            rates: The p to look for, in percent.
        """
        if self._path(FULL, None, "json").is_file():
            yield self.full()
        for rate in rates:
            made: dict[str, Callable[[], Row]] = {
                GENETIC: partial(self.searched, GENETIC, rate),
                FIRST: partial(self.first, rate),
                RANDOM_SEARCH: partial(self.searched, RANDOM_SEARCH, rate),
                AS_LARGE: partial(self.as_large, rate),
                RANDOM: partial(self.random_network, rate),
                RANDOM_AGAIN: partial(self.random_network, rate, RANDOM_AGAIN),
            }
            for method, row in made.items():
                if self._path(method, rate, "json").is_file():
                    yield row()
            if self._path(GENETIC, rate, "json").is_file():
                growth = self.nearest_growth(self.searched(GENETIC, rate).parameters)
                if self._path(NARROWER, growth, "json").is_file():
                    yield self.narrower(rate)

    def full(self) -> Row:
        """The DenseNet with all connections."""
        return self._kept(FULL, None, lambda _: Choice(self._everything, self.scale.growth))

    def searched(self, method: str, rate: int) -> Row:
        """Section III: the fittest candidate that a search evaluated.

        Args:
            method: `GENETIC`, the paper's, or `RANDOM_SEARCH` with as many evaluations.
            rate: p in percent.
        """

        def fittest(text: str) -> Choice:
            found = self._search(method, rate, text)
            fitness = float(found.measurements["accuracy"][0])
            return self._chosen(rate, found.X[0], fitness, found.last.seconds)

        return self._kept(method, rate, fittest)

    def evaluations(self, rate: int) -> dict[str, Values]:
        """What the paper's search at one p asked for, in order: generation and measurements.

        Args:
            rate: p in percent; its search has run.
        """
        with closing(Store.existing(self._path(GENETIC, rate, "sqlite"))) as store:
            return store.evaluations()

    def first(self, rate: int) -> Row:
        """The fittest candidate that the paper's search began with: the search adds the rest.

        Args:
            rate: p in percent.
        """

        def fittest(text: str) -> Choice:
            first = self._search(GENETIC, rate, text).first
            right = first.measurements["accuracy"]
            place = int(np.nanargmax(right))
            return self._chosen(rate, first.X[place], float(right[place]))

        return self._kept(FIRST, rate, fittest)

    def as_large(self, rate: int) -> Row:
        """A random network with as many parameters as the winner of the paper's search.

        Args:
            rate: p in percent.
        """

        def drawn(_: str) -> Choice:
            generator = np.random.default_rng((self.seed, rate, 2))
            wanted = np.array([self.searched(GENETIC, rate).parameters])
            return self._chosen(rate, self.problem(rate).rivals.drawn(wanted, generator)[0])

        return self._kept(AS_LARGE, rate, drawn)

    def random_network(self, rate: int, method: str = RANDOM) -> Row:
        """One random candidate at this p, without a search.

        Args:
            rate: p in percent.
            method: `RANDOM`, or `RANDOM_AGAIN` for a second one.
        """
        seed = (self.seed, rate) if method == RANDOM else (self.seed, rate, 1)

        def drawn(_: str) -> Choice:
            return self._chosen(rate, self.problem(rate).random(1, np.random.default_rng(seed))[0])

        return self._kept(method, rate, drawn)

    def narrower(self, rate: int) -> Row:
        """All connections and a smaller growth, as near as possible to the winner's parameters.

        Where several p have the same growth, it is trained once.
        """
        growth = self.nearest_growth(self.searched(GENETIC, rate).parameters)
        row = self._kept(NARROWER, growth, lambda _: Choice(self._everything, growth))
        return replace(row, rate=rate)

    def nearest_growth(self, parameters: int) -> int:
        """The growth below the scale's that comes nearest to a number of parameters."""
        sizes = DenseNetSizes(self._codec, self.data, self.scale.growth, 1).narrower()
        return 1 + int(np.abs(sizes["parameters"] - parameters).argmin())

    def _kept(self, method: str, place: int | None, choose: Callable[[str], Choice]) -> Row:
        """A row from the folder; otherwise a network is chosen, trained to the end, and kept.

        Args:
            method: One of `METHODS`.
            place: p in percent, or the growth of a narrower DenseNet; None where neither applies.
            choose: Chooses the architecture; called with a text for the progress.
        """
        about = f"k = {place}" if method == NARROWER else f"p = {place} %"
        text = METHODS[method] if place is None else f"{METHODS[method]}, {about}"

        def row() -> dict[str, Any]:
            return asdict(self._finished(method, place, choose(text), text))

        return Row(**kept(self._path(method, place, "json"), row))

    def _path(self, method: str, place: int | None, ending: str) -> Path:
        parts = [part for part in (method, place, self.seed) if part is not None]
        return self.folder / f"{'-'.join(map(str, parts))}.{ending}"

    def _chosen(
        self, rate: int, x: Array, fitness: float | None = None, seconds: float | None = None
    ) -> Choice:
        """An architecture of a chromosome; its fitness is measured where it is not known."""
        problem = self.problem(rate)
        if fitness is None:
            fitness = float(problem.measured(x[None])["accuracy"][0])
        return Choice(problem.codec.matrices(x), self.scale.growth, fitness, seconds)

    def _search(self, method: str, rate: int, text: str) -> Found:
        """A search; its evaluations are kept, so that it is made once."""
        problem, path = self.problem(rate), self._path(method, rate, "sqlite")
        with closing(
            Store(path, tuple(problem.quantities), problem.fingerprint, versions())
        ) as store:
            return search(
                problem,
                make_algorithm(ENGINES[method], problem, self.scale.population),
                Budget(generations=self.scale.generations),
                seed=100 * self.seed + rate,  # each p starts with other random numbers
                store=store,
                executor=self.executor,
                on_generation=lambda step: self.progress(step.done, text),
            )

    def _finished(self, method: str, rate: int | None, choice: Choice, text: str) -> Row:
        """Training from random weights with DenseNet's schedule, and the test."""
        with seeded(self.seed, torch.device("cpu")):
            network = DenseNet(
                choice.connections, choice.growth, self.data.channels, self.data.classes
            ).to(self.data.train.images.device)
        began, right = perf_counter(), float("nan")
        with suppress(TrainingDiverged):
            network = trained(
                network,
                self.data.train,
                images=self.scale.finish_images,
                recipe=self._recipe,
                seed=self.seed,
                progress=lambda done: self.progress(done, f"{text}, full training"),
            )
            right = accuracy(network, self.data.test)
        return Row(
            method,
            rate,
            self.seed,
            choice.growth,
            count_parameters(network),
            count_macs(network, self.data.shape),
            float(self._codec.genes(choice.connections).mean()),
            choice.fitness,
            right,
            choice.seconds,
            perf_counter() - began,
        )

    def problem(self, rate: int) -> DenseConnectivity:
        """The problem that the paper searches at one p."""
        problem = DenseConnectivity(
            self.data,
            parent=self.parent,
            kept=rate / 100,
            objectives=("accuracy",),
            seed=self.seed,
            **self._options,
        )
        problem.POPULATION = self.scale.population  # Table I's, unless the scale has another
        if not problem.inherits:
            # A training takes so long that each candidate is stored as soon as it is measured.
            problem.portions = replace(problem.portions, chunk=problem.portions.together)
        return problem

    @cached_property
    def _options(self) -> dict[str, Any]:
        """The scale's options, without enlarging images."""
        size, options = self.scale.image_size, self.scale.options
        return {**options, "image_size": size if size and size < min(self.data.size) else None}

    @cached_property
    def parent(self) -> DenseNet:
        """The parent for all p, trained once and kept in the folder."""

        def made() -> nn.Module:
            return DenseConnectivity(
                self.data,
                seed=self.seed,
                progress=lambda done: self.progress(done, "parent"),
                **self._options,
            ).parent

        network = kept_parent(self.folder / f"parent-{self.seed}", made)
        assert isinstance(network, DenseNet)  # noqa: S101 - what was saved
        return network

    @cached_property
    def _codec(self) -> Connections:
        return Connections(layers_of_depth(self.scale.depth))

    @cached_property
    def _everything(self) -> Booleans:
        return fully_connected(self._codec.layers)

    @cached_property
    def _recipe(self) -> Recipe:
        """DenseNet's, with the shifts and mirrors that the images allow."""
        same = self.problem(RATES[0]).training
        return replace(DenseConnectivity.SCHEDULE, crop=same.crop, flip=same.flip)
