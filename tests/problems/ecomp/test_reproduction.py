from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure
from rich.console import Console

from benchmarks.ecomp.authors import authors
from pymoo_prune import Budget, Data, PruneError, Store
from pymoo_prune.engines import make_algorithm
from pymoo_prune.measuring import accuracy
from pymoo_prune.networks import FeedForward
from pymoo_prune.results import finisher
from pymoo_prune.search import search
from pymoo_prune_problems import EComp
from pymoo_prune_problems.ecomp import AUTHORS, reproduction, run_weighting, train_feed_forward
from pymoo_prune_problems.ecomp.reproduction import Trajectory, draw_trajectories, draw_winners


@pytest.fixture(scope="module")
def balanced_parent(digits: Data) -> FeedForward:
    return train_feed_forward(digits, (16, 16), 20_000)


def made_up(weighting: str, seed: int, generations: int = 7) -> Trajectory:
    """A made-up run, whose numbers tell it from others."""
    first, many = list(EComp.WEIGHTINGS).index(weighting), np.arange(generations)
    return Trajectory(
        weighting,
        seed,
        {
            "accuracy": (0.5 + first / 20 + seed / 100 + many / 1000).tolist(),
            "similarity_loss": (0.1 + first / 100 + seed / 500 + many / 1000).tolist(),
            "width": (0.9 - first / 20 - seed / 100 - many / 1000).tolist(),
        },
        0.8 - first / 20 - seed / 100,
        0.6 + first / 20 + seed / 100,
    )


@pytest.fixture
def done() -> dict[str, list[Trajectory]]:
    return {name: [made_up(name, seed) for seed in range(2)] for name in EComp.WEIGHTINGS}


# One run.


@pytest.mark.slow
@pytest.mark.parametrize("weighting", ["021", "100"])
def test_a_run_is_the_papers_search(
    digits: Data, balanced_parent: FeedForward, weighting: str
) -> None:
    w_a, w_s, w_c = EComp.WEIGHTINGS[weighting]
    found = run_weighting(digits, balanced_parent, weighting, 5, generations=4)
    problem = EComp(
        digits, parent=balanced_parent, encoding="weights", search_split="train",
        search_images=10_000, batch_size=100, seed=5, objectives=EComp.fitness(w_a, w_s, w_c),
    )  # fmt: skip
    populations: list[Any] = []
    last = search(
        problem, make_algorithm("own", problem, 100), Budget(generations=4), seed=5,
        on_generation=lambda step: populations.append(step.algorithm.pop.get("X")),
    )  # fmt: skip
    assert (found.weighting, found.seed) == (weighting, 5)
    # Averages are over the batch that the generation was measured on.
    each = [
        problem.approximation.measure(X, problem.batch(number))
        for number, X in enumerate(populations, start=1)
    ]
    assert len(each) == 4
    for name in ("accuracy", "similarity_loss", "width"):
        assert found.means[name] == pytest.approx([float(m[name].mean()) for m in each])
    # The best network is so on all batches.
    values = problem.measure(last.X)
    fitness = w_a * values["accuracy"] - w_s * values["similarity_loss"] - w_c * values["width"]
    best = int(np.argmax(fitness))
    assert found.best_width == values["width"][best]
    assert found.best_test_accuracy == accuracy(problem.network(last.X[best]), digits.test)
    assert found.row == (
        found.means["accuracy"][3], found.means["similarity_loss"][3], found.means["width"][3],
        found.best_test_accuracy,
    )  # fmt: skip


