"""Parallel coordinates, whose lines are linked with the points and rows of the networks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from bokeh.models import SaveTool
from bokeh.plotting import figure

from pymoo_prune.objectives import Quantity, Values
from pymoo_prune.page.figures import INK, plain
from pymoo_prune.page.linked import QUIET, Linked, following, pointing
from pymoo_prune.plots import is_logarithmic


def figure_of_networks(
    one: Linked,
    names: Sequence[str],
    quantities: Mapping[str, Quantity],
    *,
    suggested: int | None = None,
) -> figure:
    """Draws a vertical axis for each quantity, better upwards, and a line for each network.

    Args:
        one: The networks.
        names: The quantities, from left to right.
        quantities: Labels, units, and which way is better.
        suggested: A network that is drawn bold.
    """
    columns = [one.series.columns[name] for name in names]
    heights = np.array(
        [_heights(quantities[n], values) for n, values in zip(names, columns, strict=True)]
    )
    places = list(range(len(names)))
    one.source.data["places"] = [places] * len(one.series)
    one.source.data["heights"] = heights.T.tolist()
    panel = figure(
        height=320,
        sizing_mode="stretch_width",
        toolbar_location="above",
        tools="reset",
        x_range=(-0.25, len(names) - 0.75),
        y_range=(-0.12, 1.12),
    )
    panel.segment(x0=places, y0=0, x1=places, y1=1, color=QUIET)
    lines = panel.multi_line(
        "places", "heights", source=one.source, color=one.colour, line_width=1.4, line_alpha=0.75
    )
    lines.selection_glyph = lines.glyph.clone(line_color=INK, line_width=3.5, line_alpha=1)
    lines.nonselection_glyph = lines.glyph.clone(line_alpha=0.25)
    if suggested is not None:
        panel.line(places, heights[:, suggested], color=INK, line_width=2, line_dash="dashed")
    for place, (name, values) in enumerate(zip(names, columns, strict=True)):
        _write_ends(panel, place, quantities[name], values)
    panel.add_tools(
        SaveTool(filename="networks"), pointing(one, [lines], quantities), following([lines])
    )
    plain(panel)
    panel.yaxis.visible = panel.ygrid.visible = panel.xgrid.visible = False
    panel.xaxis.ticker = places
    panel.xaxis.major_label_overrides = {
        place: quantities[name].label for place, name in enumerate(names)
    }
    panel.xaxis.axis_line_color = panel.xaxis.major_tick_line_color = None
    return panel


def _heights(quantity: Quantity, values: Values) -> Values:
    """The places of values on an axis: 1 for the best of them, 0 for the worst."""
    costs = quantity.sign * values
    known = values[np.isfinite(values)]
    if is_logarithmic(quantity, values):
        costs = np.log(values)
    spread = np.nanmax(costs) - np.nanmin(costs) if len(known) else 0.0
    return np.asarray((np.nanmax(costs) - costs) / spread if spread else costs * 0 + 0.5)


def _write_ends(panel: figure, place: int, quantity: Quantity, values: Values) -> None:
    """Writes the best and the worst value above and below an axis."""
    known = values[np.isfinite(values)]
    if not len(known):
        return
    ends = sorted((known.min(), known.max()), key=lambda value: quantity.sign * value)
    panel.text(
        x=[place, place],
        y=[1.06, -0.06],
        text=[quantity.format(float(value)) for value in ends],
        text_align="center",
        text_baseline="middle",
        text_font_size="12px",
        text_color=QUIET,
    )
