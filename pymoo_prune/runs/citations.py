"""What a run uses that others have published, as a bibliography."""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from importlib.resources import files
from typing import Self

from pymoo_prune.errors import UntrustedCode
from pymoo_prune.problem import PruningProblem
from pymoo_prune.runs.bibtex import LAST_SOFTWARE, REFERENCES, Bibliography, Entry, read_entries
from pymoo_prune.runs.images import data_title
from pymoo_prune.runs.run import Run
from pymoo_prune.runs.settings import Settings

SOFTWARE = ("pymoo-prune", "blank2020pymoo")
"""What everything is made with."""
SURROGATES = "jin2011surrogates"
DIRECTIONS = "das1998directions"
DISTILLATION = "hinton2015distilling"
ENGINES_CITE: Mapping[str, tuple[str, ...]] = {
    "nsga2": ("deb2002nsga2",),
    "nsga3": ("deb2014nsga3", "jain2014nsga3", DIRECTIONS),
    "unsga3": ("seada2016unsga3", DIRECTIONS),
    "spea2": ("zitzler2001spea2",),
    "sms-emoa": ("beume2007sms",),
    "age-moea": ("panichella2019age",),
    "age-moea2": ("panichella2022age2",),
    "ctaea": ("li2019ctaea", DIRECTIONS),
    "moead": ("zhang2007moead", DIRECTIONS),
    "rvea": ("cheng2016rvea", DIRECTIONS),
    "levels": ("sieberling2025evopress",),
    "sparse-ea": ("tian2020sparse",),
}
"""Keys of entries, by engine."""
ENGINES_WITHOUT = {
    "own": "the problem's paper is cited",
    "ga": "a textbook's algorithm, and pymoo is cited",
    "random": "it has no method to cite",
}
"""Engines that need no entry, and why."""
SURROGATES_CITE: Mapping[str, tuple[str, ...]] = {
    "ridge": ("hoerl1970ridge", "pedregosa2011sklearn"),
    "gaussian-process": ("rasmussen2006gaussian", "pedregosa2011sklearn"),
    "random-forest": ("geurts2006trees", "pedregosa2011sklearn"),
    "rbf": ("virtanen2020scipy",),
}
"""Keys of entries, by the model of a surrogate."""
DATA_CITE: Mapping[str, str] = {
    "digits": "alpaydin1998digits",
    "fashion-mnist": "xiao2017fashion",
    "mnist": "lecun1998mnist",
    "cifar10": "krizhevsky2009cifar",
    "cifar100": "krizhevsky2009cifar",
}
"""Keys of entries, by data set."""
RIVALS_CITE: Mapping[str, str] = {
    "magnitude pruning": "han2015magnitude",
    "LAMP": "lee2021lamp",
    "ERK": "evci2020rigl",
    "L1 pruning": "li2017filters",
    "torch-pruning": "fang2023depgraph",
    "group Taylor": "molchanov2019taylor",
}
"""Keys of entries, by a part of a rival's name."""
INDICATORS = (
    "zitzler1998hypervolume", "fonseca2006hypervolume", "guerreiro2018hypervolume", "moocore",
)  # fmt: skip
"""The hypervolume, and how it is computed."""


class Citations(Bibliography):
    """What results of pymoo-prune cite: itself and pymoo, and what is added to them."""

    def __init__(self) -> None:
        super().__init__()
        self.cite(*SOFTWARE)

    @classmethod
    def of_run(cls, run: Run) -> Self:
        """What a run cites: its rivals and indicators too, where it is finished.

        Args:
            run: The run.
        """
        found, settings = cls(), run.settings
        found.search(settings, [(settings.algorithm, settings.surrogate)])
        if run.complete:
            series, summary = run.results()
            found.retraining(settings, summary.get("quantities"))
            found.rivals(one.name for one in series[1:])
            found.indicators()
        return found

    def search(self, settings: Settings, engines: Iterable[tuple[str, str | None]]) -> None:
        """Cites what searches on one problem use.

        Args:
            settings: The problem and its data.
            engines: The engines, each with the model of its surrogate or None.
        """
        self.cite(LAST_SOFTWARE)
        self._problem(settings)
        self.engines(engines)
        self.data(settings.data)

    def engines(self, engines: Iterable[tuple[str, str | None]]) -> None:
        """Cites engines and surrogates.

        Args:
            engines: The engines, each with the model of its surrogate or None.
        """
        pairs = list(engines)
        for engine, _ in pairs:
            if engine not in ENGINES_CITE and engine not in ENGINES_WITHOUT:
                self.note(f"no entry is known for the engine {engine}")
            self.cite(*ENGINES_CITE.get(engine, ()))
        for _, model in pairs:
            if model is not None:
                self.cite(SURROGATES, *SURROGATES_CITE.get(model, ()))

    def problem(self, cls: type[PruningProblem], name: str) -> None:
        """Cites a problem.

        Args:
            cls: Its class.
            name: Its name.
        """
        entries = problem_entries(cls)
        if not entries:
            self.note(f"no entry is known for the problem {name}: its class has no bibtex")
        for entry in entries:
            self.add(replace(entry, use=entry.use or f"the problem {name}"))

    def data(self, name: str) -> None:
        """Cites a data set."""
        if name in DATA_CITE:
            self.cite(DATA_CITE[name])
        else:
            self.note(f"no entry is known for the data {data_title(name)}")

    def retraining(self, settings: Settings, quantities: Collection[str] | None) -> None:
        """Cites the distillation that retrains networks where images have no labels.

        Args:
            settings: Say whether networks are retrained.
            quantities: The names of all that was measured; None in folders of older versions.
        """
        if settings.finish_images and quantities is not None and not _are_judged(quantities):
            self.cite(DISTILLATION)

    def rivals(self, names: Iterable[str]) -> None:
        """Cites the simpler methods that reports show.

        Args:
            names: The methods' names in reports.
        """
        for name in names:
            self.cite(*(key for part, key in RIVALS_CITE.items() if part in name))

    def indicators(self, *more: str) -> None:
        """Cites the hypervolume, and other indicators that reports show.

        Args:
            more: Keys of the other indicators.
        """
        self.cite(*INDICATORS, *more)

    def _problem(self, settings: Settings) -> None:
        name = settings.problem
        try:
            cls = settings.problem_class
        except UntrustedCode:
            self.note(f"the problem {name} is code that --trust imports, with its entries")
            return
        self.problem(cls, name)


def _are_judged(quantities: Collection[str]) -> bool:
    """Whether the accuracy was measured, or a metric, so that images have labels."""
    about = quantities.values() if isinstance(quantities, Mapping) else ()
    return "accuracy" in quantities or any(one.get("judges") for one in about)


def problem_entries(cls: type[PruningProblem]) -> list[Entry]:
    """The entries of a problem: its `bibtex`, or a file `references.bib` beside its module.

    Args:
        cls: The problem's class; where it has neither, those of the classes that it is made from.
    """
    if cls.bibtex:
        return read_entries(cls.bibtex, f"{cls.__name__}.bibtex")
    for base in cls.__mro__[: cls.__mro__.index(PruningProblem)]:
        package = getattr(sys.modules.get(base.__module__), "__package__", None)
        if package and (path := files(package) / REFERENCES).is_file():
            return read_entries(path.read_text(encoding="utf-8"), f"{package}/{REFERENCES}")
    return []
