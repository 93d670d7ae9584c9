from __future__ import annotations

import copy
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from pymoo.algorithms.moo.nsga2 import NSGA2
from pymoo.algorithms.soo.nonconvex.ga import GA
from pymoo.core.algorithm import Algorithm
from rich.console import Console

from pymoo_prune import (
    Budget,
    Data,
    Front,
    PruneError,
    PruningProblem,
    ReplayError,
    Store,
    WeightedSum,
)
from pymoo_prune.chromosomes import Array, digests
from pymoo_prune.comparing import Comparison, compare
from pymoo_prune.comparing.compare import Engine
from pymoo_prune.comparing.comparison import DISTANCE, FINISHED, SEARCHED, TESTED
from pymoo_prune.engines import make_algorithm
from pymoo_prune.objectives import Values, hypervolume
from pymoo_prune.search import Display, search
from tests.support.compared_problems import NoRandom, Tiny, WithBaselines
from tests.support.timed_problem import Meter, SmallPixels
from tests.support.tiny_problem import AllFailing, FailingPixels, Pixels, PixelsInBatches

SHORT = Budget(generations=3)


@pytest.fixture(scope="module")
def problem(digits: Data) -> Pixels:
    return Pixels(digits)


def small(
    problem: PruningProblem,
    methods: Sequence[str] | Mapping[str, Engine] = ("ga", "nsga2", "random"),
    **given: Any,
) -> Comparison:
    return compare(
        problem, methods, given.pop("budget", SHORT), **{"seeds": 2, "pop_size": 8, **given}
    )


def evaluations(folder: Path, name: str) -> tuple[list[bytes], dict[str, Values]]:
    store = Store.existing(folder / f"{name}.sqlite")
    try:
        return [row[3] for row in store.history()], store.evaluations()
    finally:
        store.close()


def best_of_all(history: Mapping[str, Values], names: Sequence[str]) -> set[tuple[float, ...]]:
    """The evaluations that no other beats, by comparing each with each; lower costs are better."""
    rows = np.unique(np.column_stack([history[name] for name in names]), axis=0)
    return {
        tuple(row)
        for row in rows.tolist()
        if not any(all(o <= r for o, r in zip(other, row, strict=True)) and other != row
                   for other in rows.tolist())
    }  # fmt: skip


# One footing.


def test_fronts_of_all_methods_are_over_the_same_and_from_all_evaluations(
    problem: Pixels, tmp_path: Path
) -> None:
    methods = (
        "ga",
        "nsga2",
        "random",
        "nsga2@accuracy",
        "ga@parameters=1",
        "ga@pixels=1,macs=1e-4",
    )
    found = small(problem, methods, folder=tmp_path)
    assert found.goals.names == ("accuracy", "parameters")
    assert len(found.trials) == 12
    for trial in found.trials:
        _, history = evaluations(tmp_path, f"{trial.method}-{trial.seed}")
        costs = {**history, "accuracy": -history["accuracy"]}
        expected = best_of_all(costs, ["accuracy", "parameters"])
        shown = zip((-trial.columns["accuracy"]).tolist(), trial.columns["parameters"], strict=True)
        assert set(shown) == expected, trial.method
        assert len(trial) == len(expected)
        # Each network says which evaluation it was.
        rows = trial.columns["evaluation"].astype(int)
        for name in problem.quantities:
            np.testing.assert_array_equal(history[name][rows], trial.columns[name])
        # The curve over the search ends at the indicator.
        curve = found.curve(trial)
        assert curve is not None
        place = found.trials.index(trial)
        assert curve[1][-1] == pytest.approx(found.indicators[SEARCHED][place], abs=1e-12)
        assert curve[0][-1] == trial.evaluations == 24
        points = found.goals.unit_costs(history, problem.parent_measurements())
        assert found.indicators[SEARCHED][place] == pytest.approx(hypervolume(points))


