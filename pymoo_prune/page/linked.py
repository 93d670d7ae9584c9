"""Linked networks: a choice in one picture or table shows in all of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np
from bokeh.models import (
    CDSView,
    ColumnDataSource,
    DataTable,
    GlyphRenderer,
    HoverTool,
    HTMLTemplateFormatter,
    IndexFilter,
    InlineStyleSheet,
    OpenURL,
    TableColumn,
    TapTool,
)
from bokeh.models.dom import Div, Span, ValueRef
from markupsafe import Markup

from pymoo_prune import plots
from pymoo_prune.objectives import Quantity, Series, judges
from pymoo_prune.page.html import packaged

BOKEH_MARKERS = {
    "o": "circle",
    "s": "square",
    "^": "triangle",
    "D": "diamond",
    "v": "inverted_triangle",
    "P": "plus",
    "X": "star",
    "p": "hex",
}
"""Bokeh's nearest markers to those of picture files."""
DRAWN_ACCURACIES = ("finished_test_accuracy", "test_accuracy", "accuracy")
"""Accuracies that are drawn over sizes, the best first; those before retraining are hollow."""
DRAWN_DIVERGENCES = ("finished_test_divergence", "test_divergence", "divergence")
"""The same of divergences, which are drawn where no accuracy is known."""
COLOUR, OPACITY = "colour", "opacity"
"""Columns that say how each network is drawn."""
QUIET = "#63636a"
CARD_STYLE = {"display": "grid", "grid-template-columns": "auto auto", "gap": "2px 14px"}
"""The layout of the measurements of a network that the user points at."""
ROW_HEIGHT, HEADS_HEIGHT, MOST_ROWS = 28, 86, 14
"""Pixels of a table's row and of its heads, and the most rows that it shows at once."""


@dataclass(frozen=True)
class Linked:
    """The networks of a method, which all pictures and tables of a page share.

    Attributes:
        series: The method.
        place: Its place among the methods, which decides its colour and marker.
        source: Its columns: each quantity's value and text, the networks' numbers and links, and
            the colour and opacity in which each is drawn, which controls change.
        fields: The column of each quantity's value, by the quantity's name.
        light: Whether its networks are there for orientation, as light crosses.
        metric: The metric that judges networks in place of the accuracy; empty for none.
    """

    series: Series
    place: int
    source: ColumnDataSource
    fields: Mapping[str, str]
    light: bool = False
    metric: str = ""

    @property
    def accuracies(self) -> list[str]:
        """The accuracies that are drawn over sizes: after retraining, and before.

        Where images have no labels, these are divergences. A metric takes their place.
        """
        columns = self.series.columns
        names = DRAWN_ACCURACIES if columns.keys() & set(DRAWN_ACCURACIES) else DRAWN_DIVERGENCES
        if self.metric:
            names = (f"finished_test_{self.metric}", f"test_{self.metric}", self.metric)
        known = [name for name in names if name in columns]
        both = known[:1] == [names[0]] and not self.light
        return known[:2] if both else known[:1]

    def text(self, name: str) -> str:
        """The column of a quantity's text."""
        return self.fields[name].replace("value", "text")

    @property
    def colour(self) -> str:
        """The method's colour in every picture."""
        return plots.LIGHT if self.light else plots.COLOURS[self.place % len(plots.COLOURS)]

    @property
    def marker(self) -> str:
        """The method's marker in every picture."""
        return (
            plots.LIGHT_MARKER
            if self.light
            else BOKEH_MARKERS[plots.MARKERS[self.place % len(plots.MARKERS)]]
        )


