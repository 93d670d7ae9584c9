"""What a new process imports."""

from __future__ import annotations

from tests.support.running import finished, python

HEAVY = ("torch", "torchvision", "scipy", "sklearn", "matplotlib", "bokeh")
"""Packages that take long to import."""


def imported(code: str) -> set[str]:
    """Which of the heavy packages a new process has imported after this code."""
    ask = f"import sys\nprint()\nprint(*sys.modules.keys() & {set(HEAVY)})\n"
    return set(finished(python("-c", f"{code}\n{ask}")).splitlines()[-1].split())
