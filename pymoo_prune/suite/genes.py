"""The genes of an instance: types, bounds, checks of candidates, random ones, operators."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from numbers import Real
from typing import Any

import numpy as np
from pymoo.core.mutation import Mutation
from pymoo.operators.crossover.sbx import SBX
from pymoo.operators.mutation.pm import PM

from pymoo_prune.chromosomes import Array
from pymoo_prune.errors import PruneError
from pymoo_prune.operators import (
    BalancedMaskMutation,
    DigestDuplicates,
    UniformVectorCrossover,
)

NUMBERS = "biuf"
"""The kinds of numpy's types that genes may have."""


class Genes(ABC):
    """The genes of an instance.

    Attributes:
        kind: Their type in a word.
        vtype: Their type for pymoo.
    """

    kind: str
    vtype: type

    @property
    @abstractmethod
    def xl(self) -> Array:
        """Lowest values, (n_var,)."""

    @property
    @abstractmethod
    def xu(self) -> Array:
        """Highest values, (n_var,)."""

    @abstractmethod
    def random(self, n: int, generator: np.random.Generator) -> Array:
        """Random candidates, (n, n_var), small and large networks alike."""

    @abstractmethod
    def operators(self) -> dict[str, Any]:
        """Crossover, mutation and duplicates for pymoo's engines."""

    @property
    def n_var(self) -> int:
        """The number of genes."""
        return len(self.xl)

    def checked(self, X: Any, name: str) -> Array:
        """Candidates of the right shape, type and range, (n, n_var).

        Args:
            X: One candidate, (n_var,), or several, (n, n_var).
            name: The instance's name, for messages.

        Raises:
            PruneError: The message names the first gene that is wrong.
        """
        given = self._array(X, name)
        rows = given[None] if given.ndim == 1 else given
        if rows.ndim != 2 or rows.shape[1] != self.n_var:
            self._refuse_shape(given.shape, name)
        if rows.dtype.kind not in NUMBERS:
            rows = self._numbers(rows, name)
        wrong = ~((rows >= self.xl) & (rows <= self.xu))  # also where they are NaN
        if self.vtype is not float and rows.dtype.kind == "f":
            wrong |= rows != np.rint(np.nan_to_num(rows))
        if wrong.any():
            self._refuse(rows, wrong, name)
        return rows if rows.dtype == self.vtype else rows.astype(self.vtype)

    def one(self, x: Any, name: str) -> Array:
        """One candidate of the right shape, type and range, (1, n_var).

        Args:
            x: Its genes, (n_var,) or (1, n_var).
            name: The instance's name, for messages.

        Raises:
            PruneError: There are several, or the first gene that is wrong.
        """
        genes = self.checked(x, name)
        if len(genes) != 1:
            msg = f"one candidate of {name} is asked for, but there are {len(genes)}"
            raise PruneError(msg)
        return genes

    def _array(self, X: Any, name: str) -> Array:
        try:
            return np.asarray(X)
        except ValueError as error:  # rows of different lengths
            msg = f"candidates of {name} must have {self.n_var} genes each: {error}"
            raise PruneError(msg) from error

    def _numbers(self, rows: Array, name: str) -> Array:
        """Genes of another type as real numbers, where each of them is a number."""
        for (row, gene), value in np.ndenumerate(rows):
            if rows.dtype.kind != "O" or not isinstance(value, (np.bool_, Real)):
                msg = (
                    f"gene {gene} of candidate {row} is {value!r}, but the genes of {name} are "
                    f"{self.kind}"
                )
                raise PruneError(msg)
        return rows.astype(float)

    def _refuse_shape(self, shape: tuple[int, ...], name: str) -> None:
        msg = (
            f"a candidate of {name} has {self.n_var} genes, so that several are an array of "
            f"shape (n, {self.n_var}), but the shape is {shape}"
        )
        raise PruneError(msg)

    def _refuse(self, rows: Array, wrong: Array, name: str) -> None:
        row, gene = np.argwhere(wrong)[0]
        value = rows[row, gene].item()
        low, high = self.xl[gene].item(), self.xu[gene].item()
        more = int(wrong.sum()) - 1
        msg = (
            f"gene {gene} of candidate {row} is {value}, but the genes of {name} are {self.kind}, "
            f"this one between {low:g} and {high:g}"
            + (f"; {more:,} more {'is' if more == 1 else 'are'} wrong" if more else "")
        )
        raise PruneError(msg)


