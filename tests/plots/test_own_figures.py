"""Figures and axes of the caller's: drawn into, and never written, closed or resized."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib as mpl
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pymoo_prune import PruneError
from pymoo_prune.plots import COLUMN, SCREEN
from tests.plots.test_paper import PICTURES

ONE_PANEL = ("hypervolumes", "attainment", "parallel")
SEVERAL = ("front", "generations", "layers of two", "matrices", "robustness")


@pytest.fixture(autouse=True)
def kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing may write a figure."""

    def savefig(*_: Any, **__: Any) -> None:
        pytest.fail("a figure of the caller's was written")

    monkeypatch.setattr(Figure, "savefig", savefig)


@pytest.mark.parametrize("name", ONE_PANEL)
@pytest.mark.parametrize("style", [SCREEN, COLUMN])
def test_a_picture_of_one_panel_is_drawn_into_axes(name: str, style: Any) -> None:
    before = dict(mpl.rcParams)
    draw, given = PICTURES[name]
    figure = Figure((5, 4), layout="constrained")
    left, right = figure.subplots(1, 2)
    assert draw(None, *given, ax=right, style=style, title="digits") is right
    assert len(right.lines) >= 3
    assert not left.lines
    assert not figure.legends
    assert figure.get_suptitle() == right.get_title() == ""
    assert figure.get_size_inches().tolist() == [5, 4]
    if name != "parallel":
        assert figure.axes == [left, right]
        assert right.get_legend() is not None
    assert dict(mpl.rcParams) == before
    figure.draw_without_rendering()


@pytest.mark.parametrize("name", SEVERAL)
@pytest.mark.parametrize("style", [SCREEN, COLUMN])
def test_a_picture_of_several_panels_is_drawn_into_a_figure(name: str, style: Any) -> None:
    before = dict(mpl.rcParams)
    draw, given = PICTURES[name]
    whole = Figure((7, 8), layout="constrained")
    upper, lower = whole.subfigures(2, 1)
    alone = Figure((7, 6), layout="constrained")
    for figure in (upper, alone):
        assert draw(None, *given, figure=figure, style=style) is figure
        assert len(figure.axes) >= 1
        assert all(isinstance(axes, Axes) and axes.has_data() for axes in figure.axes)
        assert figure.legends or name == "generations"
        assert figure.get_suptitle() == ""
    assert not lower.axes
    assert whole.get_size_inches().tolist() == [7, 8]
    assert alone.get_size_inches().tolist() == [7, 6]
    assert dict(mpl.rcParams) == before
    whole.draw_without_rendering()
    alone.draw_without_rendering()


def test_labels_of_the_callers_axes_are_in_the_callers_size() -> None:
    figure = Figure((5, 4))
    with mpl.rc_context({"font.size": 13}):
        axes = figure.add_subplot()
        draw, given = PICTURES["hypervolumes"]
        draw(None, *given, ax=axes, style=COLUMN)
        figure.draw_without_rendering()
    assert axes.xaxis.label.get_size() == 13
    assert {label.get_size() for label in axes.get_xticklabels()} == {13}


def test_a_figure_of_the_callers_is_written_by_its_owner(tmp_path: Path) -> None:
    draw, given = PICTURES["hypervolumes"]
    with pytest.raises(PruneError, match=r"path must be None where ax is given.*a.png"):
        draw(tmp_path / "a.png", *given, ax=Figure().add_subplot())
    draw, given = PICTURES["front"]
    with pytest.raises(PruneError, match=r"path must be None where figure is given.*a.png"):
        draw(tmp_path / "a.png", *given, figure=Figure())


def test_a_picture_without_a_file_keeps_its_style_when_it_is_drawn_later() -> None:
    draw, given = PICTURES["attainment"]
    axes = draw(None, *given, style=COLUMN)
    axes.figure.set_size_inches(9, 9)  # with more ticks than before
    axes.figure.draw_without_rendering()
    labels = [*axes.get_xticklabels(), *axes.get_yticklabels()]
    assert {label.get_size() for label in labels} == {8.0}
