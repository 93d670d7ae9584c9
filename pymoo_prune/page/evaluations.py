"""Pictures of all evaluations: the fronts as they grew, and other candidates behind them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from bokeh.models import (
    CDSView,
    GlyphRenderer,
    HoverTool,
    NumeralTickFormatter,
    Range1d,
    SaveTool,
    UIElement,
)
from bokeh.models.dom import Div, Span, ValueRef
from bokeh.plotting import figure

from pymoo_prune.objectives import Goals, Quantity, Values
from pymoo_prune.page.figures import NUMBER_TICKS, SHARE_TICKS, legend_of, panel_over
from pymoo_prune.page.linked import CARD_STYLE, COLOUR, OPACITY, QUIET, Linked
from pymoo_prune.page.searched import GENERATION, Searched, quality_of, sizes_of

MARGIN = 0.06
"""The room beside the outermost points, as a share of an axis."""


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
    for name in sizes_of(goals):
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
        written = "0.00 %" if quantities[name].share else NUMBER_TICKS
        value = ValueRef(field=field, format=written, formatter="numeral")
        cells.append(Span(children=[quantities[name].label], style={"color": QUIET}))
        cells.append(Span(children=[value], style={"text-align": "right"}))
    card = Div(children=cells, style=CARD_STYLE)
    return HoverTool(renderers=list(drawn), tooltips=card, limit=1, visible=False)
