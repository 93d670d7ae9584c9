"""Pages and their contents."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bokeh.models import ColumnDataSource
from markupsafe import Markup

from pymoo_prune import Quantity, Run, Series
from pymoo_prune.cli import main
from pymoo_prune.errors import PruneError
from pymoo_prune.measuring import Anatomies, Layer
from pymoo_prune.objectives import STANDARD
from pymoo_prune.page import (
    Section,
    bars,
    code,
    document,
    figure_of_fronts,
    figure_of_networks,
    html_table,
    layer_table,
    linked,
    network_table,
    paragraph,
    picture,
    sparkline,
)
from pymoo_prune.results import csv_text, read_csv
from pymoo_prune.runs import INTERACTIVE_PAGE, Report, words
from pymoo_prune.runs.report_page import write_page
from tests.support.older_folders import without_digests
from tests.support.tiny_problem import ecomp_run, pixels_run

NASTY = "<b>&\"'</script><script>alert(1)</script>@text_0 ${7*7} <%= number %> `x`"
"""Text that a name may contain by accident, or as an attack."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("page") / "a run"
    assert main(ecomp_run(folder, "--objectives", "accuracy", "width", "macs")) == 0
    assert main(["report", str(folder), "--html"]) == 0
    return folder


@pytest.fixture(scope="module")
def html(folder: Path) -> str:
    return (folder / INTERACTIVE_PAGE).read_text(encoding="utf-8")


def own(html: str) -> str:
    """A page without the library's scripts and the data of its pictures."""
    return re.sub(r"<script.*?</script>|base64,[\w+/=]+", "", html, flags=re.DOTALL)


def text_of(html: str) -> str:
    """The visible text of a page."""
    found: list[str] = []
    parser = HTMLParser()
    parser.handle_data = found.append  # type: ignore[method-assign]
    parser.feed(own(html))
    # Spaces without breaks count as spaces.
    return re.sub(r"\s+", " ", " ".join(found))


def plain(text: str) -> str:
    """A text in the form that `text_of` gives."""
    return text.replace("\u00a0", " ").replace("`", "")


# Parts.


def test_tables_escape_what_is_text() -> None:
    table = html_table(["<i>", "b"], [["<u>", Markup("<em>3</em>")], ["&", "4"]], marked=[1])
    assert table == (
        '<div class="scroll"><table><thead><tr><th class="text">&lt;i&gt;</th>\n<th>b</th></tr>'
        '</thead><tbody><tr><td class="text">&lt;u&gt;</td>\n<td><em>3</em></td></tr>\n'
        '<tr class="marked"><td class="text">&amp;</td>\n<td>4</td></tr></tbody></table></div>'
    )
    assert "<b>" not in paragraph("<b>") + code("<b>")
    assert paragraph(Markup("<b>x</b>")) == "<p><b>x</b></p>"


def test_pictures_are_inside(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"\x89PNG")
    assert picture(tmp_path / "a.png", text='"x"') == (
        '<img src="data:image/png;base64,iVBORw==" alt="&#34;x&#34;">'
    )
    (tmp_path / "a.svg").write_bytes(b"<svg/>")
    assert "data:image/svg+xml;base64,PHN2Zy8+" in picture(tmp_path / "a.svg", text="")
    with pytest.raises(PruneError, match=r"a\.gif cannot be put into a page.*\.png or \.svg"):
        picture(tmp_path / "a.gif", text="")


def test_bars_are_as_high_as_shares() -> None:
    drawn = bars({"conv<1>": 0.125, "head": 1.0})
    assert re.findall(r'title="(.*?)"><i style="height:(.*?)%"', drawn) == [
        ("conv&lt;1&gt;: 12.5 %", "12.50"),
        ("head: 100.0 %", "100.00"),
    ]
    (whole, left) = re.findall(r' d="(.*?)"', sparkline([0.25, 1.0]))
    assert whole == "M0.0 16V0h11.9V16M14.0 16V0h11.9V16"
    assert left == "M0.0 16V12.0h11.9V16M14.0 16V0.0h11.9V16"


