"""The API reference names existing things, and everything that users are told to import."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from pkgutil import resolve_name
from types import ModuleType
from typing import Any

import pytest

import pymoo_prune
import pymoo_prune_problems

API = Path(__file__).resolve().parents[2] / "docs" / "api"
PAGES = sorted(API.glob("*.rst"))


def entries(page: Path) -> list[tuple[str, str]]:
    """The kind and the full name of what a page has from docstrings."""
    return re.findall(r"^\.\. auto(\w+):: (\S+)$", page.read_text(), flags=re.MULTILINE)


def documented() -> Iterator[tuple[str, Any]]:
    """What is in the reference: short names, and the things themselves."""
    for page in PAGES:
        for kind, name in entries(page):
            thing = resolve_name(name)
            if kind == "module":
                names = getattr(thing, "__all__", ())
                yield from ((inner, getattr(thing, inner)) for inner in names)
            else:
                yield name.rpartition(".")[2], thing


@pytest.mark.parametrize("package", [pymoo_prune, pymoo_prune_problems], ids=lambda p: p.__name__)
def test_what_a_package_offers_is_in_the_reference(package: ModuleType) -> None:
    reference = [(name, id(thing)) for name, thing in documented()]
    offered = [(name, id(getattr(package, name))) for name in package.__all__]
    assert not [name for name, thing in offered if (name, thing) not in reference]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_what_the_reference_names_is_there_and_has_a_docstring(page: Path) -> None:
    for kind, name in entries(page):
        thing = resolve_name(name)
        assert kind == "data" or thing.__doc__, f"{name} has no docstring"


def test_nothing_is_in_the_reference_twice() -> None:
    names = [name for page in PAGES for _, name in entries(page)]
    assert len(names) == len(set(names))


def test_every_page_of_the_reference_can_be_found() -> None:
    index = (API / "index.md").read_text()
    contents = index[index.index("{toctree}") :].split()
    for page in PAGES:
        assert f"]({page.name})" in index
        assert page.stem in contents
