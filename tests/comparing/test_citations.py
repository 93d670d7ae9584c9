"""What comparisons cite."""

from __future__ import annotations

from pathlib import Path

import pytest

from pymoo_prune.comparing import Campaign, citations
from pymoo_prune.comparing.citations import ATTAINMENT, IGD, STATISTICS
from pymoo_prune.runs.citations import INDICATORS
from tests.support import bibtex
from tests.support.campaigns import created

pytestmark = pytest.mark.slow


def test_a_comparison_cites_its_engines_indicators_and_tests(finished: Campaign) -> None:
    text = citations([finished.folder]).text()
    assert list(bibtex.read(text)) == [
        "pymoo-prune", "blank2020pymoo", "paszke2019pytorch", "deb2002nsga2", "alpaydin1998digits",
        "zitzler1998hypervolume", "fonseca2006hypervolume", "guerreiro2018hypervolume", IGD,
        *ATTAINMENT, "moocore", *STATISTICS,
    ]  # fmt: skip
    assert len(bibtex.uses(text)) == len(bibtex.read(text))


def test_what_is_not_made_yet_is_not_cited(tmp_path: Path) -> None:
    campaign = created(tmp_path / "c", ["nsga2", "spea2+rbf"])
    keys = list(bibtex.read(citations([campaign.folder]).text()))
    assert keys[3:] == [
        "deb2002nsga2", "zitzler2001spea2", "jin2011surrogates", "virtanen2020scipy",
        "alpaydin1998digits",
    ]  # fmt: skip
    assert not {*INDICATORS, *STATISTICS} & set(keys)


def test_several_folders_have_one_bibliography(finished: Campaign, tmp_path: Path) -> None:
    other = created(tmp_path / "c", ["rvea"]).folder
    run = min((finished.folder / "runs").iterdir())
    together = list(bibtex.read(citations([other, finished.folder, run]).text()))
    alone = list(bibtex.read(citations([finished.folder]).text()))
    assert [key for key in together if key in alone] == alone
    assert set(together) - set(alone) == {"cheng2016rvea", "das1998directions"}
    assert together == list(bibtex.read(citations([run, finished.folder, other]).text()))
