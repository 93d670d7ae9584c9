"""A small version of the benchmark `kill-everything`."""

from __future__ import annotations

import pytest

from tests.support.running import finished, python


@pytest.mark.slow
def test_nothing_differs_after_kills() -> None:
    arguments = ("-m", "benchmarks", "kill-everything", "--quick")
    out = finished(python(*arguments, PYMOO_PRUNE_KILLS="4"))
    assert "kill-everything: 0 differences after" in out
    assert "(target 0) [reduced size]" in out