@dataclass(frozen=True)
class Bits(Genes):
    """A bit for each part: 1 keeps it.

    Attributes:
        layers: Bits of each layer.
    """

    layers: tuple[int, ...]
    kind = "bits"
    vtype = bool

    @cached_property
    def xl(self) -> Array:
        """Zeros."""
        return np.zeros(sum(self.layers))

    @cached_property
    def xu(self) -> Array:
        """Ones."""
        return np.ones(sum(self.layers))

    def random(self, n: int, generator: np.random.Generator) -> Array:
        """Random parts; the share of a layer that lives is random too, even in the logarithm."""
        columns = []
        for size in self.layers:
            share = np.exp(generator.uniform(np.log(min(0.5, 1 / size)), 0, (n, 1)))
            columns.append(generator.random((n, size)) < share)
        return np.hstack(columns)

    def operators(self) -> dict[str, Any]:
        """Uniform crossover, and a mutation that adds as many parts as it takes."""
        return {
            "crossover": UniformVectorCrossover(n_offsprings=2),
            "mutation": BalancedMaskMutation(self.layers),
            "eliminate_duplicates": DigestDuplicates(),
        }


@dataclass(frozen=True)
class Whole(Genes):
    """Whole numbers in order: 0 keeps everything of a layer, and the highest value keeps least.

    Attributes:
        choices: Values of each gene.
    """

    choices: tuple[int, ...]
    kind = "whole numbers"
    vtype = int

    @cached_property
    def xl(self) -> Array:
        """Zeros."""
        return np.zeros(len(self.choices))

    @cached_property
    def xu(self) -> Array:
        """One less than the choices."""
        return np.array(self.choices, dtype=float) - 1

    def random(self, n: int, generator: np.random.Generator) -> Array:
        """All values are equally likely."""
        return generator.integers(0, np.array(self.choices), (n, len(self.choices)))

    def operators(self) -> dict[str, Any]:
        """Uniform crossover, and steps up and down."""
        return {
            "crossover": UniformVectorCrossover(n_offsprings=2),
            "mutation": Steps(self.choices),
            "eliminate_duplicates": DigestDuplicates(),
        }


@dataclass(frozen=True)
class Reals(Genes):
    """Real numbers between bounds.

    Attributes:
        lows: Lowest values.
        highs: Highest values.
    """

    lows: tuple[float, ...]
    highs: tuple[float, ...]
    kind = "real numbers"
    vtype = float

    @cached_property
    def xl(self) -> Array:
        """The lowest values."""
        return np.array(self.lows)

    @cached_property
    def xu(self) -> Array:
        """The highest values."""
        return np.array(self.highs)

    def random(self, n: int, generator: np.random.Generator) -> Array:
        """Uniform between the bounds."""
        return generator.uniform(self.xl, self.xu, (n, self.n_var))

    def operators(self) -> dict[str, Any]:
        """Pymoo's own for real numbers."""
        return {"crossover": SBX(prob=0.9, eta=15), "mutation": PM(prob=0.9, eta=20)}


class Steps(Mutation):
    """Moves some genes up or down by a step, mostly a small one; at least one gene of each.

    Args:
        choices: Values of each gene.
    """

    def __init__(self, choices: Sequence[int]) -> None:
        super().__init__(prob=1.0)
        self.choices = np.array(choices)

    def _do(
        self,
        problem: Any,  # noqa: ARG002
        X: Array,
        *args: Any,  # noqa: ARG002
        random_state: np.random.Generator,
        **kwargs: Any,  # noqa: ARG002
    ) -> Array:
        free = self.choices > 1
        draws = np.where(free, random_state.random(X.shape), np.inf)
        chosen = draws <= np.maximum(draws.min(axis=1, keepdims=True), 1 / X.shape[1])
        far = np.maximum(self.choices / 10, 1)
        steps = np.ceil(np.abs(random_state.normal(0, far, X.shape))).astype(int)
        up = random_state.random(X.shape) < 0.5
        # At a bound there is only one way.
        up = np.where(X == 0, True, np.where(self.choices - 1 == X, False, up))
        moved = (X + np.where(up, steps, -steps)).clip(0, self.choices - 1)
        return np.where(chosen & free, moved, X)
