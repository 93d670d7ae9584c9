from __future__ import annotations

import copy
import math
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.figure import Figure

from pymoo_prune import PruneError
from pymoo_prune.objectives import STANDARD, Values
from pymoo_prune.plots import COLOURS, attainment_surfaces, draw_attainment

WIDE = 6
"""The size of a grid of points, so that many are equal in one cost or in both."""
POINTS = st.lists(
    st.tuples(st.integers(0, WIDE - 1), st.integers(0, WIDE - 1)), min_size=1, max_size=5
).map(lambda found: np.array(found, dtype=np.float64))


def attained(points: Values, x: float, y: float) -> bool:
    return any(px <= x and py <= y for px, py in points)


@given(sets=st.lists(POINTS, min_size=1, max_size=5), percentile=st.floats(0, 100))
def test_surfaces_bound_what_enough_runs_attain(sets: list[Values], percentile: float) -> None:
    before = copy.deepcopy(sets)
    percentiles = [percentile, 0, 100, percentile, 100 / 3]
    surfaces = attainment_surfaces(sets, percentiles=percentiles)
    assert len(surfaces) == 5
    for share, surface in zip(percentiles, surfaces, strict=True):
        # A share of the runs that exceeds a count only by rounding is that count.
        needed = max(1, math.ceil(share * len(sets) / 100 - 1e-7))
        for x in np.arange(-0.5, WIDE):
            for y in np.arange(-0.5, WIDE):
                runs = sum(attained(points, x, y) for points in sets)
                assert attained(surface, x, y) == (runs >= needed)
        # Corners from left to right; none dominates another.
        assert (np.diff(surface[:, 0]) > 0).all()
        assert (np.diff(surface[:, 1]) < 0).all()
    assert all(np.array_equal(old, new) for old, new in zip(before, sets, strict=True))


def test_what_surfaces_cannot_be_of() -> None:
    good = np.ones((1, 2))
    with pytest.raises(PruneError, match="sets must not be empty"):
        attainment_surfaces([])
    with pytest.raises(PruneError, match="points of run 1 must not be empty"):
        attainment_surfaces([good, np.ones((0, 2))])
    for wrong in (np.ones((1, 3)), np.ones(2), np.array([[1.0, np.nan]])):
        with pytest.raises(PruneError, match=r"must be finite numbers, \(n, 2\), but .* run 1"):
            attainment_surfaces([good, wrong])
    with pytest.raises(PruneError, match=r"percentiles must be from 0 to 100, .*\[50, 101\]"):
        attainment_surfaces([good], percentiles=[50, 101])


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    """The figures, which are kept and not written to files."""
    figures: list[Figure] = []
    monkeypatch.setattr(Figure, "savefig", lambda self, *_, **__: figures.append(self))
    return figures


def run(*networks: tuple[float, float, float]) -> dict[str, Values]:
    names = ("macs", "accuracy", "sparsity")
    return dict(zip(names, np.array(networks).T, strict=True))


RUNS = [
    run((10, 0.5, 0.9), (30, 0.9, 0.7)),
    run((20, 0.6, 0.8), (40, 0.8, 0.6), (15, np.nan, 0.5)),
    run((30, 0.7, 0.7)),
]


def test_steps_lead_to_what_is_worse_whichever_way_that_is(drawn: list[Figure]) -> None:
    draw_attainment("unused.png", {"a": RUNS}, "macs", "accuracy", STANDARD)
    draw_attainment("unused.png", {"a": RUNS}, "sparsity", "accuracy", STANDARD)
    for figure, expected, far in (
        # More MACs are worse: from the bottom left to the right edge.
        (drawn[0], [(20, 0.5), (30, 0.7), (40, 0.8)], 1),
        # Less removed is worse: from the bottom right to the left edge.
        (drawn[1], [(0.8, 0.5), (0.7, 0.7), (0.6, 0.8)], 0),
    ):
        (axes,) = figure.axes
        edge, floor = axes.get_xlim()[far], axes.get_ylim()[0]
        median = axes.lines[2]
        steps = [(expected[0][0], floor), expected[0]]
        for (_, height), corner in pairwise(expected):
            steps += [(corner[0], height), corner]
        steps.append((edge, expected[-1][1]))
        assert np.asarray(median.get_xydata()) == pytest.approx(np.array(steps))
        assert np.asarray(median.get_xydata())[1::2] == pytest.approx(np.array(expected))
        assert median.get_markevery() == (1, 2)


