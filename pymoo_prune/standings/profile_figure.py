"""The share of targets reached, as a picture of a page: methods can be hidden and pointed at."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from bokeh.models import ColumnDataSource, HoverTool, NumeralTickFormatter, SaveTool
from bokeh.plotting import figure

from pymoo_prune.objectives import Values
from pymoo_prune.plots import COLOURS
from pymoo_prune.standings.over_time import OverTime, budget

DASHES = ("solid", "dashed", "dashdot", "dotted", "dotdash")
MOST_STEPS = 400
"""Steps of a line; of more, those at evaluations spread evenly on a logarithmic scale are kept."""
HEIGHT = 420
TOOLTIPS = [("", "@method"), ("evaluations", "@x{0,0}"), ("targets reached", "@y{0.0 %}")]


def figure_of_profiles(over_time: OverTime, *, log: bool = True) -> figure:
    """Draws the share of targets that each method reaches over its evaluations.

    A click on a method in the legend hides it.

    Args:
        over_time: The courses of a study.
        log: Whether evaluations are on a logarithmic axis.
    """
    end = float(max(budget(task) for task in over_time.tasks))
    panel = figure(
        height=HEIGHT,
        sizing_mode="stretch_width",
        x_axis_type="log" if log else "linear",
        x_range=(1, max(end, 2)),
        toolbar_location="above",
        tools="pan,box_zoom,wheel_zoom,reset",
        x_axis_label="evaluations",
        y_axis_label="share of targets reached",
    )
    lines = []
    for place, method in enumerate(over_time.methods):
        x, y = steps(*over_time.reached(method), end)
        source = ColumnDataSource({"x": x, "y": y, "method": [method] * len(x)})
        lines.append(
            panel.line(
                "x",
                "y",
                source=source,
                line_width=2,
                color=COLOURS[place % len(COLOURS)],
                line_dash=DASHES[place % len(DASHES)],
                legend_label=method,
            )
        )
    panel.add_tools(
        HoverTool(renderers=lines, tooltips=TOOLTIPS, line_policy="prev", visible=False),
        SaveTool(filename="targets-reached"),
    )
    panel.toolbar.logo = None
    panel.outline_line_color = None
    panel.xaxis.formatter = NumeralTickFormatter(format="0,0")
    panel.yaxis.formatter = NumeralTickFormatter(format="0 %")
    panel.axis.axis_label_text_font_style = "normal"
    panel.legend.click_policy = "hide"
    panel.add_layout(panel.legend[0], "right")
    return panel


def steps(x: Values, y: Values, end: float) -> tuple[Sequence[float], Sequence[float]]:
    """The corners of a line of steps from 0 at the first evaluation to its last value.

    Args:
        x: The evaluations at which it rises, (n,).
        y: The values from each of them on, (n,).
        end: The last evaluation.
    """
    if len(x) > MOST_STEPS:
        wanted = np.geomspace(x[0], x[-1], MOST_STEPS)
        keep = np.unique(np.searchsorted(x, wanted, side="right") - 1)
        x, y = x[keep], y[keep]
    corners = np.repeat(np.append(x, end), 2)[:-1]
    values = np.repeat(np.append(0.0, y), 2)[1:]
    if not len(x) or x[0] > 1:
        corners, values = np.append(1.0, corners), np.append(0.0, values)
    return corners.tolist(), values.tolist()
