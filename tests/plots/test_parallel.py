from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from pymoo_prune import PruneError, Series
from pymoo_prune.objectives import STANDARD
from pymoo_prune.plots import draw_parallel
from pymoo_prune.plots.style import GREY

NAMES = ["accuracy", "macs", "sparsity"]
NETWORKS = Series(
    "this search",
    {
        "accuracy": np.array([0.5, 0.9, 0.7, np.nan]),
        "macs": np.array([100.0, 10_000.0, 1_000.0, 100.0]),
        "sparsity": np.array([0.9, 0.1, 0.5, np.nan]),
    },
)


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    """The figures, which are kept and not written to files."""
    figures: list[Figure] = []
    monkeypatch.setattr(Figure, "savefig", lambda self, *_, **__: figures.append(self))
    return figures


def heights(figure: Figure, network: int) -> list[float]:
    return np.asarray(figure.axes[0].lines[network].get_ydata()).tolist()


def test_better_is_up_on_every_axis(drawn: list[Figure]) -> None:
    draw_parallel("unused.png", NETWORKS, NAMES, STANDARD)
    low, middle, high = 0.04 / 1.08, 0.5, 1.04 / 1.08
    assert heights(drawn[0], 0) == pytest.approx([low, high, high])
    assert heights(drawn[0], 1) == pytest.approx([high, low, low])
    # MACs are drawn logarithmically: 1,000 are halfway from 100 to 10,000.
    assert heights(drawn[0], 2) == pytest.approx([middle, middle, middle])
    assert heights(drawn[0], 3) == pytest.approx([np.nan, high, np.nan], nan_ok=True)
    assert drawn[0].axes[0].get_ylabel() == "better on every axis →"


def test_every_axis_has_ticks_of_its_own_at_its_own_place(drawn: list[Figure]) -> None:
    draw_parallel("unused.png", NETWORKS, NAMES, STANDARD)
    figure = drawn[0]
    figure.draw_without_rendering()
    host, *scales = figure.axes
    names = [label.get_text() for label in host.get_xticklabels()]
    assert names == ["accuracy", "MACs", "parameters\nremoved"]
    for scale, expected in zip(scales, ("60 %", "1k", "40 %"), strict=True):
        assert expected in [label.get_text() for label in scale.get_yticklabels()]
    places = [scale.spines["left"].get_position() for scale in scales]
    assert places == [("axes", 0), ("axes", 0.5), ("axes", 1)]
    # A line at a tick's height has the tick's value.
    place = scales[1].transData.transform((0, 1_000))
    assert host.transData.inverted().transform(place)[1] == pytest.approx(heights(figure, 2)[1])


@pytest.mark.slow
def test_the_first_quantity_gives_the_colour(drawn: list[Figure]) -> None:
    draw_parallel("unused.png", NETWORKS, NAMES, STANDARD)
    draw_parallel("unused.png", NETWORKS, ["macs", "accuracy"], STANDARD)
    by_accuracy, by_macs = (
        [to_hex(line.get_color()) for line in figure.axes[0].lines] for figure in drawn
    )
    brightness = [int(colour[1:3], 16) for colour in by_accuracy]
    assert brightness[0] < brightness[2] < brightness[1]
    assert by_accuracy[3] == GREY
    assert by_macs[0] == by_macs[3] == by_accuracy[1]


def test_the_chosen_network_is_bold_and_on_top_with_its_numbers(drawn: list[Figure]) -> None:
    draw_parallel("unused.png", NETWORKS, NAMES, STANDARD, chosen=2)
    draw_parallel("unused.png", NETWORKS, NAMES, STANDARD, chosen=3)
    for figure, network, numbers in (
        (drawn[0], 2, ["70.00\u00a0%", "1,000", "50.00\u00a0%"]),
        (drawn[1], 3, ["100"]),
    ):
        host, *scales = figure.axes
        lines = [line for line in host.lines if line.get_label() == f"network {network}"]
        assert lines == [host.lines[-1]]
        assert lines[0].get_linewidth() > 1.5 * host.lines[0].get_linewidth()
        assert heights(figure, -1) == pytest.approx(heights(figure, network), nan_ok=True)
        assert [text.get_text() for scale in scales for text in scale.texts] == numbers
        assert [text.get_text() for text in figure.legends[0].get_texts()] == [f"network {network}"]


@pytest.mark.slow
@pytest.mark.parametrize("networks", [1, 3])
def test_equal_networks_are_a_picture_too(tmp_path: Path, networks: int) -> None:
    one = Series("a", {name: np.full(networks, 0.0) for name in NAMES})
    for name in ("a.svg", "b.svg"):
        draw_parallel(tmp_path / name, one, NAMES, STANDARD, chosen=0, title="digits")
    text = (tmp_path / "a.svg").read_text(encoding="utf-8")
    assert (tmp_path / "b.svg").read_text(encoding="utf-8") == text
    assert ">digits</text>" in text


def test_what_parallel_coordinates_cannot_be_drawn_from() -> None:
    def draw(names: list[str], series: Series = NETWORKS, *, chosen: int | None = None) -> None:
        draw_parallel("unused.png", series, names, STANDARD, chosen=chosen)

    for names in (["macs"], ["macs", "macs"]):
        with pytest.raises(PruneError, match=r"two or more different quantities, .*\['macs'"):
            draw(names)
    with pytest.raises(PruneError, match=r"unknown quantity 'maccs'.*Did you mean 'macs'"):
        draw(["accuracy", "maccs"])
    with pytest.raises(PruneError, match="unknown column of 'this search' 'parameters'"):
        draw(["accuracy", "parameters"])
    with pytest.raises(PruneError, match="networks of 'a' must not be empty"):
        draw(NAMES, Series("a", {name: np.ones(0) for name in NAMES}))
    with pytest.raises(PruneError, match="columns of 'a' must be equally long"):
        draw(NAMES, Series("a", {name: np.ones(len(name)) for name in NAMES}))
    for chosen in (-1, 4):
        with pytest.raises(PruneError, match=f"row of 'this search', 0 to 3, not {chosen}"):
            draw(NAMES, chosen=chosen)