@pytest.mark.slow
def test_a_stopped_run_goes_on(
    digits: Data, balanced_parent: FeedForward, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shares: list[tuple[float, str]] = []

    def stopped(done: float, text: str) -> None:
        shares.append((done, text))
        if len(shares) == 2:
            raise KeyboardInterrupt

    given = digits, balanced_parent, "121", 0
    plain = run_weighting(*given, generations=3)
    options: dict[str, Any] = {"generations": 3, "database": tmp_path / "run.sqlite"}
    with pytest.raises(KeyboardInterrupt):
        run_weighting(*given, **options, progress=stopped)
    assert shares == [(pytest.approx(1 / 3), "121, seed 0"), (pytest.approx(2 / 3), "121, seed 0")]
    stores: list[Store] = []

    def opened(*arguments: Any) -> Store:
        stores.append(Store(*arguments))
        return stores[-1]

    monkeypatch.setattr(reproduction, "Store", opened)
    assert run_weighting(*given, **options) == plain
    assert stores[0].hits >= 200, "two generations were there"
    assert stores[0].fresh > 0


# Figures and page.


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    figures: list[Figure] = []
    save = Figure.savefig

    def kept(self: Figure, *arguments: Any, **options: Any) -> None:
        figures.append(self)
        save(self, *arguments, **options)

    monkeypatch.setattr(Figure, "savefig", kept)
    return figures


@pytest.mark.slow
def test_figures_2_to_4_have_the_mean_of_every_third_generation(
    done: dict[str, list[Trajectory]], drawn: list[Figure], tmp_path: Path
) -> None:
    draw_trajectories(tmp_path / "figure.png", done)
    assert (tmp_path / "figure.png").read_bytes().startswith(b"\x89PNG")
    panels = drawn[0].axes
    assert [axes.get_title() for axes in panels] == [
        "Figure 2: accuracy", "Figure 3: width relative to the parent",
        "Figure 4: similarity loss",
    ]  # fmt: skip
    assert [axes.get_yscale() for axes in panels] == ["linear", "linear", "log"]
    for axes, name in zip(panels, ("accuracy", "width", "similarity_loss"), strict=True):
        assert [line.get_label() for line in axes.lines] == list(EComp.WEIGHTINGS)
        looks = {(line.get_linestyle(), line.get_color()) for line in axes.lines}
        assert len(looks) == len(EComp.WEIGHTINGS), "lines can be told apart"
        for line, runs in zip(axes.lines, done.values(), strict=True):
            assert np.asarray(line.get_xdata()).tolist() == [0, 3, 6]
            means = np.mean([run.means[name] for run in runs], axis=0)
            np.testing.assert_allclose(np.asarray(line.get_ydata()), means[::3])


def test_figure_5_has_a_box_for_each_weighting(
    done: dict[str, list[Trajectory]], drawn: list[Figure], tmp_path: Path
) -> None:
    draw_winners(tmp_path / "figure.png", done)
    assert (tmp_path / "figure.png").read_bytes().startswith(b"\x89PNG")
    for axes, name in zip(drawn[0].axes, ("best_test_accuracy", "best_width"), strict=True):
        assert [text.get_text() for text in axes.get_xticklabels()] == list(EComp.WEIGHTINGS)
        values = [np.mean([getattr(run, name) for run in runs]) for runs in done.values()]
        # The median of two runs is their mean; its line has a colour of its own.
        medians = [line for line in axes.lines if line.get_linewidth() == 1.6]
        np.testing.assert_allclose([line.get_ydata()[0] for line in medians], values)  # type: ignore[index]


PAGE = """\
# EComp on digits

The parent has 91.23 % on the test images (the paper: 86.6 %).
Averages of the last generation on its batch; the best network on the test images.
In brackets the authors' ten runs, with one parent of theirs on FashionMNIST.
Runs have 6 generations after the first population; the paper's have 100.

| w_a w_s w_c | runs | accuracy | similarity loss | width | best network, test |
| --- | ---: | ---: | ---: | ---: | ---: |
| 001 | 2 | 0.511 ± 0.007 (0.141 ± 0.049) | 0.107 ± 0.001 (0.605 ± 0.042) | \
0.889 ± 0.007 (0.222 ± 0.012) | 0.605 ± 0.007 (0.131 ± 0.050) |
| 121 | 1 | 0.806 (0.851 ± 0.027) | 0.166 (0.083 ± 0.029) | 0.594 (0.749 ± 0.071) | \
0.900 (0.843 ± 0.012) |

The simple alternative, L1 pruning at the winners' widths:

| width | L1 pruning, test | after 10,000 images of training |
| --- | ---: | ---: |
| 0.250 | 0.700 | 0.900 |
| 0.500 | 0.800 | 0.950 |
"""


def test_the_page_is_table_1_with_the_authors_figures_in_brackets() -> None:
    runs = {"001": [made_up("001", 0), made_up("001", 1)], "121": [made_up("121", 0)]}
    instead = {
        "width": np.array([0.25, 0.5]),
        "test_accuracy": np.array([0.7, 0.8]),
        "finished_test_accuracy": np.array([0.9, 0.95]),
        "macs": np.array([1.0, 2.0]),
    }
    assert reproduction._page(runs, instead, 0.91234, "digits") == PAGE
    whole = {"121": [made_up("121", 0, generations=101)]}
    assert "generations after" not in reproduction._page(whole, instead, 0.91234, "digits")


def test_the_authors_figures_are_those_of_their_runs() -> None:
    assert list(AUTHORS) == list(EComp.WEIGHTINGS) == list(authors())
    for weighting, runs in authors().items():
        assert runs.rows.shape == (10, 4)
        for place, (mean, deviation) in enumerate(AUTHORS[weighting]):
            column = runs.rows[:, place]
            assert (mean, deviation) == (round(column.mean(), 3), round(column.std(ddof=1), 3))
        for name, curve in runs.curves.items():
            assert curve.shape == (2, 34), "every third of 101 generations"
            assert curve[0, 0] == pytest.approx(authors()["001"].curves[name][0, 0], abs=0.05)


def test_published_figures_are_those_of_the_problem() -> None:
    ours = EComp.published["fashion-mnist"]["van den Beemt et al."]
    for weighting, width, right in zip(
        ("100", "021", "101", "121"), ours["width"], ours["test_accuracy"], strict=True
    ):
        assert AUTHORS[weighting][2][0] == width
        assert AUTHORS[weighting][3][0] == right


# The whole reproduction.


@pytest.mark.slow
def test_a_reproduction_goes_on_where_it_stopped(
    balanced_parent: FeedForward, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained: list[str] = []
    asked: list[tuple[str, int, str]] = []

    def parent(data: Data, *_: object, **__: object) -> FeedForward:
        trained.append(data.name)
        return balanced_parent

    def run(
        data: Data, parent: FeedForward, weighting: str, seed: int, *, database: Path, **more: Any
    ) -> Trajectory:
        assert len(data.validation) == 100
        assert more["generations"] == 101
        asked.append((weighting, seed, database.name))
        return made_up(weighting, seed)

    monkeypatch.setattr(reproduction, "train_feed_forward", parent)
    monkeypatch.setattr(reproduction, "run_weighting", run)
    monkeypatch.setattr(EComp, "SEARCH_IMAGES", 100)
    given: dict[str, Any] = {"data": "digits", "data_root": None}
    for runs in (1, 1, 2):
        text = io.StringIO()
        reproduction.reproduce(tmp_path, runs=runs, console=Console(file=text), **given)
    assert trained == ["digits"]
    assert asked == [(name, k, f"{name}-{k}.sqlite") for k in (0, 1) for name in EComp.WEIGHTINGS]
    page = (tmp_path / "report.md").read_text(encoding="utf-8")
    assert page in text.getvalue()
    assert "| 100 | 2 | 0.611 ± 0.007 (0.826 ± 0.028) |" in page
    for name in ("figure-2-3-4.png", "figure-5.png"):
        assert (tmp_path / name).read_bytes().startswith(b"\x89PNG")
    monkeypatch.setattr("pymoo_prune.runs.reproduction.named_data", lambda *_, **__: None)
    with pytest.raises(PruneError, match="another reproduction: data differ; take another --outp"):
        reproduction.reproduce(
            tmp_path, runs=1, data="mnist", data_root=None, console=Console(file=text)
        )
    with pytest.raises(PruneError, match="another reproduction: generations differ"):
        reproduction.reproduce(
            tmp_path, runs=1, console=Console(file=text), budget=Budget(generations=5), **given
        )


def test_l1_pruning_stands_at_the_winners_widths(
    digits: Data, balanced_parent: FeedForward, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(EComp, "SEARCH_IMAGES", 200)
    display = reproduction.Display(Console(quiet=True))
    found = reproduction._instead(digits, balanced_parent, [0.25, 0.25, 0.75], display)
    assert found["width"].tolist() == sorted(set(found["width"].tolist()))
    assert found["width"][[0, -1]].tolist() == [0.25, 0.75]
    problem = EComp(digits, parent=balanced_parent, recovery="none")
    (network,) = problem.rivals.pruned(np.array([0.75])).networks
    assert found["test_accuracy"][-1] == accuracy(network, digits.test)
    finished = finisher(problem, 200)(network, 0)
    assert found["finished_test_accuracy"][-1] == accuracy(finished, digits.test)