def test_a_network_beside_its_parent() -> None:
    parent = [Layer("a", "Linear", 8, 4, 32, 32, 32), Layer("b", "Linear", 4, 4, 16, 16, 16)]
    slim = [Layer("a", "Linear", 8, 1, 8, 4, 4), Layer("new", "Linear", 1, 2, 2, 2, 2)]
    rows = re.findall(r"<tr>(.*?)</tr>", layer_table(slim, parent), flags=re.DOTALL)
    cells = [re.findall(r"<td.*?>(.*?)</td>", row) for row in rows[1:]]
    assert cells == [
        ["a", "Linear", "8", "1 of 4", "4 of 32", "4 of 32", "12.5\u00a0%"],
        ["b", "Linear", "gone", "gone", "0 of 16", "0 of 16", "0.0\u00a0%"],
        ["new", "Linear", "1", "2", "2", "2", "100.0\u00a0%"],
    ]
    alone = re.findall(r"<td>(.*?)</td>", layer_table(slim[:1]))
    assert alone == ["8", "1", "4 of 8", "4", "50.0\u00a0%"]


def test_a_page_without_anything_interactive_has_no_script() -> None:
    page = document("<title>", [Section("a & b", [paragraph("text")], "first")])
    assert "<script" not in page
    assert "<h1>&lt;title&gt;</h1>" in page
    assert '<section id="first">\n<h2>a &amp; b</h2><p>text</p></section>' in page
    assert '<a href="#first">a &amp; b</a>' in page
    assert len(page) < 8_000


# Linked pictures.


def method(name: str, n: int = 4) -> Series:
    steps = np.linspace(0.1, 0.9, n)
    columns = {"accuracy": steps, "test_accuracy": steps, "finished_test_accuracy": steps + 0.05}
    sizes = {"parameters": (steps * 1000).round(), "macs": 10 ** (5 * steps)}
    return Series(name, {**columns, **sizes, "unknown": steps})


QUANTITIES = {
    **STANDARD,
    "test_accuracy": Quantity("higher", "test accuracy", share=True),
    "finished_test_accuracy": Quantity("higher", "after retraining", share=True),
}


def sources(model: Any) -> set[ColumnDataSource]:
    return {one for one in model.references() if isinstance(one, ColumnDataSource)}


def test_the_same_page_has_the_same_bytes() -> None:
    measured = {"macs": np.array([1.0, 2.0]), "accuracy": np.array([0.5, 0.6])}
    parts = figure_of_fronts(linked([Series("a", measured)], STANDARD), ["macs"], STANDARD)
    pages = [document("one", [Section("fronts", parts, "fronts")]) for _ in range(2)]
    assert pages[0] == pages[1]
    places = set(re.findall(r'<div id="([0-9a-f-]{36})"', pages[0]))
    assert len(places) > 1
    assert all(pages[0].count(place) > 1 for place in places), "the script finds the places"


def test_panels_and_table_share_the_networks() -> None:
    first, second = method("this search"), method("other")
    before = {name: column.copy() for name, column in first.columns.items()}
    links = [[f"#n{k}" for k in range(4)]] * 2
    methods = linked([first, second], QUANTITIES, links=links)
    legend, *panels = figure_of_fronts(methods, ["parameters", "macs"], QUANTITIES, suggested=2)
    table = network_table(methods[0], ["accuracy", "macs"], QUANTITIES)
    lines = figure_of_networks(methods[0], ["accuracy", "macs", "parameters"], QUANTITIES)
    assert len(panels) == 2
    for panel in (*panels, legend):
        assert {one.source for one in methods} <= sources(panel)
    assert table.source is methods[0].source
    assert methods[0].source in sources(lines)
    assert [panel.xaxis.axis_label for panel in panels] == ["parameters", "MACs"]
    assert [panel.x_scale.__class__.__name__ for panel in panels] == ["LinearScale", "LogScale"]
    source = methods[0].source.data
    assert source[methods[0].text("macs")] == ["3.162", "68.13", "1468", "3.162e+04"]
    assert source["link"] == links[0]
    assert "unknown" not in methods[0].fields
    assert all(np.array_equal(before[name], first.columns[name]) for name in before)


def test_what_is_removed_is_on_a_linear_axis_however_it_spreads() -> None:
    spread = Series("one", {"accuracy": np.ones(2), "sparsity": np.array([0.01, 0.9])})
    _, panel = figure_of_fronts(linked([spread], STANDARD), ["sparsity"], STANDARD)
    assert panel.x_scale.__class__.__name__ == "LinearScale"


def test_methods_differ_in_colour_and_marker() -> None:
    methods = linked([method(str(k)) for k in range(8)], QUANTITIES)
    assert len({one.marker for one in methods}) == 8
    assert len({one.colour for one in methods}) == 7
    assert "link" not in methods[0].source.data


