"""Parallel coordinates, whose lines are linked with the points and rows of the networks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from textwrap import fill

import numpy as np
from bokeh.models import ColumnDataSource, SaveTool
from bokeh.plotting import figure

from pymoo_prune.objectives import Quantity, Values
from pymoo_prune.page.figures import INK, plain
from pymoo_prune.page.linked import COLOUR, OPACITY, QUIET, Linked, following, pointing
from pymoo_prune.plots import is_logarithmic

LABEL_WIDTH = 16
"""Letters of a line of an axis's name: seven axes fit where a page is 1,000 pixels wide."""


def figure_of_networks(
    one: Linked,
    names: Sequence[str],
    quantities: Mapping[str, Quantity],
    *,
    suggested: int | None = None,
) -> figure:
    """Draws a vertical axis for each quantity, better upwards, and a line for each network.

    The tags of the picture say where values are on its axes, and name the brushes' source, which
    `Explorer.brush` needs.

    Args:
        one: The networks.
        names: The quantities, from left to right.
        quantities: Labels, units, and which way is better.
        suggested: A network that is drawn bold.
    """
    columns = [one.series.columns[name] for name in names]
    axes = [_Axis.over(name, quantities[name], one.series.columns[name]) for name in names]
    heights = np.array([axis.heights(values) for axis, values in zip(axes, columns, strict=True)])
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
        "places", "heights", source=one.source, color=COLOUR, line_width=1.4, line_alpha=OPACITY
    )
    lines.selection_glyph = lines.glyph.clone(line_color=INK, line_width=3.5, line_alpha=1)
    lines.nonselection_glyph = lines.glyph.clone(line_alpha=0.25)
    if suggested is not None:
        panel.line(places, heights[:, suggested], color=INK, line_width=2, line_dash="dashed")
    for place, (name, values) in enumerate(zip(names, columns, strict=True)):
        _write_ends(panel, place, quantities[name], values)
    brushes = _brushes(panel)
    panel.tags = [{"axes": [asdict(axis) for axis in axes], "brushes": brushes.id}]
    panel.add_tools(
        SaveTool(filename="networks"), pointing(one, [lines], quantities), following([lines])
    )
    plain(panel)
    panel.yaxis.visible = panel.ygrid.visible = panel.xgrid.visible = False
    panel.xaxis.ticker = places
    panel.xaxis.major_label_overrides = {
        place: fill(quantities[name].label, LABEL_WIDTH) for place, name in enumerate(names)
    }
    panel.xaxis.axis_line_color = panel.xaxis.major_tick_line_color = None
    return panel


@dataclass(frozen=True)
class _Axis:
    """From values to places on an axis: 1 for the best of them, 0 for the worst.

    Attributes:
        name: The quantity.
        sign: The factor that makes lower values better.
        log: Whether the axis is logarithmic.
        worst: The largest cost: a value with its sign, or its logarithm.
        spread: How much larger it is than the least.
    """

    name: str
    sign: float
    log: bool
    worst: float
    spread: float

    @classmethod
    def over(cls, name: str, quantity: Quantity, values: Values) -> _Axis:
        log, known = is_logarithmic(quantity, values), values[np.isfinite(values)]
        costs = np.log(known) if log else quantity.sign * known
        worst, spread = (float(costs.max()), float(np.ptp(costs))) if len(known) else (0.0, 0.0)
        return cls(name, quantity.sign, log, worst, spread)

    def heights(self, values: Values) -> Values:
        costs = np.log(values) if self.log else self.sign * values
        return (self.worst - costs) / self.spread if self.spread else costs * 0 + 0.5


def _brushes(panel: figure) -> ColumnDataSource:
    """Bars over the parts of axes that a user chooses, none at first."""
    source = ColumnDataSource({"left": [], "right": [], "bottom": [], "top": []})
    panel.quad(
        source=source,
        left="left",
        right="right",
        bottom="bottom",
        top="top",
        fill_color="#0072b2",
        fill_alpha=0.25,
        line_color="#0072b2",
    )
    return source


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
