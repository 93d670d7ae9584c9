from __future__ import annotations

import pytest

from pymoo_prune import Data, PruneError, find_problem
from pymoo_prune.problem import build_problem, find_reproduction, registered
from pymoo_prune_problems import EComp
from tests.support.tiny_problem import Pixels


def test_registered_problems_are_found_by_name() -> None:
    assert find_problem("ecomp") is EComp
    assert "ecomp" in registered()


def test_a_users_own_problem_is_found_by_its_module() -> None:
    found = find_problem("tests.support.tiny_problem:Pixels")
    assert found.__name__ == "Pixels"
    assert found.quantities == Pixels.quantities


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("ecmp", r"unknown problem 'ecmp'; there are: .*ecomp.*Did you mean 'ecomp'"),
        (
            "nowhere:Class",
            "'nowhere:Class' cannot be imported: ModuleNotFoundError: No module",
        ),
        (
            "tests.support.tiny_problem:Pixel",
            "cannot be imported: there is no 'Pixel' in .*tiny_problem. Did you mean 'Pixels'",
        ),
        ("tests.support.tiny_problem:not_a_problem", "is not a PruningProblem class"),
        ("json:dumps", "is not a PruningProblem class"),
        ("tests.support.tiny_problem:", "tests.support.tiny_problem:"),
        (":Class", ":Class"),
        ("a b:c d", "a b:c d"),
    ],
)
def test_other_objects_are_refused_as_problems(name: str, message: str) -> None:
    with pytest.raises(PruneError, match=message):
        find_problem(name)


def test_unknown_reproductions_are_refused() -> None:
    with pytest.raises(PruneError, match=r"unknown reproduction 'ecmp'.*Did you mean 'ecomp'"):
        find_reproduction("ecmp")


def test_options_reach_the_problem(digits: Data) -> None:
    given = {"seed": 7, "parent": None, "progress": None, "constraints": ()}
    problem = build_problem(Pixels, digits, {"pause": 0.5}, given)
    assert isinstance(problem, Pixels)
    assert (problem.pause, problem.seed) == (0.5, 7)


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("pase", "unknown option of Pixels 'pase'; there are: pause. Did you mean"),
        ("data", "unknown option of Pixels 'data'"),
        ("seed", "unknown option of Pixels 'seed'"),  # the run has an option for it
    ],
)
def test_unknown_options_are_refused(digits: Data, option: str, message: str) -> None:
    with pytest.raises(PruneError, match=message):
        build_problem(Pixels, digits, {option: 1}, {"seed": 7, "constraints": ()})


def test_options_of_a_wrong_type_are_refused(digits: Data) -> None:
    given = {"seed": 7, "constraints": ()}
    assert build_problem(Pixels, digits, {"pause": 1}, given).pause == 1
    for value in ("long", True, [1]):
        with pytest.raises(PruneError, match=r"option pause must be like 0.0 \(float\), but it is"):
            build_problem(Pixels, digits, {"pause": value}, given)
