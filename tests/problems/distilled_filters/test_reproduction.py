from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from rich.console import Console

from pymoo_prune import Data, PruneError, load_network
from pymoo_prune.measuring import accuracy, count_macs, count_parameters
from pymoo_prune.networks import SimpleCNN
from pymoo_prune.recovery import Recovery
from pymoo_prune.results import WinningTicket
from pymoo_prune_problems.distilled_filters import (
    HEAD,
    NETWORKS,
    SMALL,
    DistilledFilters,
    Scale,
    one_network,
    reproduction,
    robustness_rows,
    table_rows,
)
from pymoo_prune_problems.distilled_filters.experiments import (
    PAPER,
    PAPER_PUBLISHED,
    PUBLISHED,
    REFITTED,
    SMALL_PUBLISHED,
    TABLE_1,
    TABLE_2,
)
from pymoo_prune_problems.distilled_filters.tables import report
from tests.support.counted import Counted

OPTIONS = {"recovery": "refit+batch-norm", "search_images": 100, "recovery_images": 64}
TINY = Scale(
    {"simple-cnn": 3_000}, {"simple-cnn": 40}, {"simple-cnn": 640}, {"simple-cnn": OPTIONS}
)


@pytest.fixture(scope="module")
def made(digits: Data) -> tuple[dict[str, Any], WinningTicket]:
    executor = Counted()
    found = one_network(digits, "simple-cnn", TINY, seed=3, executor=executor)
    assert executor.candidates > 0
    return found


# One network.


def test_a_row_is_what_the_ticket_is_worth(
    digits: Data, made: tuple[dict[str, Any], WinningTicket]
) -> None:
    row, ticket = made
    small = ticket.network
    teacher = SimpleCNN(1, 10, (8, 8))
    assert json.loads(json.dumps(row)) == row
    assert (row["network"], row["evaluations"]) == ("simple-cnn", 40)
    assert row["parameters"] == count_parameters(small)
    assert row["teacher_parameters"] == count_parameters(teacher)
    assert row["compression"] == 1 - count_parameters(small) / count_parameters(teacher)
    assert row["macs_removed"] == pytest.approx(
        1 - count_macs(small, (1, 8, 8)) / count_macs(teacher, (1, 8, 8))
    )
    assert row["accuracy"] == accuracy(small, digits.test)
    assert row["teacher_accuracy"] == ticket.parent.test_accuracy > 0.5
    assert row["extra_losses"] == ticket.extra_losses
    assert [len(row[name]) for name in ("speedups", "latencies", "robustness")] == [2, 2, 2]
    assert row["branches"] == row["branches_dropped"] == 0
    assert set(row["seconds"]) == {"teacher", "search", "ticket"}


def test_what_it_is_compared_with_has_its_size_and_its_distillation(
    digits: Data, made: tuple[dict[str, Any], WinningTicket]
) -> None:
    row, ticket = made
    problem: Any = ticket.winner.front.problem
    assert row["uniform_sizes"]["sparsity"] == pytest.approx(row["compression"], abs=0.03)
    rival, sizes = reproduction._rival(problem, row["compression"])
    assert count_parameters(rival) == sizes["parameters"] == row["uniform_sizes"]["parameters"]
    finished = problem.finished(rival, images=640, seed=3)
    assert row["uniform_accuracy"] == accuracy(finished, digits.test)
    again = ticket.winner.network(finish_images=640)
    assert row["accuracy"] == accuracy(again, digits.test)


# Tables.


def known(network: str = "simple-cnn", **changes: Any) -> dict[str, Any]:
    """A made-up row of a network."""
    return {
        "network": network,
        "teacher_accuracy": 0.99,
        "accuracy": 0.98,
        "compression": 0.875,
        "parameters": 30_000,
        "macs_removed": 0.7,
        "uniform_accuracy": 0.95,
        "speedups": [1.5, 4.0],
        "branches": 0,
        "branches_dropped": 0,
        "extra_losses": {"noise": 0.02, "blur": -0.01},
        **changes,
    }