def test_each_method_is_the_search_that_it_would_be_alone(problem: Pixels, tmp_path: Path) -> None:
    small(problem, folder=tmp_path)
    sums = WeightedSum(
        {"accuracy": 1, "parameters": 1 / problem.parent_measurements()["parameters"]}
    )
    for name, objectives in {"ga": sums, "nsga2": ("accuracy", "parameters")}.items():
        for seed in (0, 1):
            twin = problem.with_goals(objectives)
            store = Store(":memory:", tuple(problem.quantities), problem.fingerprint)
            search(twin, make_algorithm(name, twin, 8), SHORT, seed=seed, store=store)
            asked, history = evaluations(tmp_path, f"{name}-{seed}")
            assert asked == [row[3] for row in store.history()]
            for column, values in store.evaluations().items():
                np.testing.assert_array_equal(history[column], values)


def test_methods_start_alike_and_seeds_do_not(problem: Pixels, tmp_path: Path) -> None:
    small(problem, ("ga", "nsga2", "spea2"), folder=tmp_path)
    first = {one.stem: evaluations(tmp_path, one.stem)[0][:8] for one in tmp_path.glob("*.sqlite")}
    for seed in (0, 1):
        drawn = problem.random(8, np.random.default_rng(seed))
        for name in ("ga", "nsga2", "spea2"):
            assert first[f"{name}-{seed}"] == first[f"ga-{seed}"]
            assert set(first[f"{name}-{seed}"]) <= set(digests(drawn)) | set(
                first["ga-0"] + first["ga-1"]
            )
    assert first["ga-0"] != first["ga-1"]


def test_what_all_runs_share(problem: Pixels, tmp_path: Path) -> None:
    found = small(problem, folder=tmp_path, budget=Budget(evaluations=20))
    assert {trial.evaluations for trial in found.trials} == {20}  # the last population is cut short
    for path in tmp_path.glob("*.sqlite"):
        store = Store.existing(path)
        assert {row[2] for row in store.history()} == {"batch 0"}
        store.close()
        Store(
            path, tuple(problem.quantities), problem.fingerprint
        ).close()  # or it would be refused
    assert found.parent == problem.parent_measurements()
    assert [(t.method, t.seed) for t in found.trials] == [
        (method, seed) for method in ("ga", "nsga2", "random") for seed in (0, 1)
    ]


def test_a_comparison_is_a_function_of_its_arguments(problem: Pixels) -> None:
    np.random.seed(5)  # noqa: NPY002 - what is global must not matter
    one = small(problem)
    np.random.seed(6)  # noqa: NPY002
    assert_same(one, small(problem))
    other = small(problem, seeds=[7, 3])
    assert [trial.seed for trial in other.trials[:2]] == [7, 3]
    assert other.indicators[SEARCHED].tolist() != one.indicators[SEARCHED].tolist()


def assert_same(one: Comparison, other: Comparison) -> None:
    assert one.indicators.keys() == other.indicators.keys()
    for name, values in one.indicators.items():
        np.testing.assert_array_equal(values, other.indicators[name])
    for mine, theirs in zip(one.trials, other.trials, strict=True):
        about = [(t.method, t.seed, t.evaluations, t.known, t.goal) for t in (mine, theirs)]
        assert about[0] == about[1]
        assert mine.columns.keys() == theirs.columns.keys()
        for name, column in mine.columns.items():
            np.testing.assert_array_equal(column, theirs.columns[name])


def test_known_are_those_that_were_asked_for_before(digits: Data, tmp_path: Path) -> None:
    class Few(Pixels):
        """Twenty random candidates, many of which are met again."""

        def random(self, n: int, generator: np.random.Generator) -> Array:
            return np.arange(64) < generator.integers(20, 40, (n, 1))

    for _ in range(2):  # however often it is replayed
        found = small(Few(digits), ["random"], folder=tmp_path, seeds=1)
        asked, _ = evaluations(tmp_path, "random-0")
        assert found.trials[0].known == len(asked) - len(set(asked)) > 0


# Engines.


def nsga2_of_six(problem: PruningProblem) -> Algorithm:
    return NSGA2(pop_size=6, **problem.operators())


