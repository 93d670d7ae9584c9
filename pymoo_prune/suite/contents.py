"""The files that come with the suite: parents, tables and known fronts, each with its digest."""

from __future__ import annotations

import hashlib
import json
from functools import cache
from importlib.resources import files
from typing import Any

from pymoo_prune.errors import StoreError

INDEX = "index.json"
"""Says of each file its digest, and of each instance what was measured on it."""


@cache
def index() -> dict[str, Any]:
    """The contents of the index."""
    content = _bytes(INDEX)
    try:
        found = json.loads(content)
        if all(isinstance(found[kind], dict) for kind in ("digests", "instances")):
            return found  # type: ignore[no-any-return]
    except (ValueError, KeyError, TypeError):
        pass
    msg = f"{INDEX} of the benchmark suite is damaged; install pymoo-prune again"
    raise StoreError(msg)


def holds(name: str) -> bool:
    """Whether the suite has a file.

    Args:
        name: Its path in the folder of the suite's files.
    """
    return name in index()["digests"]


def read(name: str) -> bytes:
    """A file's content, checked against its digest.

    Args:
        name: Its path in the folder of the suite's files.
    """
    content = _bytes(name)
    wanted = index()["digests"].get(name)
    if wanted != digest(content):
        msg = (
            f"{name} of the benchmark suite is damaged: its digest is not the one in {INDEX}; "
            "install pymoo-prune again"
        )
        raise StoreError(msg)
    return content


def digest(content: bytes) -> str:
    """SHA-256 of a file's content, in hexadecimal digits."""
    return hashlib.sha256(content).hexdigest()


def _bytes(name: str) -> bytes:
    try:
        return files("pymoo_prune.suite").joinpath("files", *name.split("/")).read_bytes()
    except OSError as error:
        msg = f"{name} of the benchmark suite is missing; install pymoo-prune again"
        raise StoreError(msg) from error
