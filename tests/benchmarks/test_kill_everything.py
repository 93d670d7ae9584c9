"""A small version of the benchmark `kill-everything`."""

from __future__ import annotations

import pytest

from tests.support.running import python


@pytest.mark.slow
def test_nothing_differs_after_kills() -> None:
    arguments = ("-m", "benchmarks", "kill-everything", "--quick")
    process = python(*arguments, PYMOO_PRUNE_KILLS="3")
    out, errors = process.communicate(timeout=280)
    assert process.returncode == 0, errors
    assert "kill-everything: 0 differences after" in out, out
    assert "(target 0) [reduced size]" in out
