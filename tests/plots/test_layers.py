from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from pymoo_prune import PruneError
from pymoo_prune.chromosomes import Connections
from pymoo_prune.plots import draw_layers, draw_matrices
from pymoo_prune.plots.layers import CELL_COLOURS


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    """The figures, which are kept and not written to files."""
    figures: list[Figure] = []
    monkeypatch.setattr(Figure, "savefig", lambda self, *_, **__: figures.append(self))
    return figures


def shares(axes: Axes) -> list[float]:
    return [bar.get_height() for bar in axes.patches if hasattr(bar, "get_height")]


def layer_names(figure: Figure) -> list[str]:
    return [label.get_text() for label in figure.axes[-1].get_xticklabels()]


def legend(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.legends[0].get_texts()]


KEPT = {
    "network 3": {"conv1": 1.0, "conv3": 0.25},
    "global magnitude": {"conv1": 0.5, "conv2": 0.75, "conv3": 0.0},
    "other": {"stem": 0.125, "conv3": 0.5, "fc": 1.0},
}


def test_layers_are_in_order_and_missing_ones_are_0(drawn: list[Figure]) -> None:
    draw_layers("unused.png", KEPT, label="filters kept")
    figure = drawn[0]
    assert layer_names(figure) == ["stem", "conv1", "conv2", "conv3", "fc"]
    assert [shares(axes) for axes in figure.axes] == [
        [0, 1, 0, 0.25, 0],
        [0, 0.5, 0.75, 0, 0],
        [0.125, 0, 0, 0.5, 1],
    ]
    crosses = [np.asarray(axes.lines[0].get_xdata()).tolist() for axes in figure.axes]
    assert crosses == [[0, 2, 4], [0, 3, 4], [1, 2]]
    assert [axes.get_title(loc="left") for axes in figure.axes] == list(KEPT)
    assert figure.get_supylabel() == "filters kept"


def test_the_first_network_is_outlined_in_the_others_panels(drawn: list[Figure]) -> None:
    draw_layers("unused.png", KEPT)
    draw_layers("unused.png", {"alone": {"fc": 0.5}})
    outlines = [
        [patch.get_data().values.tolist() for patch in axes.patches if hasattr(patch, "get_data")]
        for axes in drawn[0].axes
    ]
    assert outlines == [[], [[0, 1, 0, 0.25, 0]], [[0, 1, 0, 0.25, 0]]]
    assert [legend(figure) for figure in drawn] == [["outline of network 3", "nothing kept"], []]


@pytest.mark.slow
@pytest.mark.parametrize(("layers", "step"), [(3, 1), (64, 1), (65, 2), (110, 2)])
def test_names_of_many_layers_do_not_touch(drawn: list[Figure], layers: int, step: int) -> None:
    names = [f"layer{place}.conv1" for place in range(layers)]
    draw_layers("unused.png", {"a": dict.fromkeys(names, 0.5)})
    assert layer_names(drawn[0]) == names[::step]
    drawn[0].draw_without_rendering()
    boxes = [label.get_window_extent() for label in drawn[0].axes[0].get_xticklabels()]
    assert all(one.x1 <= other.x0 for one, other in pairwise(boxes))
    assert min(box.y0 for box in boxes) >= 0


def test_what_layers_cannot_be_drawn_from() -> None:
    with pytest.raises(PruneError, match="kept must not be empty"):
        draw_layers("unused.png", {})
    with pytest.raises(PruneError, match="layers must not be empty"):
        draw_layers("unused.png", {"a": {}})
    for share in (-0.1, 1.1, float("nan")):
        with pytest.raises(PruneError, match=f"from 0 to 1, but 'a' keeps {share} of 'fc'"):
            draw_layers("unused.png", {"a": {"fc": share}})


CODEC = Connections(3)
POSSIBLE = CODEC.everything[0]
LIVE = CODEC.matrices(np.arange(CODEC.n_var) % 3 == 0)


def colours(axes: Axes) -> np.ndarray:
    mesh = axes.collections[0]
    rows, columns = mesh.get_array().shape
    faces = mesh.to_rgba(mesh.get_array()).reshape(-1, 4)
    return np.array([to_hex(face) for face in faces]).reshape(rows, columns)


