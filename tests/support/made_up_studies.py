"""Made-up problems of a study, of which the right answers are known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from pymoo_prune.engines import make_algorithm
from pymoo_prune.objectives import Values, hypervolume, nondominated
from pymoo_prune.standings import Course, Task
from pymoo_prune.suite import Instance, Known, problem

BOX = 0.9
"""The made-up front is the simplex sum(costs) = 1 - BOX, lifted by what a run has not reached."""


def front_of(objectives: int, points: int = 40) -> Values:
    """Costs on a front whose best points have 0 in some cost."""
    generator = np.random.default_rng(objectives)
    weights = generator.dirichlet(np.ones(objectives), points)
    corners = np.eye(objectives)
    found = np.concatenate([weights, corners]) * (1 - BOX) * objectives
    return found[nondominated(found)]


def course(
    method: str,
    seed: int,
    rate: float,
    *,
    evaluations: int = 300,
    objectives: int = 2,
    generator: np.random.Generator,
) -> Course:
    """A noisy search that comes nearer to the front the faster its rate is."""
    front = front_of(objectives)
    after = np.arange(1, evaluations + 1)
    away = 0.8 * np.exp(-rate * after / evaluations) * generator.gamma(4.0, 0.25, evaluations)
    costs = front[generator.integers(len(front), size=evaluations)] + away[:, None]
    inside = costs[(costs < 1).all(axis=1)]
    value = hypervolume(inside) / hypervolume(front)
    return Course(method, seed, after, costs, value, evaluations)


def task(
    name: str,
    rates: Mapping[str, float],
    *,
    seeds: int | Sequence[int] = 5,
    evaluations: int = 300,
    objectives: int = 2,
    missing: Mapping[str, str] | None = None,
    page: str = "",
) -> Task:
    """A problem on which methods converge at known rates."""
    runs = range(seeds) if isinstance(seeds, int) else seeds
    front = front_of(objectives)
    base = [ord(letter) for letter in name]
    courses = [
        course(
            method,
            seed,
            rate,
            evaluations=evaluations,
            objectives=objectives,
            generator=np.random.default_rng([place, seed, *base]),
        )
        for place, (method, rate) in enumerate(rates.items())
        for seed in runs
    ]
    return Task(
        name=name,
        objectives=("error", "parameters", "macs", "latency", "width")[:objectives],
        measure="hypervolume as a share of the known front's",
        best=hypervolume(front),
        known=True,
        courses=tuple(courses),
        front=front,
        missing=missing or {},
        page=page,
    )


RATES: Mapping[str, float] = {"slow": 1.5, "steady": 3.0, "quick": 5.0}
"""The better method has the higher rate."""


def tasks(count: int = 6, **options: object) -> list[Task]:
    """Several problems on which the same method is best."""
    return [task(f"problem-{place}", RATES, **options) for place in range(count)]  # type: ignore[arg-type]


def valued(name: str, values: Mapping[str, Sequence[float]], **options: object) -> Task:
    """A problem of which only the figures of the runs are known."""
    courses = tuple(
        Course(method, seed, np.arange(1, 2), np.full((1, 2), 0.5), value, 1)
        for method, numbers in values.items()
        for seed, value in enumerate(numbers)
    )
    return Task(
        name=name,
        objectives=("error", "parameters"),
        measure="hypervolume",
        best=1.0,
        known=False,
        courses=courses,
        front=np.zeros((1, 2)),
        **options,  # type: ignore[arg-type]
    )


def suite_task(name: str, engines: Sequence[str], *, seeds: int, budget: int) -> Task:
    """A tabular instance of the suite, searched by engines; "random" is random search."""
    instance, known = problem(name), Known.of(name)
    width = instance.reference - known.ideal
    front = (known.F - known.ideal) / width
    best = hypervolume(front)
    courses = []
    for engine in engines:
        for seed in range(seeds):
            costs = (searched(instance, engine, seed, budget) - known.ideal) / width
            found = hypervolume(costs[~np.isnan(costs).any(axis=1)]) / best
            after = np.arange(1, budget + 1)
            courses.append(Course(engine, seed, after, costs, found, budget, seconds=0.1))
    return Task(
        name=name,
        objectives=instance.objectives,
        measure="hypervolume as a share of the known front's",
        best=best,
        known=True,
        courses=tuple(courses),
        front=front,
    )


def searched(instance: Instance, engine: str, seed: int, budget: int) -> Values:
    """All costs that an engine asks for, (budget, objectives)."""
    if engine == "random":
        X = instance.random(budget, np.random.default_rng(seed))
        return np.asarray(instance.evaluate(X, return_values_of=["F"]))
    algorithm = make_algorithm(engine, instance, 20)
    algorithm.setup(instance, termination=("n_eval", budget), seed=seed)
    parts = []
    while sum(map(len, parts)) < budget:
        asked = algorithm.ask()
        algorithm.evaluator.eval(instance, asked)
        parts.append(asked.get("F"))
        algorithm.tell(infills=asked)
    return np.asarray(np.concatenate(parts)[:budget], dtype=np.float64)
