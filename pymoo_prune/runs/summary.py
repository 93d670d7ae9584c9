"""A run's summary: how the search went, and what a reader must know."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from pymoo_prune.engines import population_of
from pymoo_prune.machine import processor, versions
from pymoo_prune.measuring import LATENCY, goodness_of
from pymoo_prune.problem import PruningProblem
from pymoo_prune.results import Front
from pymoo_prune.runs.settings import Settings
from pymoo_prune.search import Found, Store

REASONS = 3
"""How many reasons of failed candidates are named, the most frequent first."""


def summary_of(
    front: Front, found: Found, store: Store, settings: Settings, notes: Sequence[str] = ()
) -> dict[str, Any]:
    """The summary as plain values.

    Args:
        front: The finished front.
        found: What the search ended with.
        store: The run's evaluations.
        settings: What the run depends on.
        notes: More that a reader must know.
    """
    problem, reasons = front.problem, Counter(found.failures.values())
    latency_notes: list[str] = []
    noise: dict[str, float] = {}
    if problem.latencies is not None:
        note, noise[LATENCY] = problem.latencies.note(front.X)
        latency_notes.append(note)
    return {
        "generations": found.last.generation,
        "evaluations": found.last.evaluated,
        "population": population_of(found.last.algorithm),
        "known_evaluations": _known(store),
        "parent": dict(problem.parent_values),
        "parent_test_accuracy": _tested_parent(problem),
        "data": problem.data_set.digest,
        "goals": list(problem.goals.names),
        "quantities": {name: one.about() for name, one in problem.quantities.items()},
        "knee": front.knee().place,
        "fittest": front.fittest().place if problem.n_obj == 1 else None,
        "failed": {
            "candidates": reasons.total(),
            "reasons": dict(reasons.most_common(REASONS)),
        },
        "noise": noise,
        "notes": [
            *problem.illustration.notes(front.X),
            *latency_notes,
            *failure_notes(reasons, found.last.evaluated),
            *notes,
        ],
        "versions": versions(),
        "machine": {
            "processor": processor(),
            "threads": settings.threads,
            "device": settings.device,
        },
    }


def _known(store: Store) -> int:
    """How many evaluations asked for a candidate that the search had measured before."""
    asked = [(images, digest) for _, _, images, digest in store.history()]
    return len(asked) - len(set(asked))


def _tested_parent(problem: PruningProblem) -> float | None:
    """The parent's test accuracy, or metric; None without a parent, or without labels."""
    parent, test = problem.parent, problem.data_set.test
    return None if parent is None or test.labels is None else goodness_of(parent, test)


def failure_notes(reasons: Counter[str], evaluations: int) -> list[str]:
    """How many candidates failed, and the most frequent reasons; nothing where none failed.

    Args:
        reasons: How many candidates failed for each reason.
        evaluations: How many candidates the search asked for.
    """
    if not reasons:
        return []
    total, most = reasons.total(), reasons.most_common(REASONS)
    rest = total - sum(count for _, count in most)
    parts = [f"{reason} ({count:,}×)" for reason, count in most]
    parts += [f"other reasons ({rest:,}×)"] if rest else []
    failed = "candidate" if total == 1 else "candidates"
    text = f"{total:,} {failed} failed in {evaluations:,} evaluations: {', '.join(parts)}."
    return [f"{text} Failed candidates rank last, and are in no table."]
