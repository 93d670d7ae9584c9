"""Which letters are worth having, and the cheapest choice of them, in closed form."""

from __future__ import annotations

from collections.abc import Sequence

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
    there = np.isfinite(losses)
    known, cost = np.where(there, losses, 0.0), np.where(there, prices, 0.0)

    def chosen(rates: Floats) -> Counts:
        total = np.where(there, known + rates[:, None, None] * cost, np.inf)
        found: Counts = total.argmin(axis=1)
        return found

    scale = max(float(cost.max()), 1e-12)
    low, high = np.full(len(budgets), 1e-15 / scale), np.full(len(budgets), 1e9 / scale)
    for _ in range(STEPS):
        rates = np.sqrt(low * high)
        over = np.take_along_axis(cost, chosen(rates), axis=0).sum(axis=1) > budgets
        low, high = np.where(over, rates, low), np.where(over, high, rates)
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
