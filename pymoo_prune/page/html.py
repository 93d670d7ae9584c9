"""Parts of a page that are plain HTML: texts are escaped, and pictures are embedded."""

from __future__ import annotations

import base64
from collections.abc import Collection, Iterable, Mapping, Sequence
from importlib.resources import files
from pathlib import Path

from markupsafe import Markup

from pymoo_prune.errors import PruneError

PICTURE_TYPES: Mapping[str, str] = {".png": "image/png", ".svg": "image/svg+xml"}
"""Pictures that a page can contain, by the suffix of their files."""


TABLE = Markup('<div class="scroll"><table><thead>{}</thead><tbody>{}</tbody></table></div>')
ROW, MARKED_ROW = Markup("<tr>{}</tr>"), Markup('<tr class="marked">{}</tr>')
HEAD, TEXT_HEAD = Markup("<th>{}</th>"), Markup('<th class="text">{}</th>')
CELL, TEXT_CELL = Markup("<td>{}</td>"), Markup('<td class="text">{}</td>')


def packaged(name: str) -> str:
    """A style sheet or a script of this package."""
    return files("pymoo_prune.page").joinpath(name).read_text("utf-8")


def joined(parts: Iterable[Markup]) -> Markup:
    """Parts one after the other."""
    return Markup("\n").join(parts)


def paragraph(text: str) -> Markup:
    """A paragraph; escaped, unless it is HTML already."""
    return Markup("<p>{}</p>").format(text)


def code(text: str) -> Markup:
    """Text to copy, on its own line."""
    return Markup('<pre class="code"><code>{}</code></pre>').format(text)


def html_table(
    head: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    texts: Collection[int] = (0,),
    marked: Collection[int] = (),
) -> Markup:
    """A table; its cells are escaped, unless they are HTML already.

    Args:
        head: Names of the columns.
        rows: The cells.
        texts: Columns of texts, which are aligned to the left; the others contain numbers.
        marked: Rows that are highlighted.
    """
    top = ((TEXT_HEAD if place in texts else HEAD).format(name) for place, name in enumerate(head))
    body = (
        (MARKED_ROW if place in marked else ROW).format(
            joined((TEXT_CELL if k in texts else CELL).format(cell) for k, cell in enumerate(row))
        )
        for place, row in enumerate(rows)
    )
    return TABLE.format(ROW.format(joined(top)), joined(body))


def picture(path: Path, *, text: str) -> Markup:
    """A PNG or SVG file, with all its bytes.

    Args:
        path: The file.
        text: A description for users who cannot see it.
    """
    kind = PICTURE_TYPES.get(path.suffix)
    if kind is None:
        msg = f"{path} cannot be put into a page: pictures must be {' or '.join(PICTURE_TYPES)}"
        raise PruneError(msg)
    content = base64.b64encode(path.read_bytes()).decode("ascii")
    return Markup('<img src="data:{};base64,{}" alt="{}">').format(kind, content, text)


def bars(shares: Mapping[str, float]) -> Markup:
    """Vertical bars between 0 and 1, for example the share of each layer that is left.

    Args:
        shares: Shares, by the name that a bar shows when the user points at it.
    """
    columns = (
        Markup('<span title="{}: {:.1f} %"><i style="height:{:.2f}%"></i></span>').format(
            name, 100 * share, 100 * share
        )
        for name, share in shares.items()
    )
    return Markup('<div class="bars">{}</div>').format(Markup("").join(columns))


def sparkline(shares: Iterable[float]) -> Markup:
    """Bars between 0 and 1, as small as a word."""
    shares = list(shares)
    width = min(14.0, 84 / max(len(shares), 1))
    bar = f"h{0.85 * width:.1f}V16"
    tops = [(f"M{place * width:.1f} 16V", share) for place, share in enumerate(shares)]
    whole = "".join(f"{start}0{bar}" for start, _ in tops)
    left = "".join(f"{start}{16 - 16 * share:.1f}{bar}" for start, share in tops)
    return Markup(
        '<svg width="{:.0f}" height="16"><path fill="#e3e3e8" d="{}"/>'
        '<path fill="#0072b2" d="{}"/></svg>'
    ).format(len(shares) * width, whole, left)
