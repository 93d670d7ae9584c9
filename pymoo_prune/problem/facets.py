"""What only some problems define: an object each, set as an attribute of the problem.

A problem that needs one writes, for example, `self.preview = Preview(sizes=...)` in its
constructor. Other problems leave it out.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from torch import nn

from pymoo_prune.chromosomes import Array
from pymoo_prune.errors import PruneError
from pymoo_prune.measuring import LatencyScheme
from pymoo_prune.objectives import Measurements, Values
from pymoo_prune.problem.racing import Racing

CHUNK = 16
"""Candidates measured at once: enough to share work, few enough to stay in a core's cache."""

Published = Mapping[str, Mapping[str, Mapping[str, Sequence[float]]]]
"""Columns of a front that a paper reports, by data set and source."""


@dataclass(frozen=True)
class Portions:
    """Numbers of candidates that are measured at once.

    Attributes:
        chunk: Candidates that `measure` is given at once.
        together: Candidates that run as one program; a worker gets fewer if its share is fewer.
    """

    chunk: int = CHUNK
    together: int = 1


LOOKED_AT = (*range(1, 65), 1_000_003)
"""Generations whose batches are compared: batches may come again, or change late."""


def _first_batch(generation: int) -> int:  # noqa: ARG001
    return 0


@dataclass(frozen=True)
class Approximation:
    """A cheaper measurement for the search; the front is measured again with `measure`.

    Attributes:
        measure: Measures candidates, (n, n_var), on a search batch, or on one slice of a race.
        batch: From a generation (1 for the first population) to the number of its search batch.
        racing: A race, which saves images in single-objective searches; None measures without one.
    """

    measure: Callable[[Array, int], Measurements]
    batch: Callable[[int], int] = _first_batch
    racing: Racing | None = None

    @property
    def changes_batches(self) -> bool:
        """Whether generations are measured on different images."""
        return len({self.batch(generation) for generation in LOOKED_AT}) > 1


def _nothing_known(X: Array) -> Mapping[str, Values]:  # noqa: ARG001
    return {}


def _genes(X: Array) -> Array:
    if X.dtype == object:
        msg = (
            "this problem has no features that a surrogate could look at: its chromosomes are "
            "objects; give it a preview with features, numbers for each candidate, or search "
            "without a surrogate"
        )
        raise PruneError(msg)
    return X.astype(np.float64)


@dataclass(frozen=True)
class Preview:
    """What is known of candidates before they are measured; a surrogate starts from it.

    Attributes:
        sizes: From chromosomes, (n, n_var), to quantities that cost nothing to know, (n,) each:
            exactly what `measure` would return. The default knows none.
        features: From chromosomes to (n, features) finite numbers that a model learns from, in any
            unit. The default is the genes as numbers.
    """

    sizes: Callable[[Array], Mapping[str, Values]] = _nothing_known
    features: Callable[[Array], Array] = _genes


@dataclass(frozen=True)
class Timing:
    """The way in which latencies of candidates are measured, where they are asked for.

    Attributes:
        scheme: Batch size, repeats and the like.
        architecture: From a chromosome, (n_var,), to a network of the right shape with any
            weights. None takes `network(x)`, which may train or solve.
        refused: Why latencies make no sense for this problem; empty where they do.
    """

    scheme: LatencyScheme = field(default_factory=LatencyScheme)
    architecture: Callable[[Array], nn.Module] | None = None
    refused: str = ""


def _no_notes(X: Array) -> Sequence[str]:  # noqa: ARG001
    return ()


@dataclass(frozen=True)
class Illustration:
    """Additions to a report of the networks of a front.

    Attributes:
        notes: From the front's chromosomes, (n, n_var), to sentences that a reader should know; a
            network's number is its row.
        matrices: For chromosomes that are drawn as matrices: from chromosomes to the cells that
            live, (n, matrices, rows, columns), and those that may live, of one matrix or each.
    """

    notes: Callable[[Array], Sequence[str]] = _no_notes
    matrices: Callable[[Array], tuple[Array, Array]] | None = None


@dataclass(frozen=True)
class Baseline:
    """Networks that a simple method gives, to compare a front with.

    Attributes:
        name: The method.
        networks: Pruned networks, before any retraining.
        sizes: Their sizes, by quantity, (n,) each.
    """

    name: str
    networks: Sequence[nn.Module]
    sizes: Mapping[str, Values]


class Rivals(ABC):
    """The simpler methods that a user could take instead of a search."""

    @abstractmethod
    def at(self, front: Mapping[str, Values]) -> Sequence[Baseline]:
        """The methods' networks, at the sizes of a front.

        Args:
            front: The front's measurements, (n,) each.
        """

    def candidates(self, sizes: Mapping[str, Values]) -> Array | None:  # noqa: ARG002
        """The same networks as chromosomes, (n, n_var), where a search can begin with them.

        Args:
            sizes: The sizes that are wanted, by the name of one quantity.

        Returns:
            None where they are no chromosomes, or not at such sizes.
        """
        return None

    def candidates_within(self, bounds: Mapping[str, float]) -> Array | None:
        """Chromosomes for several bounds at once, (n, n_var), where a search can begin with them.

        By default the candidates of each bound alone, of which some may break the others.

        Args:
            bounds: The bounds on sizes, by the names of quantities.

        Returns:
            None where there are none.
        """
        several = [self.candidates({name: np.array([value])}) for name, value in bounds.items()]
        found = [one for one in several if one is not None]
        return np.concatenate(found) if found else None

    def left_out(self) -> Sequence[str]:
        """Sentences on the methods that `at` leaves out here, each with the reason."""
        return ()
