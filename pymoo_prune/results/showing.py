"""What a front shows in a notebook. Import it where it is needed: it brings Bokeh."""

from __future__ import annotations

import numpy as np

from pymoo_prune import plots
from pymoo_prune.objectives import Goals, judge_of
from pymoo_prune.page import in_notebook
from pymoo_prune.results.front import Front
from pymoo_prune.results.quantities import final_of
from pymoo_prune.tables import Row

MOST_ROWS = 14


def front_html(front: Front, goals: Goals) -> str:
    """A front as a picture and a table, evenly thinned to at most a few networks.

    Args:
        front: The front.
        goals: The search's goals; the problem need not be prepared for them.
    """
    chosen = front.suggestion
    places = np.unique(np.linspace(0, len(front) - 1, MOST_ROWS).round().astype(int))
    places = np.union1d(places, [chosen.place])
    quantities = front.quantities
    judge = judge_of(quantities)
    wanted = (judge, *goals.names, "parameters", "macs", *final_of(quantities))
    names = [name for name in dict.fromkeys(wanted) if name in front.columns]
    rows: list[Row] = []
    for place in places.tolist():
        cells = [quantities[n].format(float(front.columns[n][place])) for n in names]
        rows.append((f"{place} ←" if place == chosen.place else str(place), *cells))
    left_out = f"{len(places)} of {len(front)} networks. " if len(places) < len(front) else ""
    return in_notebook(
        [],
        plots.draw_front(None, [front.series("this search")], goals, quantities),
        (("network", *(quantities[name].label for name in names)), rows),
        text="the front",
        texts=(),
        notes=[f"{left_out}The suggestion is network {chosen.place}, {chosen.reason}."],
    )
