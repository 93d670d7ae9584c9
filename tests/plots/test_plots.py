from __future__ import annotations

import copy
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib import image
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from pymoo_prune import PruneError, Series
from pymoo_prune.objectives import STANDARD, Goals, Quantity
from pymoo_prune.plots import (
    COLOURS,
    LIGHT,
    MARKERS,
    compact,
    draw_front,
    draw_generations,
    picture,
)
from pymoo_prune.plots.fronts import PUBLISHED_MARKERS
from pymoo_prune.plots.style import limits, look, set_axis
from pymoo_prune.results import ACCURACIES

QUANTITIES = {
    **STANDARD,
    "width": Quantity("lower", "hidden neurons kept", share=True),
    **ACCURACIES,
}
SIZE = np.array([100.0, 900.0, 90_000.0])


def series(name: str = "this search", *, tested: bool = True, finished: bool = False) -> Series:
    columns = {
        "accuracy": np.array([0.5, 0.7, 0.9]),
        "parameters": SIZE,
        "macs": SIZE,
        "width": np.array([0.1, 0.2, 0.6]),
    }
    if tested:
        columns["test_accuracy"] = columns["accuracy"] - 0.01
    if finished:
        columns["finished_test_accuracy"] = columns["accuracy"] + 0.05
    return Series(name, columns)


def texts(path: Path) -> str:
    """An SVG file, in which text is text."""
    return path.read_text(encoding="utf-8")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("names", "finished"),
    [(["accuracy"], True), (["accuracy", "macs"], False), (["width", "accuracy", "macs"], True)],
)
def test_the_front_is_a_picture(tmp_path: Path, names: list[str], finished: bool) -> None:
    path = tmp_path / "front.png"
    shown = [series(finished=finished), series("random search", finished=finished)]
    draw_front(path, shown, Goals(QUANTITIES, names), QUANTITIES, title="digits")
    assert path.read_bytes().startswith(b"\x89PNG\r\n\x1a\n")
    pixels = image.imread(path)[..., :3]
    assert len(np.unique(pixels @ np.array([1.0, 1e3, 1e6]))) > 50
    panels = max(len(names) - 1, 1)
    assert pixels.shape[1] > 800 * panels


def test_the_front_says_what_it_shows(tmp_path: Path) -> None:
    path = tmp_path / "front.svg"
    shown = [series(finished=True), series("L1 pruning", finished=True)]
    draw_front(path, shown, Goals(QUANTITIES, ["accuracy", "width"]), QUANTITIES, title="on digits")
    for text in (
        "on digits",
        "hidden neurons kept (share of the parent's)",
        "test accuracy",
        "this search",
        "L1 pruning",
        "before retraining",
    ):
        assert text in texts(path), text


def test_accuracy_on_search_images_is_not_called_test_accuracy(tmp_path: Path) -> None:
    path = tmp_path / "front.svg"
    draw_front(path, [series(tested=False)], Goals(QUANTITIES, ["accuracy", "macs"]), QUANTITIES)
    assert "accuracy on the search images" in texts(path)
    assert "before retraining" not in texts(path)


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    """The figures, which are kept and not written to files."""
    figures: list[Figure] = []
    monkeypatch.setattr(Figure, "savefig", lambda self, *_, **__: figures.append(self))
    return figures


def points(line: Line2D) -> list[tuple[float, float]]:
    return [(float(x), float(y)) for x, y in line.get_xydata()]


def labels(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.legends[0].get_texts()]


GOALS = Goals(QUANTITIES, ["accuracy", "width"])


def test_every_network_has_a_marker(drawn: list[Figure]) -> None:
    plain = series(tested=False)
    shuffled = Series("random search", {n: c[[2, 0, 1]] for n, c in plain.columns.items()})
    draw_front("unused.png", [plain, shuffled], GOALS, QUANTITIES)
    lines = [line for line in drawn[0].axes[0].lines if len(line.get_xdata())]
    assert [points(line) for line in lines] == 2 * [[(0.1, 0.5), (0.2, 0.7), (0.6, 0.9)]]
    assert [line.get_marker() for line in lines] == ["o", "s"]
    assert lines[0].get_linestyle() != lines[1].get_linestyle()