def test_better_is_up_on_every_axis() -> None:
    (one,) = linked([method("a")], QUANTITIES)
    one.series.columns["accuracy"][1] = np.nan
    figure_of_networks(one, ["accuracy", "parameters", "macs"], QUANTITIES)
    heights = np.array(one.source.data["heights"])
    assert heights[:, 0] == pytest.approx([0, np.nan, 2 / 3, 1], nan_ok=True)
    assert heights[:, 1] == pytest.approx([1, 2 / 3, 1 / 3, 0], abs=0.01)
    assert heights[:, 2] == pytest.approx([1, 2 / 3, 1 / 3, 0])  # logarithmic


@pytest.mark.slow
@pytest.mark.parametrize("value", [0.0, 5.0, np.nan])
def test_one_network_is_a_front_too(value: float) -> None:
    columns = {"accuracy": np.array([value]), "macs": np.array([value])}
    methods = linked([Series("a", columns)], QUANTITIES)
    parts = figure_of_fronts(methods, ["macs"], QUANTITIES, suggested=0)
    networks = figure_of_networks(methods[0], ["accuracy", "macs"], QUANTITIES, suggested=0)
    page = document("one", [Section("a", [parts, networks], "a")])
    assert page.count('data-root-id="') == 3


# A run's page.


@pytest.mark.slow
def test_nothing_in_the_page_is_elsewhere(html: str) -> None:
    assert not re.findall(r"""(?:src|href|action)\s*=\s*["'](?!#|data:)[^"']*""", own(html))
    assert not re.findall(
        r"url\((?!data:)|@import|<link (?!rel=\"icon\" href=\"data:,\")", own(html)
    )
    assert not re.findall(r"<(?:script|iframe|object|embed)[^>]*\bsrc", html)
    assert "default-src 'none'" in html


@pytest.mark.slow
def test_the_page_has_all_there_is_of_every_network(folder: Path, html: str) -> None:
    report = Report(Run.open(folder))
    cards = dict(
        re.findall(r'<article class="[^"]*" id="network-(\d+)">(.*?)</article>', html, re.DOTALL)
    )
    assert list(cards) == [str(place) for place in range(len(report.findings.front))]
    assert report.findings.layers is not None
    for place, card in cards.items():
        shown, row = text_of(card), int(place)
        assert f"pymoo-prune export '{folder}' --pick {place} " in shown
        number = int(report.findings.front.columns["evaluation"][row])
        assert f"Evaluation {number} of {folder}, seed 0" in shown
        for name, column in report.findings.front.columns.items():
            assert plain(report.findings.quantities[name].format(column[row])) in shown, name
        for layer in report.findings.layers.networks[row]:
            assert f"{layer.left:,} of " in shown
    (suggested,) = re.findall(r'class="network suggested" id="network-(\d+)"', html)
    assert int(suggested) == report.findings.chosen


@pytest.mark.slow
def test_the_page_says_how_it_was_made(folder: Path, html: str) -> None:
    report, text = Report(Run.open(folder)), text_of(html)
    assert plain(report.verdict()) in text
    assert plain(words.suggestion(report.findings)) in text
    assert words.made_line(report.findings) in text
    settings = json.loads((folder / "run.json").read_text())
    for name in settings:
        assert f" {name} " in text
    for name, version in report.findings.summary["versions"].items():
        assert f"{name} {version}" in text
    for row in report.method_rows()[1]:
        assert " ".join(row) in text
    for origin in report.origins().values():
        assert plain(origin) in text
    assert html.count("data:image/svg+xml;base64,") >= 1


@pytest.mark.slow
def test_a_run_without_retraining_parent_and_third_objective(tmp_path: Path) -> None:
    assert main(pixels_run(tmp_path / "run")) == 0
    assert main(["report", str(tmp_path / "run"), "--html"]) == 0
    text = text_of((tmp_path / "run" / INTERACTIVE_PAGE).read_text(encoding="utf-8"))
    assert "Filled: after retraining" not in text
    assert "over all objectives" not in text
    assert "whole column is the parent" not in text
    assert re.search(r"1 Linear 64 10 \d+ of 640", text)


