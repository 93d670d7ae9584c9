"""The controls of pages in Chromium: brushes, bounds, colours, and how the front grew."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from pymoo_prune import Run
from pymoo_prune.cli import main
from pymoo_prune.comparing import Campaign, ComparisonReport, report_of_campaign
from pymoo_prune.objectives import Constraint, Values, nondominated
from pymoo_prune.page.explore import PALETTE
from pymoo_prune.results import Choice
from pymoo_prune.runs import INTERACTIVE_PAGE, Report
from pymoo_prune.search import Display
from tests.support.browser import READY, launched, opened
from tests.support.tiny_problem import PixelsInBatches, pixels_run, threads

pytestmark = pytest.mark.slow

OUTSIDE = "#c4c4ca"
OBJECTIVES = ("--objectives", "accuracy", "parameters", "pixels")
MODEL = """(read) => {
    const settings = JSON.parse(document.querySelector("script.explorer").textContent);
    const model = (id) => Bokeh.documents[0].get_model_by_id(id);
    return new Function("settings", "model", `return ${read}`)(settings, model);
}"""
AXIS = """([axis, share]) => {
    // A place on an axis of the parallel coordinates, on the screen.
    const settings = JSON.parse(document.querySelector("script.explorer").textContent);
    const all = [...Bokeh.index.roots];
    const view = all.find((one) => one.model.id == settings.parallel);
    view.el.scrollIntoView({block: "center", behavior: "instant"});
    const place = view.model.tags[0].axes.findIndex(({name}) => name == axis);
    const box = view.canvas_view.el.getBoundingClientRect();
    return [
        box.left + view.frame.x_scale.compute(place),
        box.top + view.frame.y_scale.compute(share),
    ];
}"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("explore") / "my run"
    with threads(1):
        assert main(pixels_run(folder, *OBJECTIVES, "--pop-size", "16", "--generations", "12")) == 0
        assert main(["report", str(folder), "--html"]) == 0
    return folder


@pytest.fixture(scope="module")
def report(folder: Path) -> Report:
    return Report(Run.open(folder))


@pytest.fixture(scope="module")
def compared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("explore") / "some runs"
    small = ("--generations", "5", "--seeds", "2", "--jobs", "1", "--threads", "1")
    problem = "tests.support.tiny_problem:Pixels"
    assert main(["compare", problem, *OBJECTIVES, *small, "--output", str(folder)]) == 0
    assert main(["report", str(folder), "--html"]) == 0
    return folder


@pytest.fixture(scope="module")
def comparison(compared: Path) -> ComparisonReport:
    return report_of_campaign(Campaign.open(compared))


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with launched() as browser:
        yield browser


@pytest.fixture
def page(browser: Any, folder: Path) -> Iterator[Any]:
    with opened(browser, folder / INTERACTIVE_PAGE) as page:
        yield page


@pytest.fixture
def other(browser: Any, compared: Path) -> Iterator[Any]:
    """The page of the comparison."""
    with opened(browser, compared / INTERACTIVE_PAGE) as page:
        yield page


# The page's state.


def read(page: Any, expression: str) -> Any:
    """What JavaScript finds, given the explorer's settings and a function from ids to models."""
    page.wait_for_function(READY)
    return page.evaluate(MODEL, expression)


def grey(page: Any) -> list[int]:
    """The networks that are not left."""
    colours = read(page, "model(settings.networks).data.colour")
    return [place for place, colour in enumerate(colours) if colour == OUTSIDE]


def drag(page: Any, axis: str, start: float, end: float) -> None:
    """Drags along an axis of the parallel coordinates, where 0 is the worst and 1 the best."""
    page.mouse.move(*page.evaluate(AXIS, [axis, start]))
    page.mouse.down()
    page.mouse.move(*page.evaluate(AXIS, [axis, (start + end) / 2]), steps=3)
    page.mouse.move(*page.evaluate(AXIS, [axis, end]), steps=3)
    page.mouse.up()


def slide(page: Any, slider: Any, share: float) -> None:
    """Drags the thumb of a slider to a share of its length."""
    slider.scroll_into_view_if_needed()
    now = slider.evaluate("one => (one.value - one.min) / (one.max - one.min)")
    box = slider.bounding_box()
    thumb = 16
    places = [box["x"] + thumb / 2 + at * (box["width"] - thumb) for at in (now, share)]
    y = box["y"] + box["height"] / 2
    page.mouse.move(places[0], y)
    page.mouse.down()
    page.mouse.move(places[1], y, steps=4)
    page.mouse.up()


