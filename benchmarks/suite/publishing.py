"""Writes files into the suite's folder of the package, and their digests into its index."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pymoo_prune.files import locked, write_text, writing
from pymoo_prune.suite.contents import INDEX, digest

FILES = Path(__file__).resolve().parents[2] / "pymoo_prune" / "suite" / "files"
LARGEST = 2_000_000
"""Bytes of the largest file."""


def publish(name: str, content: bytes) -> None:
    """Writes a file of the suite, and its digest.

    Args:
        name: Its path in the folder of files.
        content: Its bytes.
    """
    if len(content) > LARGEST:
        msg = f"{name} has {len(content):,} bytes; the suite's files have at most {LARGEST:,}"
        raise ValueError(msg)
    path = FILES / name
    path.parent.mkdir(parents=True, exist_ok=True)
    with writing(path) as part:
        part.write_bytes(content)
    record("digests", name, digest(content))
    print(f"{name}: {len(content):,} bytes", flush=True)


def record(kind: str, name: str, value: Any) -> None:
    """Writes an entry of the index; several programs may do so at once.

    Args:
        kind: "digests" or "instances".
        name: A file or an instance.
        value: What the index says of it.
    """
    with locked(FILES):
        path = FILES / INDEX
        index = json.loads(path.read_text()) if path.exists() else {"digests": {}, "instances": {}}
        index[kind][name] = value
        index = {kind: dict(sorted(index[kind].items())) for kind in sorted(index)}
        write_text(path, json.dumps(index, indent=1) + "\n")
