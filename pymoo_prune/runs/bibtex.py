"""BibTeX: reading entries, and collecting those that are cited."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from importlib.resources import files

from pymoo_prune.errors import PruneError, unknown_name

REFERENCES = "references.bib"
"""The file with a package's entries."""
LAST_SOFTWARE = "paszke2019pytorch"
"""The last of the entries of software, which come first."""
_START = re.compile(r"@(\w+)\s*\{\s*([^\s,{}]+)\s*,")


@dataclass(frozen=True)
class Entry:
    """An entry of BibTeX.

    Attributes:
        key: Its key.
        text: The entry, from the at sign to the last brace.
        use: What it is cited for.
    """

    key: str
    text: str
    use: str = ""


def read_entries(text: str, origin: str) -> list[Entry]:
    """The entries of a text; a line of comment right above an entry says what it is cited for.

    Args:
        text: BibTeX.
        origin: Where it comes from, for messages.
    """
    found: list[Entry] = []
    lines, comment = iter(text.splitlines()), ""
    for line in lines:
        if not line.strip().startswith("@"):
            comment = line.strip().lstrip("% ") if line.strip().startswith("%") else ""
            continue
        start, entry = _START.match(line.strip()), [line.strip()]
        while start and _depth(entry) > 0 and (more := next(lines, None)) is not None:
            entry.append(more.rstrip())
        if start is None or _depth(entry):
            msg = (
                f"{origin} must hold entries of BibTeX, such as '@misc{{key, title = {{...}}}}', "
                f"with as many opening as closing braces, but one begins with {line.strip()!r}"
            )
            raise PruneError(msg)
        found.append(Entry(start[2], "\n".join(entry), comment))
        comment = ""
    return found


def _depth(lines: Iterable[str]) -> int:
    """How many braces are open at the end of lines; a brace after a backslash is a letter."""
    text = re.sub(r"\\[{}]", "", "\n".join(lines))
    return text.count("{") - text.count("}")


@cache
def own_entries() -> dict[str, Entry]:
    """The entries of pymoo-prune itself, by key."""
    text = (files("pymoo_prune.runs") / REFERENCES).read_text(encoding="utf-8")
    text = text.replace("VERSION", version("pymoo-prune"), 1)
    return {entry.key: entry for entry in read_entries(text, REFERENCES)}


class Bibliography:
    """What is cited, each entry once.

    Attributes:
        entries: The entries, by key.
        uses: What each is cited for, by key.
        notes: What has no entry.
    """

    def __init__(self) -> None:
        self.entries: dict[str, Entry] = {}
        self.uses: dict[str, list[str]] = {}
        self.notes: list[str] = []

    def cite(self, *keys: str) -> None:
        """Cites entries of pymoo-prune's own.

        Args:
            keys: Their keys.
        """
        for key in keys:
            if key not in own_entries():
                raise unknown_name("entry", key, own_entries())
            self.add(own_entries()[key])

    def add(self, entry: Entry) -> None:
        """Cites an entry.

        Args:
            entry: The entry; of several with one key, the first is kept.
        """
        self.entries.setdefault(entry.key, entry)
        uses = self.uses.setdefault(entry.key, [])
        if entry.use and entry.use not in uses:
            uses.append(entry.use)

    def note(self, text: str) -> None:
        """Says what has no entry.

        Args:
            text: A line, without the sign of a comment.
        """
        if text not in self.notes:
            self.notes.append(text)

    def merge(self, other: Bibliography) -> None:
        """Cites all that another bibliography cites."""
        for key, entry in other.entries.items():
            for use in other.uses[key] or [""]:
                self.add(Entry(key, entry.text, use))
        for text in other.notes:
            self.note(text)

    def text(self) -> str:
        """The entries in BibTeX, each below a line that says what it is cited for.

        They are in the order of pymoo-prune's own; those of problems come after the software.
        """
        own = list(own_entries())
        problems = own.index(LAST_SOFTWARE)
        places = {key: own.index(key) if key in own else problems for key in self.entries}
        parts = []
        for key in sorted(self.entries, key=lambda key: (places[key], key not in own)):
            uses, text = "; ".join(self.uses[key]), self.entries[key].text
            parts.append(f"% {uses}\n{text}" if uses else text)
        notes = [f"% {note}" for note in self.notes]
        return "\n\n".join([*parts, *(["\n".join(notes)] if notes else [])]) + "\n"