def test_engines_by_name_as_objects_and_as_factories_are_the_same(problem: Pixels) -> None:
    engine = NSGA2(pop_size=8, **problem.operators())
    fitness = GA(pop_size=8, **problem.operators())
    found = small(
        problem,
        {
            "by name": "nsga2",
            "object": engine,
            "factory": lambda p: NSGA2(pop_size=8, **p.operators()),
            "ga": "ga",
            "fitness": fitness,
            "six": nsga2_of_six,
        },
    )
    for mine, theirs in (("object", "by name"), ("factory", "by name"), ("fitness", "ga")):
        for name in (SEARCHED, TESTED):
            assert found.of(mine, name).tolist() == found.of(theirs, name).tolist()
    assert found.trials[-1].evaluations == 18
    assert found.trials[0].goal == "accuracy,parameters"
    assert found.trials[6].goal == found.trials[8].goal == "accuracy=1,parameters=0.001639"
    # An engine that is handed over is a pattern: it stays fresh.
    assert engine.problem is fitness.problem is None
    assert not engine.is_initialized


def test_a_surrogate_is_part_of_a_name(problem: Pixels) -> None:
    found = small(problem, ["nsga2", "nsga2+ridge"], seeds=1, budget=Budget(generations=9))
    assert found.methods == ["nsga2", "nsga2+ridge"]
    plain, chosen = found.indicators[SEARCHED]
    assert plain != chosen


def test_nothing_that_is_given_is_changed(digits: Data, untouched_global_generators: None) -> None:
    problem = Pixels(digits, constraints=["macs<=95%"])
    methods: dict[str, Engine] = {"b": "nsga2", "a": NSGA2(pop_size=8, **problem.operators())}
    seeds, bounds = [3, 1], ["macs<=50%"]
    before = copy.deepcopy((list(methods), seeds, bounds)), dict(problem.__dict__)
    goals = problem.goals
    small(problem, methods, seeds=seeds, bounds=bounds)
    assert (list(methods), seeds, bounds) == before[0]
    assert methods["b"] == "nsga2"
    assert problem.goals is goals
    now = {n: v for n, v in problem.__dict__.items() if n not in {"parent_values", "latencies"}}
    assert now.keys() == before[1].keys()
    assert all(now[name] is value for name, value in before[1].items())


# Folders.


