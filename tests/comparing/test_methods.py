from __future__ import annotations

from typing import Any

import pytest

from pymoo_prune import Data, Preset, PrunedWeightsPerAccuracyDrop, PruneError, WeightedSum
from pymoo_prune.comparing import Method
from pymoo_prune.comparing.methods import check_against, power_note, weighed
from tests.support.tiny_problem import Pixels


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("nsga2", ("nsga2", None, None)),
        ("random+rbf", ("random", "rbf", None)),
        ("ga@accuracy=1,width=0.5", ("ga", None, WeightedSum({"accuracy": 1, "width": 0.5}))),
        ("ga@ accuracy = 1 , w=2e-3", ("ga", None, WeightedSum({"accuracy": 1, "w": 2e-3}))),
        ("nsga2@accuracy, macs", ("nsga2", None, ("accuracy", "macs"))),
        ("nsga2@accuracy", ("nsga2", None, ("accuracy",))),
        ("ga+ridge@pwad", ("ga", "ridge", PrunedWeightsPerAccuracyDrop())),
        ("mine.engines:make@macs=1", ("mine.engines:make", None, WeightedSum({"macs": 1}))),
    ],
)
def test_methods_are_read(text: str, expected: tuple[Any, ...]) -> None:
    method = Method.parse(text)
    assert method.name == text
    assert (method.algorithm, method.surrogate, method.objectives) == expected


def test_what_a_method_minimises(digits: Data) -> None:
    problem = Pixels(digits, objectives=("accuracy", "sparsity", "macs"))
    macs = problem.parent_measurements()["macs"]
    # Shares as they are, counts as shares of the parent's.
    sums = WeightedSum({"accuracy": 1, "sparsity": 1, "macs": 1 / macs})
    assert weighed(problem) == sums
    assert Method.parse("ga").goal(problem) == sums
    assert Method.parse("nsga2").goal(problem) == ("accuracy", "sparsity", "macs")
    assert Method.parse("random").goal(problem) == ("accuracy", "sparsity", "macs")
    assert Method.parse("nsga2@pixels").goal(problem) == ("pixels",)
    # A problem that weighs its objectives itself: as it does, and over the same.
    own = WeightedSum({"accuracy": 2, "pixels": 1})
    weighing = Pixels(digits, objectives=own)
    assert Method.parse("ga").goal(weighing) is own
    assert Method.parse("nsga2").goal(weighing) == ("accuracy", "pixels")


def test_a_papers_own_algorithm_minimises_what_the_paper_does(digits: Data) -> None:
    paper = WeightedSum({"accuracy": 3, "pixels": 1})

    class Paper(Pixels):
        presets = {  # noqa: RUF012
            "quick": Preset("few"),
            "paper": Preset("the paper's", algorithm="own", objectives=paper),
        }

    assert Method.parse("own").goal(Paper(digits)) is paper
    assert Method.parse("own@accuracy=1").goal(Paper(digits)) == WeightedSum({"accuracy": 1})
    assert Method.parse("own").goal(Pixels(digits)) == weighed(Pixels(digits))


def test_what_few_seeds_cannot_show_is_said_before() -> None:
    five = ["a", "b", "c", "d", "e"]
    note = power_note(five, 5)
    assert note is not None
    assert "5 seeds cannot show a difference in every one of 10 pairs" in note
    assert "p cannot be below 0.079" in note
    assert "6 seeds can; 5 can where each method is tested against one alone" in note
    assert power_note(five, 6) is None
    assert power_note(five, 5, "a") is None
    assert power_note(["a"], 1) is None
    assert "against" not in str(power_note(["a", "b"], 3))
    with pytest.raises(PruneError, match=r"unknown method to test against 'f'.*a, b, c"):
        check_against("f", five)
