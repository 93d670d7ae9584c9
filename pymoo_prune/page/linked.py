"""Networks that are linked: what is chosen in one picture or table shows in all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from bokeh.models import (
    ColumnDataSource,
    DataTable,
    GlyphRenderer,
    HoverTool,
    HTMLTemplateFormatter,
    InlineStyleSheet,
    OpenURL,
    TableColumn,
    TapTool,
)
from bokeh.models.dom import Div, Span, ValueRef
from markupsafe import Markup

from pymoo_prune import plots
from pymoo_prune.objectives import Quantity, Series
from pymoo_prune.page.html import style

MARKERS = {
    "o": "circle",
    "s": "square",
    "^": "triangle",
    "D": "diamond",
    "v": "inverted_triangle",
    "P": "plus",
    "X": "star",
    "p": "hex",
}
"""What the pictures that are files have, as near as there is."""
ACCURACIES = ("finished_test_accuracy", "test_accuracy", "accuracy")
"""What is over the sizes: the first that a method knows; those before retraining are hollow."""
QUIET = "#63636a"
CARD = {"display": "grid", "grid-template-columns": "auto auto", "gap": "2px 14px"}
"""What is shown of a network that is pointed at."""
ROW, HEADS, ROWS = 28, 86, 14
"""Of a table: pixels of a row and of the heads, and how many rows it shows at once."""


@dataclass(frozen=True)
class Linked:
    """The networks of a method, as all pictures and tables of a page share them.

    Attributes:
        series: The method.
        place: Its place among the methods, which gives colour and marker.
        source: Its columns: each quantity's value and text, the networks' numbers and links.
        fields: The column of each quantity's value, by its name.
    """

    series: Series
    place: int
    source: ColumnDataSource
    fields: Mapping[str, str]

    @property
    def accuracies(self) -> list[str]:
        """What is drawn over the sizes: after retraining, and before."""
        known = [name for name in ACCURACIES if name in self.series.columns]
        return known[:2] if known[:1] == ["finished_test_accuracy"] else known[:1]

    def text(self, name: str) -> str:
        """The column of a quantity's text."""
        return self.fields[name].replace("value", "text")

    @property
    def colour(self) -> str:
        """The same in every picture."""
        return plots.COLOURS[self.place % len(plots.COLOURS)]

    @property
    def marker(self) -> str:
        """The same in every picture."""
        return MARKERS[plots.MARKERS[self.place % len(plots.MARKERS)]]


def linked(
    series: Sequence[Series],
    quantities: Mapping[str, Quantity],
    *,
    links: Sequence[Sequence[str]] | None = None,
) -> list[Linked]:
    """Methods, ready for pictures and tables that are linked.

    Args:
        series: The methods.
        quantities: How their columns are written.
        links: Where a click on each network of each method leads, such as "#network-3".
    """
    found = []
    for place, one in enumerate(series):
        names = [name for name in one.columns if name in quantities]
        data: dict[str, Any] = {"number": list(range(len(one)))}
        if links is not None:
            data["link"] = list(links[place])
        # Not the quantities' own names: templates need identifiers.
        for column, name in enumerate(names):
            data[f"value_{column}"] = one.columns[name]
            data[f"text_{column}"] = [quantities[name].format(v) for v in one.columns[name]]
        fields = {name: f"value_{column}" for column, name in enumerate(names)}
        found.append(Linked(one, place, ColumnDataSource(data), fields))
    return found


def pointing(
    one: Linked, drawn: Sequence[GlyphRenderer], quantities: Mapping[str, Quantity]
) -> HoverTool:
    """Shows all that is known of a network that is pointed at.

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
    card = Div(children=cells, style=CARD)
    return HoverTool(renderers=list(drawn), tooltips=card, limit=1, visible=False)


def following(drawn: Sequence[GlyphRenderer]) -> TapTool:
    """Chooses a network that is clicked, and follows its link.

    Args:
        drawn: Points or lines of linked methods; not what has other sources.
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
    """A method's networks, linked with its points; a click on a column's head sorts.

    Args:
        one: The method.
        names: Quantities, a column each.
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
        columns=columns,
        sizing_mode="stretch_width",
        height=min(len(one.series), ROWS) * ROW + HEADS,
        row_height=ROW,
        index_position=None,
        autosize_mode="force_fit",
        reorderable=False,
        stylesheets=[InlineStyleSheet(css=style("table.css"))],
    )


def _column(field: str, title: str, template: str, width: int) -> TableColumn:
    # Heads of tables are HTML.
    return TableColumn(
        field=field,
        title=escape(title),
        width=width,
        formatter=HTMLTemplateFormatter(template=template),
    )
