"""A run's report: the front beside what a user would do instead, as a page and in the terminal."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from rich.table import Table

from pymoo_prune import plots
from pymoo_prune.files import write_text, writing
from pymoo_prune.finish import Series
from pymoo_prune.front import ACCURACIES
from pymoo_prune.objectives import Goals, Quantity, Values
from pymoo_prune.progress import hypervolume
from pymoo_prune.registry import find_problem
from pymoo_prune.run import STORE, Run
from pymoo_prune.store import Store
from pymoo_prune.tables import Row, markdown_table, terminal_table

PAGE, PICTURE, GENERATIONS = "report.md", "front.png", "generations.png"


class Report:
    """What a complete run found.

    Args:
        run: The run.
    """

    def __init__(self, run: Run) -> None:
        self.run = run
        self.series, self.summary = run.results()
        cls = find_problem(run.settings.problem)
        self.quantities: dict[str, Quantity] = {**cls.quantities, **ACCURACIES}
        self.goals = Goals(cls.quantities, self.summary["goals"])

    @property
    def front(self) -> Series:
        """The search's own networks."""
        return self.series[0]

    @property
    def axes(self) -> list[str]:
        """What hypervolumes are over besides the error: the objectives that all methods know."""
        names = [n for n in self.goals.names if "accuracy" not in n]
        return [n for n in names if all(n in one.columns for one in self.series)] or ["parameters"]

    def method_rows(self) -> tuple[Row, list[Row]]:
        """One row a method: how many networks, and how much of the objectives they dominate."""
        finished = "finished_test_accuracy" in self.front.columns
        head: Row = ("method", "networks", "hypervolume on test")
        rows = []
        for one in self.series:
            row: Row = (one.name, str(len(one)), self._volume(one, "test_accuracy"))
            rows.append((*row, self._volume(one, "finished_test_accuracy")) if finished else row)
        return (*head, "after the same retraining") if finished else head, rows

    def _volume(self, one: Series, accuracy: str) -> str:
        sizes = Goals(self.quantities, self.axes)
        error = 1 - one.columns[accuracy]
        costs = sizes.unit_costs(one.columns, self.summary["parent"])
        return f"{hypervolume(np.column_stack([error, costs])):.4f}"

    def network_rows(self, most: int = 14) -> tuple[Row, list[Row]]:
        """The front's networks, evenly thinned to at most `most`, always with the chosen one."""
        columns = self.front.columns
        wanted = ("accuracy", *self.goals.names, "parameters", "macs", *ACCURACIES)
        names = [n for n in dict.fromkeys(wanted) if n in columns and n != "finished_accuracy"]
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
        best = max(last, key=lambda row: float(row[-1]))
        place = "after the same retraining" if len(last[0]) > 3 else "on the test images"
        if best[0] == last[0][0]:
            return f"The search dominates most {place}: {best[-1]}."
        return (
            f"The search does not win {place}: {best[0]} has {best[-1]}, the search {last[0][-1]}."
        )

    def parent_line(self) -> str:
        """What the unpruned network measures."""
        parent, names = self.summary["parent"], ("accuracy", "parameters", "macs")
        parts = [
            f"{self.quantities[n].label} {self.quantities[n].format(parent[n])}" for n in names
        ]
        return f"The parent: {', '.join(parts)}."

    # Where it goes.

    def write(self) -> Path:
        """Writes the pictures and the page into the run's folder."""
        folder = self.run.folder
        title = f"{self.run.settings.problem} on {self.run.settings.data}"
        with writing(folder / PICTURE) as path:
            plots.draw_front(path, self.series, self.goals, self.quantities, title=title)
        with writing(folder / GENERATIONS) as path:
            plots.draw_generations(path, self._means(), self.goals.names, self.quantities)
        write_text(folder / PAGE, self.page())
        return folder / PAGE

    def _means(self) -> Mapping[str, Values]:
        store = Store.existing(self.run.folder / STORE)
        try:
            return store.generation_means()
        finally:
            store.close()

    def page(self) -> str:
        """The report in Markdown."""
        settings, summary = self.run.settings, self.summary
        machine = summary["machine"]
        engine = settings.algorithm
        if settings.surrogate is not None:
            engine += f" with a surrogate ({settings.surrogate})"
        made = (
            f"{engine}, population {settings.pop_size}, seed {settings.seed}: "
            f"{summary['generations']} generations, {summary['evaluations']:,} evaluations in "
            f"{summary['seconds']:.1f} s on {machine['processor']} "
            f"({machine['threads']} threads, {machine['device']})."
        )
        axes = ", ".join(["error", *(self.quantities[name].label for name in self.axes)])
        meaning = f"Hypervolumes of ({axes}), reference point 1 for each"
        if settings.finish_images:
            meaning += (
                f"; every network is retrained with the same {settings.finish_images:,} images"
            )
        carry = (
            f"The arrow marks the suggestion; `pymoo-prune export {self.run.folder} --pick "
            f"{self.chosen}` carries it away. All numbers are in `front.csv`."
        )
        parts = [
            f"# {settings.problem} on {settings.data}",
            made,
            self.parent_line(),
            self.verdict(),
            f"![the front]({PICTURE})",
            "## Methods",
            markdown_table(*self.method_rows()),
            f"{meaning}.",
            "## Networks",
            markdown_table(*self.network_rows()),
            carry,
            *(f"- {note}" for note in summary.get("notes", ())),
            "## The search, generation by generation",
            f"![means of each generation]({GENERATIONS})",
            "## Made with",
            markdown_table(("what", "version"), [(n, v) for n, v in summary["versions"].items()]),
        ]
        return "\n\n".join(parts) + "\n"

    def tables(self) -> list[Table]:
        """The same for the terminal."""
        return [
            terminal_table("networks of the front", *self.network_rows()),
            terminal_table("methods", *self.method_rows()),
        ]