def test_tables_have_the_papers_figures_in_brackets() -> None:
    with_branches = [
        known("resnet-18", branches=8, branches_dropped=2, accuracy=0.96, speedups=[1.0, 2.0]),
        known("resnet-18", branches=8, branches_dropped=3, parameters=32_000),
    ]
    done = {"simple-cnn": [known()], "resnet-18": with_branches}
    one, other = (dict(zip(HEAD, row, strict=True)) for row in table_rows(done, "digits"))
    assert list(one.values()) == [
        "SimpleCNN", "99.00", "98.00 (98.1)", "87.50 (87.43)", "0.030 (1.7)", "70.00 (67.22)",
        "95.00", "–", "1.5× / 4.0×",
    ]  # fmt: skip
    assert other["accuracy %"] == "97.00 (99.2)"
    assert other["parameters (M)"] == "0.031 (1.5)"
    assert other["branches dropped"] == "2 of 8, 3 of 8"
    assert other["faster, batch of 1 / 64"] == "1.2× / 3.0×"
    theirs = [row[2] for row in table_rows(done, "cifar10")]
    assert theirs == ["98.00 (75.12)", "97.00 (92.45)"]


def test_points_lost_are_averaged_over_seeds() -> None:
    seeds = [
        known("googlenet"),
        known("googlenet", extra_losses={"noise": 0.04, "blur": -0.02}),
    ]
    assert robustness_rows({"googlenet": seeds}) == [("GoogLeNet", "+3.00", "-1.50")]


PAGE = """\
# Distilled filters on cifar10

In brackets the paper's figures, of CIFAR-10.
Accuracies are on the test images. L1 norm: the filters with the largest weights, as
many of each layer, at the same number of parameters and with the same distillation.

For ResNet-18 the paper's table has 92.45 %, and its text 79.45 %.

| model | teacher % | accuracy % | compression % | parameters (M) | FLOPs reduction % | L1 norm % \
| branches dropped | faster, batch of 1 / 64 |
| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |
| SimpleCNN | 99.00 | 98.00 (75.12) | 87.50 (78.97) | 0.030 (0.44) | 70.00 (67.22) | 95.00 | – \
| 1.5× / 4.0× |

Points of accuracy that the ticket loses more than its teacher on perturbed images,
on average over five strengths (below 0: it loses less):

| model | noise | blur |
| --- | ---: | ---: |
| SimpleCNN | +2.00 | -1.00 |
"""


def test_the_page_has_both_tables() -> None:
    assert report({"simple-cnn": [known()]}, "cifar10") == PAGE
    of_digits = report({"simple-cnn": [known()]}, "digits")
    assert "In brackets the paper's figures, of MNIST." in of_digits
    assert "79.45" not in of_digits


def test_the_scales_are_of_the_papers_networks() -> None:
    assert NETWORKS == ("simple-cnn", "resnet-18", "googlenet") == tuple(TABLE_1) == tuple(TABLE_2)
    for scale in (SMALL, PAPER):
        for part in (scale.teacher_images, scale.evaluations, scale.finish_images, scale.options):
            assert tuple(part) == NETWORKS
    assert PAPER.evaluations["googlenet"] == DistilledFilters.POPULATION * 20


def test_the_papers_recipe_solves_for_nothing_and_stops_early(digits: Data) -> None:
    for scale, ours in ((SMALL_PUBLISHED, SMALL), (PAPER_PUBLISHED, PAPER)):
        assert replace(scale, options={}) == replace(ours, options={}), "beside it, all else alike"
        for name in NETWORKS:
            recovery = Recovery.parse(scale.options[name]["recovery"])
            assert not recovery.refit
            assert not recovery.batch_norm
            assert recovery.steps > 0
            assert scale.options[name]["patience"] > 0
            assert Recovery.parse(ours.options[name]["recovery"]).refit
    # An epoch of CIFAR-10, as the preset has it.
    wanted = DistilledFilters.presets["paper"].options
    for options in PAPER_PUBLISHED.options.values():
        assert {name: options[name] for name in ("recovery", "patience")} == {
            name: wanted[name] for name in ("recovery", "patience")
        }


def test_rows_of_two_recipes_say_which_is_which() -> None:
    done = {
        "simple-cnn-as-published": [known(recipe=PUBLISHED)],
        "simple-cnn-refitted": [known(recipe=REFITTED)],
    }
    models = [row[0] for row in table_rows(done, "digits")]
    assert models == ["SimpleCNN, as published", "SimpleCNN, refitted"]
    assert [row[0] for row in robustness_rows(done)] == models
    assert "with early stopping, and nothing is solved\nfor. Refitted:" in report(done, "digits")
    assert "early stopping" not in report({"simple-cnn": [known(recipe="")]}, "digits")


