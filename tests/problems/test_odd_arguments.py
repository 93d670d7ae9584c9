"""Odd arguments of problems end in a named error before anything long begins."""

from __future__ import annotations

import inspect
import pickle
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pymoo_prune import Data, PruneError, PruningProblem, load_data
from pymoo_prune.engines import ENGINES, make_algorithm
from pymoo_prune.networks import FeedForward
from pymoo_prune_problems.dense_connectivity import DenseConnectivity
from pymoo_prune_problems.distilled_filters import DistilledFilters
from pymoo_prune_problems.ecomp import EComp
from pymoo_prune_problems.layer_alphabet import LayerAlphabet
from pymoo_prune_problems.layer_vector import LayerVector
from tests.support.odd_values import ODD, ends_in_a_named_error, name_of
from tests.support.tiny_problem import Pixels

PROBLEMS = (EComp, LayerVector, DistilledFilters, DenseConnectivity, LayerAlphabet)
ARGUMENTS = [
    (cls, name) for cls in PROBLEMS for name in inspect.signature(cls).parameters if name != "data"
]


class BegunError(PruneError):
    """The options were taken, and a training begins."""


@pytest.fixture(scope="module")
def data() -> Data:
    whole = load_data("digits")
    parts = (whole.train, whole.validation, whole.test)
    train, validation, test = (part.subset(range(60)) for part in parts)
    return Data("few", train, validation, test, 10)


@pytest.fixture(autouse=True)
def without_trainings(monkeypatch: pytest.MonkeyPatch) -> None:
    def begin(*_: object, **__: object) -> None:
        raise BegunError("a training begins")

    for module in ("layer_vector.problem", "distilled_filters.problem", "layer_alphabet.problem"):
        monkeypatch.setattr(f"pymoo_prune_problems.{module}.train_parent", begin)
    monkeypatch.setattr("pymoo_prune_problems.ecomp.parents.trained", begin)
    monkeypatch.setattr("pymoo_prune_problems.dense_connectivity.training.trained", begin)


@pytest.mark.parametrize(
    ("cls", "options", "match"),
    [
        (EComp, {"parent_widths": [10**11]}, r"layers of 64, 100,000,000,000, 10 neurons would"),
        (EComp, {"together": 100_000}, "together must be at most 1,024, .* its memory grows"),
        (EComp, {"recovery": "steps:" + "9" * 5_000}, "has more than 1,000,000 gradient steps"),
        (LayerVector, {"levels": 1_000_000}, "levels must be at most 1,000, .* each level of each"),
        (LayerVector, {"together": 100_000}, "together must be at most 1,024"),
        (LayerAlphabet, {"together": 0}, "together must be at least 1"),
        (LayerAlphabet, {"letters": [3]}, "each of letters must be a Letter, but it is 3"),
        (DenseConnectivity, {"depth": 6 * 10**8 + 4}, "depth must be at most 1,000, .* n² connect"),
        (DenseConnectivity, {"growth": 10**6, "depth": 16}, "growth must be at most 1,000"),
        (DenseConnectivity, {"image_size": 1_000_000, "depth": 16}, "GB of memory, but this"),
        (DenseConnectivity, {"epochs": float("nan"), "depth": 16}, "epochs must be a finite numb"),
        (DistilledFilters, {"seed": -1}, "seed must be at least 0, but it is -1"),
        (DistilledFilters, {"seed": "1"}, r"option seed must be like 0 \(int\), but it is '1'"),
        (DistilledFilters, {"seed": 0.5}, r"option seed must be like 0 \(int\), but it is 0.5"),
        (DistilledFilters, {"constraints": [1]}, "a constraint must be a Constraint, or a text"),
        (EComp, {"objectives": None}, "objectives must be a list of names or a scalarisation"),
    ],
)
def test_what_once_hung_or_ended_in_a_traceback(
    data: Data, cls: type[PruningProblem], options: dict[str, Any], match: str
) -> None:
    with pytest.raises(PruneError, match=match) as caught:
        cls(data, **options)
    assert not isinstance(caught.value, BegunError)


@pytest.mark.parametrize(("cls", "name"), ARGUMENTS, ids=lambda one: getattr(one, "__name__", one))
def test_arguments_of_anything(data: Data, cls: type[PruningProblem], name: str) -> None:
    usual: dict[str, Any] = {"depth": 16, "growth": 4} if cls is DenseConnectivity else {}
    for value in ODD:
        assert ends_in_a_named_error(lambda value=value: cls(data, **{**usual, name: value}))


@pytest.mark.parametrize("value", ODD, ids=name_of)
def test_data_of_anything(value: Any) -> None:
    for cls in PROBLEMS:
        assert ends_in_a_named_error(lambda cls=cls: cls(value))


OPTIONS = st.dictionaries(
    st.sampled_from(["search_images", "seed", "recovery", "objectives", "constraints"]),
    st.one_of(
        st.integers(), st.floats(), st.text(max_size=5), st.lists(st.text(max_size=3)), st.none()
    ),
    max_size=3,
)


@settings(max_examples=200)
@given(cls=st.sampled_from([LayerVector, DistilledFilters, EComp]), options=OPTIONS)
def test_random_options(data: Data, cls: type[PruningProblem], options: dict[str, Any]) -> None:
    assert ends_in_a_named_error(lambda: cls(data, **options))


@pytest.mark.parametrize("value", ODD, ids=name_of)
def test_engines_of_anything(data: Data, value: Any) -> None:
    problem = Pixels(data)
    for name in ENGINES:
        ends_in_a_named_error(lambda name=name: make_algorithm(name, problem, value))
    ends_in_a_named_error(lambda: make_algorithm(value, problem, 8))
    assert ends_in_a_named_error(lambda: make_algorithm("nsga2", value, 8))
    ends_in_a_named_error(lambda: make_algorithm("nsga2", problem, 8, surrogate=value))


class Own(Pixels):
    """A problem whose author says what its options are."""

    def __init__(self, data: Data, *, strength: float = 1.0, note: "Unknown" = None) -> None:  # type: ignore[name-defined]  # noqa: F821, UP037
        super().__init__(data)
        self.strength, self.note = strength, note


class Clear(Pixels):
    """The same, with annotations that Python can read."""

    def __init__(self, data: Data, *, strength: float = 1.0, parent: Any = None) -> None:
        super().__init__(data)
        self.strength = strength


def test_problems_of_ones_own_are_checked_too(data: Data) -> None:
    with pytest.raises(PruneError, match=r"option strength must be like 1.0 \(float\), but .* 'x'"):
        Clear(data, strength="x")  # type: ignore[arg-type]
    with pytest.raises(PruneError, match="option data must be Data, but it is 3"):
        Clear(3)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="unexpected keyword argument 'strenght'"):
        Clear(data, strenght=1.0)  # type: ignore[call-arg]
    assert Own(data, strength=2.0, note=3).note == 3
    assert pickle.loads(pickle.dumps(Clear(data, strength=2))).strength == 2  # noqa: S301
    assert list(inspect.signature(Clear).parameters) == ["data", "strength", "parent"]


def test_a_parent_must_be_a_network(data: Data) -> None:
    with pytest.raises(PruneError, match=r"option parent must be Module or None, but it is 'x'"):
        EComp(data, parent="x")  # type: ignore[arg-type]
    torch.manual_seed(0)
    assert EComp(data, parent=FeedForward(64, [4], 10), search_images=20).n_var > 0
