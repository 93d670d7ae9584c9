from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from pymoo.core.population import Population

from pymoo_prune import Budget, Data, Measurements, PruneError, Store, WeightedSum
from pymoo_prune.chromosomes import digests
from pymoo_prune.engines import make_algorithm
from pymoo_prune.operators import Generational, TruncationSelection
from pymoo_prune.problem import Approximation, Racing
from pymoo_prune.search import Found, search
from tests.support.searches import same
from tests.support.tiny_problem import Pixels

Array = NDArray[Any]

populations = st.integers(1, 40)
shares = st.sampled_from([0.1, 0.3, 0.5, 0.75, 0.9])
slice_sizes = st.lists(st.integers(1, 300), min_size=1, max_size=6)


class Track:
    """A race: gene 0 numbers the candidate; each slice has luck of its own."""

    def __init__(self, n: int, slices: list[int], seed: int, luck: float) -> None:
        generator = np.random.default_rng(seed)
        self.X = np.arange(n)[:, None]
        self.sizes = slices
        self.skill = generator.permutation(n) / 10
        self.values = self.skill + luck * generator.normal(size=(len(slices), n))
        self.seen: list[Array] = []

    def measure(self, X: Array, number: int) -> Measurements:
        assert number == len(self.seen)
        self.seen.append(X[:, 0])
        return {"error": self.values[number, X[:, 0]], "number": X[:, 0].astype(float)}

    def run(self, share: float = 0.5) -> tuple[Measurements, Array]:
        racing = Racing(self.sizes, share)
        return racing.run(self.X, self.measure, lambda m: m["error"][:, None])

    def images(self, candidate: int) -> list[int]:
        """The slices that a candidate saw."""
        return [number for number, seen in enumerate(self.seen) if candidate in seen]


def better_part(n: int, share: float) -> int:
    """The number of candidates that `TruncationSelection` takes."""
    return max(1, round(share * n))


@given(st.integers(1, 100_000), st.integers(1, 3_000))
def test_doubling_slices_double_the_images_seen_up_to_all(images: int, first: int) -> None:
    slices = Racing.doubling(images, first=first, share=0.3).slices
    known = np.cumsum(slices)
    assert known[-1] == images
    assert known[0] == min(first, images)
    assert (known[1:-1] == 2 * known[:-2]).all()
    assert (known[1:] <= 2 * known[:-1]).all()
    assert Racing.doubling(images, first=first, share=0.3).share == 0.3


def test_doubling_gives_the_slices_of_the_docs() -> None:
    assert Racing.doubling(5_000).slices == (256, 256, 512, 1024, 2048, 904)
    assert Racing.doubling(100).slices == (100,)


@pytest.mark.parametrize("first", [0, -3])
def test_slices_that_cannot_double_are_refused(first: int) -> None:
    with pytest.raises(PruneError, match=rf"at least one image.*\[{first}\]"):
        Racing.doubling(1_000, first=first)


@pytest.mark.parametrize(
    ("slices", "share"), [([], 0.5), ([5, 0], 0.5), ([-1], 0.5), ([5], 0), ([5], 1), ([5], 1.5)]
)
def test_impossible_races_are_refused(slices: list[int], share: float) -> None:
    with pytest.raises(PruneError, match="slices of at least one image and a share between 0 and"):
        Racing(slices, share)


@given(populations, shares, st.integers(0, 10**6))
def test_one_slice_is_the_plain_measurement(n: int, share: float, seed: int) -> None:
    track = Track(n, [50], seed, 1.0)
    known, places = track.run(share)
    np.testing.assert_allclose(known["error"], track.values[0], rtol=1e-12)
    assert places.tolist() == track.values[0].argsort().argsort().tolist()


@given(populations, shares, slice_sizes, st.integers(0, 10**6), st.floats(0, 5))
def test_every_race(n: int, share: float, slices: list[int], seed: int, luck: float) -> None:
    track = Track(n, slices, seed, luck)
    known, places = track.run(share)
    # Each candidate has a place of its own.
    assert sorted(places.tolist()) == list(range(n))
    # Settled candidates are never measured again, so the open ones become fewer.
    assert sorted(track.seen[0].tolist()) == list(range(n))
    for before, after in zip(track.seen[:-1], track.seen[1:], strict=True):
        assert set(after.tolist()) < set(before.tolist())
        assert len(set(after.tolist())) == len(after) > 0
    # A candidate's value is the mean over the images that it saw.
    for candidate in range(n):
        numbers = track.images(candidate)
        mean = np.average(track.values[numbers, candidate], weights=np.array(slices)[numbers])
        assert known["error"][candidate] == pytest.approx(mean)
        assert known["number"][candidate] == pytest.approx(candidate)
    # Candidates that see more images rank between those that were settled before.
    winners = better_part(n, share)
    depth = np.array([len(track.images(candidate)) for candidate in places.argsort()])
    assert (np.diff(depth[:winners]) >= 0).all()
    assert (np.diff(depth[winners:]) <= 0).all()