@pytest.mark.slow
def test_one_objective_of_several_quantities_is_written_out(tmp_path: Path) -> None:
    weights = ["--weights", "accuracy=1,pixels=0.5", "--algorithm", "ga"]
    assert main(pixels_run(tmp_path / "run", *weights)) == 0
    report = Report(Run.open(tmp_path / "run"))
    page = text_of(write_page(report).read_text(encoding="utf-8"))
    assert '{"kind": "weighted-sum", "weights": {"accuracy": 1, "pixels": 0.5}' in page


def copied(folder: Path, place: Path) -> Path:
    shutil.copytree(folder, place)
    (place / INTERACTIVE_PAGE).unlink()
    return place


@pytest.mark.slow
def test_an_older_folder_has_a_page_without_layers(folder: Path, tmp_path: Path) -> None:
    place = without_digests(copied(folder, tmp_path / "old"))
    (place / "layers.json").unlink()
    text = text_of(write_page(Report(Run.open(place))).read_text(encoding="utf-8"))
    assert "there is no layers.json in" in text
    assert "Resuming adds none; a new run with the same settings does." in text
    assert "--pick 0" in text


@pytest.mark.slow
def test_unknown_accuracies_are_dashes(folder: Path, tmp_path: Path) -> None:
    place = without_digests(copied(folder, tmp_path / "nan"))
    series = read_csv(place / "front.csv")
    for one in series:
        one.columns["finished_test_accuracy"][:1] = np.nan
    (place / "front.csv").write_text(csv_text(series), encoding="utf-8")
    page = write_page(Report(Run.open(place))).read_text(encoding="utf-8")
    (card,) = re.findall(r'id="network-0">(.*?)</article>', page, re.DOTALL)
    assert "test accuracy after retraining –" in text_of(card)


def nasty(folder: Path, place: Path) -> Path:
    """The same run with names that contain HTML and scripts."""
    without_digests(copied(folder, place))
    series = read_csv(place / "front.csv")
    named = [series[0], *(Series(f"{NASTY} {one.name}", one.columns) for one in series[1:])]
    (place / "front.csv").write_text(csv_text(named), encoding="utf-8")
    settings = json.loads((place / "run.json").read_text())
    (place / "run.json").write_text(json.dumps({**settings, "data": NASTY}))
    summary = json.loads((place / "summary.json").read_text())
    (place / "summary.json").write_text(json.dumps({**summary, "notes": [NASTY]}))
    known = Run.open(place).layers()
    assert known is not None
    bad = [Layer(NASTY, NASTY, 1, 1, 1, 1, 1)]
    (place / "layers.json").write_text(Anatomies(bad, [bad] * len(known.networks)).to_json())
    report = Report(Run.open(place))
    quantities = report.findings.quantities
    for name, old in quantities.items():
        quantities[name] = Quantity(old.better, f"{NASTY} {old.label}", share=old.share)
    return write_page(report)


@pytest.mark.slow
def test_special_characters_are_text(folder: Path, tmp_path: Path) -> None:
    page = nasty(folder, tmp_path / "nasty").read_text(encoding="utf-8")
    assert "<script>alert" not in page
    assert "<b>&" not in own(page)
    assert text_of(page).count(NASTY) > 10


@pytest.mark.slow
def test_a_page_is_written_whole_or_not_at_all(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = copied(folder, tmp_path / "full")
    (place / INTERACTIVE_PAGE).write_text("the old page")
    report = Report(Run.open(place))
    monkeypatch.setattr(Path, "replace", lambda *_: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        write_page(report)
    assert (place / INTERACTIVE_PAGE).read_text() == "the old page"
    assert not list(place.glob(".part-*"))


@pytest.mark.parametrize("what", ["", "unfinished"])
def test_what_is_no_finished_run_has_no_page(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], what: str
) -> None:
    place = tmp_path / "x"
    place.mkdir()
    if what:
        (place / "run.json").write_text(
            '{"format": 1, "problem": "ecomp", "algorithm": "nsga2", "pop_size": 8, '
            '"objectives": null, "budget": {"generations": 3}}'
        )
    assert main(["report", str(place), "--html"]) == 2
    assert ("is not finished" if what else "is not a run folder") in capsys.readouterr().err
    assert not (place / INTERACTIVE_PAGE).exists()


@pytest.mark.slow
def test_bokeh_is_imported_for_pages_alone() -> None:
    script = (
        "import sys, pymoo_prune, pymoo_prune.cli; pymoo_prune.cli.main(['list']); "
        "sys.exit('bokeh' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0  # noqa: S603
