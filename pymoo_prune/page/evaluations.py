"""All evaluations of searches: the fronts as they grew, and the other candidates behind them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from bokeh.models import (
    CDSView,
    ColumnDataSource,
    GlyphRenderer,
    HoverTool,
    IndexFilter,
    NumeralTickFormatter,
    Range1d,
    SaveTool,
    UIElement,
)
from bokeh.models.dom import Div, Span, ValueRef
from bokeh.plotting import figure

from pymoo_prune.objectives import (
    DIVERGENCE,
    Goals,
    Quantity,
    Series,
    Values,
    failed_rows,
    without_judgements,
)
from pymoo_prune.page.figures import NUMBER_TICKS, SHARE_TICKS, legend_of, panel_over
from pymoo_prune.page.growth import growth
from pymoo_prune.page.linked import CARD_STYLE, COLOUR, OPACITY, QUIET, Linked
from pymoo_prune.page.thinning import Rows, thinned
from pymoo_prune.plots import is_logarithmic

MOST_POINTS = 3_000
"""The most candidates that a page draws."""
STOPS = 100
"""How many fronts a slider shows at most."""
BEHIND = 0.3
"""The opacity of candidates behind a front."""
MARGIN = 0.06
GENERATION = Quantity("higher", "generation")
STAYS = 2**31 - 1
"""Beyond the last evaluation."""


@dataclass(frozen=True)
class Searched:
    """The evaluations of one search.

    Attributes:
        front: The candidates that were on the front at some time.
        others: These and other candidates, which are drawn behind the front.
        now: Chooses those that are on the front after as many evaluations as a slider says.
        behind: Chooses the candidates behind it; none until they are switched on.
        lines: The front of that time, sorted by size, a pair of columns for each panel.
        stops: The numbers of evaluations that have a front.
        evaluations: How many candidates the search asked for.
        kept: How many of them were measured and keep the constraints.
    """

    front: Linked
    others: Linked
    now: IndexFilter
    behind: IndexFilter
    lines: ColumnDataSource
    stops: Sequence[int]
    evaluations: int
    kept: int

    @property
    def drawn(self) -> int:
        """How many candidates the page can show."""
        return len(self.others.series)


def quality_of(goals: Goals) -> str:
    """What is drawn over sizes: the objective that says how good outputs are, as it is measured."""
    if "accuracy" not in goals.quantities:  # images without labels
        return DIVERGENCE
    return DIVERGENCE if set(goals.names) & {DIVERGENCE, "accuracy"} == {DIVERGENCE} else "accuracy"


def searched(
    name: str,
    place: int,
    history: Mapping[str, Values],
    goals: Goals,
    parent: Mapping[str, float],
    *,
    most: int = MOST_POINTS,
) -> Searched:
    """Prepares a search.

    Args:
        name: The method's name.
        place: Its place among the methods, which decides its colour and marker.
        history: Every evaluation, in the order of the search, (evaluations,) each.
        goals: The quantities of the front, and the constraints.
        parent: The parent's measurements.
        most: The most candidates that are drawn, unless the front at the end has more. Two thirds
            of them may have been on a front.
    """
    n = len(history["generation"])
    kept = ~failed_rows(history)
    for bound in goals.constraints:
        kept &= bound.violation(history, parent) <= 0
    costs = goals.costs(history)
    costs[~kept] = np.nan
    first = int((history["generation"] == history["generation"][0]).sum()) if n else 0
    stops = np.unique(np.linspace(first, n, STOPS).round().astype(np.int64)).tolist()
    grown = growth(costs, stops, most=2 * most // 3)
    rows = np.flatnonzero(kept)
    quality = history[quality_of(goals)][rows]
    planes = [
        (_even(history[size][rows], goals.quantities[size]), quality) for size in _axes(goals)
    ]
    behind = _behind_fronts(rows, planes, grown.rows, most)
    names = [one for one in history if one == "generation" or one in goals.quantities]

    def prepared(chosen: Any, opacity: float) -> Linked:
        columns = {one: history[one][chosen] for one in names}
        fields = {one: f"value_{column}" for column, one in enumerate(names)}
        data: dict[str, Any] = {fields[one]: columns[one].astype(np.float32) for one in names}
        data["number"] = chosen.astype(np.int32)
        data[OPACITY] = np.full(len(chosen), opacity, dtype=np.float32)
        found = Linked(Series(name, columns), place, ColumnDataSource(data), fields)
        found.source.data[COLOUR] = [found.colour] * len(chosen)
        return found

    front = prepared(grown.rows, 1.0)
    front.source.data["since"] = grown.since.astype(np.int32)
    until = np.where(grown.until > n, STAYS, grown.until)
    front.source.data["until"] = until.astype(np.int32)
    last = np.flatnonzero(until == STAYS).tolist()
    return Searched(
        front,
        prepared(behind, BEHIND),
        IndexFilter(last),
        IndexFilter([]),
        ColumnDataSource(),
        grown.stops.tolist(),
        n,
        len(rows),
    )


def _behind_fronts(
    rows: Rows, planes: Sequence[tuple[Values, Values]], fronts: Rows, most: int
) -> Rows:
    """Candidates for the layer: all that ever were on a front, and a choice of the others."""
    other = ~np.isin(rows, fronts)
    chosen = thinned([(x[other], y[other]) for x, y in planes], max(most - len(fronts), 0))
    return np.union1d(fronts, rows[other][chosen])


def with_generations(one: Series, history: Mapping[str, Values] | None) -> Series:
    """A front with the generation of each network's evaluation, where it is known.

    Args:
        one: The front.
        history: The search's evaluations, in order; None where they cannot be compared.
    """
    if history is None or "evaluation" not in one.columns:
        return one
    generations = history["generation"][one.columns["evaluation"].astype(np.int64)]
    return Series(one.name, {**one.columns, "generation": generations})


def _axes(goals: Goals) -> list[str]:
    return without_judgements(goals.names) or ["parameters"]


def _even(values: Values, quantity: Quantity) -> Values:
    """Coordinates in a picture: a logarithm where the axis is logarithmic."""
    return np.log(values) if is_logarithmic(quantity, values) else values


def figure_of_searches(
    searches: Sequence[Searched], goals: Goals, quantities: Mapping[str, Quantity]
) -> list[UIElement]:
    """Draws fronts as they grew, over each size among the objectives.

    Pointing at a candidate shows its measurements and its number.

    Args:
        searches: The searches.
        goals: The quantities of the fronts.
        quantities: Labels and units.

    Returns:
        The legend, where there are several searches, and the panels.
    """
    quality = quality_of(goals)
    quantities = {**quantities, "generation": GENERATION}
    drawn: dict[int, list[GlyphRenderer]] = {one.front.place: [] for one in searches}
    panels = []
    for name in _axes(goals):
        everything = [part for one in searches for part in (one.others, one.front)]
        panel = panel_over(quantities[name], _values(everything, name))
        panel.add_tools(SaveTool(filename=f"search-{name}"))
        _set_y(panel, quantities[quality])
        _set_ranges(panel, name, quality, searches, everything)
        for one in searches:
            points = [_behind(panel, one, name, quality)]
            points += _on_the_front(panel, one, name, quality, line=len(goals.names) == 2)
            panel.add_tools(_pointing(one, points, quantities))
            drawn[one.front.place] += points
        panels.append(panel)
    legend = [legend_of([one.front for one in searches], drawn)] if len(searches) > 1 else []
    return [*legend, *panels]


def _values(parts: Iterable[Linked], name: str) -> Values:
    return np.concatenate([one.series.columns[name] for one in parts])


def _set_y(panel: figure, quantity: Quantity) -> None:
    where = " on the search images" if quantity.share else ""
    panel.yaxis.axis_label = quantity.label + where
    panel.yaxis.formatter = NumeralTickFormatter(
        format=SHARE_TICKS if quantity.share else NUMBER_TICKS
    )


def _set_ranges(
    panel: figure,
    name: str,
    quality: str,
    searches: Sequence[Searched],
    everything: Sequence[Linked],
) -> None:
    """Ranges over the fronts; their tags are those over all candidates too."""
    log = panel.x_scale.__class__.__name__ == "LogScale"
    fronts = [one.front for one in searches]
    for axis, shown in (("x_range", name), ("y_range", quality)):
        wide = log and axis == "x_range"
        near = _ends(_values(fronts, shown), log=wide)
        far = _ends(_values(everything, shown), log=wide)
        setattr(panel, axis, Range1d(*near, tags=[list(near), list(far)]))


def _ends(values: Values, *, log: bool) -> tuple[float, float]:
    if not len(values):
        return (1.0, 10.0) if log else (0.0, 1.0)
    ends = np.array([values.min(), values.max()])
    ends = np.log(ends) if log else ends
    room = MARGIN * np.ptp(ends) or 0.05 * abs(ends[0]) or 0.5
    low, high = ends[0] - room, ends[1] + room
    return (float(np.exp(low)), float(np.exp(high))) if log else (float(low), float(high))


def _behind(panel: figure, one: Searched, name: str, quality: str) -> GlyphRenderer:
    return panel.scatter(
        x=one.others.fields[name],
        y=one.others.fields[quality],
        source=one.others.source,
        view=CDSView(filter=one.behind),
        marker=one.front.marker,
        size=4,
        line_color=None,
        fill_color=COLOUR,
        fill_alpha=OPACITY,
    )


def _on_the_front(
    panel: figure, one: Searched, name: str, quality: str, *, line: bool
) -> list[GlyphRenderer]:
    fields = one.front.fields[name], one.front.fields[quality]
    found = []
    if line:
        x, y = (f"{axis} {' '.join(fields)}" for axis in "xy")  # as `explore.js` reads them
        for key, column in ((x, name), (y, quality)):
            one.lines.add(_sorted(one, name)[column], key)
        found.append(panel.line(x, y, source=one.lines, color=one.front.colour, line_alpha=0.8))
    found.append(
        panel.scatter(
            x=fields[0],
            y=fields[1],
            source=one.front.source,
            view=CDSView(filter=one.now),
            marker=one.front.marker,
            size=8,
            line_color=COLOUR,
            fill_color=COLOUR,
            line_alpha=OPACITY,
            fill_alpha=OPACITY,
        )
    )
    return found


def _sorted(one: Searched, name: str) -> dict[str, Values]:
    """The front at the end, the smallest first."""
    columns, last = one.front.series.columns, np.array(one.now.indices, dtype=np.int64)
    order = last[columns[name][last].argsort()]
    return {name: column[order] for name, column in columns.items()}


def _pointing(
    one: Searched, drawn: Sequence[GlyphRenderer], quantities: Mapping[str, Quantity]
) -> HoverTool:
    title = Span(
        children=[
            one.front.series.name,
            ", evaluation ",
            ValueRef(field="number", format="0,0", formatter="numeral"),
        ],
        style={"grid-column": "1 / 3", "font-weight": "bold"},
    )
    cells: list[Any] = [title]
    for name, field in one.front.fields.items():
        written = "0.00 %" if quantities[name].share else "0,0.[0000]"
        value = ValueRef(field=field, format=written, formatter="numeral")
        cells.append(Span(children=[quantities[name].label], style={"color": QUIET}))
        cells.append(Span(children=[value], style={"text-align": "right"}))
    card = Div(children=cells, style=CARD_STYLE)
    return HoverTool(renderers=list(drawn), tooltips=card, limit=1, visible=False)
