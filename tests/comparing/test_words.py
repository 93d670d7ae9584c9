from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from pymoo_prune import Series
from pymoo_prune.comparing import meaning
from pymoo_prune.comparing.statistics import contrasts
from pymoo_prune.comparing.words import probability
from pymoo_prune.objectives import Constraint, Goals
from tests.support.made_up_runs import HIGH, LOW, MIXED, QUANTITIES, front, report, runs

# The verdict.


def test_a_clear_winner_is_called_one() -> None:
    text = report([*runs("ga", *LOW), *runs("nsga2", *HIGH)]).verdict()
    assert text == (
        "nsga2 has the largest mean hypervolume on the test images: .8300 ± .0158; ahead of ga "
        "(p = 0.008)."
    )


def test_what_chance_could_have_made_is_not_called_a_difference() -> None:
    text = report([*runs("ga", *MIXED), *runs("nsga2", *HIGH), *runs("random", *LOW)]).verdict()
    assert text.startswith("nsga2 has the largest mean")
    assert "ahead of random (p = 0.024)" in text
    assert "not shown to be ahead of ga" in text


def test_too_few_seeds_are_said_with_what_they_could_show() -> None:
    text = report([*runs("ga", *LOW[:3]), *runs("nsga2", *HIGH[:3])]).verdict()
    assert text.endswith(
        "too few seeds to say whether it is ahead of ga (p cannot be below 0.100)."
    )
    assert "; ahead of" not in text


def test_few_seeds_of_one_method_do_not_hide_what_is_known_of_others() -> None:
    trials = [*runs("ga", *LOW, 0.66), *runs("nsga2", *HIGH, 0.86), *runs("random", 0.1)]
    text = report(trials).verdict()
    assert "ahead of ga (p = 0.006)" in text
    assert "too few seeds to say whether it is ahead of random (p cannot be below 0.571)" in text


def test_the_largest_mean_may_be_behind_in_most_pairs_of_runs() -> None:
    lucky = [0.50 + 0.001 * k for k in range(9)]
    steady = [0.52 + 0.001 * k for k in range(10)]
    text = report([*runs("lucky", *lucky, 0.99), *runs("steady", *steady)]).verdict()
    assert text.startswith("lucky has the largest mean hypervolume")
    assert "but behind steady (p = 0.002) in most pairs of runs" in text
    assert not re.search(r"(?<!but )ahead of", text)


def test_one_method_alone_is_ahead_of_no_other() -> None:
    assert report(runs("ga", 0.5)).verdict() == (
        "ga has the largest mean hypervolume on the test images: .5000."
    )


def test_baselines_are_beaten_where_every_run_is_above_them() -> None:
    others = [
        Series("below", front([1.0], [0.5])),
        Series("between", front([1.0], [0.17])),
        Series("unknown", {n: np.array([0.5]) for n in ("accuracy", "test_accuracy", "pixels")}),
    ]
    text = report([*runs("ga", *HIGH)], others).verdict()
    assert "all its runs are above below (0.5000)" in text
    assert "not all its runs are above between (0.8300)" in text
    assert "unknown" not in text


def test_runs_that_found_nothing_are_counted_in_the_verdict() -> None:
    trials = [*runs("ga", *HIGH), *runs("nsga2", 0.9, 0.9, 0, 0, 0.9)]
    text = report(trials).verdict()
    assert text.endswith("; 2 of 5 runs of nsga2 found nothing, which counts as 0.")
    assert text.startswith("ga has the largest mean")


def test_a_caution_follows_the_verdict() -> None:
    assert report(runs("ga", 0.5), caution="Beware.").verdict().endswith(": .5000. Beware.")


def test_the_documentation_shows_the_least_p_that_there_can_be() -> None:
    page = Path(__file__).parents[2] / "docs" / "compare.md"
    rows = re.findall(r"^\| (\d+) \| (.+) \|$", page.read_text(), flags=re.MULTILINE)
    assert [int(seeds) for seeds, _ in rows] == [3, 4, 5, 6, 7]
    for seeds, shown in rows:
        for methods, text in enumerate(shown.split(" | "), 2):
            apart = {str(m): [10.0 * m + k / 10 for k in range(int(seeds))] for m in range(methods)}
            for c in contrasts(apart):
                assert probability(c.adjusted) == probability(c.possible) == text


def test_what_the_numbers_mean_names_axes_and_bounds() -> None:
    text = meaning(report(runs("ga", 0.5)).comparison)
    assert "Hypervolumes are of (accuracy, parameters) on the search images" in text
    assert "of (error, parameters) on the test images" in text
    assert "at most 0.05" in text
    assert "aselines" not in text
    bounded = Goals(QUANTITIES, ["accuracy", "pixels"], [Constraint.parse("macs<=20%")])
    others = [Series("L1", front([0.9], [0.5]))]
    text = meaning(report(runs("ga", 0.5), others, goals=bounded).comparison)
    assert "Their networks need not keep macs<=20%" in text
    assert "(error, pixels kept)" in text