def heights(values: Values, sign: float) -> Values:
    """Where values are on an axis that is not logarithmic."""
    costs = sign * values
    return np.asarray((costs.max() - costs) / np.ptp(costs))


def gap(values: Values, near: float) -> float:
    """A number near another one, in the middle between two values, which a drag cannot confuse."""
    known = np.unique(values)
    middles = (known[1:] + known[:-1]) / 2
    wide = middles[np.diff(known) > 0.03]
    return float(wide[np.abs(wide - near).argmin()])


# Brushes.


def test_a_drag_along_an_axis_keeps_the_networks_there(page: Any, report: Report) -> None:
    columns = report.findings.front.columns
    up = heights(columns["accuracy"], -1)
    edge = gap(up, 0.4)
    assert grey(page) == []
    drag(page, "accuracy", 1.1, edge)
    outside = np.flatnonzero(up < edge)
    assert 0 < len(outside) < len(up)
    assert grey(page) == outside.tolist()
    left = len(up) - len(outside)
    shown = page.locator("#run-left").inner_text()
    assert shown.startswith(f"{left} of {len(up)} networks left. accuracy: ")
    rows = page.locator("#front .slick-row").all_inner_texts()
    inside = [k for k in range(len(up)) if k not in outside.tolist()]
    assert [row.split("\n")[0] for row in rows] == [f"network {k}" for k in inside][: len(rows)]
    # Other methods' networks are grey by the same limits.
    lowest = columns["accuracy"].max() - (1 - edge) * np.ptp(columns["accuracy"])
    for place, one in enumerate(report.findings.series):
        drawn = read(page, f"model(settings.sources[{place}].id).data.colour")
        dim = [colour == OUTSIDE for colour in drawn]
        assert dim == (one.columns["accuracy"] < lowest).tolist(), one.name


def test_axes_combine_and_a_double_click_lets_go(page: Any, report: Report) -> None:
    columns = report.findings.front.columns
    accurate, small = heights(columns["accuracy"], -1), heights(columns["pixels"], 1)
    first, second = gap(accurate, 0.3), gap(small, 0.3)
    drag(page, "accuracy", first, 1.1)
    drag(page, "pixels", second, 1.1)
    outside = np.flatnonzero((accurate < first) | (small < second))
    assert grey(page) == outside.tolist()
    assert len(outside) > max((accurate < first).sum(), (small < second).sum())
    # A second drag on an axis takes the place of the first one.
    drag(page, "accuracy", -0.1, first)
    assert grey(page) == np.flatnonzero((accurate > first) | (small < second)).tolist()
    page.mouse.dblclick(*page.evaluate(AXIS, ["parameters", 0.5]))
    assert grey(page) == []
    assert page.locator("#run-left").inner_text().startswith("Drag along an axis")


def test_a_button_lets_go_of_brushes_and_bounds(page: Any) -> None:
    button = page.get_by_role("button", name="Show all networks")
    assert button.is_disabled()
    drag(page, "accuracy", 0.5, 1)
    page.get_by_label("parameters at most").press("PageDown")
    page.get_by_label("parameters at most").press("Home")
    assert len(grey(page)) > 0
    assert button.is_enabled()
    button.focus()
    page.keyboard.press("Enter")
    assert grey(page) == []
    assert page.locator("#run-limit-parameters").inner_text() == "any"
    assert button.is_disabled()


def test_a_comparisons_axes_can_be_dragged_too(other: Any, comparison: ComparisonReport) -> None:
    one = comparison.comparison
    up = heights(one.front["accuracy"], -1)
    edge = gap(up, 0.5)
    drag(other, "accuracy", 1, edge)
    outside = np.flatnonzero(up < edge).tolist()
    assert grey(other) == outside
    rows = other.locator("#best-networks tbody tr")
    hidden = [k for k, row in enumerate(rows.all()) if not row.is_visible()]
    assert hidden == outside
    lowest = one.front["accuracy"].max() - (1 - edge) * np.ptp(one.front["accuracy"])
    for place, method in enumerate(one.methods):
        drawn = read(other, f"model(settings.sources[{place + 1}].id).data.colour")
        accuracies = one.median_trial(method).columns["accuracy"]
        assert [colour == OUTSIDE for colour in drawn] == (accuracies < lowest).tolist()


# The best within bounds.


def picked(page: Any, folder: Path) -> tuple[int, str]:
    """The network that the page names, and what its command picks."""
    sentence = page.locator("#run-best p").inner_text()
    found = re.search(r"network (\d+) is the most accurate", sentence)
    assert found is not None, sentence
    words = shlex.split(page.locator("#run-command").inner_text())
    assert words[:4] == ["pymoo-prune", "export", str(folder), "--pick"]
    assert len(words) == 5
    return int(found[1]), words[4]


