from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from matplotlib import image
from matplotlib.figure import Figure

from pymoo_prune import PruneError
from pymoo_prune.plots import COLOURS, Curve, draw_hypervolumes


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    """The figures, which are kept and not written to files."""
    figures: list[Figure] = []
    monkeypatch.setattr(Figure, "savefig", lambda self, *_, **__: figures.append(self))
    return figures


def curve(**hypervolumes: float) -> Curve:
    """A curve, given for example as after10=0.5, after20=0.7."""
    evaluations = [float(name.removeprefix("after")) for name in hypervolumes]
    return Curve(np.array(evaluations), np.array(list(hypervolumes.values())))


SEEDS = [
    curve(after10=0.2, after20=0.4, after30=0.5),
    curve(after12=0.1, after18=0.6),
    curve(after11=0.3, after30=0.45),
]


def test_a_hypervolume_holds_until_the_next_and_after_the_last() -> None:
    one = curve(after10=0.2, after20=0.4)
    assert one.at(np.array([10.0, 15.0, 19.9, 20.0, 99.0])).tolist() == [0.2, 0.2, 0.2, 0.4, 0.4]
    assert Curve(np.array([5.0, 5.0]), np.array([0.1, 0.3])).at(np.array([5.0])).tolist() == [0.3]


def test_the_line_is_the_median_and_the_band_the_range(drawn: list[Figure]) -> None:
    draw_hypervolumes("unused.png", {"NSGA-II": SEEDS}, title="digits")
    (axes,) = drawn[0].axes
    (line,) = axes.lines
    assert line.get_drawstyle() == "steps-post"
    # From evaluation 12 on, where the last of the three begins.
    assert line.get_xdata().tolist() == [12, 18, 20, 30]
    assert line.get_ydata().tolist() == [0.2, 0.3, 0.4, 0.5]
    band = axes.collections[0].get_paths()[0].vertices
    ranges = {12: (0.1, 0.3), 18: (0.2, 0.6), 20: (0.3, 0.6), 30: (0.45, 0.6)}
    for place, (low, high) in ranges.items():
        heights = band[band[:, 0] == place, 1]
        assert {low, high} <= set(heights.tolist())
    labels = [text.get_text() for text in drawn[0].legends[0].get_texts()]
    assert labels == ["NSGA-II", "median of 3 seeds", "lowest to highest"]


def test_one_seed_is_a_line(drawn: list[Figure]) -> None:
    draw_hypervolumes("unused.png", {"a": SEEDS[:1]})
    assert drawn[0].axes[0].lines[0].get_ydata().tolist() == [0.2, 0.4, 0.5]
    assert [text.get_text() for text in drawn[0].legends[0].get_texts()] == ["a"]


def test_methods_are_listed_as_they_end_and_keep_their_colours(drawn: list[Figure]) -> None:
    curves = {"low": SEEDS[2:], "high": SEEDS[1:2], "two": SEEDS[:2]}
    draw_hypervolumes("unused.png", curves)
    legend = drawn[0].legends[0]
    labels = [text.get_text() for text in legend.get_texts()]
    assert labels == ["high", "two", "low", "median of the seeds", "lowest to highest"]
    colours = [line.get_color() for line in legend.get_lines()[:3]]
    assert colours == [COLOURS[1], COLOURS[2], COLOURS[0]]


def test_the_first_tenth_may_begin_below_the_picture(drawn: list[Figure]) -> None:
    x = np.arange(1.0, 102.0)
    steep = Curve(x, np.where(x < 9, 0.01 * x, 0.8 + 0.001 * x))
    late = Curve(np.array([50.0, 60.0]), np.array([0.7, 0.75]))
    draw_hypervolumes("unused.png", {"a": [steep]})
    draw_hypervolumes("unused.png", {"a": [steep], "b": [late]})
    # After a tenth, which is 11 evaluations, the hypervolume is 0.811.
    low, high = drawn[0].axes[0].get_ylim()
    assert low == pytest.approx(0.811 - 0.04 * 0.09)
    assert high == pytest.approx(0.901 + 0.04 * 0.09)
    assert drawn[1].axes[0].get_ylim()[0] == pytest.approx(0.7 - 0.04 * 0.201)


def test_few_and_equal_values_are_a_picture_too(tmp_path: Path) -> None:
    for place, one in enumerate((curve(after10=0.5), curve(after10=0.0, after20=0.0))):
        path = tmp_path / f"{place}.png"
        draw_hypervolumes(path, {"a": [one, one]})
        pixels = image.imread(path)[..., :3]
        blue = np.abs(pixels - np.array([0x00, 0x72, 0xB2]) / 255).max(axis=-1) < 0.02
        assert blue[:, : blue.shape[1] * 2 // 3].sum() > 20  # more than the legend


def test_methods_without_curves_are_left_out_and_change_no_looks(drawn: list[Figure]) -> None:
    draw_hypervolumes("unused.png", {"lost": [], "a": SEEDS})
    (axes,) = drawn[0].axes
    assert [line.get_color() for line in axes.lines] == [COLOURS[1]]
    labels = [text.get_text() for text in drawn[0].legends[0].get_texts()]
    assert labels == ["a", "median of 3 seeds", "lowest to highest"]


def test_the_same_curves_are_the_same_file(tmp_path: Path) -> None:
    for name in ("a.svg", "b.svg"):
        draw_hypervolumes(tmp_path / name, {"NSGA-II": SEEDS, "random": SEEDS[:1]})
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()
    assert ">hypervolume</text>" in (tmp_path / "a.svg").read_text(encoding="utf-8")


def test_what_hypervolumes_cannot_be_drawn_from() -> None:
    with pytest.raises(PruneError, match="curves must not be empty"):
        draw_hypervolumes("unused.png", {})
    with pytest.raises(PruneError, match="curves must not be empty"):
        draw_hypervolumes("unused.png", {"NSGA-II": []})
    with pytest.raises(PruneError, match=r"columns of a curve must be equally long.*\(2,\)"):
        Curve(np.ones(3), np.ones(2))
    with pytest.raises(PruneError, match="a curve must not be empty"):
        Curve(np.ones(0), np.ones(0))
    with pytest.raises(PruneError, match="a curve must consist of finite numbers"):
        Curve(np.ones(2), np.array([0.1, np.nan]))
    with pytest.raises(PruneError, match="evaluations of a curve must never fall"):
        Curve(np.array([2.0, 1.0]), np.ones(2))