@given(populations, shares, slice_sizes, st.integers(0, 10**6))
def test_without_luck_the_better_part_is_the_best(
    n: int, share: float, slices: list[int], seed: int
) -> None:
    track = Track(n, slices, seed, 0.0)
    _, places = track.run(share)
    np.testing.assert_array_equal(places, track.skill.argsort().argsort())


def test_most_images_go_where_the_decision_is_close() -> None:
    track = Track(64, [100] * 4, 0, 0.0)
    _, places = track.run()
    assert [len(seen) for seen in track.seen] == [64, 32, 16, 8]
    last = places[track.seen[-1]]
    assert sorted(last) == list(range(28, 36))


def test_more_images_find_the_better_part_where_few_do_not() -> None:
    found = []
    for slices in ([20], [20, 20, 40, 80]):
        hits = []
        for seed in range(30):
            track = Track(40, slices, seed, 0.0)
            noise = np.random.default_rng(seed).normal(size=track.values.shape)
            track.values = track.values + 6 * noise / np.sqrt(slices)[:, None]
            _, places = track.run()
            hits.append((places[track.skill.argsort()[:20]] < 20).mean())
        found.append(np.mean(hits))
    assert found[1] > found[0] + 0.02


@pytest.mark.parametrize("n", [1, 2, 3])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_small_populations_race_too(n: int, share: float) -> None:
    track = Track(n, [10, 10, 10], 1, 0.0)
    _, places = track.run(share)
    np.testing.assert_array_equal(places, track.skill.argsort().argsort())


# Selection.


def parents(pop: Population) -> set[int]:
    picks = TruncationSelection(0.5).do(
        None, pop, 200, 2, to_pop=False, random_state=np.random.default_rng(0)
    )
    return set(picks.ravel().tolist())


def test_places_decide_where_all_candidates_were_raced() -> None:
    pop = Population.new("X", np.zeros((4, 1)), "F", np.array([[0.0], [1.0], [2.0], [3.0]]))
    assert parents(pop) == {0, 1}
    pop.set("place", np.array([3, 0, 2, 1]))
    assert parents(pop) == {1, 3}
    pop[0].set("place", None)  # one was never raced
    assert parents(pop) == {0, 1}


def test_candidates_that_violate_constraints_rank_behind_whatever_the_place() -> None:
    G = np.array([[0.0], [2.0], [-1.0], [1.0]])
    pop = Population.new("X", np.zeros((4, 1)), "F", np.zeros((4, 1)), "G", G)
    pop.set("place", np.array([3, 0, 2, 1]))
    assert parents(pop) == {0, 2}


# In a search.


class Raced(Pixels):
    """Three slices; the final measurement is on all images, as the plain one is."""

    racing: ClassVar[Racing] = Racing((60, 60, 120), 0.5)

    def __init__(self, data: Data, **options: Any) -> None:
        super().__init__(data, **options)
        self.approximation = Approximation(self.measured_on, racing=self.racing)

    def measured_on(self, X: Array, batch: int) -> Measurements:
        ends = np.cumsum([0, *self.racing.slices])
        return self._measure(X, slice(ends[batch], ends[batch + 1]))

    def measure(self, X: Array) -> Measurements:
        return self._measure(X, slice(sum(self.racing.slices)))


SUM = WeightedSum({"accuracy": 1.0, "pixels": 0.5})


@pytest.fixture(scope="module")
def raced(digits: Data) -> Raced:
    return Raced(digits, objectives=SUM)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "evaluations.sqlite"


def opened(path: Path, problem: Pixels) -> Store:
    return Store(path, tuple(problem.quantities), problem.fingerprint, {})


def found_by(problem: Pixels, generations: int, store: Store | None = None) -> Found:
    algorithm = make_algorithm("ga", problem, 12)
    algorithm.survival = Generational()
    algorithm.mating.selection = TruncationSelection(0.5)
    return search(problem, algorithm, Budget(generations=generations), seed=1, store=store)


