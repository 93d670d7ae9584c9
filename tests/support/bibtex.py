"""A small reader of BibTeX, apart from the one that is tested."""

from __future__ import annotations

import re

REQUIRED = {
    "article": {"author", "title", "journal", "year"},
    "book": {"author", "title", "publisher", "year"},
    "incollection": {"author", "title", "booktitle", "publisher", "year"},
    "inproceedings": {"author", "title", "booktitle", "year"},
    "techreport": {"author", "title", "institution", "year"},
    "phdthesis": {"author", "title", "school", "year"},
    "misc": {"author", "title"},
}
FORMS = {
    "year": r"(19|20)\d\d",
    "pages": r"\d+--\d+",
    "volume": r"\d+",
    "number": r"\d+",
    "doi": r"10\.\d{4,}/[^\s{}]+",
    "eprint": r"\d{4}\.\d{4,5}",
    "archiveprefix": "arXiv",
    "url": r"https://\S+",
    "author": r".*[^,\s}]|.*\}",
}


def read(text: str) -> dict[str, dict[str, str]]:
    """The fields of each entry by its key; fails where BibTeX would, or would print rubbish."""
    assert text.isascii()
    found: dict[str, dict[str, str]] = {}
    without = re.sub(r"^%.*\n?", "", text, flags=re.MULTILINE)
    for entry in map(str.strip, re.split(r"^(?=@)", without, flags=re.MULTILINE)[1:]):
        start = re.match(r"@([a-z]+)\{([A-Za-z0-9_:.+-]+),\n", entry)
        assert start is not None, entry
        kind, key = start.groups()
        assert key not in found
        assert entry.endswith("\n}"), entry
        fields = dict[str, str]()
        body = entry[start.end() : -1].strip()
        while body:
            name, value, body = field(body)
            assert name not in fields, f"{key} has {name} twice"
            fields[name] = " ".join(value.split())
        assert fields.keys() >= REQUIRED[kind], (key, REQUIRED[kind] - fields.keys())
        for name, form in FORMS.items():
            assert name not in fields or re.fullmatch(form, fields[name]), (key, name)
        assert not re.search(r"(?<!\\)[&%#$_]", fields["title"] + fields["author"])
        found[key] = fields
    return found


def field(body: str) -> tuple[str, str, str]:
    """A field's name and value, and what comes after it."""
    start = re.match(r"([a-z]+) = \{", body)
    assert start is not None, body
    depth, end = 1, start.end()
    while depth:
        depth += {"{": 1, "}": -1}.get(body[end], 0)
        end += 1
    assert body[end] == ",", body
    return start[1], body[start.end() : end - 1], body[end + 1 :].strip()


def uses(text: str) -> dict[str, str]:
    """The comment over each entry, by the entry's key."""
    return {key: use for use, key in re.findall(r"^% (.+)\n@[a-z]+\{(.+),$", text, re.MULTILINE)}
