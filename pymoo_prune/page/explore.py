"""Controls of a page: colours, bounds, brushes, and a slider over the evaluations.

`explore.js` makes them work: it changes how networks are drawn, and which of them are shown.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from bokeh.models import CDSView, DataTable, IndexFilter
from bokeh.palettes import Viridis256
from bokeh.plotting import figure
from markupsafe import Markup

from pymoo_prune.objectives import DIVERGENCE, STANDARD, Quantity
from pymoo_prune.page.html import joined
from pymoo_prune.page.linked import Linked
from pymoo_prune.page.searched import GENERATION, Searched
from pymoo_prune.plots import is_logarithmic

PALETTE = Viridis256[:230:3]
"""From low to high; perceptually uniform, and without the yellow that is hard to see on white."""
PRAISE = {"accuracy": "the most accurate", DIVERGENCE: "the nearest to the parent"}
"""What a page says of the best network within bounds, by the quantity that makes it the best."""
STEPS = 200
"""The positions of a slider for a bound."""


class Explorer:
    """The controls that act on one group of networks, wherever they are on the page.

    Args:
        name: A name without spaces; no other explorer of the page has it.
        networks: The networks that bounds choose among.
        others: Networks that are drawn beside them.
        quantities: Labels, units, and which way is better.
        searches: Searches whose evaluations are drawn.
    """

    def __init__(
        self,
        name: str,
        networks: Linked,
        others: Sequence[Linked],
        quantities: Mapping[str, Quantity],
        *,
        searches: Sequence[Searched] = (),
    ) -> None:
        self.name, self.networks, self.searches = name, networks, searches
        self.quantities = {**quantities, "generation": GENERATION}
        self._drawn = [networks, *others]
        self._drawn += [part for one in searches for part in (one.front, one.others)]
        self._best = IndexFilter([])
        self._settings: dict[str, Any] = {}

    # What the controls act on.

    def mark(self, panels: Sequence[figure], axes: Sequence[str]) -> None:
        """Adds the square around the best network that is left.

        Args:
            panels: Panels with the networks.
            axes: The quantity of each panel.
        """
        for panel, name in zip(panels, axes, strict=True):
            panel.scatter(
                x=self.networks.fields[name],
                y=self.networks.fields[self.networks.accuracies[0]],
                source=self.networks.source,
                view=CDSView(filter=self._best),
                marker="square",
                size=19,
                fill_color=None,
                line_color="#1c1c1e",
                line_width=1.5,
            )
        self._settings["best"] = self._best.id

    def brush(self, panel: figure) -> Markup:
        """Lets the user drag along the axes of parallel coordinates; returns what says so.

        Args:
            panel: The picture that `figure_of_networks` gave.
        """
        self._settings["parallel"] = panel.id
        return Markup(
            '<div class="controls"><output id="{0}-left" role="status"></output>'
            '<button type="button" id="{0}-clear" disabled>Show all networks</button></div>'
        ).format(self.name)

    def filter(self, table: DataTable | str) -> None:
        """Lets a table show only the networks that are left.

        Args:
            table: The table, or the id of an element around a table in HTML.
        """
        key = "rows" if isinstance(table, str) else "table"
        self._settings[key] = table if isinstance(table, str) else table.view.filter.id

    def grow(self, panels: Sequence[figure]) -> Markup:
        """The slider over the evaluations, and the switch of the candidates behind the fronts.

        Args:
            panels: The panels that `figure_of_searches` gave.
        """
        self._settings["panels"] = [panel.id for panel in panels]
        self._settings["searches"] = [_about(one) for one in self.searches]
        stops = sorted({stop for one in self.searches for stop in one.stops})
        self._settings["stops"] = stops
        asked = max(one.evaluations for one in self.searches)
        self._settings["evaluations"] = asked
        return Markup(
            '<div class="controls"><label for="{0}-evaluations">Evaluations</label>'
            '<input type="range" id="{0}-evaluations" class="long" min="0" max="{1}" value="{1}">'
            '<output for="{0}-evaluations" id="{0}-grown"></output></div>'
            '<div class="controls"><label><input type="checkbox" id="{0}-behind"> {2}</label></div>'
        ).format(self.name, len(stops) - 1, _counted(self.searches))

    # Controls.

    def colours(self, names: Sequence[str], *, own: str = "method") -> Markup:
        """A list to choose a quantity from that decides the colours, with its scale.

        Args:
            names: Quantities.
            own: What decides the colours at first.
        """
        self._settings["scales"] = {name: self._scale(name) for name in names}
        options = joined(
            Markup('<option value="{}">{}</option>').format(name, self.quantities[name].label)
            for name in names
        )
        return Markup(
            '<div class="controls"><label for="{0}-colour">Colour</label>'
            '<select id="{0}-colour"><option value="">{1}</option>\n{2}</select>'
            '<span class="scale" id="{0}-scale" hidden><span></span>'
            '<i style="background: linear-gradient(to right, {3})"></i><span></span>'
            '<span class="quiet">grey: not known</span></span></div>'
        ).format(self.name, own, options, ", ".join(PALETTE))

    def _scale(self, name: str) -> dict[str, Any]:
        known = [one.series.columns[name] for one in self._drawn if name in one.fields]
        values = np.concatenate(known)
        values = values[np.isfinite(values)]
        ends = [float(values.min()), float(values.max())] if len(values) else [0.0, 1.0]
        log = name != "generation" and is_logarithmic(self.quantities[name], values)
        return {"ends": ends, "log": log}

    def bounds(
        self,
        names: Sequence[str],
        shown: Sequence[str],
        parent: Mapping[str, float],
        commands: Sequence[str],
        *,
        command: str = "",
    ) -> Markup:
        """Sliders for sizes, and the most accurate network within them.

        Where images have no labels, it is the network nearest to its parent.

        Args:
            names: The sizes.
            shown: Quantities that are said of the network.
            parent: The parent's measurements.
            commands: The command that exports each network.
            command: The beginning of a command that takes a quantity or a bound to export the best
                network; empty where there is none.
        """
        names = [name for name in names if re.fullmatch(r"\w+", name)]
        self._settings["bounds"] = [self._bound(name, parent) for name in names]
        self._settings["shown"] = [n for n in shown if n in self.networks.fields]
        self._settings["commands"], self._settings["command"] = list(commands), command
        sliders = joined(self._slider(name) for name in names)
        return Markup(
            '<fieldset class="bounds"><legend>The best within bounds</legend>\n{1}\n'
            '<div id="{0}-best" aria-live="polite"><p></p><dl></dl></div>'
            '<div class="copied"><pre class="code"><code id="{0}-command">{2}</code></pre>'
            '<button type="button" id="{0}-copy">Copy</button></div></fieldset>'
        ).format(self.name, sliders, command + self._quality if command else self._first(commands))

    @property
    def _quality(self) -> str:
        """The quantity that makes a network the best within bounds."""
        known = self.networks.fields
        if self.networks.metric:
            return self.networks.metric
        return DIVERGENCE if "accuracy" not in known and DIVERGENCE in known else "accuracy"

    def _first(self, commands: Sequence[str]) -> str:
        """The command of the best network, as long as there are no bounds."""
        values = self.networks.series.columns.get(self._quality, np.empty(0))
        one = self.quantities.get(self._quality, STANDARD["accuracy"])
        sign = -1 if one.better == "lower" else 1
        known = np.nan_to_num(sign * values, nan=-np.inf)
        return commands[int(known.argmax())] if len(known) else ""

    def _bound(self, name: str, parent: Mapping[str, float]) -> dict[str, Any]:
        quantity, values = self.quantities[name], self.networks.series.columns[name]
        known = values[np.isfinite(values)]
        whole = float(parent.get(name, 0.0))
        known_whole = whole > 0 and np.isfinite(whole)
        unit = whole / 100 if known_whole else 1.0
        return {
            "name": name,
            "relation": "<=" if quantity.better == "lower" else ">=",
            "parent": whole if known_whole else None,
            "ends": [float(known.min()) / unit, float(known.max()) / unit] if len(known) else [],
            "log": is_logarithmic(quantity, known),
        }

    def _slider(self, name: str) -> Markup:
        quantity = self.quantities[name]
        lower = quantity.better == "lower"
        return Markup(
            '<div class="controls"><label for="{0}-bound-{1}">{2} {3}</label>'
            '<input type="range" id="{0}-bound-{1}" min="0" max="{4}" value="{5}">'
            '<output for="{0}-bound-{1}" id="{0}-limit-{1}"></output></div>'
        ).format(
            self.name,
            name,
            quantity.label,
            "at most" if lower else "at least",
            STEPS,
            STEPS if lower else 0,
        )

    def script(self) -> Markup:
        """All that `explore.js` has to know, as an element of the page."""
        about = {
            "name": self.name,
            "networks": self.networks.source.id,
            "sources": [{"id": one.source.id, "fields": one.fields} for one in self._drawn],
            "quantities": {
                name: {"label": q.label, "better": q.better, "share": q.share}
                for name, q in self.quantities.items()
            },
            "palette": PALETTE,
            "steps": STEPS,
            "quality": self._quality,
            "praise": PRAISE.get(self._quality, f"the best in {self._quality}"),
            **self._settings,
        }
        # JSON may have "<" only in texts, and there this is the same.
        text = json.dumps(about).replace("<", "\\u003c")
        return Markup('<script type="application/json" class="explorer">{}</script>').format(
            Markup(text)  # noqa: S704 - nothing in it can end the element
        )


def _about(one: Searched) -> dict[str, Any]:
    return {
        "name": one.front.series.name,
        "front": one.front.source.id,
        "now": one.now.id,
        "others": one.others.source.id,
        "behind": one.behind.id,
        "lines": one.lines.id if one.lines.data else None,
    }


def _counted(searches: Sequence[Searched]) -> str:
    """How many candidates the layer shows, of how many."""
    asked, kept = (sum(getattr(one, name) for one in searches) for name in ("evaluations", "kept"))
    drawn = sum(one.drawn for one in searches)
    shown = f"all {kept:,}" if drawn == kept else f"{drawn:,} of {kept:,}"
    lost = asked - kept
    left = f"; {lost:,} more failed or break a constraint" if lost else ""
    return f"Candidates behind the front: {shown} shown{left}"