def test_the_command_picks_the_network_that_the_page_names(page: Any, folder: Path) -> None:
    front = Run.open(folder)._front(Display(Console(quiet=True)))
    place, pick = picked(page, folder)
    assert pick == "accuracy"
    assert front.pick(pick).place == place
    seen = set()
    for name in ("parameters", "pixels", "macs"):
        slider = page.locator(f"#run-bound-{name}")
        for share in (0.0, 0.17, 0.5, 0.83):
            slide(page, slider, share)
            place, pick = picked(page, folder)
            seen.add(place)
            assert re.fullmatch(rf"{name}<=[\d.]+%", pick)
            assert front.pick(pick).place == place
            bound = Constraint.parse(pick)
            costs = bound.violation(front.columns, Run.open(folder).results()[1]["parent"])
            assert grey(page) == np.flatnonzero(costs > 0).tolist()
            shown = page.locator("#run-best dd").all_inner_texts()
            for name_ in ("accuracy", "parameters", "pixels"):
                assert front.quantities[name_].format(front.columns[name_][place]) in shown
        slide(page, slider, 1.0)
        assert grey(page) == []
    assert len(seen) > 3


def test_several_bounds_are_picked_by_number(page: Any, folder: Path) -> None:
    front = Run.open(folder)._front(Display(Console(quiet=True)))
    slide(page, page.locator("#run-bound-parameters"), 0.8)
    slide(page, page.locator("#run-bound-pixels"), 0.5)
    place, pick = picked(page, folder)
    assert pick == str(place)
    inside = np.setdiff1d(np.arange(len(front)), grey(page))
    assert 0 < len(inside) < len(front)
    assert place == inside[front.columns["accuracy"][inside].argmax()]
    best = read(page, "model(settings.best).indices")
    assert list(best) == [place]
    # A brush cannot be said in a bound either.
    slide(page, page.locator("#run-bound-pixels"), 1.0)
    drag(page, "accuracy", -0.1, 0.5)
    place, pick = picked(page, folder)
    assert pick == str(place)
    drag(page, "parameters", 1.1, 0.99)
    drag(page, "accuracy", 1.1, 0.99)
    assert page.locator("#run-best p").inner_text() == "No network is within these bounds."
    assert page.locator("#run-command").inner_text() == ""


def test_bounds_can_be_set_with_the_keyboard(page: Any, folder: Path) -> None:
    slider = page.get_by_label("MACs at most")
    slider.focus()
    for _ in range(3):
        page.keyboard.press("PageDown")
    place, pick = picked(page, folder)
    assert pick.startswith("macs<=")
    assert slider.get_attribute("aria-valuetext") == page.locator("#run-limit-macs").inner_text()
    assert Run.open(folder)._front(Display(Console(quiet=True))).pick(pick).place == place


def test_the_command_can_be_copied(page: Any) -> None:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.locator("#run-copy").click()
    page.locator("#run-copy", has_text="Copied").wait_for()
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied == page.locator("#run-command").inner_text()


def test_a_bound_from_below(browser: Any, tmp_path: Path) -> None:
    sparse = ("--objectives", "accuracy", "sparsity")
    assert main(pixels_run(tmp_path / "run", *sparse)) == 0
    assert main(["report", str(tmp_path / "run"), "--html"]) == 0
    front = Run.open(tmp_path / "run")._front(Display(Console(quiet=True)))
    with opened(browser, tmp_path / "run" / INTERACTIVE_PAGE) as page:
        for share in (0.3, 0.7, 1.0):
            slide(page, page.get_by_label("parameters removed at least"), share)
            place, pick = picked(page, tmp_path / "run")
            assert pick.startswith("sparsity>=0.")
            assert front.pick(pick).place == place


def test_a_comparisons_command_takes_the_best_of_all_runs(
    other: Any, comparison: ComparisonReport
) -> None:
    one = comparison.comparison
    choice = Choice(one.front, one.quantities, lambda: one.goals, lambda: one.parent)
    for share in (0.0, 0.4, 0.8):
        slide(other, other.locator("#comparison-bound-parameters"), share)
        sentence = other.locator("#comparison-best p").inner_text()
        limit = other.locator("#comparison-limit-parameters").inner_text()
        place = choice.by_phrase(f"parameters<={limit.split()[0].replace('%', '')}%")
        assert f"network {place} is the most accurate" in sentence
        trial, row = one.best_networks()[place]
        command = other.locator("#comparison-command").inner_text()
        assert shlex.split(command) == [
            *("pymoo-prune", "export", trial.origin, "--pick", str(row)),
        ]