def test_each_cell_is_live_removed_or_impossible(drawn: list[Figure]) -> None:
    matrices = {f"block {place}": live for place, live in enumerate(LIVE)}
    draw_matrices("unused.png", matrices, possible=dict.fromkeys(matrices, POSSIBLE))
    for (name, live), axes in zip(matrices.items(), drawn[0].axes, strict=True):
        found = colours(axes)
        assert (found[live] == CELL_COLOURS["live"].lower()).all()
        assert (found[POSSIBLE & ~live] == CELL_COLOURS["removed"]).all()
        assert (found[~POSSIBLE] == CELL_COLOURS["impossible"]).all()
        assert axes.get_title(loc="left") == f"{name}: {live.sum()} of 10 live"
    assert legend(drawn[0]) == ["live", "removed", "impossible"]
    first = drawn[0].axes[0]
    assert (first.get_ylabel(), first.get_xlabel()) == ("reads from", "layer")


def test_rows_go_down_and_columns_to_the_right(drawn: list[Figure]) -> None:
    draw_matrices("unused.png", {"a": LIVE[0]})
    axes = drawn[0].axes[0]
    assert axes.get_ylim() == (4.5, -0.5)
    assert axes.get_xlim() == (-0.5, 4.5)
    # Connections from node 0 are in row 0, which is drawn on top.
    corners = axes.collections[0].get_coordinates()
    assert corners[0, 0].tolist() == [-0.5, -0.5]
    assert corners[0, -1].tolist() == [4.5, -0.5]


def test_cells_are_squares_of_one_size(drawn: list[Figure]) -> None:
    sizes = [(3, 3), (18, 18), (5, 9), (1, 30)]
    matrices = {f"a matrix of {size}": np.ones(size, dtype=bool) for size in sizes}
    draw_matrices("unused.png", matrices, title="digits")
    figure = drawn[0]
    boxes = [axes.get_window_extent() for axes in figure.axes]
    cells = [
        (box.width / columns, box.height / rows)
        for box, (rows, columns) in zip(boxes, sizes, strict=True)
    ]
    assert np.array(cells) == pytest.approx(np.full((4, 2), cells[0][0]))
    assert len({round(box.y1, 6) for box in boxes}) == 1
    tight = [axes.get_tightbbox() for axes in figure.axes]
    assert all(one.x1 < other.x0 for one, other in pairwise(tight))
    assert tight[0].x0 > 0
    assert legend(figure) == ["live", "removed"]


def test_matrices_are_the_same_file_and_stay_as_they_are(tmp_path: Path) -> None:
    live, possible = LIVE[0].copy(), POSSIBLE.copy()
    for name in ("a.svg", "b.svg"):
        draw_matrices(tmp_path / name, {"a": live}, possible={"a": possible}, rows="from node")
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()
    assert ">from node</text>" in (tmp_path / "a.svg").read_text(encoding="utf-8")
    assert np.array_equal(live, LIVE[0])
    assert np.array_equal(possible, POSSIBLE)


def test_what_matrices_cannot_be_drawn_from() -> None:
    live, every = LIVE[0], np.ones((5, 5), dtype=bool)
    with pytest.raises(PruneError, match="matrices must not be empty"):
        draw_matrices("unused.png", {})
    with pytest.raises(PruneError, match=r"possible must have the names \['a'\], .*has \['b'\]"):
        draw_matrices("unused.png", {"a": live}, possible={"b": POSSIBLE})
    for wrong in (live.astype(int), live[0], live[:0]):
        with pytest.raises(PruneError, match=r"'a' must be booleans, \(rows, columns\), but it is"):
            draw_matrices("unused.png", {"a": wrong})
    with pytest.raises(PruneError, match=r"'a' has shape \(5, 5\), .* has \(4, 5\)"):
        draw_matrices("unused.png", {"a": live}, possible={"a": every[:4]})
    with pytest.raises(PruneError, match=r"\(1, 0\) of matrix 'a' lives, but is not possible"):
        draw_matrices(
            "unused.png",
            {"a": every & ~np.eye(5, dtype=bool)},
            possible={"a": POSSIBLE | np.eye(5, dtype=bool)},
        )
