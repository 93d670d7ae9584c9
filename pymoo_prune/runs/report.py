"""A run's report: the front beside what a user would do instead, as a page and in the terminal."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from rich.table import Table

from pymoo_prune import plots
from pymoo_prune.chromosomes import Array
from pymoo_prune.files import write_text, writing
from pymoo_prune.objectives import Goals, Quantity, Series, Values, hypervolume
from pymoo_prune.problem import find_problem
from pymoo_prune.results import ACCURACIES, EVALUATION, RANDOM, published_series
from pymoo_prune.runs.run import STORE, Run
from pymoo_prune.search import Store
from pymoo_prune.tables import Row, listed, markdown_table, terminal_table

PAGE, PICTURE, GENERATIONS = "report.md", "front.png", "generations.png"
LAYERS, PARALLEL, MATRICES = "layers.png", "parallel.png", "matrices.png"
FORMATS = (".png", ".svg")
"""Of every picture: pages show the first, papers take the second."""


class Report:
    """What a complete run found.

    Args:
        run: The run.
    """

    def __init__(self, run: Run) -> None:
        self.run = run
        self.series, self.summary = run.results()
        self.layers = run.layers()
        measured = find_problem(run.settings.problem).offered()
        self.quantities: dict[str, Quantity] = {**measured, **ACCURACIES, **EVALUATION}
        self.goals = Goals(measured, self.summary["goals"])

    @property
    def front(self) -> Series:
        """The search's own networks."""
        return self.series[0]

    @property
    def axes(self) -> list[str]:
        """What hypervolumes are over besides the error: the objectives that all methods know."""
        names = [n for n in self.goals.names if "accuracy" not in n]
        return [n for n in names if all(n in one.columns for one in self.series)] or ["parameters"]

    @property
    def finished(self) -> bool:
        """Whether networks were retrained in the end."""
        return "finished_test_accuracy" in self.front.columns

    def method_rows(self) -> tuple[Row, list[Row]]:
        """One row a method: how many networks, and how much of the objectives they dominate."""
        heads = {"test_accuracy": "hypervolume on test"}
        if self.finished:
            heads["finished_test_accuracy"] = "after the same retraining"
        rows: list[Row] = [
            (one.name, str(len(one)), *(self._volume(one, accuracy) for accuracy in heads))
            for one in self.series
        ]
        return ("method", "networks", *heads.values()), rows

    def _volume(self, one: Series, accuracy: str) -> str:
        sizes = Goals(self.quantities, self.axes)
        error = 1 - one.columns[accuracy]
        costs = sizes.unit_costs(one.columns, self.summary["parent"])
        return f"{hypervolume(np.column_stack([error, costs])):.4f}"

    @property
    def shown(self) -> list[str]:
        """The quantities that tables of networks show."""
        sizes = "parameters", "macs"
        wanted = ("accuracy", *self.goals.names, *sizes, *ACCURACIES, *EVALUATION)
        known = [n for n in dict.fromkeys(wanted) if n in self.front.columns]
        return [n for n in known if n != "finished_accuracy"]

    def network_rows(self, most: int = 14) -> tuple[Row, list[Row]]:
        """The front's networks, evenly thinned to at most `most`, always with the chosen one."""
        columns, names = self.front.columns, self.shown
        places = np.unique(np.linspace(0, len(self.front) - 1, most).round().astype(int))
        shown = sorted({*places.tolist(), self.chosen})
        head = ("no.", *(self.quantities[name].label for name in names))
        rows = []
        for place in shown:
            mark = " ←" if place == self.chosen else ""
            cells = [self.quantities[n].format(float(columns[n][place])) for n in names]
            rows.append((f"{place}{mark}", *cells))
        return head, rows

    @property
    def chosen(self) -> int:
        """The network that the report points at: the fittest, or the knee."""
        fittest = self.summary["fittest"]
        return int(self.summary["knee"] if fittest is None else fittest)

    def verdict(self) -> str:
        """In a sentence: did the search pay?"""
        last = self.method_rows()[1]
        if len(last) == 1:
            return f"There is nothing to compare the search with: {last[0][-1]} is its hypervolume."
        own, others = last[0][-1], last[1:]
        best = max(others, key=lambda row: float(row[-1]))
        place = "after the same retraining" if len(last[0]) > 3 else "on the test images"
        if float(own) > float(best[-1]):
            return f"The search dominates most {place}: {own}."
        if own == best[-1]:
            return f"The search and {best[0]} dominate alike {place}: {own}."
        return f"The search does not win {place}: {best[0]} has {best[-1]}, the search {own}."

    def parent_line(self) -> str:
        """What the unpruned network measures."""
        parent, names = self.summary["parent"], ("accuracy", "parameters", "macs")
        parts = [
            f"{self.quantities[n].label} {self.quantities[n].format(parent[n])}" for n in names
        ]
        return f"The parent: {', '.join(parts)}."

    def suggestion(self) -> str:
        """The network that the report points at, in a sentence."""
        columns, place = self.front.columns, self.chosen
        names = (
            "finished_test_accuracy" if self.finished else "test_accuracy",
            "parameters",
            "macs",
        )
        parts = [
            f"{self.quantities[n].label} {self.quantities[n].format(float(columns[n][place]))}"
            for n in names
        ]
        left = 100 * columns["parameters"][place] / self.summary["parent"]["parameters"]
        share = f"{left:.2g}" if left < 10 else f"{left:.0f}"  # never 1e+02
        return (
            f"The suggestion is network {place}: {', '.join(parts)}. Of the parent's parameters "
            f"{share}\u00a0% are left."
        )

    def export_command(self, place: int) -> str:
        """What carries a network away."""
        return f"pymoo-prune export {shlex.quote(str(self.run.folder))} --pick {place}"

    # Where numbers come from.

    def origins(self) -> dict[str, str]:
        """From which seed and which evaluations the networks of each method come."""
        return {one.name: self._origin(one) for one in self.series}

    def _origin(self, one: Series) -> str:
        settings, numbered = self.run.settings, "evaluation" in one.columns
        seeds = f"seed {settings.seed}"
        if settings.problem_seed is not None:
            seeds += f", {settings.problem_seed} for the problem"
        if one is self.front:
            which = "evaluations, numbered from 0," if numbered else "the last population"
            return f"{which} of {self.run.folder} (`{STORE}`), {seeds}"
        if one.name == RANDOM:
            own = ", numbered from 0 on their own" if numbered else ""
            return f"as many random candidates as the search had{own}, {seeds}"
        retrained = f", retrained with seed {settings.seed}" if self.finished else ""
        return f"made without a search, at sizes of the front{retrained}"

    @property
    def shares(self) -> dict[str, float] | None:
        """What the suggestion has left of each of the parent's layers, where that is known."""
        return None if self.layers is None else self.layers.kept(self.chosen)

    # Where it goes.

    def write(self) -> Path:
        """Writes the pictures and the page into the run's folder."""
        folder = self.run.folder
        for name, draw in self._pictures().items():
            for ending in FORMATS:
                with writing((folder / name).with_suffix(ending)) as path:
                    draw(path)
        write_text(folder / PAGE, self.page())
        return folder / PAGE

    def _pictures(self) -> dict[str, Callable[[Path], None]]:
        """What draws each picture that there is, by the name of its file."""
        title, quantities, means = self.title, self.quantities, self._means()
        cls = find_problem(self.run.settings.problem)
        pictures: dict[str, Callable[[Path], None]] = {
            PICTURE: lambda path: plots.draw_front(
                path,
                self.series,
                self.goals,
                quantities,
                title=title,
                published=published_series(cls, self.run.settings.data),
            ),
            GENERATIONS: lambda path: plots.draw_generations(
                path, means, self.goals.names, quantities
            ),
        }
        if len(self.goals.names) > 2:
            pictures[PARALLEL] = lambda path: plots.draw_parallel(
                path, self.front, self.goals.names, quantities, chosen=self.chosen, title=title
            )
        if (shares := self.shares) is not None:
            pictures[LAYERS] = lambda path: plots.draw_layers(
                path,
                {f"network {self.chosen}": shares},
                title=f"where network {self.chosen} was pruned",
                label="weights left",
            )
        if (matrices := self.run.matrices()) is not None:
            pictures[MATRICES] = lambda path: self._draw_matrices(path, *matrices)
        return pictures

    def _draw_matrices(self, path: Path, live: Array, possible: Array) -> None:
        blocks = {f"block {k + 1}": block for k, block in enumerate(live[self.chosen])}
        title = f"what reads what in network {self.chosen}"
        cells = dict.fromkeys(blocks, possible)
        plots.draw_matrices(path, blocks, possible=cells, title=title)

    @property
    def title(self) -> str:
        """What was searched, on what."""
        return f"{self.run.settings.problem} on {self.run.settings.data}"

    def _means(self) -> Mapping[str, Values]:
        store = Store.existing(self.run.folder / STORE)
        try:
            return store.generation_means()
        finally:
            store.close()

    def made_line(self) -> str:
        """How the run was made, in a sentence."""
        settings, summary = self.run.settings, self.summary
        machine = summary["machine"]
        # Some engines take no other than their own; older runs do not say.
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

    def meaning(self) -> str:
        """What the hypervolumes are over, in a sentence."""
        axes = ", ".join(["error", *(self.quantities[name].label for name in self.axes)])
        meaning = f"Hypervolumes of ({axes}), reference point 1 for each"
        if images := self.run.settings.finish_images:
            meaning += f"; every network is retrained with the same {images:,} images"
        free = [one.name for one in self.series[1:] if one.name != RANDOM]
        if free and (bounds := self.run.settings.constraints):
            meaning += f"; networks of {listed(free)} need not keep {listed(bounds)}"
        return f"{meaning}."

    def page(self) -> str:
        """The report in Markdown."""
        carry = (
            f"The arrow marks the suggestion; `{self.export_command(self.chosen)}` carries it "
            "away. All numbers are in `front.csv`."
        )
        many = [f"![all networks over all objectives]({PARALLEL})"] * (len(self.goals.names) > 2)
        layers = [f"![weights left in each layer]({LAYERS})"] * (self.shares is not None)
        matrices = [f"![which node reads which]({MATRICES})"] * (self.run.matrices() is not None)
        parts = [
            f"# {self.title}",
            self.made_line(),
            self.parent_line(),
            self.verdict(),
            f"![the front]({PICTURE})",
            "## Methods",
            markdown_table(*self.method_rows()),
            self.meaning(),
            "## Networks",
            markdown_table(*self.network_rows()),
            carry,
            *many,
            *layers,
            *matrices,
            *(f"- {note}" for note in self.summary.get("notes", ())),
            "## Where the networks come from",
            "\n".join(f"- {name}: {origin}." for name, origin in self.origins().items()),
            "## The search, generation by generation",
            f"![means of each generation]({GENERATIONS})",
            "## Made with",
            markdown_table(("what", "version"), list(self.summary["versions"].items())),
        ]
        return "\n\n".join(parts) + "\n"

    def tables(self) -> list[Table]:
        """The same for the terminal."""
        return [
            terminal_table("networks of the front", *self.network_rows()),
            terminal_table("methods", *self.method_rows()),
        ]
