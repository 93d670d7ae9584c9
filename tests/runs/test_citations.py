"""What runs cite."""

from __future__ import annotations

import dataclasses
import io
import re
from pathlib import Path
from typing import ClassVar

import pytest
from rich.console import Console

from pymoo_prune import PruneError, Run, Settings
from pymoo_prune.data import DATA_SETS
from pymoo_prune.engines import ENGINES
from pymoo_prune.networks.trust import VARIABLE
from pymoo_prune.problem import find_problem, registered
from pymoo_prune.runs import Citations
from pymoo_prune.runs.bibtex import Bibliography, Entry, own_entries, read_entries
from pymoo_prune.runs.citations import (
    DATA_CITE,
    DISTILLATION,
    ENGINES_CITE,
    ENGINES_WITHOUT,
    INDICATORS,
    RIVALS_CITE,
    SURROGATES_CITE,
    problem_entries,
)
from pymoo_prune.search import Budget, Display
from pymoo_prune.studies.citations import DIFFERENCES, OVER_TIME, RANKS
from pymoo_prune.surrogates import MODELS
from pymoo_prune_problems import EComp
from pymoo_prune_problems.ecomp import REFITTED
from tests.support import bibtex
from tests.support.tiny_problem import Pixels

ROOT = Path(__file__).resolve().parents[2]
OWN = "@misc{me,\n  author = {Me},\n  title = {Pixels},\n}"


class CitedPixels(Pixels):
    bibtex: ClassVar[str] = f"% pixels\n{OWN}"


@pytest.fixture(autouse=True)
def trusted(monkeypatch: pytest.MonkeyPatch) -> None:
    """What tests trust is forgotten afterwards."""
    monkeypatch.setenv(VARIABLE, "")


def settings(problem: str = "ecomp", algorithm: str = "nsga2", **changes: object) -> Settings:
    given = {"pop_size": 8, "budget": Budget(generations=2), "threads": 1, **changes}
    return Settings(problem=problem, algorithm=algorithm, **given)  # type: ignore[arg-type]


def searched(one: Settings) -> str:
    found = Citations()
    found.search(one, [(one.algorithm, one.surrogate)])
    return found.text()


# The entries.


def test_every_entry_is_whole_and_says_what_it_is_cited_for() -> None:
    text = "\n\n".join(f"% {one.use}\n{one.text}" for one in own_entries().values())
    assert bibtex.read(text).keys() == own_entries().keys()
    assert all(one.use for one in own_entries().values())


def test_entries_are_read_whole_from_the_file_of_the_package() -> None:
    text = (ROOT / "pymoo_prune" / "runs" / "references.bib").read_text("utf-8")
    assert bibtex.read(text).keys() == own_entries().keys()
    assert list(own_entries())[:3] == ["pymoo-prune", "blank2020pymoo", "paszke2019pytorch"]


def test_every_entry_is_cited_by_something() -> None:
    cited = {*INDICATORS, "jin2011surrogates", DISTILLATION}
    for keys in (*ENGINES_CITE.values(), *SURROGATES_CITE.values()):
        cited |= set(keys)
    cited |= {*DATA_CITE.values(), *RIVALS_CITE.values()}
    rest = own_entries().keys() - cited
    of_comparisons = {key for key in rest if key in (
        "ishibuchi2015igd", "grunert2001attainment", "fonseca2011attainment", "mann1947test",
        "holm1979correction", "vargha2000effect",
    )}  # fmt: skip
    of_studies = {*RANKS, *OVER_TIME, *DIFFERENCES}
    assert rest - of_comparisons - of_studies == {
        "pymoo-prune",
        "blank2020pymoo",
        "paszke2019pytorch",
    }
    assert cited < own_entries().keys()


def test_every_engine_model_and_data_set_has_an_entry_or_needs_none() -> None:
    assert ENGINES_CITE.keys() | ENGINES_WITHOUT.keys() == ENGINES.keys()
    assert not ENGINES_CITE.keys() & ENGINES_WITHOUT.keys()
    assert SURROGATES_CITE.keys() == MODELS.keys()
    assert DATA_CITE.keys() == DATA_SETS.keys()


@pytest.mark.parametrize("name", sorted(registered()))
def test_every_problem_has_its_paper(name: str) -> None:
    cls = find_problem(name)
    entries = problem_entries(cls)
    fields = bibtex.read("\n\n".join(one.text for one in entries))
    assert next(iter(fields)).endswith(name)
    text = searched(settings(name))
    assert bibtex.uses(text)[entries[0].key] == f"the problem {name}"
    assert f"% no entry is known for the problem {name}" not in text


def test_the_software_is_cited_as_its_citation_file_says() -> None:
    text = (ROOT / "docs" / "CITATION.cff").read_text("utf-8")
    said = dict(re.findall(r"^[ -]*(name|title|version): (.+)$", text, re.MULTILINE))
    own = bibtex.read(own_entries()["pymoo-prune"].text)["pymoo-prune"]
    assert own["author"] == f"{{{said['name']}}}"
    assert own["title"].startswith(f"{{{said['title']}}}")
    assert own["note"] == f"Version {said['version']}"


