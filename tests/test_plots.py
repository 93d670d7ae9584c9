from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from matplotlib import image
from matplotlib.figure import Figure

from pymoo_prune import Series
from pymoo_prune.front import ACCURACIES
from pymoo_prune.objectives import STANDARD, Goals, Quantity
from pymoo_prune.plots import COLOURS, draw_front, draw_generations

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
    """An SVG file with its texts, which matplotlib writes beside their outlines."""
    return path.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "names", [["accuracy"], ["accuracy", "macs"], ["width", "accuracy", "macs"]]
)
@pytest.mark.parametrize("finished", [False, True])
def test_the_front_is_a_picture(tmp_path: Path, names: list[str], finished: bool) -> None:
    path = tmp_path / "front.png"
    shown = [series(finished=finished), series("random search", finished=finished)]
    draw_front(path, shown, Goals(QUANTITIES, names), QUANTITIES, title="digits")
    assert path.read_bytes().startswith(b"\x89PNG\r\n\x1a\n")
    pixels = image.imread(path)[..., :3]
    assert len(np.unique(pixels.reshape(-1, 3), axis=0)) > 50
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


def test_every_network_has_a_marker(tmp_path: Path) -> None:
    path = tmp_path / "front.svg"
    goals = Goals(QUANTITIES, ["accuracy", "width"])
    draw_front(path, [series()], goals, QUANTITIES)
    three = texts(path).count("<use ")
    few = {name: column[:2] for name, column in series().columns.items()}
    draw_front(path, [Series("this search", few)], goals, QUANTITIES)
    assert three > texts(path).count("<use ")


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


def test_the_same_picture_is_the_same_file(tmp_path: Path) -> None:
    goals = Goals(QUANTITIES, ["accuracy", "macs"])
    for name in ("one.png", "two.png"):
        draw_front(tmp_path / name, [series()], goals, QUANTITIES)
    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "two.png").read_bytes()


def test_drawing_leaves_the_callers_settings_alone(tmp_path: Path) -> None:
    import matplotlib as mpl

    before = dict(mpl.rcParams)
    draw_front(tmp_path / "a.png", [series()], Goals(QUANTITIES, ["accuracy"]), QUANTITIES)
    assert dict(mpl.rcParams) == before


@pytest.mark.parametrize("generations", [1, 5])
def test_generations_are_a_picture(tmp_path: Path, generations: int) -> None:
    path = tmp_path / "generations.svg"
    means = {
        "generation": np.arange(1.0, generations + 1),
        "accuracy": np.linspace(0.4, 0.8, generations),
        "macs": np.linspace(9_000, 1_000, generations),
    }
    draw_generations(path, means, ["accuracy", "macs"], QUANTITIES)
    assert "<!-- accuracy -->" in texts(path)
    assert "<!-- MACs -->" in texts(path)


def test_a_method_keeps_its_colour_and_its_name_where_a_panel_lacks_it(tmp_path: Path) -> None:
    path = tmp_path / "front.svg"
    lacking = Series("L1 pruning", {n: c for n, c in series().columns.items() if n != "macs"})
    shown = [series(), lacking, series("random search")]
    goals = Goals(QUANTITIES, ["accuracy", "width", "macs"])
    draw_front(path, shown, goals, QUANTITIES)
    for one in shown:
        assert one.name in texts(path)
    # Three networks a panel, and one in the legend.
    counts = [texts(path).lower().count(f"fill: {colour.lower()}") for colour in COLOURS[:3]]
    assert counts[0] == counts[2] > counts[1] > 0


def test_ticks_that_differ_read_differently(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[Figure] = []
    monkeypatch.setattr(Figure, "savefig", lambda self, *_, **__: drawn.append(self))
    means = {"generation": np.arange(1.0, 4.0), "accuracy": np.array([0.966, 0.969, 0.972])}
    draw_generations("unused.png", means, ["accuracy"], STANDARD)
    drawn[0].draw_without_rendering()
    labels = [tick.get_text() for tick in drawn[0].axes[0].get_yticklabels()]
    assert len(set(labels)) == len(labels) > 1
