"""The experiments of the EComp paper: Table 1's weightings, Figures 2 to 5, and L1 pruning."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Unpack

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from pymoo_prune.data import Data
from pymoo_prune.engines import make_algorithm
from pymoo_prune.files import writing
from pymoo_prune.machine import versions
from pymoo_prune.measuring import accuracy
from pymoo_prune.networks import FeedForward, as_feed_forward
from pymoo_prune.objectives import Values
from pymoo_prune.plots import COLOURS, STYLE
from pymoo_prune.results import final_accuracies, finisher
from pymoo_prune.runs import (
    ReproductionOptions,
    chosen,
    kept_parent,
    kept_runs,
    limit_of,
    reproduced,
    without_workers,
)
from pymoo_prune.search import Budget, Display, Step, Store, search, settle
from pymoo_prune.tables import markdown_table
from pymoo_prune_problems.ecomp.parents import train_feed_forward
from pymoo_prune_problems.ecomp.problem import EComp

COLUMNS = ("accuracy", "similarity_loss", "width", "best_test_accuracy")
AUTHORS: Mapping[str, tuple[tuple[float, float], ...]] = {
    # Means and standard deviations of the authors' ten runs, published with their code: averages of
    # the last generation on its batch, and the best network on the 10,000 test images. The paper
    # leaves 001 out.
    "001": ((0.141, 0.049), (0.605, 0.042), (0.222, 0.012), (0.131, 0.050)),
    "020": ((0.784, 0.077), (0.101, 0.029), (0.817, 0.058), (0.793, 0.077)),
    "100": ((0.826, 0.028), (0.120, 0.039), (0.872, 0.027), (0.842, 0.017)),
    "021": ((0.641, 0.180), (0.130, 0.050), (0.592, 0.127), (0.663, 0.146)),
    "120": ((0.871, 0.026), (0.063, 0.015), (0.863, 0.027), (0.855, 0.008)),
    "101": ((0.734, 0.128), (0.184, 0.094), (0.586, 0.151), (0.761, 0.127)),
    "121": ((0.851, 0.027), (0.083, 0.029), (0.749, 0.071), (0.843, 0.012)),
}
VALIDATION_IMAGES = (
    100  # the paper trains its parent on all training images; here some are held out
)
EVERY = 3  # Figures 2 to 4 report every third generation


@dataclass(frozen=True)
class Trajectory:
    """One run of one weighting.

    Attributes:
        weighting: Its name in Table 1.
        seed: The seed of the search and its batches.
        means: Averages of each generation, by quantity.
        best_width: Width of the best network by average fitness over all batches.
        best_test_accuracy: That network's accuracy on the test images.
    """

    weighting: str
    seed: int
    means: Mapping[str, list[float]]
    best_width: float
    best_test_accuracy: float

    @property
    def row(self) -> tuple[float, ...]:
        """The numbers that `AUTHORS` has for a weighting."""
        return (*(self.means[name][-1] for name in COLUMNS[:3]), self.best_test_accuracy)


def run_weighting(
    data: Data,
    parent: FeedForward,
    weighting: str,
    seed: int,
    *,
    generations: int = EComp.GENERATIONS + 1,
    database: Path | None = None,
    progress: Callable[[float, str], None] | None = None,
) -> Trajectory:
    """One run of the paper's algorithm (section 3.2).

    Args:
        data: The images.
        parent: The network that is compressed.
        weighting: Name of a row of Table 1.
        seed: The seed of the search and its batches.
        generations: The first population counts as one.
        database: Keeps evaluations, so that a stopped run goes on; None keeps nothing.
        progress: Called with the share that is done and a text.
    """
    problem = EComp(
        data,
        parent=parent,
        seed=seed,
        objectives=EComp.fitness(*EComp.WEIGHTINGS[weighting]),
        **EComp.presets["paper"].options,
    )
    names = ("accuracy", "similarity_loss", "width")
    means: dict[str, list[float]] = {name: [] for name in names}

    def note(step: Step) -> None:
        for name in names:
            means[name].append(float(step.algorithm.pop.get(name).mean()))
        if progress is not None:
            progress(step.done, f"{weighting}, seed {seed}")

    with ExitStack() as stack:
        store = None
        if database is not None:
            known = Store(database, tuple(problem.quantities), problem.fingerprint, versions())
            store = stack.enter_context(closing(known))
        found = search(
            problem,
            make_algorithm("own", problem, EComp.POPULATION),
            Budget(generations=generations),
            seed=seed,
            store=store,
            on_generation=note,
        )
        if store is not None:
            store.close()
            settle(store.path)
    # Section 4.2: the fittest network; the authors' code averages fitness over all batches.
    best = int(problem.goals.F(found.measurements)[:, 0].argmin())
    tested = accuracy(problem.network(found.X[best]), data.test)
    return Trajectory(weighting, seed, means, float(found.measurements["width"][best]), tested)


def reproduce(output: Path, **options: Unpack[ReproductionOptions]) -> None:
    """Runs all weightings and redraws the figures; goes on where it stopped.

    The paper has ten runs of each weighting, on fashion-mnist.
    """
    chosen((), options)
    without_workers(options)
    given = limit_of(options, "generations")
    generations = EComp.GENERATIONS + 1 if given is None else given
    settings = {} if generations == EComp.GENERATIONS + 1 else {"generations": generations}

    def page(images: Data) -> str:
        return _results(images, output, options, generations)

    # Networks and batches are small: a GPU would not help.
    reproduced(page, output, settings, validation=VALIDATION_IMAGES, gpu=False, **options)


def _results(images: Data, output: Path, options: ReproductionOptions, generations: int) -> str:
    """All runs, the figures, and the page."""
    display = Display(options["console"])
    parent = trained_parent(output / "parent", images, display)

    def trajectory(weighting: str, seed: int) -> dict[str, Any]:
        database = output / f"{weighting}-{seed}.sqlite"
        with display.phase("search") as update:
            found = run_weighting(
                images,
                parent,
                weighting,
                seed,
                generations=generations,
                database=database,
                progress=update,
            )
            return asdict(found)

    found = kept_runs(output, EComp.WEIGHTINGS, options["runs"], trajectory)
    done = {name: [Trajectory(**one) for one in results] for name, results in found.items()}
    widths = [one.best_width for trajectories in done.values() for one in trajectories]
    instead = _instead(images, parent, widths, display)
    for name, draw in (("figure-2-3-4.png", draw_trajectories), ("figure-5.png", draw_winners)):
        with writing(output / name) as path:
            draw(path, done)
    return _page(done, instead, accuracy(parent, images.test), images.name)


def trained_parent(folder: Path, data: Data, display: Display) -> FeedForward:
    """The network that is compressed: kept from before, or trained now."""

    def made() -> FeedForward:
        with display.phase("parent") as update:
            return train_feed_forward(
                data,
                EComp.PARENT_WIDTHS,
                EComp.PARENT_IMAGES,
                progress=lambda done: update(done, "training the parent"),
            )

    return as_feed_forward(kept_parent(folder, made))


def _instead(
    data: Data, parent: FeedForward, widths: Sequence[float], display: Display
) -> dict[str, Values]:
    """L1 pruning at the winners' widths, as it is and after one pass over as many images."""
    problem = EComp(data, parent=parent, recovery="none")
    plain = problem.rivals.pruned(np.unique(np.quantile(widths, np.linspace(0, 1, 8))))
    with display.phase("baseline") as update:
        update(0.0, plain.name)
        accuracies = final_accuracies(
            plain.networks,
            data,
            seeds=[0] * len(plain.networks),
            finished=finisher(problem, EComp.SEARCH_IMAGES),
        )
    return {**plain.sizes, **accuracies}


