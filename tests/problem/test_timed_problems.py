"""Latencies beside what a problem measures."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from pymoo.algorithms.moo.nsga2 import NSGA2
from pymoo.optimize import minimize

from pymoo_prune import (
    Budget,
    Data,
    Front,
    Measurements,
    PruneError,
    Quantity,
    Run,
    Settings,
    Store,
    WeightedSum,
    find_problem,
)
from pymoo_prune.chromosomes import Array
from pymoo_prune.measuring import KnownLatencies, LatencyScheme
from pymoo_prune.measuring.stopwatch import AT_LENGTH
from pymoo_prune.problem import CHUNK, PruningProblem, Timing
from pymoo_prune.search import Relay, search
from pymoo_prune.surrogates import prescreen
from tests.support.timed_problem import Meter, SmallFailingPixels, SmallPixels
from tests.support.tiny_problem import Pixels, candidates, small_and_large

TIMED: dict[str, Any] = {"objectives": ["accuracy", "latency"]}


@pytest.fixture
def meter(monkeypatch: pytest.MonkeyPatch) -> Meter:
    found = Meter()
    monkeypatch.setattr("pymoo_prune.measuring.stopwatch.latencies", found)
    return found


def test_without_latency_nothing_is_timed(digits: Data, meter: Meter) -> None:
    assert Pixels(digits).fingerprint == "99a9de99eb7e0a626f3e0f8b5bdd5669"
    problem = SmallPixels(digits, constraints=["macs<=50%"])
    found = problem.measured(candidates(problem))
    assert list(found) == list(problem.quantities) == list(SmallPixels.quantities)
    assert "latency" not in problem.configuration()
    assert "latency" not in problem.parent_values
    assert problem.latencies is None
    problem.evaluate(candidates(problem), return_as_dictionary=True)
    assert meter.calls == []


@pytest.mark.parametrize(
    "options",
    [
        TIMED,
        {"constraints": ["latency<=0.5"]},
        {"constraints": ["latency<=50%"]},
        {"objectives": WeightedSum({"accuracy": 1.0, "latency": 0.0})},
    ],
)
def test_a_problem_that_mentions_latency_measures_it(
    digits: Data, meter: Meter, options: dict[str, Any]
) -> None:
    problem = SmallPixels(digits, **options)
    plain = SmallPixels(digits)
    X = candidates(problem, CHUNK + 3)
    before = X.copy()
    found = problem.measured(X)
    assert list(problem.quantities) == [*plain.quantities, "latency"]
    assert list(SmallPixels.quantities) == list(plain.quantities)
    assert np.array_equal(X, before)
    for name, values in plain.measured(X).items():
        assert np.array_equal(found[name], values), name
    assert (found["latency"] > 0).all()
    sizes, firsts = np.unique(X.sum(axis=1), return_index=True)
    assert meter.candidates == len(sizes)
    # In the order in which the sizes came up, each one percent slower than the one before.
    turn = 2 + np.argsort(np.argsort(firsts))
    expected = dict(zip(sizes, 1e-6 * (10 * sizes + 10) * (1 + 0.01 * turn), strict=True))
    assert found["latency"] == pytest.approx([expected[size] for size in X.sum(axis=1)])


def test_latency_is_an_objective_and_a_bound(digits: Data, meter: Meter) -> None:
    problem = SmallPixels(digits, **TIMED, constraints=["latency<=50%", "latency>=0.0002"])
    X = candidates(problem)
    out = problem.evaluate(X, return_as_dictionary=True)
    latency = problem.measured(X)["latency"]
    assert problem.parent_values["latency"] == 1e-6 * 650
    assert np.array_equal(out["F"][:, 1], latency)
    assert np.array_equal(out["G"][:, 0], latency - 0.5 * problem.parent_values["latency"])
    assert np.array_equal(out["G"][:, 1], 0.0002 - latency)
    assert meter.parents == 1
    assert meter.calls[0][1]["repeats"] == AT_LENGTH * problem.timing.scheme.repeats
    parent = {name: problem.parent_values[name] for name in SmallPixels.quantities}
    assert parent == problem.parent_measurements()


def test_failed_candidates_are_not_timed(digits: Data, meter: Meter) -> None:
    problem = SmallFailingPixels(digits, **TIMED)
    X, fails = small_and_large(problem)
    found = problem.measured(X)
    assert np.array_equal(np.isnan(found["latency"]), fails)
    assert found.failures.keys() == set(np.flatnonzero(fails).tolist())
    assert meter.candidates == len(np.unique(X[~fails].sum(axis=1)))


def test_latency_is_refused_where_it_means_nothing(digits: Data) -> None:
    layer_vector = find_problem("layer-vector")
    assert "latency" not in layer_vector.offered()
    for arguments in ((["latency"],), (["macs"], ["latency<=50%"]), (["macs"], (), ["latency"])):
        with pytest.raises(PruneError, match=r"LayerVector does not measure latencies: .* zeros"):
            layer_vector.goals_for(*arguments)
    assert "latency" not in Pixels.offered()
    with pytest.raises(PruneError, match="Pixels does not measure latencies: a problem"):
        Pixels(digits, **TIMED)
    assert list(SmallPixels.offered()) == [*SmallPixels.quantities, "flops", "latency"]
    with pytest.raises(PruneError, match=r"unknown objective 'latncy'.*Did you mean 'latency'"):
        SmallPixels(digits, objectives=["latncy"])
    with pytest.raises(PruneError, match="objectives must be a list of names"):
        SmallPixels(digits, objectives="latency")


def test_a_missing_parent_is_an_error_when_it_is_needed(digits: Data) -> None:
    class Orphan(SmallPixels):
        def __init__(self, data: Data, **options: Any) -> None:
            super().__init__(data, **options)
            self.parent = None

    problem = Orphan(digits, **TIMED)
    with pytest.raises(PruneError, match="Orphan has no `parent` for candidates"):
        problem.measured(candidates(problem))


def test_a_problem_may_have_a_latency_of_its_own(digits: Data, meter: Meter) -> None:
    class Counted(Pixels):
        quantities: ClassVar[Mapping[str, Quantity]] = {
            **Pixels.quantities,
            "latency": Quantity("lower", "latency by a formula"),
        }

        def measure(self, X: Array) -> Measurements:
            found = super().measure(X)
            return {**found, "latency": 2 * found["macs"]}

    problem = Counted(digits, **TIMED)
    found = problem.measured(candidates(problem))
    assert np.array_equal(found["latency"], 2 * found["macs"])
    assert "latency" not in problem.configuration()
    assert meter.calls == []


def test_the_scheme_is_the_problems_and_part_of_the_fingerprint(
    digits: Data, meter: Meter, monkeypatch: pytest.MonkeyPatch
) -> None:
    class InBatches(SmallPixels):
        timing = Timing(LatencyScheme(batch_size=64, threads=2, repeats=5))

    problem = InBatches(digits, **TIMED)
    problem.measured(candidates(problem, 2))
    names, options = meter.calls[-1]
    assert names == ["parent", "candidate"]
    assert (options["batch_size"], options["threads"], options["repeats"]) == (64, 2, 5)
    assert options["shape"] == digits.shape
    assert problem.configuration()["latency"].items() >= {"batch_size": 64, "threads": 2}.items()
    fingerprint = problem.fingerprint
    assert InBatches(digits, constraints=["latency<=1"]).fingerprint == fingerprint
    assert InBatches(digits).fingerprint != fingerprint
    monkeypatch.setattr(InBatches, "timing", Timing(LatencyScheme(batch_size=32)))
    assert InBatches(digits, **TIMED).fingerprint != fingerprint
    monkeypatch.undo()
    for what in ("processor", "version"):
        with monkeypatch.context() as patch:
            patch.setattr(f"pymoo_prune.measuring.stopwatch.{what}", lambda *_: "another")
            assert InBatches(digits, **TIMED).fingerprint != fingerprint
    assert InBatches(digits, **TIMED).fingerprint == fingerprint


def test_twins_share_known_latencies_and_all_quantities(digits: Data, meter: Meter) -> None:
    problem = SmallPixels(digits, **TIMED)
    X = candidates(problem)
    twin = problem.with_goals(["accuracy", "macs"], front=["accuracy", "latency"])
    other = problem.with_goals(["macs"], constraints=["latency<=40%"])
    found = twin.measured(X)
    calls = len(meter.calls)
    for one in (problem, other):
        again = one.measured(X)
        assert all(np.array_equal(again[name], found[name]) for name in found)
        assert one.fingerprint == twin.fingerprint
    assert len(meter.calls) == calls
    assert (problem.n_obj, twin.n_obj, other.n_obj) == (2, 2, 1)
    assert (problem.n_ieq_constr, twin.n_ieq_constr, other.n_ieq_constr) == (0, 0, 1)
    assert np.array_equal(twin.score(found)["F"][:, 1], found["macs"])
    assert np.array_equal(twin.goals.costs(found)[:, 1], found["latency"])
    assert other.score(found)["G"][:, 0] == pytest.approx(found["latency"] - 0.4 * 650e-6)


def test_a_twin_may_be_the_first_to_ask_for_latency(digits: Data, meter: Meter) -> None:
    problem = SmallPixels(digits, constraints=["macs<=50%"])
    X = candidates(problem)
    assert problem.parent_values.keys() == SmallPixels.quantities.keys()
    twin = problem.with_goals(["accuracy", "latency"])
    assert twin.fingerprint == SmallPixels(digits, **TIMED).fingerprint != problem.fingerprint
    assert twin.known_latencies is problem.known_latencies
    assert twin.parent_values["latency"] == 650e-6
    assert "latency" in twin.measured(X)
    assert "latency" not in problem.quantities
    assert "latency" not in problem.measured(X)
    with pytest.raises(PruneError, match="does not measure latencies"):
        Pixels(digits).with_goals(["latency"])


def test_other_networks_are_timed_alike(digits: Data, meter: Meter) -> None:
    problem = SmallPixels(digits, **TIMED)
    X = candidates(problem, 3)
    found = problem.measured(X)
    calls = len(meter.calls)
    again = problem.latencies.of(list(map(problem.network, X)))
    assert np.array_equal(again["latency"], found["latency"])
    assert len(meter.calls) == calls


def test_the_note_counts_the_networks_of_a_front(digits: Data, meter: Meter) -> None:
    problem = SmallPixels(digits, **TIMED)
    X = candidates(problem, 3)
    problem.measured(X)
    before = meter.candidates
    note, noise = problem.latencies.note(X)
    assert 0 < noise < 1
    start = "Latencies are the quickest of 20 repeats in turns with the parent, 1 thread"
    assert note.startswith(start)
    assert meter.candidates == before + 3


def searched(problem: PruningProblem, folder: Path, generations: int) -> tuple[Any, Store]:
    """A search in a folder, from its start or from where it stopped."""
    folder.mkdir(exist_ok=True)
    problem.known_latencies = KnownLatencies(folder / "latency.sqlite")
    store = Store(folder / "store", tuple(problem.quantities), problem.fingerprint, {})
    algorithm = NSGA2(pop_size=10, **problem.operators())
    found = search(problem, algorithm, Budget(generations=generations), seed=1, store=store)
    return found, store


def test_a_resumed_search_has_the_uninterrupted_ones_latencies(
    digits: Data, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    options = {**TIMED, "constraints": ["latency<=80%"]}
    found = []
    for name, stops in (("whole", [6]), ("parts", [1, 3, 6])):
        meter = Meter()
        monkeypatch.setattr("pymoo_prune.measuring.stopwatch.latencies", meter)
        for generations in stops:
            result, store = searched(SmallPixels(digits, **options), tmp_path / name, generations)
            rows = store.evaluations()
            store.close()
        assert meter.parents == 1
        found.append((result, rows))
    (whole, all_rows), (parts, other_rows) = found
    assert len(all_rows["latency"]) == 60
    for name, values in all_rows.items():
        assert np.array_equal(values, other_rows[name]), name
    assert np.array_equal(whole.X, parts.X)
    assert np.array_equal(whole.measurements["latency"], parts.measurements["latency"])


def test_latencies_from_before_a_crash_are_not_measured_again(
    digits: Data, meter: Meter, tmp_path: Path
) -> None:
    """The store loses a chunk, but the latencies are kept."""
    result, store = searched(SmallPixels(digits, **TIMED), tmp_path, 3)
    rows = store.evaluations()
    store.close()
    (tmp_path / "store").unlink()
    calls = len(meter.calls)
    again, store = searched(SmallPixels(digits, **TIMED), tmp_path, 3)
    assert len(meter.calls) == calls
    assert np.array_equal(store.evaluations()["latency"], rows["latency"])
    assert np.array_equal(again.X, result.X)
    store.close()


def test_problems_that_share_a_file_measure_each_architecture_once(
    digits: Data, meter: Meter, tmp_path: Path
) -> None:
    problems = [
        SmallPixels(digits, **TIMED),
        SmallPixels(digits, objectives=["latency"], seed=5),
    ]
    for problem in problems:
        problem.known_latencies = KnownLatencies(tmp_path / "shared")
    X = candidates(problems[0], 20)
    first = problems[0].measured(X[:12])["latency"]
    calls = len(meter.calls)
    assert np.array_equal(problems[1].measured(X[:12])["latency"], first)
    assert problems[1].parent_values["latency"] == problems[0].parent_values["latency"]
    assert len(meter.calls) == calls
    new = set(X[12:].sum(axis=1)) - set(X[:12].sum(axis=1))
    problems[1].measured(X)
    assert meter.candidates == len(np.unique(X.sum(axis=1)))
    assert len(meter.calls) == calls + len(new)


def test_a_surrogate_learns_latencies_as_other_quantities(digits: Data, meter: Meter) -> None:
    problem = SmallPixels(digits, **TIMED)
    algorithm = prescreen(NSGA2(pop_size=8, **problem.operators()), warm_up=10)
    result = minimize(problem, algorithm, ("n_gen", 4), seed=1)
    assert meter.candidates == problem.known_latencies.fresh - 1
    front = Front.from_result(problem, result)
    expected = [problem.latencies.stopwatch.milliseconds(problem.network(x)) for x in front.X]
    assert front.columns["latency"].tolist() == expected
    assert front.best("latency").place == front.columns["latency"].argmin()


@pytest.mark.slow
def test_a_run_keeps_latencies_in_its_folder(meter: Meter, tmp_path: Path) -> None:
    options = {"parent_widths": [8, 8], "parent_images": 500}
    settings = Settings(
        "ecomp", "nsga2", 4, Budget(generations=1), options, front=("accuracy", "latency")
    )
    display = Relay(lambda *_: None)
    run = Run.create(tmp_path / "run", settings)
    problem = run.prepare(display)
    found = problem.measured(problem.random(4, np.random.default_rng(0)))
    assert "latency" in found
    assert problem.known_latencies.path == tmp_path / "run" / "latency.sqlite"
    calls = len(meter.calls)
    again = Run.open(tmp_path / "run").prepare(display)
    again.measured(again.random(4, np.random.default_rng(0)))
    assert len(meter.calls) == calls
    assert again.known_latencies.fresh == 0


def test_a_run_refuses_latency_before_anything_is_trained(tmp_path: Path) -> None:
    settings = Settings(
        "layer-vector",
        "nsga2",
        4,
        Budget(generations=1),
        data="nowhere",
        constraints=["latency<=50%"],
    )
    run = Run.create(tmp_path / "run", settings)
    with pytest.raises(PruneError, match="LayerVector does not measure latencies: pruned weights"):
        run.execute(Relay(lambda *_: None))
    assert not (tmp_path / "run").exists()
