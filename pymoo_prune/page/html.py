"""Parts of a page that are plain HTML: every text is escaped, every picture is inside."""

from __future__ import annotations

import base64
from collections.abc import Collection, Iterable, Mapping, Sequence
from importlib.resources import files
from pathlib import Path

from markupsafe import Markup

from pymoo_prune.errors import PruneError

KINDS: Mapping[str, str] = {".png": "image/png", ".svg": "image/svg+xml"}
"""Pictures that a page can hold, by the ending of their files."""


TABLE = Markup('<div class="scroll"><table><thead>{}</thead><tbody>{}</tbody></table></div>')
LINE, MARKED = Markup("<tr>{}</tr>"), Markup('<tr class="marked">{}</tr>')
HEAD, TEXT_HEAD = Markup("<th>{}</th>"), Markup('<th class="text">{}</th>')
CELL, TEXT = Markup("<td>{}</td>"), Markup('<td class="text">{}</td>')


def style(name: str) -> str:
    """A style sheet of this package."""
    return files("pymoo_prune.page").joinpath(name).read_text("utf-8")


def joined(parts: Iterable[Markup]) -> Markup:
    """Parts one after the other."""
    return Markup("\n").join(parts)


def paragraph(text: str) -> Markup:
    """A paragraph; escaped, unless it is HTML already."""
    return Markup("<p>{}</p>").format(text)


def code(text: str) -> Markup:
    """Something to be copied, on a line of its own."""
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
        texts: Columns that are written from the left; the others hold numbers.
        marked: Rows that stand out.
    """
    top = ((TEXT_HEAD if place in texts else HEAD).format(name) for place, name in enumerate(head))
    body = (
        (MARKED if place in marked else LINE).format(
            joined((TEXT if k in texts else CELL).format(cell) for k, cell in enumerate(row))
        )
        for place, row in enumerate(rows)
    )
    return TABLE.format(LINE.format(joined(top)), joined(body))


def picture(path: Path, *, text: str) -> Markup:
    """A PNG or SVG file, with all its bytes.

    Args:
        path: The file.
        text: What it shows, for those who cannot see it.
    """
    kind = KINDS.get(path.suffix)
    if kind is None:
        msg = f"{path} cannot be put into a page: pictures must be {' or '.join(KINDS)}"
        raise PruneError(msg)
    content = base64.b64encode(path.read_bytes()).decode("ascii")
    return Markup('<img src="data:{};base64,{}" alt="{}">').format(kind, content, text)


def bars(shares: Mapping[str, float]) -> Markup:
    """Upright bars between 0 and 1, such as the share of each layer that is left.

    Args:
        shares: By the name that a bar shows when it is pointed at.
    """
    columns = (
        Markup('<span title="{}: {:.1f} %"><i style="height:{:.2f}%"></i></span>').format(
            name, 100 * share, 100 * share
        )
        for name, share in shares.items()
    )
    return Markup('<div class="bars">{}</div>').format(Markup("").join(columns))


def sparkline(shares: Iterable[float]) -> Markup:
    """The same as small as a word."""
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
