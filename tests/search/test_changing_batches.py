"""Searches in which every generation has images of its own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pymoo_prune import Budget, Data
from pymoo_prune.chromosomes import digests
from tests.support.searches import found_by, opened, same
from tests.support.tiny_problem import PixelsInBatches


@pytest.mark.parametrize("engine", ["nsga2", "spea2", "random"])
def test_survivors_are_measured_again_on_each_generations_images(
    changing: PixelsInBatches, path: Path, engine: str
) -> None:
    store = opened(path, changing)
    found = found_by(changing, Budget(generations=4), engine=engine, store=store)
    history = store.history()
    store.close()
    assert {(generation, images) for _, generation, images, _ in history} == {
        (generation, f"batch {generation - 1}") for generation in (1, 2, 3, 4)
    }
    per_generation = np.bincount([row[1] for row in history])[1:]
    assert per_generation.tolist() == [8, 16, 16, 16]
    survivors = found.last.algorithm.pop
    expected = changing.approximation.measure(survivors.get("X"), 3)
    for name in changing.quantities:
        assert np.array_equal(survivors.get(name).astype(float), expected[name]), name
    assert np.array_equal(survivors.get("F"), changing.score(expected)["F"])


def test_the_front_of_changing_batches_is_measured_on_all_of_them(
    changing: PixelsInBatches, path: Path
) -> None:
    store = opened(path, changing)
    found = found_by(changing, Budget(generations=3), store=store)
    expected = changing.measure(found.X)
    assert digests(found.X) == digests(found.last.algorithm.pop.get("X"))
    assert np.array_equal(found.measurements["accuracy"], expected["accuracy"])
    fresh = store.fresh
    again = found_by(changing, Budget(generations=3), store=store)
    assert store.fresh == fresh  # the final measurements are kept too
    assert same(found, again)
    store.close()


def test_constraints_are_judged_on_the_new_images(digits: Data) -> None:
    problem = PixelsInBatches(digits, constraints=["accuracy>=0.6"])
    found = found_by(problem, Budget(generations=4))
    survivors = found.last.algorithm.pop
    expected = problem.approximation.measure(survivors.get("X"), 3)["accuracy"]
    assert np.allclose(survivors.get("G")[:, 0], 0.6 - expected)
    assert np.allclose(survivors.get("CV")[:, 0], np.maximum(0.6 - expected, 0))
