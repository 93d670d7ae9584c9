"""Pages of searches on images without labels: divergences in pictures, controls and commands."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from pymoo_prune import Data, Front, Run
from pymoo_prune.cli import main
from pymoo_prune.comparing import Campaign, Comparison, report_of_campaign
from pymoo_prune.networks import FeedForward
from pymoo_prune.objectives import NATS
from pymoo_prune.results import Choice
from pymoo_prune.runs import INTERACTIVE_PAGE
from pymoo_prune.search import Display
from tests.page.test_explore_in_browser import drag, grey, read, slide
from tests.support.browser import launched, opened
from tests.support.unlabelled import small_searches

pytestmark = pytest.mark.slow

PRAISE = r"network (\d+) is the nearest to the parent on the search images"
LAST = "divergence on the test images (nats)"


@pytest.fixture(scope="module")
def folder(digits: Data, parent: FeedForward, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("unlabelled")
    given = [*small_searches(digits, parent, folder), "--generations", "8"]
    assert main(["run", "ecomp", *given, "--output", str(folder / "run")]) == 0
    given += ["--algorithms", "nsga2", "random", "--seeds", "2", "--jobs", "1"]
    assert main(["compare", "ecomp", *given, "--output", str(folder / "compared")]) == 0
    for name in ("run", "compared"):
        assert main(["report", str(folder / name), "--html"]) == 0
    return folder


@pytest.fixture(scope="module")
def front(folder: Path) -> Front:
    return Run.open(folder / "run")._front(Display(Console(quiet=True)))


@pytest.fixture(scope="module")
def comparison(folder: Path) -> Comparison:
    return report_of_campaign(Campaign.open(folder / "compared")).comparison


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with launched() as browser:
        yield browser


@pytest.fixture
def page(browser: Any, folder: Path) -> Iterator[Any]:
    with opened(browser, folder / "run" / INTERACTIVE_PAGE) as page:
        yield page


@pytest.fixture
def other(browser: Any, folder: Path) -> Iterator[Any]:
    """The page of the comparison."""
    with opened(browser, folder / "compared" / INTERACTIVE_PAGE) as page:
        yield page


@pytest.mark.parametrize("name", ["run", "compared"])
def test_pages_speak_of_divergences(folder: Path, name: str) -> None:
    html = (folder / name / INTERACTIVE_PAGE).read_text()
    (settings,) = re.findall(r'class="explorer">(.*?)</script>', html)
    found = json.loads(settings)
    assert (found["quality"], found["praise"]) == ("divergence", "the nearest to the parent")
    assert found["shown"][0] == "divergence"
    assert {"divergence", "finished_test_divergence"} <= found["scales"].keys()
    assert not [one for one in found["scales"] if "accuracy" in one]
    assert "no candidate has the divergences that are measured after the search" in html
    assert "no candidate has the accuracies" not in html
    labels = {json.loads(one) for one in re.findall(r'"axis_label":("[^"]*")', html)}
    assert {LAST, NATS.label} <= labels
    assert not [label for label in labels if "accuracy" in label]


def outside_of(page: Any, columns: Any) -> list[int]:
    """The networks in the lower half of the axis of the divergence."""
    axes = read(page, "model(settings.parallel).tags[0].axes")
    (axis,) = (one for one in axes if one["name"] == "divergence")
    values = columns["divergence"]
    costs = np.log(values) if axis["log"] else axis["sign"] * values
    found: list[int] = np.flatnonzero((axis["worst"] - costs) / axis["spread"] < 0.5).tolist()
    return found


def test_brushes_keep_the_networks_near_the_parent(
    page: Any, other: Any, front: Front, comparison: Comparison
) -> None:
    for one, columns in ((page, front.columns), (other, comparison.front)):
        drag(one, "divergence", 1.1, 0.5)
        outside = outside_of(one, columns)
        assert 0 < len(outside) < len(columns["divergence"])
        assert grey(one) == outside


def test_the_command_picks_the_network_that_the_page_names(page: Any, front: Front) -> None:
    def picked() -> tuple[int, str]:
        found = re.search(PRAISE, page.locator("#run-best p").inner_text())
        assert found is not None
        return int(found[1]), shlex.split(page.locator("#run-command").inner_text())[-1]

    place, pick = picked()
    assert pick == "divergence"
    assert front.pick(pick).place == place == int(front.columns["divergence"].argmin())
    for share in (0.0, 0.4, 0.8):
        slide(page, page.locator("#run-bound-width"), share)
        place, pick = picked()
        assert re.fullmatch(r"width<=[\d.]+%", pick)
        assert front.pick(pick).place == place
    assert read(page, "model(settings.best).indices") == [place]
    # The square is at the divergence on the test images, after retraining.
    y = read(page, "settings.sources[0].fields.finished_test_divergence")
    glyphs = read(
        page,
        "[...Bokeh.documents[0]._all_models.values()].filter((one) => one.type === 'Scatter' && "
        "one.marker?.value === 'square' && one.size?.value === 19).map((one) => one.y.field)",
    )
    assert set(glyphs) == {y}


def test_a_comparisons_command_takes_the_nearest_of_all_runs(
    other: Any, comparison: Comparison
) -> None:
    one = comparison
    choice = Choice(one.front, one.quantities, lambda: one.goals, lambda: one.parent)
    command = other.locator("#comparison-command")

    def exported(place: int) -> list[str]:
        trial, row = one.best_networks()[place]
        return ["pymoo-prune", "export", trial.origin, "--pick", str(row)]

    assert shlex.split(command.inner_text()) == exported(choice.best("divergence"))
    for share in (0.0, 0.4, 0.8):
        slide(other, other.locator("#comparison-bound-width"), share)
        found = re.search(PRAISE, other.locator("#comparison-best p").inner_text())
        limit = other.locator("#comparison-limit-width").inner_text()
        place = choice.by_phrase(f"width<={limit.split()[0].replace('%', '')}%")
        assert found is not None
        assert int(found[1]) == place
        assert shlex.split(command.inner_text()) == exported(place)


def test_colours_show_divergences(page: Any, front: Front) -> None:
    page.locator("#run-colour").select_option("finished_test_divergence")
    shown = read(page, "model(settings.networks).data.colour")
    values = front.columns["finished_test_divergence"]
    assert shown[int(np.nanargmin(values))] != shown[int(np.nanargmax(values))]
    scale = page.locator("#run-scale").inner_text()
    assert "%" not in scale
