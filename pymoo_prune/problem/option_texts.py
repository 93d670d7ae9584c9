"""Options as text: NAME=VALUE, with values in JSON's spelling or Python's."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from pymoo_prune.errors import PruneError

_WORDS = {"None": None, "True": True, "False": False}
"""Values in Python's spelling; all else is read as JSON, or as text."""


def assignments(texts: Sequence[str]) -> dict[str, Any]:
    """Values by name.

    Args:
        texts: Such as "levels=8", "parent_widths=[16, 16]" or "encoding=masks".
    """
    pairs = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals:
            msg = f"{text!r} must read NAME=VALUE"
            raise PruneError(msg)
        pairs[name.strip()] = _value(value.strip())
    return pairs


def _value(text: str) -> Any:
    if text in _WORDS:
        return _WORDS[text]
    try:
        return json.loads(text)
    except (ValueError, RecursionError):  # no JSON, or of a size that nothing wants
        return text
