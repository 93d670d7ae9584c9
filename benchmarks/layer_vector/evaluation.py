"""What does one evaluation cost: the plain loop, the prepared pass, fewer bits, and racing?

ResNet-20 on FashionMNIST, 1,000 and 5,000 images, one thread, no recovery (as the paper measures):
the hand-written loop, float32, bfloat16 and int8. Individuals are those of the paper's GA. Races
are those of its first four generations, compared with the individuals that should have survived.

Target: at least 15; float32 at least 1.2 with equal accuracies, reduced precision at least 4 within
.4 points; 18.5 of 20 survivors right

Found at 33047b6: races in int8 keep 19 to 20 of the 20 right survivors. Without races float32 is
1.2 times faster than the loop with equal accuracies, and int8 3.4 times within 1 point.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from statistics import median
from time import perf_counter
from typing import Any

import numpy as np
import torch

from benchmarks.harness import Outcome
from benchmarks.layer_vector.reference import plain_accuracy
from benchmarks.layer_vector.setting import data, parent, parent_accuracy
from pymoo_prune import PrunedWeightsPerAccuracyDrop
from pymoo_prune.chromosomes import Array
from pymoo_prune.inference import Precision
from pymoo_prune.objectives import Measurements
from pymoo_prune.operators import uniform_counts
from pymoo_prune.search import StoredEvaluator
from pymoo_prune_problems import LayerVector
from pymoo_prune_problems.layer_vector import RuleGuidedGA

PRECISIONS: tuple[Precision, ...] = ("float32", "bfloat16", "int8")
INDIVIDUALS = 7
GENERATIONS = 4


def run(quick: bool) -> Outcome:
    """The figure is the plain loop's time on 5,000 images over that of an individual in a race."""
    sizes = (1000,) if quick else (1000, 5000)
    torch.set_num_threads(1)
    steps = [one_size(images, 3 if quick else INDIVIDUALS) for images in sizes]
    plain = steps[-1]["milliseconds"]["plain loop"]
    races = race(sizes[-1], 1 if quick else GENERATIONS)
    raced = median(one["milliseconds"] for one in races)
    rows = [
        (name, *(f"{one['milliseconds'][name]:.0f}" for one in steps),
         *(f"{one['milliseconds']['plain loop'] / one['milliseconds'][name]:.1f}" for one in steps),
         f"{100 * max(one['largest_change'][name] for one in steps):.2f}")
        for name in steps[0]["milliseconds"]
    ]  # fmt: skip
    head = ("one individual", *(f"ms, {n:,} images" for n in sizes),
            *(f"ratio, {n:,}" for n in sizes), "largest change, points")  # fmt: skip
    race_rows = [
        (str(number), f"{one['images']:.0f}", f"{one['milliseconds']:.0f}",
         f"{plain / one['milliseconds']:.1f}", f"{one['right']:.1f} of 20")
        for number, one in enumerate(races)
    ]  # fmt: skip
    race_head = (
        "generation",
        "images an individual",
        "ms an individual",
        "ratio",
        "survivors right",
    )
    return Outcome(
        plain / raced,
        f"times faster than the plain loop on {sizes[-1]:,} images, with racing",
        [
            ("one evaluation, one thread", head, rows),
            (f"racing in int8 over {sizes[-1]:,} images", race_head, race_rows),
        ],
        {
            "steps": steps,
            "races": races,
            "threads": 1,
            "parent_test_accuracy": parent_accuracy(),
            "individuals": INDIVIDUALS,
        },
    )


def _measured(problem: LayerVector, x: Array) -> float:
    return float(problem.measure(x[None])["accuracy"][0])


def one_size(images: int, individuals: int) -> dict[str, Any]:
    """Median times over the same individuals, after a warm-up, and how accuracies differ."""
    problems = {
        precision: LayerVector(
            data(), parent=parent(), recovery="none", search_images=images, precision=precision
        )
        for precision in PRECISIONS
    }
    exact = problems["float32"]
    X = uniform_counts(individuals, np.random.default_rng(0), exact.order.counts)
    # The second half loses little, so that reduced precision is also tried where it could hurt.
    X[individuals // 2 :] //= 2
    split = exact.search_images.split

    def plainly(x: Array) -> float:
        return plain_accuracy(parent(), exact.order.names, x, split)

    ways: dict[str, Callable[[Array], float]] = {"plain loop": plainly}
    ways |= {name: partial(_measured, problem) for name, problem in problems.items()}
    times: dict[str, float] = {}
    found: dict[str, list[float]] = {}
    for name, way in ways.items():
        way(X[0])
        seconds, found[name] = [], []
        for x in X:
            began = perf_counter()
            found[name].append(way(x))
            seconds.append(perf_counter() - began)
        times[name] = 1000 * median(seconds)
    # Sums in another order may cost an image whose two best outputs are the same to six digits.
    same = np.allclose(found["float32"], found["plain loop"], rtol=0, atol=1.01 / len(split))
    assert same, "float32 must give the plain loop's accuracies"
    change = {
        name: float(np.abs(np.subtract(a, found["plain loop"])).max()) for name, a in found.items()
    }
    return {"images": images, "milliseconds": times, "largest_change": change, "accuracies": found}


class Counting(LayerVector):
    """Counts the images that races show."""

    seen = 0

    def _measured_on(self, X: Array, batch: int) -> Measurements:
        """Counts, and measures."""
        self.seen += len(X) * len(self.search_slices[batch].split)
        return super()._measured_on(X, batch)


def race(images: int, generations: int) -> list[dict[str, Any]]:
    """The first generations of the paper's GA, raced; and which should have survived."""
    problem = Counting(
        data(),
        parent=parent(),
        recovery="none",
        search_images=images,
        precision="int8",
        racing=True,
        objectives=PrunedWeightsPerAccuracyDrop(),
    )
    algorithm = RuleGuidedGA(problem.order, runs=1)
    evaluator = StoredEvaluator(problem, None)
    algorithm.setup(problem, termination=("n_gen", generations), seed=0, evaluator=evaluator)
    races: list[dict[str, Any]] = []
    populations = []
    for _ in range(generations):
        population = algorithm.ask()
        seen, began = problem.seen, perf_counter()
        evaluator.eval(problem, population, algorithm=algorithm)
        seconds = perf_counter() - began
        races.append(
            {
                "milliseconds": 1000 * seconds / len(population),
                "images": (problem.seen - seen) / len(population),
            }
        )
        populations.append((population.get("X"), population.get("place").astype(int)))
        algorithm.tell(infills=population)
    print("timed; now all individuals on all images in float32", flush=True)
    torch.set_num_threads(2)
    for one, (X, places) in zip(races, populations, strict=True):
        F = problem.score(problem.measured(X))["F"][:, 0]
        last = np.sort(F)[len(X) // 2 - 1]
        one["right"] = float((F[places < len(X) // 2] <= last).sum())
    return races