# What is cited.


def test_nothing_but_the_software_is_cited_without_a_run() -> None:
    assert list(bibtex.read(Citations().text())) == ["pymoo-prune", "blank2020pymoo"]


def test_a_search_cites_problem_engine_model_and_data_in_this_order() -> None:
    text = searched(settings("distilled-filters", "nsga3", surrogate="ridge", data="cifar100"))
    assert list(bibtex.read(text)) == [
        "pymoo-prune", "blank2020pymoo", "paszke2019pytorch", "ghorab-distilled-filters",
        "hinton2015distilling", "deb2014nsga3", "jain2014nsga3", "das1998directions",
        "jin2011surrogates", "hoerl1970ridge", "pedregosa2011sklearn", "krizhevsky2009cifar",
    ]  # fmt: skip
    uses = bibtex.uses(text)
    assert len(uses) == 12
    assert uses["hinton2015distilling"] == "knowledge distillation"
    assert uses["deb2014nsga3"] == "NSGA-III"


def test_what_has_no_entry_is_said() -> None:
    one = settings("ecomp", "mine.engines:make", data="/somewhere/photographs")
    assert searched(one).endswith(
        "\n\n% no entry is known for the engine mine.engines:make\n"
        "% no entry is known for the data photographs\n"
    )


@pytest.mark.parametrize(
    ("rival", "key"),
    [
        ("LAMP", "lee2021lamp"),
        ("ERK", "evci2020rigl"),
        ("global magnitude pruning", "han2015magnitude"),
        ("L1 pruning, whole network", "li2017filters"),
        ("torch-pruning, group magnitude", "fang2023depgraph"),
    ],
)
def test_rivals_are_cited_by_their_names_in_reports(rival: str, key: str) -> None:
    found = Citations()
    found.rivals([rival, "random search", "first population", "least loss"])
    assert list(bibtex.read(found.text())) == ["pymoo-prune", "blank2020pymoo", key]


def test_a_user_s_problem_brings_its_own_entries() -> None:
    name = f"{__name__}:{CitedPixels.__name__}"
    text = searched(settings(name))
    assert bibtex.uses(text)["me"] == "pixels"
    assert OWN in text
    text = searched(settings(f"{Pixels.__module__}:{Pixels.__name__}"))
    assert "its class has no bibtex" in text


def test_a_problem_made_from_another_one_cites_that_one() -> None:
    own = type("Mine", (EComp,), {"__module__": "no.such.module"})
    assert [one.key for one in problem_entries(own)] == ["vandenbeemt-ecomp"]


def test_code_that_is_not_trusted_is_not_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(VARIABLE)
    one = dataclasses.replace(settings("stranger:Problem"), origin=tmp_path)
    assert "% the problem stranger:Problem is code that --trust imports" in searched(one)


@pytest.mark.slow
def test_a_finished_run_cites_its_rivals_and_indicators(tmp_path: Path) -> None:
    run = Run.create(tmp_path / "run", settings(options={"parent_images": 500}))
    before = Citations.of_run(run)
    run.execute(Display(Console(file=io.StringIO())))
    text = Citations.of_run(run).text()
    added = list(bibtex.read(text))
    for key in bibtex.read(before.text()):
        added.remove(key)
    assert added == ["li2017filters", *INDICATORS]
    assert all("L1 pruning" not in name for name in REFITTED[1:])
    assert Citations.of_run(Run.open(tmp_path / "run")).text() == text


# Reading and collecting.


def test_entries_are_read_with_the_comments_right_above_them() -> None:
    text = "% far away\n\n@misc{a,\n title = {A {b} \\{},\n}\n% near\n@book{b, title={x}}\nrest"
    first, second = read_entries(text, "x")
    assert first == Entry("a", "@misc{a,\n title = {A {b} \\{},\n}", "")
    assert second == Entry("b", "@book{b, title={x}}", "near")
    assert read_entries("% nothing\n", "x") == []


@pytest.mark.parametrize(
    "text", ["@misc{a, title = {x}", "@misc{a}", "@{a, title = {x}}", "@misc{a,}}"]
)
def test_a_text_that_is_no_bibtex_is_refused(text: str) -> None:
    with pytest.raises(PruneError, match=r"Mine.bibtex must hold entries of BibTeX, such as"):
        read_entries(text, "Mine.bibtex")


def test_an_entry_is_there_once_with_all_that_it_is_cited_for() -> None:
    found, other = Bibliography(), Bibliography()
    found.add(Entry("a", "@misc{a,}", "one"))
    found.add(Entry("a", "@misc{a,}", "one"))
    other.add(Entry("a", "@misc{a, x}", "two"))
    other.add(Entry("b", "@misc{b,}"))
    other.note("nothing")
    found.merge(other)
    found.merge(other)
    assert found.text() == "% one; two\n@misc{a,}\n\n@misc{b,}\n\n% nothing\n"
    with pytest.raises(PruneError, match="unknown entry 'moocor'"):
        found.cite("moocor")