def test_each_network_is_joined_to_itself_after_retraining(drawn: list[Figure]) -> None:
    one = series(finished=True)
    one.columns["finished_test_accuracy"][1] = np.nan
    draw_front("unused.png", [one], GOALS, QUANTITIES)
    axes = drawn[0].axes[0]
    hollow, filled = axes.lines
    assert points(hollow) == [(0.1, 0.49), (0.2, pytest.approx(0.69)), (0.6, 0.89)]
    assert (hollow.get_markerfacecolor(), hollow.get_linestyle()) == ("white", "None")
    assert points(filled) == [(0.1, 0.55), (0.6, pytest.approx(0.95))]
    assert (filled.get_markerfacecolor(), filled.get_linestyle()) == (COLOURS[0], "-")
    stems = [stem.vertices.tolist() for stem in axes.collections[0].get_paths()]
    assert np.array(stems) == pytest.approx(
        np.array([[[0.1, 0.49], [0.1, 0.55]], [[0.6, 0.89], [0.6, 0.95]]])
    )
    assert labels(drawn[0]) == ["this search", "after retraining", "before retraining"]


def test_networks_for_orientation_are_light_crosses_behind_the_methods(drawn: list[Figure]) -> None:
    first = series("first population", finished=True)
    first.columns["finished_test_accuracy"][0] = np.nan
    draw_front("unused.png", [series(finished=True)], GOALS, QUANTITIES, light=[first])
    light, *methods = drawn[0].axes[0].lines
    assert points(light) == [(0.2, 0.75), (0.6, pytest.approx(0.95))]
    assert (light.get_marker(), light.get_linestyle(), light.get_color()) == ("x", "None", LIGHT)
    assert "x" not in {*MARKERS, *PUBLISHED_MARKERS}
    assert LIGHT not in COLOURS
    assert all(light.zorder < line.zorder for line in methods)
    assert labels(drawn[0])[:2] == ["this search", "first population"]
    # Without retraining they are where the search measured them.
    draw_front("unused.png", [series()], GOALS, QUANTITIES, light=[series("first population")])
    assert points(drawn[1].axes[0].lines[0])[0] == (0.1, 0.49)


def test_papers_are_drawn_beside_the_methods(drawn: list[Figure]) -> None:
    one, two = np.array([0.3, 0.4]), np.array([0.8, np.nan])
    published = [
        Series("Li et al.", {"width": one, "accuracy": two}),
        Series("He et al.", {"macs": one, "test_accuracy": two, "accuracy": one}),
        Series("neither", {"parameters": one, "test_accuracy": two}),
    ]
    before = copy.deepcopy(published)
    goals = Goals(QUANTITIES, ["accuracy", "width", "macs"])
    draw_front("unused.png", [series()], goals, QUANTITIES, published=published)
    assert labels(drawn[0]) == ["this search", "Li et al.", "He et al."]

    def known(axes: Axes) -> list[Line2D]:
        return [line for line in axes.lines[1:] if len(line.get_xdata())]

    (ours,), (theirs,) = (known(axes) for axes in drawn[0].axes)
    assert points(ours) == points(theirs) == [(0.3, 0.8)]
    assert ours.get_marker() != theirs.get_marker()
    for line in (ours, theirs):
        assert line.get_linestyle() == "None"
        assert (line.get_color(), line.get_markerfacecolor()) == ("black", "none")
    for old, new in zip(before, published, strict=True):
        assert all(
            np.array_equal(old.columns[n], new.columns[n], equal_nan=True) for n in new.columns
        )


def test_a_method_of_which_no_accuracy_is_known_is_left_out(drawn: list[Figure]) -> None:
    sizes = Series("sizes alone", {"width": SIZE})
    draw_front("unused.png", [series(), sizes], GOALS, QUANTITIES)
    draw_front("unused.png", [sizes], GOALS, QUANTITIES)
    assert [labels(figure) for figure in drawn] == [["this search"], []]


