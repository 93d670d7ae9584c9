from __future__ import annotations

from typing import Any

import pytest

from pymoo_prune import PruneError, Settings
from pymoo_prune.studies import OnInstance, OwnProblem, chosen_problems, split_text
from pymoo_prune.studies.problems import check_name, preset_settings
from tests.support.studies import NEURONS, PIXELS, pixels


@pytest.mark.parametrize(
    ("text", "options"),
    [
        ("ecomp", {}),
        ("ecomp@levels=3", {"levels": 3}),
        ("ecomp@parent_widths=[16, 16],encoding=masks", {"parent_widths": [16, 16],
                                                         "encoding": "masks"}),
        ('ecomp@a="x,y",b=None', {"a": "x,y", "b": None}),
        ("my.module:Class@network=resnet-8", {"network": "resnet-8"}),
    ],
)  # fmt: skip
def test_options_follow_the_name(text: str, options: dict[str, Any]) -> None:
    assert split_text(text) == (text.partition("@")[0], options)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("ecmp", "unknown problem or instance 'ecmp'; there are: .* Did you mean 'ecomp'?"),
        ("ecomp@levels", "'levels' must read NAME=VALUE"),
        ("ecomp@", "'' must read NAME=VALUE"),
        ("ecomp@a=1,a=2", "must name each option once"),
        (f"{NEURONS}@a=1", "is an instance of the suite, which is fixed: it takes no options"),
    ],
)
def test_what_is_no_problem(text: str, message: str) -> None:
    with pytest.raises(PruneError, match=message):
        check_name(text)


def test_instances_and_own_problems_by_name() -> None:
    text = f"{PIXELS}@pause=0.5"
    instance, own = chosen_problems([NEURONS, text], {}, evaluations=300, pop_size=6)
    assert instance == OnInstance(NEURONS, 1, 300, 6)
    assert isinstance(own, OwnProblem)
    assert (own.name, own.settings.problem, own.evaluations) == (text, PIXELS, 300)
    assert (own.settings.options, own.settings.pop_size) == ({"pause": 0.5}, 6)


def test_what_is_not_given_is_each_problems_own() -> None:
    instance, own = chosen_problems([NEURONS, PIXELS], {})
    assert instance == OnInstance(NEURONS, 1, 2_000, 40)
    assert isinstance(own, OwnProblem)
    assert own.evaluations is None
    assert own.settings.budget.generations == 3  # the preset's
    assert own.settings == preset_settings(PIXELS)


def test_settings_of_a_problem_may_be_given() -> None:
    settings = pixels().settings
    assert chosen_problems([PIXELS], {PIXELS: settings}) == [OwnProblem(PIXELS, settings)]


def test_impossible_problems() -> None:
    with pytest.raises(PruneError, match="evaluations must be at least 1, but it is 0"):
        OnInstance.of(NEURONS, 0)
    with pytest.raises(PruneError, match="pop_size must be at least 2, but it is 1"):
        OnInstance.of(NEURONS, 10, 1)
    settings: Settings = pixels().settings
    with pytest.raises(PruneError, match=r"name in a study begins with 'tests\.support"):
        OwnProblem("../elsewhere", settings)