def draw_trajectories(path: Path, done: Mapping[str, Sequence[Trajectory]]) -> None:
    """Figures 2, 3 and 4: average accuracy, size and similarity loss over the generations."""
    panels = (
        ("Figure 2: accuracy", "accuracy", True),
        ("Figure 3: width relative to the parent", "width", True),
        ("Figure 4: similarity loss", "similarity_loss", False),
    )
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(13.5, 4.2), layout="constrained")
        for place, (title, name, share) in enumerate(panels):
            axes = figure.add_subplot(1, 3, place + 1, title=title, xlabel="generation")
            _draw_lines(axes, name, done)
            if share:
                axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
            else:
                axes.set_yscale("log")
        axes.legend(title="w_a w_s w_c", loc="center left", bbox_to_anchor=(1.0, 0.5))
        figure.savefig(path, dpi=160)


def _draw_lines(axes: Axes, name: str, done: Mapping[str, Sequence[Trajectory]]) -> None:
    lines = ("-", "--", "-.", ":", "-", "--", "-.")
    for place, (weighting, trajectories) in enumerate(done.items()):
        values = np.array([one.means[name] for one in trajectories])[:, ::EVERY]
        generations = EVERY * np.arange(values.shape[1])
        colour = COLOURS[place % len(COLOURS)]
        mean, spread = values.mean(axis=0), values.std(axis=0)
        axes.plot(generations, mean, lines[place], color=colour, label=weighting)
        low, high = mean - spread, mean + spread
        axes.fill_between(generations, low, high, color=colour, alpha=0.12, linewidth=0)


