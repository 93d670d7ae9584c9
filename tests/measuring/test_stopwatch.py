from __future__ import annotations

import copy
import json
import pickle
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, fx, nn

from pymoo_prune.data import Data, Packed, Packing
from pymoo_prune.errors import PruneError, StoreError
from pymoo_prune.machine import processor
from pymoo_prune.measuring import KnownLatencies, LatencyScheme, Stopwatch
from pymoo_prune.measuring.stopwatch import AT_LENGTH, WARM_UP, architecture_text, hardware
from pymoo_prune.networks import DenseNet, FeedForward, SimpleCNN, SlimNetwork
from pymoo_prune.problem import PruningProblem
from pymoo_prune.testing import check_problem, sample
from pymoo_prune_problems import DenseConnectivity, DistilledFilters, EComp
from tests.support.timed_problem import Meter


@pytest.fixture
def meter(monkeypatch: pytest.MonkeyPatch) -> Meter:
    found = Meter()
    monkeypatch.setattr("pymoo_prune.measuring.stopwatch.latencies", found)
    return found


def seeded(make: Callable[[], nn.Module], seed: int = 0) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return make()


def dense(*widths: int, seed: int = 0) -> nn.Module:
    return seeded(lambda: FeedForward(64, widths, 10), seed)


def stopwatch(parent: nn.Module | None = None, **options: Any) -> Stopwatch:
    given: dict[str, Any] = {
        "shape": (1, 8, 8),
        "scheme": LatencyScheme(),
        "known": KnownLatencies(),
        "device": torch.device("cpu"),
    }
    return Stopwatch(dense(9, 9) if parent is None else parent, **(given | options))


# Measuring.


