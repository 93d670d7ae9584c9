"""Pictures of studies: ranks, profiles, differences of attainment, fronts in costs."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations
from pathlib import Path
from typing import Any

import moocore
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from pymoo_prune import PruneError
from pymoo_prune.objectives import Values, hypervolume
from pymoo_prune.plots import (
    COLOURS,
    COLUMN,
    PAGE,
    SCREEN,
    FigureStyle,
    Profile,
    difference_of_attainment,
    draw_costs,
    draw_difference,
    draw_profiles,
    draw_ranks,
)
from tests.plots.test_paper import distances, labels_of_ticks, shown

STYLES = [
    pytest.param(s, id=n) for s, n in ((SCREEN, "screen"), (COLUMN, "column"), (PAGE, "page"))
]
METHODS = ("nsga2", "sms-emoa", "moead", "random search", "my_module:MyAlgorithm", "age-moea")
RANKS = dict(zip(METHODS, (3.1, 1.2, 2.6, 5.9, 4.4, 3.8), strict=True))
GROUPS = [["sms-emoa", "moead"], ["moead", "nsga2", "age-moea"], ["my_module:MyAlgorithm",
          "random search"]]  # fmt: skip
X = np.array([1.0, 7, 40, 300, 1_999])
PROFILES = {name: Profile(X, np.linspace(0.1, 0.4 + 0.1 * k, 5)) for k, name in enumerate(METHODS)}
BANDS = {
    name: Profile(X, one.values, one.values - 0.05, one.values + 0.02)
    for name, one in PROFILES.items()
}


def sets(seed: int, runs: int = 4, shift: float = 0.0) -> list[Values]:
    generator = np.random.default_rng(seed)
    found = []
    for _ in range(runs):
        x = np.sort(generator.random(8)) * 0.8 + shift
        found.append(np.column_stack([x, (1 - np.sqrt(x)) * 0.8 + 0.1 * generator.random(8)]))
    return found


DIFFERENCE = difference_of_attainment(sets(0), sets(1, shift=0.05))
FRONTS = {name: np.random.default_rng(k).random((6, 3)) for k, name in enumerate(METHODS[:3])}

PICTURES: dict[str, Callable[..., Any]] = {
    "ranks": lambda **more: draw_ranks(None, RANKS, critical=1.9, groups=GROUPS, **more),
    "profiles": lambda **more: draw_profiles(
        None, PROFILES, label="share of targets reached", end=2_000, bottom=0, **more
    ),
    "bands": lambda **more: draw_profiles(
        None, BANDS, label="hypervolume, share of the known front", end=2_000, low=None, log=False,
        key=[("line", "median of the runs"), ("band", "quartiles")], **more,
    ),
    "difference": lambda **more: draw_difference(
        None, DIFFERENCE, ("sms-emoa", "nsga2"), ("error (unit cost)",
        "log_parameters (unit cost)"), places=(1, 0), **more,
    ),
    "costs": lambda **more: draw_costs(
        None, FRONTS, ("error (unit cost)", "log_macs (unit cost)", "log_parameters (unit cost)"),
        known=np.random.default_rng(7).random((30, 3)), known_label="known front", **more,
    ),
}  # fmt: skip
EVERY = pytest.mark.parametrize("name", PICTURES)
ONE_PANEL = ("ranks", "profiles", "bands")


def drawn(name: str, style: FigureStyle) -> Figure:
    found = PICTURES[name](style=style, title="digits")
    figure = found.get_figure() if isinstance(found, Axes) else found
    assert isinstance(figure, Figure)
    figure.draw_without_rendering()
    return figure


@EVERY
@pytest.mark.parametrize("style", STYLES)
def test_all_text_is_inside_and_of_one_size(name: str, style: FigureStyle) -> None:
    figure = drawn(name, style)
    whole = figure.bbox.padded(2)
    for text in shown(figure):
        box = text.get_window_extent()
        if text.get_text() in {t.get_text() for axes in figure.axes for w in "xy"
                               for t in labels_of_ticks(axes, w)} or text.axes is None:  # fmt: skip
            continue
        assert whole.x0 <= box.x0, text
        assert box.x1 <= whole.x1, text
        assert whole.y0 <= box.y0, text
        assert box.y1 <= whole.y1, text
    if style.paper:
        assert figure.get_size_inches()[0] == style.width
        assert {text.get_size() for text in shown(figure)} == {8.0}
        assert figure.get_suptitle() == ""
    else:
        assert figure.get_suptitle() == "digits"


@EVERY
@pytest.mark.parametrize("style", STYLES)
def test_ticks_do_not_touch(name: str, style: FigureStyle) -> None:
    for axes in drawn(name, style).axes:
        if axes.axison:
            assert all(distance > 1 for distance in distances(axes, "x"))
            assert all(distance > 0 for distance in distances(axes, "y"))


def test_the_same_numbers_are_the_same_file(tmp_path: Path) -> None:
    for name in ("a", "b"):
        draw_ranks(tmp_path / f"{name}1.svg", RANKS, critical=1.9, groups=GROUPS)
        draw_difference(tmp_path / f"{name}2.svg", DIFFERENCE, ("a", "b"), ("x", "y"))
        draw_profiles(tmp_path / f"{name}3.pdf", BANDS, label="share", end=2_000)
    for number in ("1.svg", "2.svg", "3.pdf"):
        assert (tmp_path / f"a{number}").read_bytes() == (tmp_path / f"b{number}").read_bytes()


@pytest.mark.parametrize("name", ONE_PANEL)
def test_one_panel_is_drawn_into_the_callers_axes(name: str) -> None:
    figure = Figure((6, 4), layout="constrained")
    left, right = figure.subplots(1, 2)
    assert PICTURES[name](ax=right) is right
    assert not left.lines
    assert right.lines
    assert not figure.legends
    assert figure.get_size_inches().tolist() == [6, 4]


@pytest.mark.parametrize("name", ["difference", "costs"])
def test_several_panels_are_drawn_into_the_callers_figure(name: str) -> None:
    figure = Figure((8, 8), layout="constrained")
    upper, lower = figure.subfigures(2, 1)
    assert PICTURES[name](figure=upper) is upper
    assert upper.axes
    assert not lower.axes
    figure.draw_without_rendering()


# Ranks.


@pytest.mark.parametrize("style", STYLES)
def test_names_of_ranks_touch_neither_each_other_nor_lines(style: FigureStyle) -> None:
    (axes,) = drawn("ranks", style).axes
    texts = [text for text in axes.texts if any(name in text.get_text() for name in METHODS)]
    assert len(texts) == len(METHODS)
    boxes = {text.get_text(): text.get_window_extent() for text in texts}
    for one, other in combinations(boxes.values(), 2):
        assert not one.overlaps(other)
    for line in axes.lines:
        path = axes.transData.transform(np.asarray(line.get_xydata()))
        for box in boxes.values():
            x, y = path.T
            crosses = (x.max() > box.x0 + 1) & (x.min() < box.x1 - 1)
            assert not (crosses and y.max() > box.y0 + 1 and y.min() < box.y1 - 1)


def test_ranks_stand_where_they_are() -> None:
    (axes,) = drawn("ranks", SCREEN).axes
    markers = {
        to_hex(line.get_color()).upper(): float(np.asarray(line.get_xdata())[0])
        for line in axes.lines
        if line.get_marker() not in ("None", None, "")
    }
    assert markers == {COLOURS[k]: rank for k, rank in enumerate(RANKS.values())}
    bars = [
        np.asarray(line.get_xdata()).tolist() for line in axes.lines if line.get_linewidth() == 4
    ]
    assert sorted(bars) == [[1.2, 2.6], [2.6, 3.8], [4.4, 5.9]]
    texts = [text.get_text() for text in axes.texts]
    assert "critical difference 1.90" in texts
    assert "sms-emoa  1.20" in texts


def test_what_ranks_cannot_be_drawn_from() -> None:
    with pytest.raises(PruneError, match="from 1 to 2, but that of b is 3"):
        draw_ranks(None, {"a": 1.0, "b": 3.0}, critical=1.0)
    with pytest.raises(PruneError, match="unknown method of a group 'c'"):
        draw_ranks(None, {"a": 1.0, "b": 2.0}, critical=1.0, groups=[["a", "c"]])
    with pytest.raises(PruneError, match="ranks must not be empty"):
        draw_ranks(None, {}, critical=1.0)


# Profiles.


def test_profiles_begin_low_and_reach_the_end() -> None:
    axes = draw_profiles(
        None,
        {"a": Profile(np.array([5.0, 9.0]), np.array([0.2, 0.5])), "none": Profile(X[:0], X[:0])},
        label="reached",
        end=20,
        bottom=0,
    )
    lines = [np.asarray(line.get_xydata()).tolist() for line in axes.lines]
    assert lines == [[[1, 0], [5, 0.2], [9, 0.5], [20, 0.5]], [[1, 0], [20, 0]]]
    assert axes.get_xscale() == "log"
    assert axes.get_ylim()[0] == 0
    linear = draw_profiles(
        None, {"a": Profile(X, X)}, label="reached", end=2_000, log=False, low=None
    )
    assert linear.get_xscale() == "linear"
    assert np.asarray(linear.lines[0].get_xydata())[0].tolist() == [1, 1]


def test_what_a_profile_cannot_be() -> None:
    with pytest.raises(PruneError, match="columns of a profile must be equally long"):
        Profile(X, X[1:])
    with pytest.raises(PruneError, match="finite numbers"):
        Profile(X, np.full(5, np.nan))
    with pytest.raises(PruneError, match="only one is given"):
        Profile(X, X, low=X)


# Differences of attainment.


def with_places(runs: list[Values]) -> Values:
    """The runs as moocore takes them: the number of the run is the last column."""
    return np.concatenate([np.column_stack([one, np.full(len(one), k)]) for k, one in
                           enumerate(runs, start=1)])  # fmt: skip


@given(seed=st.integers(0, 10**6), runs=st.integers(1, 5), steps=st.sampled_from([4, 7, 1000]))
def test_differences_are_those_of_moocore(seed: int, runs: int, steps: int) -> None:
    generator = np.random.default_rng(seed)
    first, second = (
        [generator.integers(0, steps, (generator.integers(1, 7), 2)) / steps for _ in range(runs)]
        for _ in range(2)
    )
    found = difference_of_attainment(first, second)
    rectangles = moocore.eafdiff(with_places(first), with_places(second), rectangles=True)
    for x0, y0, x1, y1, value in rectangles:
        inside = (x0 + min(x1, 1.0)) / 2, (y0 + min(y1, 1.0)) / 2
        for x, y in ((x0, y0), inside):
            assert found.at(np.array([x]), np.array([y]))[0, 0] == pytest.approx(
                value / runs, abs=1e-9
            )
    # What no rectangle covers is no difference.
    x, y = generator.random(40), generator.random(40)
    values = found.at(x, y)
    for i, j in zip(*np.nonzero(values), strict=True):
        assert any(
            x0 <= x[i] < x1 and y0 <= y[j] < y1 and v != 0 for x0, y0, x1, y1, v in rectangles
        )


@given(seed=st.integers(0, 10**6), more=st.integers(1, 6))
def test_areas_are_the_difference_of_mean_hypervolumes(seed: int, more: int) -> None:
    """With different numbers of runs too, and with runs that found nothing."""
    first, second = sets(seed, runs=3), [*sets(seed + 1, runs=more, shift=0.1), np.empty((0, 2))]
    found = difference_of_attainment(first, second)
    ahead, behind = found.areas
    assert ahead >= 0
    assert behind >= 0
    means = [np.mean([hypervolume(one) for one in runs]) for runs in (first, second)]
    assert ahead - behind == pytest.approx(means[0] - means[1], abs=1e-12)
    other = difference_of_attainment(second, first)
    assert other.areas == pytest.approx((behind, ahead))


def test_methods_that_found_nothing_or_the_same_do_not_differ() -> None:
    nothing = difference_of_attainment([np.empty((0, 2))], [np.array([[2.0, 0.1], [np.nan, 0]])])
    assert nothing.areas == (0, 0)
    assert nothing.at(np.array([0.5]), np.array([0.5])).tolist() == [[0]]
    draw_difference(None, nothing, ("a", "b"), ("x", "y"))
    same = difference_of_attainment(sets(3), sets(3)[::-1])
    assert same.areas == (0, 0)
    draw_difference(None, same, ("a", "b"), ("x", "y"))


def test_lines_count_runs_that_found_nothing() -> None:
    one, none, far = np.array([[0.2, 0.2]]), np.empty((0, 2)), np.array([[0.5, 0.5]])
    found = difference_of_attainment([one, one, none, none, none], [far] * 5)
    figure = draw_difference(None, found, ("a", "b"), ("x", "y"))
    for panel, median in zip(figure.axes, ([1, 1], [0.5, 0.5]), strict=False):
        best, worst, middle = (np.asarray(line.get_xydata()) for line in panel.lines)
        assert best[1].tolist() == [0.2, 0.2]
        assert worst[1].tolist() == [1, 1], "three of all runs attain nothing"
        assert middle[1].tolist() == median


def test_what_cannot_be_compared() -> None:
    with pytest.raises(PruneError, match=r"two costs, \(n, 2\), but their shape is \(4, 3\)"):
        difference_of_attainment([np.ones((4, 3))], sets(0))
    with pytest.raises(PruneError, match="must have a run"):
        difference_of_attainment([], sets(0))


def test_shades_are_on_the_side_of_the_method_that_is_ahead() -> None:
    ahead = difference_of_attainment([np.array([[0.2, 0.2]])], [np.array([[0.6, 0.6]])])
    figure = draw_difference(None, ahead, ("a", "b"), ("x", "y"), places=(3, 4))
    left, right = (axes.images[0].get_array() for axes in figure.axes)
    assert to_hex(np.asarray(left)[0, 0, :3]).upper() == COLOURS[3]
    assert 0.7 < (np.asarray(left)[..., 3] > 0).mean() < 1
    assert not np.asarray(right)[..., 3].any()


# Fronts in costs.


def test_every_pair_with_the_first_cost_has_a_panel() -> None:
    figure = drawn("costs", SCREEN)
    assert [axes.get_xlabel() for axes in figure.axes] == [
        "log_macs (unit cost)",
        "log_parameters (unit cost)",
    ]
    points = np.asarray(figure.axes[1].lines[1].get_xydata())
    assert points == pytest.approx(FRONTS["nsga2"][:, [2, 0]])
    with pytest.raises(PruneError, match="two costs or more"):
        draw_costs(None, FRONTS, ("error",), known=np.empty((0, 1)), known_label="known")