def linked(
    series: Sequence[Series],
    quantities: Mapping[str, Quantity],
    *,
    links: Sequence[Sequence[str]] | None = None,
    light: Sequence[str] = (),
) -> list[Linked]:
    """Prepares methods for linked pictures and tables.

    Args:
        series: The methods.
        quantities: Labels and units of their columns.
        links: The link of each network of each method, for example "#network-3".
        light: Names of methods that are there for orientation.
    """
    found, metric = [], next(iter(judges(quantities)), "")
    for place, one in enumerate(series):
        names = [name for name in one.columns if name in quantities]
        data: dict[str, Any] = {"number": list(range(len(one)))}
        if links is not None:
            data["link"] = list(links[place])
        # Templates need identifiers, which quantities' names need not be.
        for column, name in enumerate(names):
            data[f"value_{column}"] = one.columns[name]
            data[f"text_{column}"] = [quantities[name].format(v) for v in one.columns[name]]
        fields = {name: f"value_{column}" for column, name in enumerate(names)}
        drawn = Linked(one, place, ColumnDataSource(data), fields, one.name in light, metric)
        data = {COLOUR: [drawn.colour] * len(one), OPACITY: np.ones(len(one))}
        drawn.source.data.update(data)
        found.append(drawn)
    return found


def pointing(
    one: Linked, drawn: Sequence[GlyphRenderer], quantities: Mapping[str, Quantity]
) -> HoverTool:
    """A tool that shows all measurements of a network that the user points at.

    Args:
        one: The method.
        drawn: Its points or lines.
        quantities: Labels and units.
    """
    title = Span(
        children=[one.series.name, ", network ", ValueRef(field="number")],
        style={"grid-column": "1 / 3", "font-weight": "bold"},
    )
    cells: list[Any] = [title]
    for name in one.fields:
        cells.append(Span(children=[quantities[name].label], style={"color": QUIET}))
        value = ValueRef(field=one.text(name))
        cells.append(Span(children=[value], style={"text-align": "right"}))
    card = Div(children=cells, style=CARD_STYLE)
    return HoverTool(renderers=list(drawn), tooltips=card, limit=1, visible=False)


def following(drawn: Sequence[GlyphRenderer]) -> TapTool:
    """A tool that chooses a network on a click, and follows its link.

    Args:
        drawn: Points or lines of linked methods only.
    """
    links = all("link" in renderer.data_source.data for renderer in drawn)
    callback = OpenURL(url="@link", same_tab=True) if links else None
    return TapTool(renderers=list(drawn), callback=callback, visible=False)


def network_table(
    one: Linked,
    names: Sequence[str],
    quantities: Mapping[str, Quantity],
    *,
    profiles: Sequence[Markup] = (),
) -> DataTable:
    """A table of a method's networks, linked with its points; a click on a head sorts it.

    Its view has a filter, which controls change.

    Args:
        one: The method.
        names: Quantities, one for each column.
        quantities: Labels and units.
        profiles: A small picture of each network.
    """
    source, number = one.source, "network <%- value %>"
    if "link" in source.data:
        number = f'<a href="<%- link %>">{number}</a>'
    columns = [_column("number", "network", number, 85)]
    if profiles:
        source.data["profile"] = list(profiles)
        columns.append(_column("profile", "weights left, by layer", "<%= value %>", 125))
    for name in names:
        text = f"<%- {one.text(name)} %>"
        columns.append(_column(one.fields[name], quantities[name].label, text, 100))
    return DataTable(
        source=source,
        view=CDSView(filter=IndexFilter()),
        columns=columns,
        sizing_mode="stretch_width",
        height=min(len(one.series), MOST_ROWS) * ROW_HEIGHT + HEADS_HEIGHT,
        row_height=ROW_HEIGHT,
        index_position=None,
        autosize_mode="force_fit",
        reorderable=False,
        stylesheets=[InlineStyleSheet(css=packaged("table.css"))],
    )


def _column(field: str, title: str, template: str, width: int) -> TableColumn:
    # Bokeh takes the heads of tables as HTML.
    return TableColumn(
        field=field,
        title=escape(title),
        width=width,
        formatter=HTMLTemplateFormatter(template=template),
    )