# Colours.


def shades(values: Values, ends: tuple[float, float]) -> list[str]:
    places = (values - ends[0]) / (ends[1] - ends[0]) * (len(PALETTE) - 1)
    return [PALETTE[int(np.floor(place + 0.5))] for place in places]


def test_colours_show_a_quantity_in_all_pictures(page: Any, report: Report) -> None:
    before = read(page, "model(settings.networks).data.colour")
    page.get_by_label("Colour").select_option(label="accuracy")
    history = report.findings.history
    assert history is not None
    every = [history["accuracy"], *(one.columns["accuracy"] for one in report.findings.series)]
    # Of the evaluations, the page knows those that it draws.
    ends = tuple(read(page, "settings.scales.accuracy.ends"))
    assert ends[1] == max(values.max() for values in every)
    for place, one in enumerate(report.findings.series):
        drawn = read(page, f"model(settings.sources[{place}].id).data.colour")
        assert drawn == shades(one.columns["accuracy"], ends), one.name
    scale = page.locator("#run-scale")
    texts = scale.locator("> span").all_inner_texts()
    quantity = report.findings.quantities["accuracy"]
    assert [texts[0], texts[1]] == [quantity.format(value) for value in ends]
    page.get_by_label("Colour").select_option("")
    assert read(page, "model(settings.networks).data.colour") == before
    assert not scale.is_visible()


def test_colours_show_generations(page: Any, report: Report) -> None:
    page.get_by_label("Colour").select_option("generation")
    history = report.findings.history
    assert history is not None
    numbers = report.findings.front.columns["evaluation"].astype(int)
    drawn = read(page, "model(settings.networks).data.colour")
    assert drawn == shades(history["generation"][numbers], (1.0, 12.0))
    # What has no generation is grey.
    names = [one.name for one in report.findings.series]
    place = names.index("random search")
    assert set(read(page, f"model(settings.sources[{place}].id).data.colour")) == {"#9b9ba1"}


def test_a_comparison_has_colours(other: Any, comparison: ComparisonReport) -> None:
    other.get_by_label("Colour").select_option("pixels")
    ends = tuple(read(other, "settings.scales.pixels.ends"))
    drawn = read(other, "model(settings.networks).data.colour")
    assert drawn == shades(comparison.comparison.front["pixels"], ends)


# How the front grew.


def on_front(history: Mapping[str, Values], report: Report, n: int) -> list[int]:
    costs = report.findings.goals.costs({name: column[:n] for name, column in history.items()})
    return np.flatnonzero(nondominated(costs)).tolist()


def now(page: Any, search: int = 0) -> list[int]:
    """The evaluations on the front that a slider shows."""
    numbers = (
        f"(({{front, now}}) => model(now).indices.map((k) => model(front).data.number[k]))"
        f"(settings.searches[{search}])"
    )
    return sorted(read(page, numbers))


def test_the_slider_shows_the_front_as_it_grew(page: Any, report: Report) -> None:
    history = report.findings.history
    assert history is not None
    whole = sorted(report.findings.front.columns["evaluation"].astype(int).tolist())
    assert now(page) == whole == on_front(history, report, 192)
    slider = page.get_by_label("Evaluations")
    for share in (0.1, 0.35, 0.7):
        slide(page, slider, share)
        text = page.locator("#run-grown").inner_text()
        found = re.fullmatch(r"after (\d+) of 192: (\d+) networks on the front", text)
        assert found is not None, text
        assert now(page) == on_front(history, report, int(found[1]))
        assert len(now(page)) == int(found[2])
    slider.press("Home")
    assert page.locator("#run-grown").inner_text().startswith("after 16 of 192: ")
    assert now(page) == on_front(history, report, 16)
    slider.press("End")
    assert now(page) == whole


def test_candidates_behind_the_front_can_be_switched_on(page: Any) -> None:
    switch = page.get_by_label("Candidates behind the front: all 192 shown")
    behind = "[...model(settings.searches[0].behind).indices]"
    panel = page.locator("#growth .panels > div").first
    panel.scroll_into_view_if_needed()
    before = panel.screenshot()
    assert not switch.is_checked()
    assert read(page, behind) == []
    switch.focus()
    page.keyboard.press("Space")
    assert len(read(page, behind)) == 192
    page.wait_for_timeout(100)
    assert panel.screenshot() != before
    page.get_by_label("Evaluations").press("Home")
    assert read(page, behind) == list(range(16))
    # Colours and bounds count for them too.
    slide(page, page.locator("#run-bound-parameters"), 0.3)
    colours = read(page, "model(settings.searches[0].others).data.colour")
    values = read(page, "[...model(settings.searches[0].others).data.number]")
    assert len(values) == 192
    assert 0 < sum(colour == OUTSIDE for colour in colours) < 192
    switch.uncheck()
    assert read(page, behind) == []


