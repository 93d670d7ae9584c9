"""Measurements as a problem returns them, checked, with the reasons of candidates that failed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pymoo_prune.errors import CandidateFailed, PruneError
from pymoo_prune.objectives.quantities import Measurements, Quantity, Values

if TYPE_CHECKING:
    from pymoo_prune.objectives.goals import Constraint

FAILED = 1e30
"""F and G of a failed candidate: worse than any measurement, and still a number."""


class Measured(dict[str, Values]):
    """Measurements of a population, some of whose candidates failed.

    A problem whose candidates all succeeded may return a plain mapping. A failed candidate has NaN
    for each quantity that could not be measured. Quantities that are known, such as a size, stay.

    Args:
        values: By the name of the quantity, its value for each of n candidates, (n,).
        failures: Why candidates failed, by row.
    """

    def __init__(self, values: Measurements, failures: Mapping[int, str]) -> None:
        super().__init__(values)
        self.failures = dict(failures)

    def __or__(self, more: Mapping[str, Values]) -> Measured:  # type: ignore[override]
        """The same candidates with further quantities, and the same failures."""
        return Measured({**self, **more}, self.failures)


def failures_of(measurements: Measurements) -> Mapping[int, str]:
    """Why candidates failed, by row."""
    return measurements.failures if isinstance(measurements, Measured) else {}


def failed_rows(measurements: Measurements) -> NDArray[np.bool_]:
    """Which candidates failed, (n,): in checked measurements, those that have a NaN."""
    table = np.column_stack(list(measurements.values()))
    return np.asarray(np.isnan(table).any(axis=1))


def feasible(
    measurements: Measurements, constraints: Iterable[Constraint], parent: Mapping[str, float]
) -> NDArray[np.bool_]:
    """Which candidates were measured and keep all constraints, (n,).

    Args:
        measurements: (n,) each; NaN where a candidate failed.
        constraints: What candidates must keep.
        parent: The parent's measurements, for constraints that are relative to it.
    """
    kept = ~failed_rows(measurements)
    for bound in constraints:
        kept &= bound.violation(measurements, parent) <= 0
    return kept


def one_by_one(
    names: Sequence[str],
    measure: Callable[..., Mapping[str, float]],
    *arguments: Iterable[Any],
) -> Measured:
    """Measures candidates one by one, and continues after one that fails.

    Args:
        names: The quantities that are measured.
        measure: Returns them for one candidate, by name, or raises `CandidateFailed`.
        arguments: Its arguments, each for all candidates in turn: for example the rows of X.

    Returns:
        Values, (n,) each, NaN for failed candidates, with the reasons.
    """
    rows: list[Mapping[str, float]] = []
    failures = {}
    for row, given in enumerate(zip(*arguments, strict=True)):
        try:
            rows.append(measure(*given))
        except CandidateFailed as error:
            rows.append(dict.fromkeys(names, np.nan))
            failures[row] = str(error)
    columns = {name: np.array([one[name] for one in rows], dtype=np.float64) for name in names}
    return Measured(columns, failures)


def check_measurements(
    measurements: Mapping[str, Any], quantities: Mapping[str, Quantity], n: int
) -> Measured:
    """Checks measurements and returns them as float arrays.

    pymoo would reshape a transposed array into scrambled rows, and take NaN for a good value. So
    each array must have shape (n,), and failed candidates alone may have NaN.

    Args:
        measurements: The measurements that a problem returned.
        quantities: The quantities that the problem promised to measure.
        n: The number of candidates.

    Returns:
        The same values, each (n,) and float64, and the same failures.

    Raises:
        PruneError: The measurements are wrong; the message says how.
    """
    missing = quantities.keys() - measurements.keys()
    extra = measurements.keys() - quantities.keys()
    if missing or extra:
        msg = (
            f"measurements must be {sorted(quantities)}, but "
            f"{sorted(missing) or 'none'} are missing and {sorted(extra) or 'none'} are unknown"
        )
        raise PruneError(msg)
    failures = failures_of(measurements)
    if not all(0 <= row < n and reason for row, reason in failures.items()):
        msg = f"failures must be reasons by row, of {n} rows, but they are {failures}"
        raise PruneError(msg)
    failed = np.isin(np.arange(n), list(failures))
    checked = Measured({}, failures)
    for name in quantities:
        values = np.asarray(measurements[name], dtype=np.float64)
        if values.shape != (n,):
            msg = f"measurement {name!r} must have shape ({n},), but it has {values.shape}"
            raise PruneError(msg)
        wrong = np.flatnonzero(~np.isfinite(values) & ~(np.isnan(values) & failed))
        if len(wrong):
            msg = (
                f"measurement {name!r} of candidate {wrong[0]} is {values[wrong[0]]}, not a finite "
                "number; return Measured, with the reason, if a candidate cannot be measured"
            )
            raise PruneError(msg)
        checked[name] = values
    unmarked = np.flatnonzero(failed & ~failed_rows(checked))
    if len(unmarked):
        msg = (
            f"candidate {unmarked[0]} failed ({failures[unmarked[0]]}), but all its measurements "
            "are numbers; quantities that could not be measured must be NaN"
        )
        raise PruneError(msg)
    return checked


class Part(NamedTuple):
    """Some candidates of a population, measured.

    Attributes:
        rows: Their rows in the population.
        measured: Their measurements, in the order of the rows.
        seconds: The time that measuring them took.
    """

    rows: Sequence[int]
    measured: Measured
    seconds: float


def gathered(parts: Iterable[Part], quantities: Iterable[str], n: int) -> Measured:
    """Parts as one.

    Args:
        parts: Parts of a population; every row once, in any order.
        quantities: What is measured.
        n: How many candidates the population has.

    Returns:
        Measurements, (n,) each, with the reasons of failed candidates.
    """
    whole = Measured({name: np.empty(n) for name in quantities}, {})
    for part in parts:
        rows = list(part.rows)
        for name, column in whole.items():
            column[rows] = part.measured[name]
        whole.failures |= {rows[row]: why for row, why in part.measured.failures.items()}
    whole.failures = dict(sorted(whole.failures.items()))
    return whole
