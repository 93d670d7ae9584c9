"""A whole page in one file, which opens offline and cannot fetch anything."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from typing import TypeAlias
from uuid import NAMESPACE_URL, uuid5

from bokeh.embed import components
from bokeh.models import UIElement
from bokeh.resources import Resources
from markupsafe import Markup, escape

from pymoo_prune.page.explore import Explorer
from pymoo_prune.page.html import joined, packaged

Part: TypeAlias = Markup | UIElement | Sequence[UIElement]
"""HTML, an interactive model, or several models, side by side where there is room."""

BOKEH_PARTS = ["bokeh", "bokeh-widgets", "bokeh-tables"]
POLICY = (
    "default-src 'none'; img-src data: blob:; style-src 'unsafe-inline'; "
    "script-src 'unsafe-inline' 'unsafe-eval'"
)
"""The page may use only what is in it; Bokeh's tables evaluate templates."""
UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
"""Bokeh draws the names of a page's parts at random."""


@dataclass(frozen=True)
class Section:
    """A part of a page with a heading.

    Attributes:
        title: The heading.
        parts: The parts below it.
        anchor: The name that links use.
    """

    title: str
    parts: Sequence[Part]
    anchor: str


PAGE_TEMPLATE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<link rel="icon" href="data:,">
<title>{title}</title>
<style>
{style}</style>
{library}
</head>
<body>
<header>
<h1>{title}</h1>
{lead}
<nav class="contents">{contents}</nav>
</header>
<main>
{main}
</main>
{script}
{controls}
</body>
</html>
"""


def document(
    title: str,
    sections: Sequence[Section],
    *,
    lead: Sequence[Part] = (),
    explorers: Sequence[Explorer] = (),
) -> str:
    """A page.

    Args:
        title: The title.
        sections: The sections.
        lead: The parts between the title and the first section.
        explorers: The explorers whose controls are among the parts.

    Returns:
        HTML with everything in it.
    """
    models = list(_models([*lead, *(part for one in sections for part in one.parts)]))
    script, divs = _named(*components(models)) if models else ("", ())
    places = dict(zip(models, divs, strict=True))

    def html(parts: Sequence[Part]) -> str:
        return "\n".join(_html(part, places) for part in parts)

    return PAGE_TEMPLATE.format(
        policy=POLICY,
        title=escape(title),
        style=packaged("style.css"),
        library=Resources(mode="inline", components=BOKEH_PARTS).render() if models else "",
        lead=html(lead),
        contents="\n".join(f'<a href="#{one.anchor}">{escape(one.title)}</a>' for one in sections),
        main="\n".join(
            f'<section id="{one.anchor}">\n<h2>{escape(one.title)}</h2>{html(one.parts)}</section>'
            for one in sections
        ),
        script=script,
        controls=_controls(explorers) if explorers else "",
    )


def _named(script: str, divs: Sequence[str]) -> tuple[str, list[str]]:
    """Bokeh's parts with names that the next page of the same content has too."""
    names: dict[str, str] = {}
    numbered = (str(uuid5(NAMESPACE_URL, str(number))) for number in count())

    def name(found: re.Match[str]) -> str:
        if found[0] not in names:
            names[found[0]] = next(numbered)
        return names[found[0]]

    return UUID.sub(name, script), [UUID.sub(name, div) for div in divs]


def _controls(explorers: Sequence[Explorer]) -> Markup:
    scripts = [one.script() for one in explorers]
    return joined([*scripts, Markup(f"<script>\n{packaged('explore.js')}</script>")])  # noqa: S704


def _html(part: Part, places: Mapping[UIElement, str]) -> str:
    if isinstance(part, Markup):
        return part
    if isinstance(part, UIElement):
        return f'<div class="panel">{places[part]}</div>'
    return f'<div class="panels">{"".join(f"<div>{places[model]}</div>" for model in part)}</div>'


def _models(parts: Sequence[Part]) -> Iterator[UIElement]:
    for part in parts:
        if isinstance(part, UIElement):
            yield part
        elif not isinstance(part, Markup):
            yield from part
