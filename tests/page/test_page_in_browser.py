"""The page of a run and that of a comparison in Chromium, offline."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pymoo_prune import Run, Series
from pymoo_prune.cli import main
from pymoo_prune.comparing import Campaign, ComparisonReport, report_of_campaign
from pymoo_prune.comparing.pictures import first_population, shown_fronts
from pymoo_prune.measuring import MILLISECONDS
from pymoo_prune.objectives import STANDARD
from pymoo_prune.page import Section, document, figure_of_fronts, linked
from pymoo_prune.runs import INTERACTIVE_PAGE, Report, words
from tests.page.test_page import NASTY, nasty
from tests.support.browser import READY, launched, opened
from tests.support.tiny_problem import ecomp_run, threads

pytestmark = pytest.mark.slow

ISOLATED = """drawn => {
    // Of the points drawn as this one in the first panel, that which is farthest from all others.
    const view = [...Bokeh.index.roots].filter(v => v.model.type == "Figure")[1];
    view.el.scrollIntoView({block: "center", behavior: "instant"});
    const points = view.model.renderers.filter(r => r.data_source.data.number);
    const place = (r, k) => [
        view.frame.x_scale.compute(r.data_source.data[r.glyph.x.field][k]),
        view.frame.y_scale.compute(r.data_source.data[r.glyph.y.field][k]),
    ];
    const rows = r => Array.from(r.data_source.data.number);
    const all = points.flatMap(r => rows(r).map(k => [r, k, ...place(r, k)]));
    const own = all.filter(([r, k]) => r == points[drawn]);
    const near = ([r, k, x, y]) => Math.min(...all.map(([s, l, u, v]) =>
        r.data_source == s.data_source && k == l ? 1e9 : Math.hypot(x - u, y - v)));
    const [, k, x, y] = own.sort((a, b) => near(b) - near(a))[0];
    const box = view.canvas_view.el.getBoundingClientRect();
    return [k, box.left + x, box.top + y];
}"""
PANELS = ":is(#front, #fronts) .panels > div"
SEARCHED = 1
"""A run's search is drawn twice: hollow first, then after retraining."""
SHOWN = """() => {
    const cards = [...document.querySelectorAll(".network")];
    return cards.filter(card => card.offsetParent).map(card => card.id);
}"""
PAINTED = "() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("browser") / "run"
    with threads(1):
        assert main(ecomp_run(folder, "--objectives", "accuracy", "width", "macs")) == 0
        assert main(["report", str(folder), "--html"]) == 0
    return folder


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with launched() as browser:
        yield browser


@pytest.fixture
def page(browser: Any, folder: Path) -> Iterator[Any]:
    with opened(browser, folder / INTERACTIVE_PAGE) as page:
        yield page


def panels(page: Any) -> list[bytes]:
    """The pixels of each panel of the front."""
    return [panel.screenshot() for panel in page.locator(PANELS).all()]


def changed(page: Any, before: list[bytes]) -> list[bool]:
    page.wait_for_function(READY)
    page.evaluate(PAINTED)
    return [one != other for one, other in zip(before, panels(page), strict=True)]


@pytest.mark.parametrize("width", [800, 1400])
def test_the_page_fits(browser: Any, folder: Path, width: int) -> None:
    with opened(browser, folder / INTERACTIVE_PAGE, width) as page:
        assert page.evaluate("document.documentElement.scrollWidth") == width
        assert page.locator(PANELS).count() == 3
        for panel in page.locator(PANELS).all():
            box = panel.bounding_box()
            assert 340 <= box["width"] <= width - 40
            assert box["height"] > 300
        page.locator(".slick-header-column").nth(3).click()  # sorting requests no picture
        page.locator(".slick-header-column").nth(3).click()


