"""The experiments of the dense-connectivity paper: Table II and Figure 5, and what beats them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, suppress
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from time import perf_counter
from typing import Any, Unpack

import numpy as np
import torch
from torch import nn

from pymoo_prune.chromosomes import Booleans, Connections, fully_connected
from pymoo_prune.data import Data
from pymoo_prune.engines import make_algorithm
from pymoo_prune.errors import TrainingDiverged
from pymoo_prune.executors import Executor
from pymoo_prune.files import writing
from pymoo_prune.machine import versions
from pymoo_prune.measuring import accuracy, count_macs, count_parameters, dense_net_complexity
from pymoo_prune.networks import DenseNet, layers_of_depth
from pymoo_prune.runs import ReproductionOptions, chosen, kept, kept_parent, limit_of, reproduced
from pymoo_prune.search import Budget, Display, Store, search
from pymoo_prune.training import Recipe, seeded, trained
from pymoo_prune_problems.dense_connectivity.experiments import (
    FULL,
    GENETIC,
    METHODS,
    NARROWER,
    PAPER,
    RANDOM,
    RANDOM_AGAIN,
    RANDOM_SEARCH,
    RATES,
    SCRATCH,
    SMALL,
    Row,
    Scale,
)
from pymoo_prune_problems.dense_connectivity.figure import draw_accuracies
from pymoo_prune_problems.dense_connectivity.images import with_all_training_images
from pymoo_prune_problems.dense_connectivity.problem import DenseConnectivity
from pymoo_prune_problems.dense_connectivity.tables import table

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
        yield self.searched(RANDOM_SEARCH, rate)
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
            for method in (GENETIC, RANDOM_SEARCH):
                if self._path(method, rate, "json").is_file():
                    yield self.searched(method, rate)
            for method in (RANDOM, RANDOM_AGAIN):
                if self._path(method, rate, "json").is_file():
                    yield self.random_network(rate, method)
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
        return self._kept(method, rate, lambda text: self._winner(method, rate, text))

    def random_network(self, rate: int, method: str = RANDOM) -> Row:
        """One random candidate at this p, without a search.

        Args:
            rate: p in percent.
            method: `RANDOM`, or `RANDOM_AGAIN` for a second one.
        """
        seed = (self.seed, rate) if method == RANDOM else (self.seed, rate, 1)

        def drawn(_: str) -> Choice:
            problem = self.problem(rate)
            X = problem.random(1, np.random.default_rng(seed))
            fitness = float(problem.measured(X)["accuracy"][0])
            return Choice(problem.codec.matrices(X[0]), self.scale.growth, fitness)

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
        sizes = {
            growth: dense_net_complexity(
                self._everything[None],
                growth=growth,
                stem=2 * growth,
                channels=self.data.channels,
                classes=self.data.classes,
                size=self.data.size,
            )[0][0]
            for growth in range(1, self.scale.growth)
        }
        return min(sizes, key=lambda growth: abs(sizes[growth] - parameters))

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

    def _winner(self, method: str, rate: int, text: str) -> Choice:
        problem, path = self.problem(rate), self._path(method, rate, "sqlite")
        with closing(
            Store(path, tuple(problem.quantities), problem.fingerprint, versions())
        ) as store:
            found = search(
                problem,
                make_algorithm(ENGINES[method], problem, self.scale.population),
                Budget(generations=self.scale.generations),
                seed=100 * self.seed + rate,  # each p starts with other random numbers
                store=store,
                executor=self.executor,
                on_generation=lambda step: self.progress(step.done, text),
            )
        return Choice(
            problem.codec.matrices(found.X[0]),
            self.scale.growth,
            float(found.measurements["accuracy"][0]),
            found.last.seconds,
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


def reproduce(output: Path, **options: Unpack[ReproductionOptions]) -> None:
    """Table II and Figure 5 at a budget for two cores; goes on where it stopped."""
    _reproduce(SMALL, output, options)


def reproduce_scratch(output: Path, **options: Unpack[ReproductionOptions]) -> None:
    """The same, smaller: each candidate is trained for an epoch from scratch, as in the paper."""
    _reproduce(SCRATCH, output, options)


def reproduce_fully(output: Path, **options: Unpack[ReproductionOptions]) -> None:
    """The same at the paper's budget: each candidate is trained, each winner for 300 epochs."""
    _reproduce(PAPER, output, options)


def _reproduce(scale: Scale, output: Path, options: ReproductionOptions) -> None:
    display = Display(options["console"])
    chosen((), options)
    if (generations := limit_of(options, "generations")) is not None:
        scale = replace(scale, generations=generations)

    def page(images: Data) -> str:
        if scale.fitness_split == "test":
            images = with_all_training_images(images)
        rows = []
        for seed in range(options["runs"]):
            with display.phase("networks") as update:
                rows += list(Experiment(images, scale, output, seed, update).rows())
        with writing(output / "figure-5.png") as path:
            draw_accuracies(path, rows, scale, images.name)
        return table(rows, scale, images.name)

    reproduced(page, output, asdict(scale), **options)