def test_what_a_front_cannot_be_drawn_from(tmp_path: Path) -> None:
    path = tmp_path / "front.png"
    with pytest.raises(PruneError, match="series must not be empty"):
        draw_front(path, [], GOALS, QUANTITIES)
    with pytest.raises(PruneError, match="unknown quantity 'width'; there are: accuracy, "):
        draw_front(path, [series()], GOALS, STANDARD)
    uneven = Series("L1", {"width": SIZE, "accuracy": SIZE[:2]})
    for shown, published in (([uneven], []), ([series()], [uneven])):
        with pytest.raises(PruneError, match=r"columns of 'L1' must be equally long, .*\(2,\)"):
            draw_front(path, shown, GOALS, QUANTITIES, published=published)
    with pytest.raises(PruneError, match=r"pictures are .png, .svg, .pdf files, .*'front.gif'"):
        draw_front("front.gif", [series()], GOALS, QUANTITIES)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("value", [0.0, 1.0, 12_345.0])
def test_one_network_is_a_front_too(tmp_path: Path, value: float) -> None:
    columns = {"accuracy": np.array([0.5]), "macs": np.array([value])}
    path = tmp_path / "front.png"
    goals = Goals(QUANTITIES, ["accuracy", "macs"])
    draw_front(path, [Series("this search", columns)], goals, QUANTITIES)
    assert image.imread(path)[..., :3].std() > 0


def test_a_method_without_the_quantity_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "front.svg"
    lacking = Series("plain method", {"accuracy": np.array([0.4]), "macs": np.array([3.0])})
    goals = Goals(QUANTITIES, ["accuracy", "width"])
    draw_front(path, [series(), lacking], goals, QUANTITIES)
    assert "this search" in texts(path)
    assert "plain method" not in texts(path)


def test_more_methods_than_colours(tmp_path: Path) -> None:
    many = [series(f"method {k}") for k in range(9)]
    path = tmp_path / "front.svg"
    draw_front(path, many, Goals(QUANTITIES, ["accuracy", "macs"]), QUANTITIES)
    assert all(f"method {k}" in texts(path) for k in range(9))


@pytest.mark.slow
@pytest.mark.parametrize("suffix", ["png", "svg", "pdf"])
def test_the_same_picture_is_the_same_file_in_threads_too(tmp_path: Path, suffix: str) -> None:
    before = dict(mpl.rcParams)

    def draw(place: int) -> bytes:
        path = tmp_path / f"{place}.{suffix}"
        draw_front(path, [series()], GOALS, QUANTITIES, title="digits")
        return path.read_bytes()

    with ThreadPoolExecutor(3) as threads:
        files = {draw(0), *threads.map(draw, range(1, 4))}
    assert len(files) == 1
    assert b"date" not in files.pop().lower()
    assert dict(mpl.rcParams) == before


def test_no_file_is_written_where_drawing_fails(tmp_path: Path) -> None:
    before = dict(mpl.rcParams)
    with pytest.raises(ZeroDivisionError), picture(tmp_path / "a.png", (2, 2)):
        raise ZeroDivisionError
    assert not list(tmp_path.iterdir())
    assert dict(mpl.rcParams) == before


def test_names_with_dollars_are_no_formulas(tmp_path: Path) -> None:
    path = tmp_path / "front.svg"
    draw_front(path, [series("$a$")], GOALS, QUANTITIES, title="$b$")
    assert "$a$" in texts(path)
    assert "$b$" in texts(path)


def test_methods_look_different() -> None:
    looks = [look(place) for place in range(56)]
    assert len({(one["color"], one["marker"]) for one in looks}) == 56
    # Markers differ without colours too, even where they overlap.
    for one, other in pairwise(looks):
        assert one["linestyle"] != other["linestyle"]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (0.25, "0.25"),
        (-3, "−3"),
        (999, "999"),
        (1_500, "1.5k"),
        (-2e6, "−2M"),
        (4e9, "4G"),
    ],
)
def test_ticks_are_short(value: float, text: str) -> None:
    assert compact(value) == text


