"""Published numbers of papers can be drawn beside fronts."""

from __future__ import annotations

import pytest

from pymoo_prune import find_problem
from pymoo_prune.problem import registered


@pytest.mark.parametrize("problem", sorted(registered()))
def test_what_papers_report_can_be_drawn(problem: str) -> None:
    cls = find_problem(problem)
    assert cls.published
    for sources in cls.published.values():
        for columns in sources.values():
            assert columns.keys() <= {*cls.quantities, "test_accuracy"}
            assert len({len(values) for values in columns.values()}) == 1