# The whole reproduction.


@pytest.mark.slow
def test_a_reproduction_goes_on_where_it_stopped(
    made: tuple[dict[str, Any], WinningTicket], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    row, ticket = made
    monkeypatch.setattr(reproduction, "SMALL", TINY)
    monkeypatch.setattr(reproduction, "PAPER", replace(TINY, evaluations={"simple-cnn": 41}))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    asked: list[tuple[str, str, Scale, int]] = []

    def counted(data: Data, name: str, scale: Scale, *, seed: int, **_: object) -> Any:
        asked.append((data.name, name, scale, seed))
        return row, ticket

    monkeypatch.setattr(reproduction, "one_network", counted)
    given: dict[str, Any] = {"data": "digits", "data_root": None}
    for runs in (1, 1, 2):
        text = io.StringIO()
        reproduction.reproduce(tmp_path, runs=runs, console=Console(file=text), **given)
    assert asked == [("digits", "simple-cnn", TINY, seed) for seed in (0, 1)]
    page = (tmp_path / "report.md").read_text(encoding="utf-8")
    assert page == report({"simple-cnn": [row, row]}, "digits")
    assert page in text.getvalue()
    folder = tmp_path / "simple-cnn-0"
    assert count_parameters(load_network(folder)) == row["parameters"]
    assert json.loads((folder / "network.json").read_text())["row"] == row
    own_page = (folder / "ticket.md").read_text(encoding="utf-8")
    assert own_page.startswith("# SimpleCNN on digits\n")
    assert "(robustness.png)" in own_page
    assert (folder / "robustness.png").read_bytes().startswith(b"\x89PNG")
    monkeypatch.setattr(reproduction, "SMALL", replace(TINY, evaluations={"simple-cnn": 41}))
    with pytest.raises(PruneError, match="another reproduction: evaluations differ; take another"):
        reproduction.reproduce(tmp_path, runs=1, console=Console(file=text), **given)
    with pytest.raises(PruneError, match="another reproduction: as published, evaluations"):
        reproduction.reproduce_fully(tmp_path, runs=1, console=Console(file=text), **given)


@pytest.mark.slow
def test_both_recipes_have_the_same_teacher_and_a_killed_search_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    published = {"recovery": "steps:12", "patience": 1, "search_images": 100}
    scales = {PUBLISHED: replace(TINY, options={"simple-cnn": published}), REFITTED: TINY}
    monkeypatch.setattr(reproduction, "SMALL_PUBLISHED", scales[PUBLISHED])
    monkeypatch.setattr(reproduction, "SMALL", scales[REFITTED])
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    made: list[str] = []
    problems: list[DistilledFilters] = []
    trained, measure = reproduction.train_parent, DistilledFilters.measure

    def teacher(data: Data, name: str, *arguments: Any, **options: Any) -> Any:
        made.append(name)
        return trained(data, name, *arguments, **options)

    measured: list[int] = []

    def killed(self: DistilledFilters, X: Any) -> Any:
        if len(measured) == 30 and len(problems) == 0:
            problems.append(self)
            raise KeyboardInterrupt
        measured.append(len(X))
        return measure(self, X)

    monkeypatch.setattr(reproduction, "train_parent", teacher)
    monkeypatch.setattr(DistilledFilters, "measure", killed)
    given: dict[str, Any] = {"runs": 1, "data": "digits", "data_root": None}
    with pytest.raises(KeyboardInterrupt):
        reproduction.reproduce_published(tmp_path, console=Console(file=io.StringIO()), **given)
    assert problems[0].refit is None
    reproduction.reproduce_published(tmp_path, console=Console(file=io.StringIO()), **given)
    assert made == ["simple-cnn"], "the teacher is kept, and both recipes have it"
    assert measured[: 30 + 10] == [1] * 40, "a killed search measures what is missing, one by one"
    rows = [
        json.loads((tmp_path / f"simple-cnn-{name}-0.json").read_text())
        for name in ("as-published", "refitted")
    ]
    assert [row["recipe"] for row in rows] == [PUBLISHED, REFITTED]
    assert [row["evaluations"] for row in rows] == [40, 40]
    assert rows[0]["teacher_accuracy"] == rows[1]["teacher_accuracy"]
    assert rows[0]["accuracy"] > 0.1