def test_a_folder_keeps_what_was_measured(
    problem: Pixels, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = small(problem)
    first = small(problem, folder=tmp_path / "kept")
    stems = [f"{method}-{seed}" for method in ("ga", "nsga2", "random") for seed in (0, 1)]
    names = {f"{stem}{ending}" for stem in stems for ending in (".sqlite", "-times.csv")}
    assert {path.name for path in (tmp_path / "kept").iterdir()} == names

    def refuse(*_: object) -> None:
        raise AssertionError

    monkeypatch.setattr(Pixels, "_measure", refuse)
    parent = dict(problem.parent_values)
    monkeypatch.setattr(Pixels, "parent_measurements", lambda _: parent)
    again = small(problem, folder=tmp_path / "kept")
    assert_same(whole, first)
    assert_same(whole, again)


@pytest.mark.slow
def test_more_methods_seeds_and_budget_go_on_from_there(problem: Pixels, tmp_path: Path) -> None:
    small(problem, ["ga"], seeds=1, folder=tmp_path)
    more = Budget(generations=5)
    assert_same(small(problem, budget=more), small(problem, folder=tmp_path, budget=more))
    # Less again: what was asked for beyond does not count.
    assert_same(small(problem), small(problem, folder=tmp_path))


def test_a_comparison_that_stopped_in_the_middle_goes_on(digits: Data, tmp_path: Path) -> None:
    class Breaking(Pixels):
        left: ClassVar[float] = 70

        def measure(self, X: Array) -> Any:
            type(self).left -= len(X)
            if self.left < 0:
                raise RuntimeError("power cut")
            return super().measure(X)

    problem = Breaking(digits)
    with pytest.raises(RuntimeError, match="power cut"):
        small(problem, folder=tmp_path)
    stems = [path.stem for path in tmp_path.glob("*.sqlite")]
    kept = sum(len(set(evaluations(tmp_path, stem)[0])) for stem in stems)
    assert 24 < kept < 144
    Breaking.left = np.inf
    assert_same(small(problem), small(problem, folder=tmp_path))


def test_another_search_in_the_same_folder_is_refused(
    problem: Pixels, digits: Data, tmp_path: Path
) -> None:
    small(problem, ["nsga2"], folder=tmp_path)
    with pytest.raises(ReplayError, match="departs from the recorded one"):
        small(problem, ["nsga2"], folder=tmp_path, pop_size=10)
    with pytest.raises(PruneError, match="belongs to another configuration"):
        small(Pixels(digits, seed=1), ["nsga2"], folder=tmp_path)


def test_names_of_ones_own_become_file_names(problem: Pixels, tmp_path: Path) -> None:
    small(problem, {"mine: 8 / 2": "nsga2"}, seeds=1, folder=tmp_path)
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["mine-8-2-0-times.csv", "mine-8-2-0.sqlite"]


# What a problem may lack, or be.


def test_changing_batches_leave_no_curve_but_a_table(digits: Data) -> None:
    found = small(PixelsInBatches(digits), ("ga", "nsga2", "random"))
    for trial in found.trials:
        assert found.curve(trial) is None
        assert "evaluation" not in trial.columns
    assert (found.indicators[SEARCHED] > 0).all()
    assert len(found.contrasts(TESTED)) == 3


def test_failed_candidates_are_in_no_front_and_lift_no_curve(digits: Data, tmp_path: Path) -> None:
    problem = FailingPixels(digits, constraints=["parameters<=90%"])
    found = small(problem, folder=tmp_path)
    failures = 0
    for place, trial in enumerate(found.trials):
        _, history = evaluations(tmp_path, f"{trial.method}-{trial.seed}")
        failed = np.isnan(history["accuracy"])
        failures += failed.sum()
        limit = 0.9 * problem.parent_measurements()["parameters"]
        allowed = ~failed & (history["parameters"] <= limit)
        kept = {name: column[allowed] for name, column in history.items()}
        volume = hypervolume(found.goals.unit_costs(kept, found.parent))
        assert found.indicators[SEARCHED][place] == pytest.approx(volume)
        curve = found.curve(trial)
        assert curve is not None
        assert curve[1][-1] == pytest.approx(volume)
        assert (trial.columns["pixels"] * 64 >= FailingPixels.LEAST).all()
        assert (trial.columns["parameters"] <= limit).all()
    assert failures > 0


def test_a_method_that_finds_nothing_does_not_stop_the_others(digits: Data) -> None:
    console = Console(file=io.StringIO(), width=200)
    found = small(Tiny(digits), ("random", "nsga2"), display=Display(console))
    assert [len(trial) > 0 for trial in found.trials] == [False, False, True, True]
    assert found.of("random", SEARCHED).tolist() == [0, 0]
    assert found.of("random", TESTED).tolist() == [0, 0]
    assert found.of("random", DISTANCE).min() > found.of("nsga2", DISTANCE).max()
    assert {trial.evaluations for trial in found.trials} == {24}
    curve = found.curve(found.trials[0])
    assert curve is not None
    assert curve[1].tolist() == [0] * 24
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert "random 0: all 24 candidates failed, for example: the training diverged" in text


def test_constraints_that_no_candidate_keeps_are_an_error_in_the_end(digits: Data) -> None:
    for problem in (Pixels(digits, constraints=["accuracy>=0.999"]), AllFailing(digits)):
        with pytest.raises(PruneError, match="nothing to compare: no run found a network"):
            small(problem, ["ga", "nsga2"], seeds=1)


@pytest.mark.slow
def test_baselines_stand_at_the_sizes_of_the_union(digits: Data) -> None:
    found = small(WithBaselines(digits), finish_images=200)
    (one,) = found.others
    assert one.name == "first pixels"
    assert one.columns["pixels"].tolist() == found.front["pixels"].tolist()
    assert "finished_test_accuracy" in one.columns
    assert found.decisive == FINISHED
    assert np.isfinite(list(found.indicators_of_others[0].values())).all()
    assert small(Pixels(digits), seeds=1).others == ()


def test_networks_are_retrained_as_those_of_a_run(problem: Pixels) -> None:
    found = small(problem, ["nsga2"], seeds=1, finish_images=200)
    last = search(problem, make_algorithm("nsga2", problem, 8), SHORT, seed=0)
    front = Front.from_found(problem, last).finish(images=200)
    assert found.trials[0].columns.keys() == front.columns.keys()
    for name, column in front.columns.items():
        np.testing.assert_array_equal(found.trials[0].columns[name], column)


def test_a_problem_without_random_candidates_is_compared_without_random_search(
    digits: Data,
) -> None:
    problem = NoRandom(digits)
    assert small(problem, ["ga", "nsga2"]).methods == ["ga", "nsga2"]
    problem.measure = unmeasured  # type: ignore[method-assign]
    problem.parent_measurements = dict  # type: ignore[assignment, method-assign]
    with pytest.raises(PruneError, match="NoRandom does not say what a random candidate is"):
        small(problem, ["ga@accuracy=1", "random"])


def unmeasured(*_: object) -> Any:
    msg = "something was searched"
    raise AssertionError(msg)


@pytest.mark.parametrize("names", [("accuracy",), ("accuracy", "pixels", "sparsity"), ("macs",)])
def test_fronts_over_one_quantity_or_three(digits: Data, names: tuple[str, ...]) -> None:
    found = small(Pixels(digits, objectives=names), seeds=1)
    assert found.goals.names == names
    assert found.axes == [name for name in names if name != "accuracy"]
    for values in found.indicators.values():
        assert len(values) == 3
    assert (found.indicators[SEARCHED] > 0).all()


def test_latency_can_be_compared_too(digits: Data, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pymoo_prune.measuring.stopwatch.latencies", Meter())
    problem = SmallPixels(digits, objectives=("accuracy", "latency"))
    found = small(problem, ("ga", "nsga2"), seeds=1, bounds=["latency<=50%"])
    assert found.axes == ["latency"]
    assert found.parent["latency"] > 0
    assert (found.indicators[TESTED] > 0).all()
    assert found.trials[0].goal.startswith("accuracy=1,latency=")


def test_numpys_numbers_are_seeds_and_budgets(problem: Pixels) -> None:
    budget = Budget(evaluations=np.int64(16))  # type: ignore[arg-type]
    found = [
        compare(problem, ["nsga2"], budget, seeds=seeds, pop_size=8)  # type: ignore[arg-type]
        for seeds in (np.int64(2), np.arange(2), range(2), 2)
    ]
    assert [[one.seed for one in each.trials] for each in found] == [[0, 1]] * 4
    with pytest.raises(PruneError, match="budget must be a Budget, such as Budget"):
        compare(problem, ["nsga2"], 16)  # type: ignore[arg-type]


def test_a_function_may_make_an_engine_for_one_objective(problem: Pixels) -> None:
    """The objectives are weighed for it as for an engine by name."""
    given = {"mine": lambda one: make_algorithm("ga", one, 8)}
    budget = Budget(evaluations=16)
    mine = compare(problem, given, budget, seeds=1)
    named = compare(problem, ["ga"], budget, seeds=1, pop_size=8)
    for name, values in mine.trials[0].columns.items():
        np.testing.assert_array_equal(values, named.trials[0].columns[name])


def test_a_smaller_budget_in_the_same_folder_has_its_own_evaluations(
    problem: Pixels, tmp_path: Path
) -> None:
    """The last generation is cut short: the store has more of it."""
    small(problem, ["nsga2"], seeds=1, folder=tmp_path, budget=Budget(evaluations=32))
    kept, fresh = (
        small(problem, ["nsga2"], seeds=1, folder=folder, budget=Budget(evaluations=20))
        for folder in (tmp_path, None)
    )
    for one in (kept, fresh):
        assert one.trials[0].evaluations == 20
        history = one.trials[0].history
        assert history is not None
        assert {len(values) for values in history.values()} == {20}
        assert {len(every.generation) for every in one.evaluations()} == {20}
    assert kept.trials[0].known == fresh.trials[0].known


def test_one_method_and_one_seed(problem: Pixels) -> None:
    found = small(problem, "nsga2", seeds=1)  # a name alone is a list of one
    assert found.methods == ["nsga2"]
    assert found.contrasts(TESTED) == []
    assert found.indicators[DISTANCE].tolist() == [0]


# What is refused before anything is searched.


@pytest.mark.slow
@pytest.mark.parametrize(
    ("methods", "given", "message"),
    [
        ([], {}, r"needs one method or more, each once, but they are \[\]"),
        ({}, {}, "needs one method or more"),
        (["ga", "ga"], {}, r"needs one method or more, each once, but .*'ga', 'ga'\]"),
        (["ga"], {"seeds": []}, "needs one seed or more"),
        (["ga"], {"seeds": 0}, "needs one seed or more"),
        (["ga"], {"seeds": [1, 2, 1]}, r"one seed or more, each once, but they are \[1, 2, 1\]"),
        (["ga"], {"seeds": [-1]}, r"seeds must be at least 0, but they are \[-1\]"),
        (["ga"], {"seeds": [0.5]}, "a seed must be a whole number, but it is 0.5"),
        (["ga"], {"seeds": ["a"]}, "a seed must be a whole number, but it is 'a'"),
        (["ga"], {"seeds": "2"}, "seeds must be a whole number, but it is '2'"),
        (["ga"], {"finish_images": "a"}, "finish_images must be a whole number"),
        (["ga"], {"finish_images": -1}, "finish_images must be at least 0, but it is -1"),
        (["nsga22"], {}, r"unknown algorithm 'nsga22'.*Did you mean 'nsga2'\?"),
        (["nsga2+rfb"], {}, r"unknown surrogate model 'rfb'.*Did you mean 'rbf'\?"),
        (["nsga2+"], {}, "unknown surrogate model ''"),
        ({"a b": "ga", "a-b": "nsga2"}, {}, r"must have names that differ in .*'a b', 'a-b'"),
        (["ga@"], {}, r"objectives '' must read like 'accuracy=1,width=0.5'"),
        (["ga@accuracy=1,"], {}, "must read like"),
        (["ga@accuracy=1;macs=2"], {}, "must read like"),
        (["ga@accuracy=1,macs"], {}, "must read like"),
        (["ga@accuracy=much"], {}, "must read like"),
        (["ga@accuracy=1.2.3"], {}, "must read like"),
        (["ga@accuracy=1,accuracy=2"], {}, "each name once"),
        (["ga@accuracy=-1"], {}, "not negative"),
        (["ga@accuracy=0"], {}, "not all 0"),
        (["ga@acuracy=1"], {}, r"unknown objective 'acuracy'.*Did you mean 'accuracy'\?"),
        (["nsga2@accuracy,mac"], {}, r"unknown objective 'mac'.*Did you mean 'macs'\?"),
        (["nsga2@macs,macs"], {}, "objectives must differ"),
        (["ga@accuracy,macs"], {}, "'ga' needs one objective, but the problem has 2"),
        (["own"], {}, "Pixels has no algorithm of its own"),
        ({"mine": GA}, {}, r"for real numbers .* give it \*\*problem.operators\(\)"),
        ({"mine": lambda _: 3}, {}, "this int is not an engine"),
        (["ga"], {"bounds": ["mac<=20%"]}, r"unknown size to bound 'mac'.*Did you mean 'macs'\?"),
        (["ga"], {"bounds": ["accuracy>=0.9"]}, "accuracy>=0.9 must bound a size"),
        (["ga"], {"bounds": ["sparsity>=50%"]}, "the parent's sparsity is 0"),
    ],
)
def test_impossible_comparisons_are_refused_before_anything_is_searched(
    digits: Data, tmp_path: Path, methods: Any, given: dict[str, Any], message: str
) -> None:
    problem = Pixels(digits)
    assert problem.parent_values["parameters"] > 0  # is known, and the rest is not asked for
    problem.measure = unmeasured  # type: ignore[method-assign]
    if isinstance(methods, list) and methods:
        methods = ["nsga2@accuracy,parameters", *methods]  # which could be searched
    parent = dict(problem.parent_values)
    problem.parent_measurements = lambda: parent  # type: ignore[method-assign]
    with pytest.raises(PruneError, match=message):
        small(problem, methods, folder=tmp_path / "kept", **given)
    assert not (tmp_path / "kept").exists()


def test_an_engine_that_was_used_is_refused(problem: Pixels) -> None:
    engine = NSGA2(pop_size=8, **problem.operators())
    search(problem, engine, Budget(generations=1), seed=0)
    with pytest.raises(PruneError, match="has been used; hand over a fresh one"):
        small(problem, {"used": engine})
