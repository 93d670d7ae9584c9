"""Pictures for papers: their sizes, and what is legible in them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from itertools import combinations, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib import image
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.transforms import Bbox

from pymoo_prune import Series
from pymoo_prune.errors import PruneError
from pymoo_prune.objectives import STANDARD, Goals, Quantity, Values
from pymoo_prune.plots import (
    COLOURS,
    COLUMN,
    FIGURES,
    LINE_STYLES,
    MARKERS,
    PAGE,
    SCREEN,
    STYLES,
    Curve,
    FigureStyle,
    draw_attainment,
    draw_front,
    draw_generations,
    draw_hypervolumes,
    draw_layers,
    draw_matrices,
    draw_parallel,
    draw_robustness,
    paper_style,
)
from pymoo_prune.results import ACCURACIES

QUANTITIES = {
    **STANDARD,
    "width": Quantity("lower", "hidden neurons kept", share=True),
    "latency": Quantity("lower", "latency in ms"),
    "kl": Quantity("lower", "divergence from the parent"),
    **ACCURACIES,
}
FIVE = ["accuracy", "width", "macs", "latency", "kl"]
METHODS = ("NSGA-II", "genetic algorithm", "random search", "global magnitude pruning")
PAPERS = [
    pytest.param(COLUMN, id="column"),
    pytest.param(PAGE, id="page"),
    pytest.param(STYLES["acm"]["column"], id="acm-column"),
    pytest.param(STYLES["ieee"]["page"], id="ieee-page"),
]


def columns(place: int = 0) -> dict[str, Values]:
    sizes = np.geomspace(0.0025, 0.99, 9)
    accuracy = 0.99 - 0.02 * place - 0.3 * np.exp(-8 * sizes)
    return {
        "accuracy": accuracy,
        "test_accuracy": accuracy - 0.01,
        "finished_test_accuracy": accuracy + 0.005,
        "width": sizes,
        "macs": 3e7 * sizes,
        "latency": 1.2 + 0.7 * sizes,
        "kl": 0.5 - 0.4 * sizes,
    }


ALL = [Series(name, columns(place)) for place, name in enumerate(METHODS)]
PUBLISHED = [Series("Li et al. (2017)", {"width": np.array([0.4]), "accuracy": np.array([0.9])})]
MEANS = {"generation": np.arange(1.0, 10.0), **columns()}
CURVES = {
    name: [Curve(np.arange(1.0, 900.0, 9), 0.9 - 0.5 / np.arange(1.0, 101.0))] * 3
    for name in METHODS
}
RUNS: dict[str, list[Mapping[str, Values]]] = {
    name: [columns(k)] * 3 for k, name in enumerate(METHODS)
}
LAYERS = {f"layer{k // 4}.{k % 4}.conv1": 0.05 * (k % 20) for k in range(40)}
MATRICES = {f"block {k}": np.tri(12, dtype=bool) for k in range(3)}
PERTURBED = {kind: {name: [0.9, 0.8, 0.7] for name in ("parent", "ticket")} for kind in "abcd"}

Drawn = Callable[..., Any]
PICTURES: dict[str, tuple[Drawn, tuple[Any, ...]]] = {
    "front": (draw_front, (ALL, Goals(QUANTITIES, FIVE[:2]), QUANTITIES)),
    "front of five": (draw_front, (ALL, Goals(QUANTITIES, FIVE), QUANTITIES)),
    "generations": (draw_generations, (MEANS, FIVE[:2], QUANTITIES)),
    "generations of five": (draw_generations, (MEANS, FIVE, QUANTITIES)),
    "hypervolumes": (draw_hypervolumes, (CURVES,)),
    "attainment": (draw_attainment, (RUNS, "width", "accuracy", QUANTITIES)),
    "parallel": (draw_parallel, (ALL[0], FIVE[:3], QUANTITIES)),
    "parallel of five": (draw_parallel, (ALL[0], FIVE, QUANTITIES)),
    "layers": (draw_layers, ({"network 3": LAYERS},)),
    "layers of two": (draw_layers, ({"network 3": LAYERS, "global magnitude": LAYERS},)),
    "matrices": (draw_matrices, (MATRICES,)),
    "robustness": (draw_robustness, (PERTURBED,)),
}
EVERY = pytest.mark.parametrize("name", PICTURES)


@cache
def drawn(name: str, style: FigureStyle) -> Figure:
    """A picture, laid out as in a file; several tests look at it."""
    return drawn_anew(name, style)


def drawn_anew(name: str, style: FigureStyle, **more: Any) -> Figure:
    draw, given = PICTURES[name]
    titled = {} if draw is draw_robustness else {"title": "digits"}
    found = draw(None, *given, style=style, **titled, **more)
    figure = found.get_figure() if isinstance(found, Axes) else found
    assert isinstance(figure, Figure)
    figure.draw_without_rendering()
    return figure


def shown(figure: Figure) -> Iterator[Text]:
    """All texts that are not empty."""
    for text in figure.findobj(Text):
        assert isinstance(text, Text)
        if text.get_text() and text.get_visible():
            yield text


def labels_of_ticks(axes: Axes, which: str) -> list[Text]:
    """The labels of the ticks that lie on an axis."""
    axis = axes.xaxis if which == "x" else axes.yaxis
    low, high = sorted(axis.get_view_interval())
    slack = 1e-9 * (high - low)
    pairs = zip(axis.get_major_ticks(), axis.get_majorticklocs(), strict=True)
    labels = [tick.label1 for tick, at in pairs if low - slack <= at <= high + slack]
    return [one for one in labels if one.get_text() and one.get_visible()]


def distances(axes: Axes, which: str) -> list[float]:
    """Distances between neighbouring labels of an axis, in points."""
    boxes = [label.get_window_extent() for label in labels_of_ticks(axes, which)]
    boxes.sort(key=lambda box: box.x0 if which == "x" else box.y0)
    pixels = [
        (two.x0 - one.x1 if which == "x" else two.y0 - one.y1) for one, two in pairwise(boxes)
    ]
    return [72 * one / axes.figure.dpi for one in pixels]


# Sizes.


@pytest.mark.slow
@EVERY
@pytest.mark.parametrize("style", PAPERS)
def test_a_picture_is_as_wide_as_the_column_and_has_text_of_8_points(
    name: str, style: FigureStyle
) -> None:
    figure = drawn(name, style)
    assert figure.get_size_inches()[0] == style.width
    assert figure.get_size_inches()[1] < 5
    assert {text.get_size() for text in shown(figure)} == {8.0}
    for text in shown(figure):
        assert text.get_text() != "digits"


@pytest.mark.parametrize(("style", "inches"), [(COLUMN, 3.5), (PAGE, 7.16)])
def test_files_have_the_size_that_they_say(
    tmp_path: Path, style: FigureStyle, inches: float
) -> None:
    assert FIGURES == {"screen": SCREEN, "column": COLUMN, "page": PAGE}
    for ending in style.endings:
        draw_hypervolumes(tmp_path / f"a{ending}", CURVES, style=style, title="digits")
    assert image.imread(tmp_path / "a.png").shape[1] == pytest.approx(inches * style.dpi, abs=1)
    box = re.search(rb"/MediaBox \[ 0 0 ([\d.]+)", (tmp_path / "a.pdf").read_bytes())
    wide = re.search(r'<svg .*?width="([\d.]+)pt"', (tmp_path / "a.svg").read_text("utf-8"))
    assert box is not None
    assert wide is not None
    assert float(box[1]) == float(wide[1]) == pytest.approx(72 * inches)


@pytest.mark.parametrize("style", PAPERS)
def test_a_paper_has_captions_and_pictures_no_titles(style: FigureStyle) -> None:
    for name in ("front", "generations", "hypervolumes", "attainment", "parallel", "layers"):
        figure = drawn(name, style)
        assert figure.get_suptitle() == ""
        for axes in figure.axes:
            assert [axes.get_title(loc) for loc in ("left", "center", "right")] == ["", "", ""]
    assert drawn("front", SCREEN).get_suptitle() == "digits"
    # What a title said on a screen is said by an axis.
    labels = [axes.get_ylabel() for axes in drawn("generations", style).axes]
    assert [label.replace("\n", " ") for label in labels] == [
        "accuracy, mean",
        "hidden neurons kept, mean",
    ]


def test_lines_and_markers_are_smaller_in_a_column() -> None:
    big, small = (drawn("hypervolumes", style).axes[0].lines[0] for style in (SCREEN, COLUMN))
    for size in ("get_linewidth", "get_markersize"):
        assert getattr(small, size)() == pytest.approx(COLUMN.scale * getattr(big, size)())


def test_many_objectives_are_rows_of_panels_and_no_wide_picture() -> None:
    for style, rows in ((SCREEN, [2, 2]), (PAGE, [2, 2]), (COLUMN, [2, 2])):
        figure = drawn("front of five", style)
        heights = [round(axes.get_position().y0, 3) for axes in figure.axes]
        assert [heights.count(height) for height in dict.fromkeys(heights)] == rows
    assert SCREEN.grid(5) == (2, 3)
    assert COLUMN.grid(5) == (3, 2)


def test_the_front_of_five_objectives_fits_onto_a_screen(tmp_path: Path) -> None:
    path = tmp_path / "front.png"
    draw_front(path, ALL, Goals(QUANTITIES, FIVE), QUANTITIES)
    assert image.imread(path).shape[1] <= 2016  # as with three objectives


# Publishers.


def test_styles_of_publishers_have_their_widths_and_endings() -> None:
    widths = {name: [one.width for one in styles.values()] for name, styles in STYLES.items()}
    assert widths == {"plain": [3.5, 7.16], "ieee": [3.5, 7.16], "acm": [3.33, 7.0]}
    assert STYLES["plain"] == {"column": COLUMN, "page": PAGE}
    for styles in STYLES.values():
        assert list(styles) == ["column", "page"]
        assert all(one.paper and ".pdf" in one.endings for one in styles.values())
    assert paper_style("acm", "page") is STYLES["acm"]["page"]
    assert paper_style() is COLUMN
    with pytest.raises(PruneError, match="unknown style 'acn'; there are: acm, ieee, plain"):
        paper_style("acn")
    with pytest.raises(PruneError, match="as wide as a column or a page, but figures is 'screen'"):
        paper_style("acm", "screen")


@pytest.mark.parametrize("style", ["ieee", "acm"])
def test_text_is_in_times_and_no_font_is_missing(
    tmp_path: Path, style: str, caplog: pytest.LogCaptureFixture
) -> None:
    draw, given = PICTURES["front"]
    for place in "ab":
        for ending in ("pdf", "svg"):
            draw(tmp_path / f"{place}.{ending}", *given, style=paper_style(style))
    pdf, svg = (tmp_path / "a.pdf").read_bytes(), (tmp_path / "a.svg").read_text("utf-8")
    assert set(re.findall(rb"/BaseFont /[A-Z]+\+([A-Za-z]+)", pdf)) == {b"STIXGeneral"}
    assert b"/Type3" not in pdf
    assert pdf == (tmp_path / "b.pdf").read_bytes()
    assert svg == (tmp_path / "b.svg").read_text("utf-8")
    assert "'STIXGeneral', 'Times New Roman', 'Times'" in svg
    assert not caplog.records  # matplotlib logs what it does not find


def test_the_width_of_a_text_is_that_in_its_font() -> None:
    plain, serif = (paper_style(name).width_of("test accuracy") for name in ("plain", "ieee"))
    assert 0.6 * plain < serif < 0.95 * plain
    assert paper_style().width_of("a", 16.0) == pytest.approx(
        2 * paper_style().width_of("a"), rel=0.05
    )


# What is legible.


@pytest.mark.slow
@EVERY
@pytest.mark.parametrize("style", [*PAPERS, pytest.param(SCREEN, id="screen")])
def test_no_text_is_cut_off_and_no_ticks_touch(name: str, style: FigureStyle) -> None:
    figure = drawn(name, style)
    whole = figure.bbox.padded(1)
    for axes in figure.axes:
        ticks = {which: labels_of_ticks(axes, which) for which in "xy"}
        names = axes.xaxis.label, axes.yaxis.label
        for label in filter(Text.get_text, (*ticks["x"], *ticks["y"], *names)):
            box = label.get_window_extent()
            inside = Bbox.intersection(box, whole)
            assert inside is not None, label
            assert inside.bounds == pytest.approx(box.bounds, abs=0.01), label
        slanted = any(label.get_rotation() % 90 for label in ticks["x"])
        assert slanted or all(distance > 1 for distance in distances(axes, "x"))
        assert all(distance > 0 for distance in distances(axes, "y"))
        assert len(ticks["y"]) >= 2 or name.startswith("parallel") or axes is not figure.axes[0]
    for legend in figure.legends:
        box = legend.get_window_extent()
        assert box.x0 >= -1
        assert box.x1 <= figure.bbox.x1 + 1
        assert not any(
            box.overlaps(axes.get_tightbbox()) for axes in figure.axes if name != "layers"
        )


@pytest.mark.parametrize("style", PAPERS)
def test_labels_and_ticks_of_neighbouring_panels_do_not_touch(style: FigureStyle) -> None:
    for name in ("front of five", "generations of five", "robustness", "matrices"):
        boxes = [axes.get_tightbbox() for axes in drawn(name, style).axes]
        for one, other in combinations(boxes, 2):
            assert one is not None
            assert other is not None
            assert not one.overlaps(other), name


def test_ticks_do_not_touch_where_names_of_methods_leave_little_room() -> None:
    long = [Series(f"a method with a name that is long: {k}", columns(k)) for k in range(3)]
    figure = draw_front(None, long, Goals(QUANTITIES, ["accuracy", "width"]), QUANTITIES)
    assert isinstance(figure, Figure)
    figure.draw_without_rendering()
    assert min(distances(figure.axes[0], "x")) > 2
    texts = [label.get_text() for label in labels_of_ticks(figure.axes[0], "x")]
    assert len(texts) >= 2


def test_ticks_make_room_in_a_figure_that_shrinks() -> None:
    figure = drawn_anew("attainment", PAGE)
    (axes,) = figure.axes
    before = len(labels_of_ticks(axes, "x"))
    figure.set_size_inches(2.2, 1.2)
    figure.draw_without_rendering()
    assert before > len(labels_of_ticks(axes, "x")) >= 2
    assert min(distances(axes, "x")) > 1


def test_what_holds_for_all_methods_is_said_once() -> None:
    figure = drawn_anew(
        "front", COLUMN, legend_title="methods: median of 5 runs", published=PUBLISHED
    )
    (legend,) = figure.legends
    assert legend.get_title().get_text() == "methods: median of 5 runs"
    entries = [text.get_text() for text in legend.get_texts()]
    assert entries == [*METHODS, "after retraining", "before retraining", "Li et al. (2017)"]
    for name in ("hypervolumes", "attainment"):
        entries = [text.get_text() for text in drawn(name, COLUMN).legends[0].get_texts()]
        assert sum("median" in entry for entry in entries) == 1


# Files.


@pytest.mark.slow
@EVERY
def test_text_is_text_in_svg(tmp_path: Path, name: str) -> None:
    draw, given = PICTURES[name]
    draw(tmp_path / "a.svg", *given)
    content = (tmp_path / "a.svg").read_text("utf-8")
    texts = re.findall(r"<text [^>]*>([^<]+)</text>", content)
    assert len(texts) > 5
    assert any(len(text) > 3 for text in texts)
    assert 'id="DejaVuSans-' not in content  # no letter is an outline


@pytest.mark.slow
@pytest.mark.parametrize("name", ["front of five", "parallel", "layers", "matrices"])
def test_a_pdf_has_fonts_as_type_42_and_is_the_same_twice(tmp_path: Path, name: str) -> None:
    draw, given = PICTURES[name]
    for place in "ab":
        draw(tmp_path / f"{place}.pdf", *given, style=COLUMN)
    content = (tmp_path / "a.pdf").read_bytes()
    assert content == (tmp_path / "b.pdf").read_bytes()
    assert b"/CIDFontType2" in content
    assert b"/Type3" not in content
    assert b"Date" not in content


# Colours.

# Machado, Oliveira and Fernandes (2009): what is seen without one kind of cones, in linear RGB.
BLINDNESS = {
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216],
                   [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413],
                     [-0.011820, 0.042940, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602],
                   [0.004733, 0.691367, 0.303900]],
}  # fmt: skip


def lab(colour: str, blindness: str) -> Values:
    """A colour in CIE L*a*b*, as it is seen."""
    rgb = np.array(to_rgb(colour))
    linear = np.where(rgb > 0.04045, ((rgb + 0.055) / 1.055) ** 2.4, rgb / 12.92)
    seen = np.clip(np.array(BLINDNESS[blindness]) @ linear, 0, 1)
    to_xyz = [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
    xyz = np.array(to_xyz) @ seen / np.array([0.9505, 1.0, 1.089])
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


@pytest.mark.parametrize("blindness", BLINDNESS)
def test_colours_differ_for_colour_blind_readers_too(blindness: str) -> None:
    for one, other in combinations(COLOURS, 2):
        difference = np.linalg.norm(lab(one, blindness) - lab(other, blindness))
        assert difference > 10, (one, other)  # 2.3 is just noticeable


def test_methods_differ_without_any_colour() -> None:
    kinds = [(MARKERS[k % 8], str(LINE_STYLES[k % 5])) for k in range(40)]
    assert len(set(kinds)) == 40
    lines = drawn("robustness", COLUMN).axes[0].lines
    assert len({line.get_linestyle() for line in lines}) == len(lines) == 2
