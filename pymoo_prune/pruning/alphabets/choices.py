"""Which letters are worth having, and the cheapest choice of them, in closed form."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from pymoo_prune.chromosomes import Booleans, Counts, Floats

STEPS = 100


def cheapest(losses: Floats, prices: Floats, budgets: Floats) -> Counts:
    """The letters with the least sum of losses for given sums of prices, (n, layers).

    Lagrange's method: given a rate of exchange between loss and price, every layer chooses for
    itself. Bisection finds the lowest rate that keeps within the budget; where none does, each
    layer has its cheapest letter.

    Args:
        losses: The loss of each letter, (letters, layers); infinite where a layer lacks it.
        prices: The price of each letter, (letters, layers).
        budgets: The sums of prices that may be spent, (n,).
    """
    cost = np.where(np.isfinite(losses), prices, 0.0)

    def chosen(rates: Floats) -> Counts:
        found: Counts = (losses + rates[:, None, None] * cost).argmin(axis=1)
        return found

    def over(choice: Counts) -> Booleans:
        found: Booleans = np.take_along_axis(cost, choice, axis=0).sum(axis=1) > budgets
        return found

    return _bisected(chosen, over, len(budgets), float(cost.max()))


def cheapest_within(
    losses: Floats, prices: Sequence[Floats], budgets: Sequence[float], mixes: Floats
) -> Counts:
    """The letters with the least sum of losses where several sums are bound at once, (n, layers).

    As `cheapest`, with a rate of exchange for each sum. The mixes say how the rates compare; their
    common factor is the lowest one that keeps within all budgets.

    Args:
        losses: The loss of each letter, (letters, layers); infinite where a layer lacks it.
        prices: The prices of each letter in each sum, (letters, layers) each.
        budgets: What may be spent of each sum, above 0, (sums,).
        mixes: The rates of sums, in shares of their budgets, (n, sums).
    """
    there, layers = np.isfinite(losses), np.arange(losses.shape[1])
    shares = np.stack(
        [np.where(there, one, 0.0) / most for one, most in zip(prices, budgets, strict=True)]
    )
    mixed = np.tensordot(mixes, shares, 1)  # (n, letters, layers)

    def chosen(rates: Floats) -> Counts:
        found: Counts = (losses + rates[:, None, None] * mixed).argmin(axis=1)
        return found

    def over(choice: Counts) -> Booleans:
        found: Booleans = (shares[:, choice, layers].sum(axis=2) > 1).any(axis=0)
        return found

    return _bisected(chosen, over, len(mixes), float(mixed.max()))


def _bisected(
    chosen: Callable[[Floats], Counts], over: Callable[[Counts], Booleans], n: int, dearest: float
) -> Counts:
    """Choices at the lowest rates that keep within budgets, (n, layers).

    Args:
        chosen: The choices at some rates, (n,).
        over: Which choices are past their budgets.
        n: How many rates are looked for.
        dearest: The highest price.
    """
    scale = max(dearest, 1e-12)
    low, high = np.full(n, 1e-15 / scale), np.full(n, 1e9 / scale)
    for _ in range(STEPS):
        rates = np.sqrt(low * high)
        past = over(chosen(rates))
        low, high = np.where(past, rates, low), np.where(past, high, rates)
    return chosen(high)


def undominated(values: Sequence[Floats]) -> list[Counts]:
    """The letters of each layer that no other letter beats in all respects, (letters,) each.

    Args:
        values: What a letter is judged by, lower is better, (letters, layers) each; infinite where
            a layer lacks a letter. Of letters that are equal in all, the first stays.
    """
    table = np.stack(values, axis=-1)  # (letters, layers, values)
    found = []
    for layer in range(table.shape[1]):
        rows = table[:, layer]
        better = (rows[:, None] <= rows[None]).all(axis=2) & (rows[:, None] < rows[None]).any(
            axis=2
        )
        same = (rows[:, None] == rows[None]).all(axis=2)
        earlier = np.tri(len(rows), k=-1, dtype=bool).T & same
        there: Booleans = np.all(np.isfinite(rows), axis=1)
        beaten = np.any((better & there[:, None]) | earlier, axis=0)
        found.append(np.flatnonzero(there & np.logical_not(beaten)))
    return found
