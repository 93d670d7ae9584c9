"""Interactive pictures of fronts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from bokeh.models import (
    FixedTicker,
    GlyphRenderer,
    Legend,
    LegendItem,
    NumeralTickFormatter,
    SaveTool,
    UIElement,
)
from bokeh.plotting import figure

from pymoo_prune.objectives import NATS, Quantity
from pymoo_prune.page.linked import COLOUR, OPACITY, QUIET, Linked, following, pointing
from pymoo_prune.plots import compact, is_logarithmic

INK, RULE = "#1c1c1e", "#e3e3e8"
SHARE_TICKS, NUMBER_TICKS = "0.[0000] %", "0,0.[000000]"
"""Formats of ticks, with as many digits as they need, even after zooming in."""
PANEL_HEIGHT = 330
LEGEND_HEIGHT, LEGEND_LINE = 28, 38
"""Pixels of a legend with one line, and of each further line."""
LIGHT_SIZE = 11
"""Pixels of a light cross: its ends show beside a marker in front of it or behind it."""
KINDS = ("accuracy", "divergence")
"""What networks are judged by."""
NATS_TICKS = "0.[0000]"
PAGE_WIDTH = 740
"""Pixels that a page has at least."""


def figure_of_fronts(
    methods: Sequence[Linked],
    axes: Sequence[str],
    quantities: Mapping[str, Quantity],
    *,
    suggested: int | None = None,
) -> list[UIElement]:
    """Draws accuracy over sizes, for several methods.

    Pointing at a network shows all its measurements. A click follows its link. A click on a method
    in the legend hides the method.

    Args:
        methods: The methods.
        axes: Quantities, one for each panel.
        quantities: Labels and units.
        suggested: A network of the first method that gets a ring.

    Returns:
        The legend and the panels.
    """
    drawn: dict[int, list[GlyphRenderer]] = {one.place: [] for one in methods}
    panels = []
    for name in axes:
        known = [one for one in methods if name in one.fields and one.accuracies]
        values = [v for one in known for v in one.series.columns[name]]
        panel = panel_over(quantities[name], values)
        panel.add_tools(SaveTool(filename=f"front-{name}"))
        panel.yaxis.axis_label = _accuracy_label(known, quantities)
        metric = _metric_of(known)
        if _are_divergences(known) or (metric and not quantities[metric].share):
            panel.yaxis.formatter = NumeralTickFormatter(format=NATS_TICKS)
        points = []
        for one in known:
            lines, own = _draw(panel, one, name)
            panel.add_tools(pointing(one, own, quantities))
            drawn[one.place] += [*lines, *own]
            points += own
        if suggested is not None and known[:1] == list(methods[:1]):
            drawn[methods[0].place].append(_ring(panel, methods[0], name, suggested))
        panel.add_tools(following(points))
        panels.append(panel)
    return [legend_of(methods, drawn), *panels]


def _metric_of(methods: Sequence[Linked]) -> str:
    """The metric that judges networks in place of the accuracy; empty for none."""
    return next((one.metric for one in methods if one.metric), "")


def _accuracy_label(methods: Sequence[Linked], quantities: Mapping[str, Quantity]) -> str:
    if metric := _metric_of(methods):
        tested = any(f"test_{metric}" in one.fields for one in methods)
        return f"{quantities[metric].label} on the {'test' if tested else 'search'} images"
    tested = any(f"test_{name}" in one.fields for one in methods for name in KINDS)
    if _are_divergences(methods):
        unit = quantities.get("divergence", NATS).label.rpartition("(")[2]
        return f"divergence on the {'test' if tested else 'search'} images ({unit}"
    return "test accuracy" if tested else "accuracy on the search images"


def _are_divergences(methods: Sequence[Linked]) -> bool:
    """Whether methods are judged by divergences, as images have no labels."""
    drawn = [one.accuracies[0] for one in methods]
    return bool(drawn) and all("divergence" in name for name in drawn)


def panel_over(quantity: Quantity, values: Iterable[float]) -> figure:
    """A panel with a size on its horizontal axis."""
    values = np.array([value for value in values if np.isfinite(value)])
    wide = is_logarithmic(quantity, values)
    panel = figure(
        height=PANEL_HEIGHT,
        sizing_mode="stretch_width",
        x_axis_type="log" if wide else "linear",
        toolbar_location="above",
        tools="pan,box_zoom,wheel_zoom,reset",
    )
    suffix = " (share of the parent's)" if quantity.share else ""
    panel.xaxis.axis_label = quantity.label + suffix
    ticks_format = SHARE_TICKS if quantity.share else NUMBER_TICKS
    panel.xaxis.formatter = NumeralTickFormatter(format=ticks_format)
    panel.yaxis.formatter = NumeralTickFormatter(format=SHARE_TICKS)
    if wide:
        ticks = _log_ticks(values.min(), values.max())
        panel.xaxis.ticker = FixedTicker(ticks=ticks)
        if not quantity.share:
            panel.xaxis.major_label_overrides = {tick: compact(tick) for tick in ticks}
    plain(panel)
    return panel


def _log_ticks(least: float, most: float) -> list[float]:
    """Round numbers for a logarithmic axis, and beyond its ends for a user who moves it."""
    decades = np.arange(np.floor(np.log10(least)) - 1, np.ceil(np.log10(most)) + 2)
    steps = (1, 2, 5) if np.log10(most / least) < 2.5 else (1,)
    return [float(step * 10**decade) for decade in decades for step in steps]


def plain(panel: figure) -> None:
    """The look of all pictures."""
    panel.toolbar.logo = None
    panel.outline_line_color = None
    panel.min_border_right = 16
    panel.grid.grid_line_color = RULE
    panel.axis.axis_line_color = INK
    panel.axis.major_tick_line_color = INK
    panel.axis.minor_tick_line_color = None
    panel.axis.major_tick_in = 0
    panel.axis.major_label_text_color = QUIET
    panel.axis.major_label_text_font_size = "12px"
    panel.axis.axis_label_text_color = INK
    panel.axis.axis_label_text_font_size = "13px"
    panel.axis.axis_label_text_font_style = "normal"


def _draw(panel: figure, one: Linked, name: str) -> tuple[list[GlyphRenderer], list[GlyphRenderer]]:
    """The lines and the points of a method."""
    x, lines, points = one.series.columns[name], [], []
    order = x.argsort()
    for accuracy in reversed(one.accuracies):
        hollow = accuracy != one.accuracies[0]
        line = panel.line(
            x[order],
            one.series.columns[accuracy][order],
            color=one.colour,
            line_dash="dotted" if hollow else "solid",
            line_alpha=0.0 if one.light else 0.8,
        )
        point = panel.scatter(
            x=one.fields[name],
            y=one.fields[accuracy],
            source=one.source,
            marker=one.marker,
            size=LIGHT_SIZE if one.light else 8,
            line_width=1.5 if one.light else 1,
            line_color=COLOUR,
            fill_color="white" if hollow else COLOUR,
            line_alpha=OPACITY,
            fill_alpha=OPACITY,
        )
        point.nonselection_glyph = point.glyph.clone(fill_alpha=0.3, line_alpha=0.3)
        point.selection_glyph = point.glyph.clone(size=15, line_color=INK, line_width=2)
        lines.append(line)
        points.append(point)
    return lines, points


def _ring(panel: figure, one: Linked, name: str, place: int) -> GlyphRenderer:
    columns = one.series.columns
    x, y = columns[name][place], columns[one.accuracies[0]][place]
    return panel.scatter(
        [x], [y], marker="circle", size=18, fill_color=None, line_color=INK, line_width=1.5
    )


def legend_of(methods: Sequence[Linked], drawn: Mapping[int, Sequence[GlyphRenderer]]) -> UIElement:
    """The methods, once for all panels."""
    widths = [45 + 6.6 * len(one.series.name) for one in methods]
    columns = len(methods) if sum(widths) < PAGE_WIDTH else max(1, int(PAGE_WIDTH / max(widths)))
    strip = figure(
        height=LEGEND_HEIGHT + LEGEND_LINE * ((len(methods) - 1) // columns),
        sizing_mode="stretch_width",
        x_range=(0, 1),
        y_range=(0, 1),
        toolbar_location=None,
        tools="",
        min_border=0,
        outline_line_color=None,
    )
    strip.axis.visible = strip.grid.visible = False
    items = []
    for one in methods:
        # Out of sight, and on the method's own source: a choice then redraws the legend.
        sample = strip.scatter(
            x=-1, y=-1, source=one.source, marker=one.marker, size=9, color=one.colour
        )
        items.append(LegendItem(label=one.series.name, renderers=[sample, *drawn[one.place]]))
    legend = Legend(items=items, click_policy="hide", orientation="horizontal", ncols=columns)
    legend.update(location="top_left", border_line_color=None, spacing=18, padding=0, margin=0)
    legend.label_text_font_size = "14px"
    strip.add_layout(legend)
    return strip