def test_best_and_worst_bound_the_band(drawn: list[Figure]) -> None:
    draw_attainment("unused.png", {"a": RUNS}, "macs", "accuracy", STANDARD)
    (axes,) = drawn[0].axes
    best, worst = (np.asarray(line.get_xydata()) for line in axes.lines[:2])
    assert best[1::2].tolist() == [[10, 0.5], [20, 0.6], [30, 0.9]]
    assert worst[1::2].tolist() == [[30, 0.6], [40, 0.7]]
    band = axes.patches[0].get_path().vertices
    assert {tuple(point) for point in band.tolist()} == {
        tuple(point) for point in np.concatenate([best, worst]).tolist()
    }


def test_a_run_without_networks_attains_nothing(drawn: list[Figure]) -> None:
    sets = {"a": [RUNS[0], RUNS[2], {}, {}, {}], "b": [{}], "c": RUNS}
    draw_attainment("unused.png", sets, "macs", "accuracy", STANDARD)
    (axes,) = drawn[0].axes
    worst = [axes.get_xlim()[1], axes.get_ylim()[0]]
    best, least, median = (np.asarray(line.get_xydata()) for line in axes.lines[:3])
    assert best[1::2].tolist() == [[10, 0.5], [30, 0.9]]
    for line in (median, least):  # two of five attain something: not half of them
        assert (line == worst).all()
    assert len(axes.lines) == 6, "b is left out"
    labels = [text.get_text() for text in drawn[0].legends[0].get_texts()]
    assert labels == ["a", "c", "median of the runs", "best and worst"]


def test_a_legend_says_how_many_runs_there_were(drawn: list[Figure]) -> None:
    for sets in ({"a": RUNS, "b": RUNS}, {"a": RUNS, "b": RUNS[:1]}, {"a": RUNS[:1]}):
        draw_attainment("unused.png", sets, "macs", "accuracy", STANDARD)
    labels = [[text.get_text() for text in one.legends[0].get_texts()] for one in drawn]
    assert labels == [
        ["a", "b", "median of 3 runs", "best and worst"],
        ["a", "b", "median of the runs", "best and worst"],
        ["a"],
    ]


def test_methods_without_runs_are_left_out_and_change_no_looks(drawn: list[Figure]) -> None:
    draw_attainment("unused.png", {"lost": [], "a": RUNS}, "macs", "accuracy", STANDARD)
    assert {line.get_color() for line in drawn[0].axes[0].lines} == {COLOURS[1]}
    labels = [text.get_text() for text in drawn[0].legends[0].get_texts()]
    assert labels == ["a", "median of 3 runs", "best and worst"]


def test_the_same_runs_are_the_same_file(tmp_path: Path) -> None:
    for name in ("a.svg", "b.svg"):
        draw_attainment(tmp_path / name, {"a": RUNS}, "macs", "accuracy", STANDARD, title="digits")
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()
    assert ">MACs</text>" in (tmp_path / "a.svg").read_text(encoding="utf-8")


def test_what_attainment_cannot_be_drawn_from() -> None:
    def draw(sets: dict[str, list[dict[str, Values]]], x: str = "macs") -> None:
        draw_attainment("unused.png", sets, x, "accuracy", STANDARD)

    with pytest.raises(PruneError, match="sets must not be empty"):
        draw({})
    with pytest.raises(PruneError, match="sets must not be empty"):
        draw({"a": []})
    with pytest.raises(PruneError, match=r"unknown quantity 'mac'.*Did you mean 'macs'"):
        draw({"a": RUNS}, "mac")
    with pytest.raises(PruneError, match="unknown column of 'a', run 0 'parameters'"):
        draw({"a": RUNS}, "parameters")
    with pytest.raises(PruneError, match="columns of 'a', run 0 must be equally long"):
        draw({"a": [{"macs": np.ones(2), "accuracy": np.ones(1)}]})
    with pytest.raises(PruneError, match="numbers of 'a', run 3 must not be empty"):
        draw({"a": [*RUNS, run((1, np.nan, 1))]})