def test_a_latency_is_the_parents_own_times_a_quotient_of_quickest_repeats(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    meter = Meter(slower=0)
    monkeypatch.setattr("pymoo_prune.measuring.stopwatch.latencies", meter)
    watch = stopwatch()
    assert watch.parent_milliseconds == pytest.approx(1e-6 * (65 * 9 + 10 * 9 + 10 * 10))

    def slow_phase(*arguments: Any, **options: Any) -> Any:
        found = meter(*arguments, **options)
        return {name: replace(one, least=7 * one.least) for name, one in found.items()}

    monkeypatch.setattr("pymoo_prune.measuring.stopwatch.latencies", slow_phase)
    assert watch.milliseconds(dense(4, 3)) == pytest.approx(1e-6 * (65 * 4 + 5 * 3 + 4 * 10))


def test_candidates_take_turns_with_the_parent_as_the_scheme_says(meter: Meter) -> None:
    packing = Packing((Packed((1, 8, 8)),))
    scheme = LatencyScheme(batch_size=4, threads=2, repeats=7)
    watch = stopwatch(scheme=scheme, packing=packing)
    watch.milliseconds(dense(4, 3))
    common = {
        "shape": (1, 8, 8),
        "batch_size": 4,
        "threads": 2,
        "warm_up": WARM_UP,
        "device": torch.device("cpu"),
        "packing": packing,
    }
    assert meter.calls == [
        (["parent"], {**common, "repeats": 7 * AT_LENGTH}),
        (["parent", "candidate"], {**common, "repeats": 7}),
    ]


def test_really_measured_less_work_takes_less_time() -> None:
    parent = nn.Sequential(*[nn.Conv2d(1, 32, 3), *[nn.Conv2d(32, 32, 3) for _ in range(3)]])
    watch = stopwatch(parent, shape=(1, 32, 32), scheme=LatencyScheme(repeats=3))
    assert 0 < 2 * watch.milliseconds(nn.Conv2d(1, 1, 1)) < watch.parent_milliseconds


@pytest.mark.parametrize("wrong", [{"batch_size": 0}, {"threads": 0}, {"repeats": -1}])
def test_schemes_without_anything_to_measure_are_refused(wrong: dict[str, int]) -> None:
    ((name, value),) = wrong.items()
    with pytest.raises(PruneError, match=f"at least 1, but it is LatencyScheme.*{name}={value}"):
        LatencyScheme(**wrong)


def test_networks_are_left_alone_and_measured_in_the_usual_layout(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    layouts, meter = [], Meter()

    def look(networks: Any, *arguments: Any, **options: Any) -> Any:
        layouts.extend(network.weight.is_contiguous() for network in networks.values())
        return meter(networks, *arguments, **options)

    monkeypatch.setattr("pymoo_prune.measuring.stopwatch.latencies", look)
    networks = [seeded(lambda w=w: nn.Conv2d(3, w, 3)).train() for w in (8, 4)]
    for network in networks:
        network.to(memory_format=torch.channels_last)
    before = [copy.deepcopy(network.state_dict()) for network in networks]
    places = [network.weight.data_ptr() for network in networks]
    watch = stopwatch(networks[0], shape=(3, 8, 8))
    watch.milliseconds(networks[1])
    watch.note(networks)
    assert layouts
    assert all(layouts)
    for network, state, place in zip(networks, before, places, strict=True):
        assert network.training
        assert network.weight.data_ptr() == place
        assert network.weight.is_contiguous(memory_format=torch.channels_last)
        assert all(torch.equal(value, state[name]) for name, value in network.state_dict().items())


# One architecture, one number.


def test_one_architecture_is_measured_once(meter: Meter) -> None:
    watch = stopwatch()
    first = watch.milliseconds(dense(4, 3))
    assert watch.milliseconds(dense(4, 3, seed=1)) == first
    assert (meter.candidates, meter.parents) == (1, 1)
    assert watch.milliseconds(dense(3, 4)) != first
    assert meter.candidates == 2


def test_the_parent_as_a_candidate_has_the_parents_latency(meter: Meter) -> None:
    for known in (KnownLatencies(), KnownLatencies()):
        watch = stopwatch(known=known)
        assert watch.milliseconds(dense(9, 9, seed=5)) == watch.parent_milliseconds


def test_other_conditions_are_another_measurement(meter: Meter) -> None:
    known = KnownLatencies()
    conditions: list[dict[str, Any]] = [
        {},
        {"scheme": LatencyScheme(batch_size=2)},
        {"scheme": LatencyScheme(threads=2)},
        {"scheme": LatencyScheme(repeats=2)},
        {"shape": (1, 4, 16)},
        {"parent": dense(9, 8)},
    ]
    for count, options in enumerate(conditions, start=1):
        stopwatch(known=known, **options).milliseconds(dense(4, 3))
        assert (meter.candidates, meter.parents) == (count, count)
    for options in conditions:
        stopwatch(known=known, **options).milliseconds(dense(4, 3))
    assert meter.candidates == len(conditions)


@pytest.mark.parametrize("what", ["processor", "version"])
def test_another_machine_or_torch_is_another_measurement(
    meter: Meter, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    known = KnownLatencies()
    stopwatch(known=known).milliseconds(dense(4, 3))
    monkeypatch.setattr(f"pymoo_prune.measuring.stopwatch.{what}", lambda *_: "another")
    stopwatch(known=known).milliseconds(dense(4, 3))
    assert (meter.candidates, meter.parents) == (2, 2)


class Branches(nn.Module):
    """A network without a spec."""

    def __init__(self, width: int = 4) -> None:
        super().__init__()
        self.one, self.two = nn.Linear(64, width), nn.Linear(64, width)

    def forward(self, images: Tensor) -> Tensor:
        hidden = images.flatten(1)
        return self.one(hidden) + self.two(hidden)


def test_architectures_differ_in_shapes_settings_types_and_graphs() -> None:
    traced = fx.symbolic_trace(Branches())
    turned = copy.deepcopy(traced)
    add = next(node for node in turned.graph.nodes if node.op == "call_function")
    add.args = (add.args[1], add.args[1])
    turned.recompile()
    different = [
        dense(4, 3),
        dense(3, 4),
        FeedForward(64, (4, 3), 10, "tanh"),
        dense(4, 3).double(),
        nn.Conv2d(1, 4, 3),
        nn.Conv2d(1, 4, 3, stride=2),
        nn.Conv2d(1, 4, 5),
        Branches(),
        Branches(5),
        traced,
        turned,
    ]
    texts = [architecture_text(network) for network in different]
    assert len(set(texts)) == len(texts)
    for text in texts:
        json.loads(text)


@pytest.mark.parametrize(
    "make", [lambda: FeedForward(64, (4,), 10), Branches, lambda: fx.symbolic_trace(Branches())]
)
def test_weights_are_no_part_of_an_architecture(make: Callable[[], nn.Module]) -> None:
    assert architecture_text(seeded(make, 0)) == architecture_text(seeded(make, 1).train())


# Latencies kept in a file.


def test_a_file_is_made_when_there_is_something_to_keep(tmp_path: Path) -> None:
    known = KnownLatencies(tmp_path / "latency.sqlite")
    assert known.get(b"one") is None
    assert list(tmp_path.iterdir()) == []
    assert known.keep(b"one", 1.5) == 1.5
    assert [path.name for path in tmp_path.iterdir()] == ["latency.sqlite"]
    assert (known.fresh, known.hits) == (1, 0)


@pytest.mark.parametrize("milliseconds", [0.1, 1e-7, 1 / 3, 12345.678])
def test_numbers_come_back_to_the_last_bit(tmp_path: Path, milliseconds: float) -> None:
    KnownLatencies(tmp_path / "known").keep(b"one", milliseconds)
    again = KnownLatencies(tmp_path / "known")
    assert again.get(b"one") == milliseconds
    assert again.get(b"two") is None
    assert (again.fresh, again.hits) == (0, 1)


def test_the_second_stopwatch_on_a_file_measures_nothing(meter: Meter, tmp_path: Path) -> None:
    networks = [dense(4, 3), dense(5, 2), dense(4, 3)]
    path = tmp_path / "known"
    first = [stopwatch(known=KnownLatencies(path)).milliseconds(one) for one in networks]
    calls = len(meter.calls)
    known = KnownLatencies(path)
    watch = stopwatch(known=known)
    assert [watch.milliseconds(one) for one in networks] == first
    assert watch.parent_milliseconds > 0
    assert len(meter.calls) == calls
    assert (known.fresh, known.hits) == (0, 4)


def test_the_first_latency_written_counts(tmp_path: Path) -> None:
    slow, quick = (KnownLatencies(tmp_path / "known") for _ in range(2))
    assert slow.get(b"one") is None
    assert quick.keep(b"one", 1.0) == 1.0
    assert slow.keep(b"one", 2.0) == 1.0
    assert slow.get(b"one") == quick.get(b"one") == 1.0
    alone = KnownLatencies()
    assert (alone.keep(b"one", 3.0), alone.keep(b"one", 4.0)) == (3.0, 3.0)


def test_many_at_once_agree_on_every_number(tmp_path: Path) -> None:
    def measure(process: int) -> list[float]:
        known = KnownLatencies(tmp_path / "known")
        return [known.keep(bytes([key]), 100.0 * process + key) for key in range(12)]

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(measure, range(8)))
    assert all(numbers == found[0] for numbers in found)
    assert [number % 100 for number in found[0]] == list(range(12))


def test_copies_know_the_same(tmp_path: Path) -> None:
    known = KnownLatencies(tmp_path / "known")
    known.keep(b"one", 1.0)
    for twin in (copy.deepcopy(known), pickle.loads(pickle.dumps(known))):  # noqa: S301
        assert twin.get(b"one") == 1.0
        assert twin.keep(b"two", 2.0) == 2.0
    assert known.get(b"two") == 2.0


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "known"
    path.write_bytes(b"no database, but long enough to be looked at by SQLite" * 40)
    with pytest.raises(StoreError, match=r"known: file is not a database; .*restored from a copy"):
        KnownLatencies(path).get(b"one")
    path.unlink()
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE latencies (something INTEGER)")
    with pytest.raises(
        StoreError, match="it holds the table 'latencies', which no file of latencies has"
    ):
        KnownLatencies(path).get(b"one")
    with pytest.raises(StoreError, match="unable to open database file; check that the folder"):
        KnownLatencies(tmp_path / "nowhere" / "known").keep(b"one", 1.0)


# Noise.


def test_the_note_says_how_and_how_well(monkeypatch: pytest.MonkeyPatch) -> None:
    watch = stopwatch(scheme=LatencyScheme(batch_size=8))
    networks = [dense(4, 3), dense(5, 2), dense(6, 6), dense(4, 3, seed=3)]
    monkeypatch.setattr("pymoo_prune.measuring.stopwatch.latencies", Meter(slower=0))
    known = [watch.milliseconds(network) for network in networks]
    again = Meter(slower=0.02)  # 2, 4 and 6 % slower, once for each architecture
    monkeypatch.setattr("pymoo_prune.measuring.stopwatch.latencies", again)
    text, _ = watch.note(networks)
    assert text == (
        "Latencies are the quickest of 20 repeats in turns with the parent, 1 thread, batch of 8, "
        f"on {processor()}; measured again in the end, they differ by 4.0 % in the median and "
        "6.0 % at most."
    )
    assert again.candidates == 3
    assert [watch.milliseconds(network) for network in networks] == known


@pytest.mark.slow
@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
def test_a_gpu_is_named_and_waited_for() -> None:
    device = torch.device("cuda")
    watch = stopwatch(dense(2048, 2048).to(device), device=device)
    assert 0 < watch.milliseconds(dense(4, 3)) < 10 * watch.parent_milliseconds
    assert torch.cuda.get_device_name() in watch.note([dense(4, 3)])[0]
    assert hardware(device) != processor()


# The papers' problems.


def ecomp(data: Data, **options: Any) -> EComp:
    return EComp(data, parent=dense(12, 12), search_images=100, **options)


def filters(data: Data, **options: Any) -> DistilledFilters:
    teacher = seeded(lambda: SimpleCNN(1, 10, (8, 8), widths=(6, 8), hidden=12))
    return DistilledFilters(data, parent=teacher, search_images=50, recovery_images=64, **options)


def connections(data: Data, **options: Any) -> DenseConnectivity:
    return DenseConnectivity(
        data,
        parent=seeded(lambda: DenseNet.of_depth(16, 4, channels=1)),
        **{"depth": 16, "growth": 4, "search_images": 50, "recovery_images": 64, **options},
    )


PROBLEMS: dict[str, Callable[..., PruningProblem]] = {
    "masks": ecomp,
    "masks and steps": lambda data, **o: ecomp(data, recovery="refit+steps:2", **o),
    "masks in batches": lambda data, **o: ecomp(data, batch_size=50, **o),
    "weights": lambda data, **o: ecomp(data, encoding="weights", **o),
    "filters": lambda data, **o: filters(data, recovery="refit+batch-norm+steps:1", **o),
    "connections": connections,
    "connections from scratch": lambda data, **o: connections(
        data, weights="scratch", epochs=0.07, **o
    ),
}
every_problem = pytest.mark.parametrize("make", PROBLEMS.values(), ids=PROBLEMS)


@pytest.mark.slow
@every_problem
@pytest.mark.usefixtures("untouched_global_generators")
def test_an_architecture_has_the_parameters_that_are_measured(
    digits: Data, make: Callable[..., PruningProblem]
) -> None:
    problem = make(digits)
    X = sample(problem)
    sizes = problem.measure(X)["parameters"]
    whole = architecture_text(problem.timing.architecture(X[0]))
    others = set()
    for x, parameters in zip(X, sizes, strict=True):
        architecture = problem.timing.architecture(x)
        assert sum(p.numel() for p in architecture.parameters()) == parameters
        assert architecture_text(architecture) == architecture_text(problem.network(x))
        with torch.no_grad():
            assert architecture.eval()(digits.validation.images[:2]).shape == (2, 10)
        others.add(architecture_text(architecture))
    assert len(others) > 1
    assert whole in others


@pytest.mark.slow
@every_problem
def test_every_problem_measures_latencies(
    digits: Data, meter: Meter, make: Callable[..., PruningProblem]
) -> None:
    problem = make(digits, objectives=["accuracy", "latency"], constraints=["latency<=90%"])
    X = sample(problem)[1:7:5]
    found = problem.measured(X)
    expected = [problem.latencies.stopwatch.milliseconds(problem.network(x)) for x in X]
    assert found["latency"].tolist() == expected
    assert (meter.parents, meter.candidates) == (1, 2)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["masks", "masks in batches", "weights"])
def test_the_contract_is_kept_with_latencies(digits: Data, meter: Meter, name: str) -> None:
    problem = PROBLEMS[name](
        digits, objectives=["accuracy", "latency"], constraints=["latency<=90%"]
    )
    check_problem(problem)
    assert meter.parents == 1
    assert meter.candidates == problem.known_latencies.fresh - 1


@pytest.mark.parametrize("name", ["masks and steps", "filters", "connections from scratch"])
def test_nothing_is_trained_for_an_architecture(
    digits: Data, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    problem = PROBLEMS[name](digits)
    X = sample(problem)

    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError

    monkeypatch.setattr(type(problem), "network", refuse)
    monkeypatch.setattr("pymoo_prune.training.loop.fit", refuse)
    for x in X:
        problem.timing.architecture(x)


def test_a_network_pruned_twice_is_told_from_its_parent(digits: Data) -> None:
    problem = filters(digits, recovery="none")
    slim = problem.network(sample(problem)[0])
    assert isinstance(slim, SlimNetwork)
    assert slim.spec is not None
    again = DistilledFilters(
        digits, parent=slim, recovery="none", search_images=50, recovery_images=64
    )
    everything = np.ones(again.n_var, dtype=bool)
    assert architecture_text(again.timing.architecture(everything)) != architecture_text(slim)