def test_a_candidate_that_is_pointed_at_shows_its_number(page: Any, report: Report) -> None:
    place = """(() => {
        const view = [...Bokeh.index.roots].find((one) => one.model.id == settings.panels[0]);
        view.el.scrollIntoView({block: "center", behavior: "instant"});
        const {front, now} = settings.searches[0], {data} = model(front);
        const [points] = view.model.renderers.filter((one) => one.data_source == model(front));
        const k = model(now).indices[0], box = view.canvas_view.el.getBoundingClientRect();
        return [
            data.number[k],
            box.left + view.frame.x_scale.compute(data[points.glyph.x.field][k]),
            box.top + view.frame.y_scale.compute(data[points.glyph.y.field][k]),
        ];
    })()"""
    number, x, y = read(page, place)
    page.mouse.move(x, y)
    card = page.locator(".bk-tooltip-content").filter(visible=True).first
    shown = " ".join(card.inner_text().split())
    assert f"this search, evaluation {number} " in shown
    history = report.findings.history
    assert history is not None
    accuracy = report.findings.quantities["accuracy"].format(history["accuracy"][number])
    assert accuracy.replace("\u00a0", " ") in shown


def test_a_comparisons_fronts_grow_together(other: Any, comparison: ComparisonReport) -> None:
    one = comparison.comparison
    legend = other.locator("#growth > .panel").first
    drawn = legend.screenshot()
    slide(other, other.get_by_label("Evaluations"), 0.5)
    other.wait_for_function(READY)
    assert legend.screenshot() == drawn
    text = other.locator("#comparison-grown").inner_text()
    after = int(text.split()[1])
    for place, method in enumerate(one.methods):
        history = one.median_trial(method).history
        assert history is not None
        costs = one.goals.costs({name: column[:after] for name, column in history.items()})
        expected = np.flatnonzero(nondominated(costs)).tolist()
        assert now(other, place) == expected
        assert re.search(rf"\b{method} {len(expected)}\b", text)
    other.get_by_label(re.compile("Candidates behind")).check()
    assert len(read(other, "[...model(settings.searches[1].behind).indices]")) == after


def test_a_search_on_changing_images_says_why_it_has_no_growth(
    browser: Any, tmp_path: Path
) -> None:
    assert main(pixels_run(tmp_path / "run", problem=PixelsInBatches)) == 0
    assert main(["report", str(tmp_path / "run"), "--html"]) == 0
    with opened(browser, tmp_path / "run" / INTERACTIVE_PAGE) as page:
        text = page.locator("#growth").inner_text()
        assert "measured candidates on other images in each generation" in text
        assert page.locator("#growth input").count() == 0
        drag(page, "accuracy", 0.5, 1.1)
        assert len(grey(page)) > 0
        assert page.locator("#run-colour option", has_text="generation").count() == 0


# How it looks.


@pytest.mark.parametrize("width", [1000, 1600])
def test_no_texts_of_controls_overlap(
    browser: Any, folder: Path, compared: Path, width: int
) -> None:
    boxes = """() => [...document.querySelectorAll(
        ".controls > *, .bounds dl > *, .bounds p, .copied > *, .contents a"
    )].filter((one) => one.offsetParent && one.innerText)
        .map((one) => [one.innerText, one.getBoundingClientRect().toJSON()])"""
    for place in (folder, compared):
        with opened(browser, place / INTERACTIVE_PAGE, width) as page:
            page.get_by_label("Colour").select_option("pixels")
            found = page.evaluate(boxes)
            assert len(found) > 12
            for k, (text, box) in enumerate(found):
                assert 0 <= box["left"] < box["right"] <= width, text
                for other_text, other in found[:k]:
                    apart = (
                        box["left"] >= other["right"]
                        or other["left"] >= box["right"]
                        or box["top"] >= other["bottom"]
                        or other["top"] >= box["bottom"]
                    )
                    assert apart, (text, other_text)


def test_every_control_has_a_label(page: Any) -> None:
    assert page.evaluate(
        "[...document.querySelectorAll('input, select')].every((one) => one.labels.length == 1)"
    )
    assert json.loads(page.locator("script.explorer").text_content())["name"] == "run"