def draw_winners(path: Path, done: Mapping[str, Sequence[Trajectory]]) -> None:
    """Figure 5: accuracy and width of the best networks, over the runs."""
    panels: tuple[tuple[str, Callable[[Trajectory], float]], ...] = (
        ("test accuracy of the best network", lambda one: one.best_test_accuracy),
        ("width of the best network", lambda one: one.best_width),
    )
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(9.5, 4.0), layout="constrained")
        for place, (title, value) in enumerate(panels):
            axes = figure.add_subplot(1, 2, place + 1, title=title, xlabel="w_a w_s w_c")
            boxes = [[value(one) for one in trajectories] for trajectories in done.values()]
            style: dict[str, Any] = {"color": COLOURS[1], "linewidth": 1.6}
            axes.boxplot(boxes, tick_labels=list(done), medianprops=style)
            axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
        figure.savefig(path, dpi=160)


def _page(
    done: Mapping[str, Sequence[Trajectory]],
    instead: Mapping[str, Values],
    parent_accuracy: float,
    data: str,
) -> str:
    columns = ("width", "test_accuracy", "finished_test_accuracy")
    lines = [
        f"# EComp on {data}",
        "",
        f"The parent has {100 * parent_accuracy:.2f} % on the test images (the paper: 86.6 %).",
        "Averages of the last generation on its batch; the best network on the test images.",
        "In brackets the authors' ten runs, with one parent of theirs on FashionMNIST.",
        *_shortened(done),
        "",
        markdown_table(
            ("w_a w_s w_c", "runs", "accuracy", "similarity loss", "width", "best network, test"),
            [_cells(weighting, trajectories) for weighting, trajectories in done.items()],
        ),
        "",
        "The simple alternative, L1 pruning at the winners' widths:",
        "",
        markdown_table(
            ("width", "L1 pruning, test", f"after {EComp.SEARCH_IMAGES:,} images of training"),
            [
                [f"{value:.3f}" for value in row]
                for row in zip(*(instead[name] for name in columns), strict=True)
            ],
        ),
        "",
    ]
    return "\n".join(lines)


def _shortened(done: Mapping[str, Sequence[Trajectory]]) -> list[str]:
    """A sentence where runs have another length than the paper's."""
    found = len(next(iter(done.values()))[0].means["accuracy"]) - 1
    if found == EComp.GENERATIONS:
        return []
    text = f"Runs have {found} generations after the first population; the paper's have"
    return [f"{text} {EComp.GENERATIONS}."]


def _cells(weighting: str, trajectories: Sequence[Trajectory]) -> list[str]:
    """A row of the table: means, deviations where there are several runs, and the authors'."""
    rows = np.array([one.row for one in trajectories])
    cells = [f"{mean:.3f}" for mean in rows.mean(axis=0)]
    if len(rows) > 1:
        deviations = rows.std(axis=0, ddof=1)
        cells = [f"{cell} ± {value:.3f}" for cell, value in zip(cells, deviations, strict=True)]
    if theirs := AUTHORS.get(weighting):
        cells = [
            f"{cell} ({mean:.3f} ± {spread:.3f})"
            for cell, (mean, spread) in zip(cells, theirs, strict=True)
        ]
    return [weighting, str(len(rows)), *cells]