def test_ticks_have_the_digits_that_they_need(browser: Any, tmp_path: Path) -> None:
    quantities = {**STANDARD, "latency": MILLISECONDS}
    fast = Series(
        "a", {"accuracy": np.array([0.99991, 0.99993]), "latency": np.array([0.02, 0.03])}
    )
    parts = figure_of_fronts(linked([fast], quantities), ["latency"], quantities)
    path = tmp_path / "page.html"
    path.write_text(document("fast", [Section("fronts", parts, "fronts")]), encoding="utf-8")
    write = (
        "([side, ticks]) => Bokeh.documents[0].roots()[1][side][0].formatter.doFormat(ticks, {})"
    )
    with opened(browser, path) as page:
        assert page.evaluate(write, ["below", [0.024, 1234.5]]) == ["0.024", "1,234.5"]
        assert page.evaluate(write, ["left", [0.99991, 0.5]]) == ["99.991 %", "50 %"]


def test_no_word_of_a_networks_layers_is_broken(browser: Any, folder: Path) -> None:
    with opened(browser, folder / INTERACTIVE_PAGE, 1000) as page:
        rows = page.locator(".network tr:has(td.text:nth-child(2))").filter(visible=True)
        assert rows.count() == 3
        for row in rows.all():
            assert row.bounding_box()["height"] < 35  # one line


def test_a_network_that_is_pointed_at_shows_all_its_measurements(page: Any, folder: Path) -> None:
    report = Report(Run.open(folder))
    place, x, y = page.evaluate(ISOLATED, SEARCHED)
    page.mouse.move(x, y)
    # A network before and after its retraining may be at one place, with a card each.
    shown = page.locator(".bk-tooltip-content").filter(visible=True).first.inner_text()
    assert f"this search, network {place}" in " ".join(shown.split())
    for name, column in report.findings.front.columns.items():
        assert report.findings.quantities[name].label in shown
        assert report.findings.quantities[name].format(column[place]) in shown


def test_a_click_on_a_network_shows_it_and_marks_its_row(page: Any, folder: Path) -> None:
    report = Report(Run.open(folder))
    assert page.evaluate(SHOWN) == [f"network-{report.findings.chosen}"]
    place, x, y = page.evaluate(ISOLATED, SEARCHED)
    page.mouse.click(x, y)
    page.wait_for_url(f"**#network-{place}")
    assert page.evaluate(SHOWN) == [f"network-{place}"]
    command = page.locator(f"#network-{place} code")
    assert command.inner_text() == words.export_command(report.findings, place)
    row = page.locator(".slick-row", has=page.locator(".selected"))
    assert row.inner_text().startswith(f"network {place}\n")
    page.locator(f"#network-{place} nav a").first.click()
    assert page.evaluate(SHOWN) != [f"network-{place}"]


def test_a_row_that_is_chosen_marks_its_points_in_all_panels(page: Any) -> None:
    before = panels(page)
    page.locator(".slick-row").nth(2).locator(".slick-cell").nth(3).click()
    page.locator(".slick-row .selected").first.wait_for()
    assert changed(page, before) == [True, True, True]
    page.locator(".slick-row a").first.click()
    assert page.evaluate(SHOWN) == ["network-0"]


def test_a_click_in_the_legend_hides_a_method_in_all_panels(page: Any) -> None:
    before = panels(page)
    item = page.locator(".bk-item", has_text="random search")
    item.click()
    page.mouse.move(0, 0)
    assert "bk-inactive" in item.get_attribute("class")
    assert changed(page, before) == [True, True, True]


def test_pictures_can_be_saved(page: Any) -> None:
    with page.expect_download() as download:
        page.locator(".bk-tool-icon-save").first.click()
    assert download.value.suggested_filename == "front-width.png"