def test_a_raced_search_records_every_slice(raced: Raced, path: Path) -> None:
    store = opened(path, raced)
    found = found_by(raced, 3, store)
    history = store.history()
    store.close()
    for generation in (1, 2, 3):
        rows = [row for row in history if row[1] == generation]
        images = [row[2] for row in rows]
        assert images == ["batch 0"] * 12 + ["batch 1"] * 6 + ["batch 2"] * 2
        slices = [{row[3] for row in rows if row[2] == f"batch {s}"} for s in range(3)]
        assert slices[0] > slices[1] > slices[2]
    assert [row[0] for row in history] == list(range(60))
    assert found.last.evaluated == 36
    with sqlite3.connect(path) as db:
        kept = dict(db.execute("SELECT images, COUNT(*) FROM measurements GROUP BY images"))
    db.close()
    assert kept.keys() == {"batch 0", "batch 1", "batch 2", "all batches"}
    assert kept["all batches"] == len(found.X)


def test_the_last_population_has_the_places_and_means_of_its_race(raced: Raced) -> None:
    pop = found_by(raced, 2).last.algorithm.pop
    X = pop.get("X")
    each = [raced.approximation.measure(X, number)["accuracy"] for number in range(3)]
    order = pop.get("place").argsort()
    assert sorted(pop.get("place").tolist()) == list(range(12))
    sizes = np.array(raced.approximation.racing.slices)
    depth = np.array([1, 1, 1, 2, 2, 3, 3, 2, 2, 1, 1, 1])
    for place, row in enumerate(order):
        seen = depth[place]
        mean = np.average([column[row] for column in each[:seen]], weights=sizes[:seen])
        assert pop[row].get("accuracy") == pytest.approx(mean)
    values = {name: pop.get(name).astype(float) for name in raced.quantities}
    np.testing.assert_array_equal(pop.get("F"), raced.score(values)["F"])


def test_a_resumed_race_is_the_uninterrupted_one(raced: Raced, path: Path) -> None:
    store = opened(path, raced)
    found_by(raced, 2, store)
    store.close()
    store = opened(path, raced)
    resumed = found_by(raced, 4, store)
    fresh = store.fresh
    again = found_by(raced, 4, store)
    assert store.fresh == fresh
    store.close()
    plain = found_by(raced, 4)
    assert same(resumed, plain)
    assert same(again, plain)
    assert (resumed.numbers == plain.numbers).all()


def test_a_run_interrupted_inside_a_race_goes_on(
    raced: Raced, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = opened(path, raced)
    found_by(raced, 1, store)
    calls: list[int] = []

    def stops(X: Array, batch: int) -> Measurements:
        calls.append(batch)
        if batch == 2:
            raise KeyboardInterrupt
        return raced.measured_on(X, batch)

    stopping = Approximation(stops, racing=raced.racing)
    monkeypatch.setattr(raced, "approximation", stopping)
    with pytest.raises(KeyboardInterrupt):
        found_by(raced, 3, store)
    store.close()
    assert calls == [0, 1, 2]  # of the second generation: the first is in the store
    monkeypatch.undo()
    store = opened(path, raced)
    assert same(found_by(raced, 3, store), found_by(raced, 3))
    store.close()


def test_the_front_of_a_race_is_measured_on_all_images(raced: Raced, path: Path) -> None:
    store = opened(path, raced)
    found = found_by(raced, 3, store)
    history = store.history()
    store.close()
    expected = raced.measure(found.X)
    for name in raced.quantities:
        np.testing.assert_array_equal(found.measurements[name], expected[name])
    # The number is that of the first slice, on which all candidates are measured.
    for x, number in zip(digests(found.X), found.numbers, strict=True):
        _, _, images, digest = history[number]
        assert (images, digest) == ("batch 0", x)


def test_several_objectives_are_not_raced(digits: Data, path: Path) -> None:
    problem = Raced(digits)
    store = opened(path, problem)
    algorithm = make_algorithm("nsga2", problem, 8)
    found = search(problem, algorithm, Budget(generations=2), seed=1, store=store)
    assert {row[2] for row in store.history()} == {"batch 0"}
    store.close()
    assert all(place is None for place in found.last.algorithm.pop.get("place"))
    expected = problem.measure(found.X)
    np.testing.assert_array_equal(found.measurements["accuracy"], expected["accuracy"])
