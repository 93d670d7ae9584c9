"""What objects show in a notebook: sentences, a picture and a table, as one piece of HTML."""

from __future__ import annotations

import base64
import io
from collections.abc import Collection, Sequence

from markupsafe import Markup

from pymoo_prune.page.html import html_table, joined, paragraph
from pymoo_prune.plots import AnyFigure
from pymoo_prune.tables import Row

DOTS_PER_INCH = 90


def in_notebook(
    sentences: Sequence[str],
    figure: AnyFigure | None = None,
    table: tuple[Row, Sequence[Row]] | None = None,
    *,
    text: str = "",
    texts: Collection[int] = (0,),
    notes: Sequence[str] = (),
) -> str:
    """HTML for a notebook; nothing in it is interactive or elsewhere.

    Args:
        sentences: Paragraphs above the picture.
        figure: The picture; it is neither closed nor kept.
        table: The head and the rows of a table.
        text: A description of the picture, for users who cannot see it.
        texts: Columns of texts.
        notes: Paragraphs below the table.
    """
    parts = [paragraph(one) for one in sentences if one]
    if figure is not None:
        parts.append(_embedded(figure, text))
    if table is not None:
        parts.append(html_table(*table, texts=texts))
    parts += [paragraph(one) for one in notes if one]
    return str(Markup('<div style="overflow-x: auto">{}</div>').format(joined(parts)))


def _embedded(figure: AnyFigure, text: str) -> Markup:
    content = io.BytesIO()
    # The figure of a part of a figure is the whole.
    figure.figure.savefig(content, format="png", dpi=DOTS_PER_INCH, bbox_inches="tight")
    data = base64.b64encode(content.getvalue()).decode("ascii")
    return Markup('<img src="data:image/png;base64,{}" alt="{}" style="max-width: 100%">').format(
        data, text
    )