def test_names_are_text_in_a_browser_too(browser: Any, folder: Path, tmp_path: Path) -> None:
    with opened(browser, nasty(folder, tmp_path / "nasty")) as page:
        for one in (".bk-label", ".slick-column-name", "main td", "h1"):
            assert page.locator(one).filter(has_text=NASTY).count() > 0, one
        place, x, y = page.evaluate(ISOLATED, SEARCHED)
        page.mouse.move(x, y)
        # A network before and after its retraining may be at one place, with a card each.
        shown = page.locator(".bk-tooltip-content").filter(visible=True).first.inner_text()
        assert shown.count(NASTY) > 5
        assert f"network {place}" in " ".join(shown.split())


# A comparison's page.


@pytest.fixture(scope="module")
def compared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two methods and random search, two seeds each, in a folder with HTML in its name."""
    folder = tmp_path_factory.mktemp("browser") / "<b>runs & more"
    small = ("--generations", "3", "--seeds", "2", "--jobs", "1", "--threads", "1")
    objectives = ("--objectives", "accuracy", "parameters", "pixels")
    problem = "tests.support.tiny_problem:Pixels"
    assert main(["compare", problem, *objectives, *small, "--output", str(folder)]) == 0
    assert main(["report", str(folder), "--html"]) == 0
    return folder


@pytest.fixture
def comparison(compared: Path) -> ComparisonReport:
    return report_of_campaign(Campaign.open(compared))


@pytest.mark.parametrize("width", [800, 1400])
def test_a_comparisons_page_fits_and_shows_everything(
    browser: Any, compared: Path, comparison: ComparisonReport, width: int
) -> None:
    with opened(browser, compared / INTERACTIVE_PAGE, width) as page:
        assert page.evaluate("document.documentElement.scrollWidth") == width
        assert page.locator("h1").inner_text() == comparison.title
        assert comparison.verdict() in page.locator("header").inner_text()
        assert page.locator(PANELS).count() == 2
        for panel in page.locator(PANELS).all():
            assert panel.bounding_box()["height"] > 300
        items = page.locator("#fronts .bk-item").all_inner_texts()
        (first,) = first_population(comparison.comparison, {})
        shown = [*shown_fronts(comparison.comparison), first]
        assert items == [one.name for one in shown]
        pictures = page.locator("img").all()
        assert len(pictures) == 2
        assert all(one.evaluate("one => one.naturalWidth") > 300 for one in pictures)
        for link in page.locator("nav.contents a").all():
            assert page.locator(link.get_attribute("href")).count() == 1
        # A folder's name is text here too.
        origins = page.locator("#origins tbody tr").all_inner_texts()
        assert len(origins) == len(comparison.comparison.trials) == 6
        for row, trial in zip(origins, comparison.comparison.trials, strict=True):
            assert trial.origin in row


def test_a_comparisons_networks_can_be_pointed_at_and_chosen(
    browser: Any, compared: Path, comparison: ComparisonReport
) -> None:
    first = shown_fronts(comparison.comparison)[0]
    with opened(browser, compared / INTERACTIVE_PAGE) as page:
        place, x, y = page.evaluate(ISOLATED, 0)
        page.mouse.move(x, y)
        # A network before and after its retraining may be at one place, with a card each.
        shown = page.locator(".bk-tooltip-content").filter(visible=True).first.inner_text()
        assert f"{first.name}, network {place}" in " ".join(shown.split())
        for name, column in first.columns.items():
            quantity = comparison.comparison.quantities[name]
            assert quantity.label in shown
            assert quantity.format(column[place]) in shown
        page.mouse.move(0, 0)
        before = panels(page)
        page.mouse.click(x, y)
        page.mouse.move(0, 0)
        assert changed(page, before) == [True, True]  # in the other panel too


def test_a_comparisons_methods_can_be_hidden(browser: Any, compared: Path) -> None:
    with opened(browser, compared / INTERACTIVE_PAGE) as page:
        before = panels(page)
        item = page.locator("#fronts .bk-item", has_text=re.compile(r"^\s*random\s*$"))
        item.click()
        page.mouse.move(0, 0)
        assert "bk-inactive" in item.get_attribute("class")
        assert changed(page, before) == [True, True]