def test_axes_begin_and_end_a_little_outside_of_what_they_show() -> None:
    assert limits([1.0, np.nan, 2.0]) == pytest.approx((0.96, 2.04))
    assert limits([1.0, 100.0], log=True) == pytest.approx((100**-0.04, 100**1.04))
    assert limits([5.0]) == pytest.approx((4.8, 5.2))
    assert limits([0.0]) == (-0.5, 0.5)
    assert limits([np.nan]) == limits([]) == (0.0, 1.0)


@pytest.mark.parametrize(
    ("quantity", "values", "scale"),
    [
        ("macs", [1.0, 21.0], "log"),
        ("macs", [1.0, 19.0], "linear"),
        ("macs", [0.0, 21.0], "linear"),
        ("macs", [1.0, 1e9], "log"),
        ("sparsity", [0.01, 0.9], "linear"),
        ("macs", [np.nan], "linear"),
    ],
)
def test_axes_are_logarithmic_where_small_values_matter(
    quantity: str, values: list[float], scale: str
) -> None:
    axes = Figure().add_subplot()
    set_axis(axes, "x", QUANTITIES[quantity], values)
    assert axes.get_xscale() == scale
    assert len(axes.get_xticks()) < 20


@pytest.mark.parametrize("generations", [1, 5])
def test_generations_are_a_picture(tmp_path: Path, generations: int) -> None:
    path = tmp_path / "generations.svg"
    means = {
        "generation": np.arange(1.0, generations + 1),
        "accuracy": np.linspace(0.4, 0.8, generations),
        "macs": np.linspace(9_000, 1_000, generations),
    }
    draw_generations(path, means, ["accuracy", "macs"], QUANTITIES)
    assert ">accuracy</text>" in texts(path)
    assert ">MACs</text>" in texts(path)


def test_a_method_keeps_its_colour_and_its_name_where_a_panel_lacks_it(tmp_path: Path) -> None:
    path = tmp_path / "front.svg"
    lacking = Series("L1 pruning", {n: c for n, c in series().columns.items() if n != "macs"})
    shown = [series(), lacking, series("random search")]
    goals = Goals(QUANTITIES, ["accuracy", "width", "macs"])
    draw_front(path, shown, goals, QUANTITIES)
    for one in shown:
        assert one.name in texts(path)
    # Three networks in each panel, and one in the legend.
    counts = [texts(path).lower().count(f"fill: {colour.lower()}") for colour in COLOURS[:3]]
    assert counts[0] == counts[2] > counts[1] > 0


def test_ticks_that_differ_read_differently(drawn: list[Figure]) -> None:
    means = {"generation": np.arange(1.0, 4.0), "accuracy": np.array([0.966, 0.969, 0.972])}
    draw_generations("unused.png", means, ["accuracy"], STANDARD)
    drawn[0].draw_without_rendering()
    labels = [tick.get_text() for tick in drawn[0].axes[0].get_yticklabels()]
    assert len(set(labels)) == len(labels) > 1


def test_what_generations_cannot_be_drawn_from() -> None:
    def draw(means: dict[str, Any], *names: str) -> None:
        draw_generations("unused.png", means, names, STANDARD)

    one = np.ones(3)
    with pytest.raises(PruneError, match="names must not be empty"):
        draw({"generation": one})
    with pytest.raises(PruneError, match=r"unknown quantity 'acuracy'.* Did you mean 'accuracy'"):
        draw({"generation": one, "acuracy": one}, "acuracy")
    with pytest.raises(PruneError, match="unknown column of means 'macs'; there are: generation"):
        draw({"generation": one}, "macs")
    with pytest.raises(PruneError, match="columns of means must be equally long"):
        draw({"generation": one, "macs": one[:2]}, "macs")
