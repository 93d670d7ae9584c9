from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from rich.console import Console
from torch import nn

from pymoo_prune import Budget, Data, PruneError
from pymoo_prune_problems.layer_vector import (
    HEAD,
    RIVALS,
    TABLE_1,
    VIDEO,
    VIDEO_RATE,
    iterations,
    one_network,
    reproduction,
    table_rows,
)
from pymoo_prune_problems.layer_vector.published import published_row
from pymoo_prune_problems.layer_vector.reproduction import PAPER, SMALL, Scale
from pymoo_prune_problems.layer_vector.tables import tables

TINY = Scale(
    {"resnet-20": 5}, Budget(generations=2), {"resnet-20": (0.1, 0.1, 0.1)}, {"resnet-20": 40}
)


@pytest.fixture(scope="module")
def rows(digits: Data) -> list[dict[str, object]]:
    return one_network(digits, "resnet-20", TINY)


@pytest.mark.slow
def test_a_network_has_a_row_for_itself_and_each_iteration(rows: list[dict[str, float]]) -> None:
    assert [row["number"] for row in rows] == [0, 1, 2, 3]
    sparsities = [row["sparsity"] for row in rows]
    assert sparsities == sorted(set(sparsities))
    assert [row["epochs"] for row in rows] == pytest.approx([0, 0.1, 0.2, 0.3])
    seconds = [row["retrain_seconds"] for row in rows[1:]]
    assert seconds == sorted(seconds), "the paper's runtime is a total"
    assert all(row["generations"] == 2 for row in rows[1:])
    assert all(list(row["rivals"]) == list(RIVALS) for row in rows[1:])  # type: ignore[call-overload]
    assert json.loads(json.dumps(rows)) == [
        {k: list(v) if isinstance(v, tuple) else v for k, v in row.items()} for row in rows
    ]


@pytest.mark.slow
def test_tables_have_the_papers_figures_in_brackets(rows: list[dict[str, Any]]) -> None:
    good = [rows[0], *({**row, "accuracy": 0.99 * rows[0]["accuracy"]} for row in rows[1:])]
    cells = table_rows("resnet-20", [good, good], "cifar10")
    assert all(len(row) == len(HEAD) for row in cells)
    first, last = (dict(zip(HEAD, row, strict=True)) for row in (cells[0], cells[-1]))
    assert first["parameters"] == "269,434 (269,722)"  # one channel, and three
    assert last["parameters"] == f"{rows[-1]['parameters']:,}"
    assert last["sparsity %"] == f"{100 * rows[-1]['sparsity']:.2f} (81.98)"
    assert last["accuracy %"].endswith("(90.44)")
    assert last["PEPE, drop ≤ 2"].endswith("(9.11)")
    assert last["retraining s"].endswith("(371)")
    assert last["drop"] == f"{rows[0]['accuracy']:.2f} (1.79)"
    assert "(" not in "".join(table_rows("resnet-20", [good], "cifar100")[-1])
    # 74 % are the sparsity of two iterations, and Table II has 8 epochs for them.
    of_cifar100 = table_rows("resnet-56", [good], "cifar100")
    assert [row[2][-7:] == "(74.06)" for row in of_cifar100] == [False, False, True, False]


def test_pepe_is_stated_within_an_acceptable_drop() -> None:
    parent = {"number": 0, "accuracy": 0.9}
    lost = [{"number": 1, "accuracy": 0.9 - drop, "pepe": 25.0} for drop in (0.0199, 0.0201)]
    pepe = [
        table_rows("resnet-20", [[parent, row]], "digits")[1][HEAD.index("PEPE, drop ≤ 2")]
        for row in lost
    ]
    assert pepe == ["25.00 (27.51)", "– (27.51)"]


def test_published_figures_agree_with_each_other() -> None:
    # Table I's PEPE is the sparsity over the search cost (eq. 4).
    published = {"resnet-20": (27.51, 14.81, 9.11), "resnet-56": (27.98, 15.02, 9.22),
                 "resnet-110": (28.09, 15.06, 9.24)}  # fmt: skip
    for name, values in published.items():
        for (sparsity, epochs, *_), pepe in zip(TABLE_1[name][1:], values, strict=True):
            assert sparsity / epochs == pytest.approx(pepe, abs=0.011)
        assert [published_row(name, "cifar10", n).pepe for n in (1, 2, 3)] == list(values)
    drops = [published_row("resnet-20", "fashion-mnist", number).drop for number in range(4)]
    assert drops == [0, 1.3, 1.87, 1.79]


def test_the_video_network_has_its_own_figures() -> None:
    # Table III's last row: the first pruning, and no retraining.
    assert published_row(VIDEO, "cifar10", 1).before_retraining == 93.07
    assert published_row(VIDEO, "cifar10", 0).parameters == 31_305_255
    assert published_row(VIDEO, "cifar100", 1).sparsity is None
    assert (VIDEO_RATE.learning_rate, VIDEO_RATE.schedule) == (2.45e-5, "constant")


def test_cifar100_is_retrained_for_eight_epochs() -> None:
    assert sum(PAPER.retraining("resnet-56", "cifar100")) == 8
    assert PAPER.retraining("resnet-56", "cifar10") == (2, 3, 4)
    assert PAPER.retraining(VIDEO, "cifar100") == (1, 2, 3)
    assert SMALL.retraining("resnet-56", "cifar100") == (0.1, 0.1, 0.1)


@pytest.mark.parametrize(("scale", "expected"), [(SMALL, True), (PAPER, False)])
def test_the_full_budget_searches_in_float32_without_races(
    digits: Data, monkeypatch: pytest.MonkeyPatch, scale: Scale, expected: bool
) -> None:
    given: dict[str, Any] = {}

    def searched(data: Data, network: object, **options: Any) -> list[object]:
        given.update(options)
        return []

    monkeypatch.setattr(reproduction, "reduced", searched)
    monkeypatch.setattr(reproduction, "at_chance", lambda *_: False)
    one_network(digits, "resnet-20", replace(scale, parent_epochs={"resnet-20": 0.1}))
    assert given["racing"] is expected
    assert (given["precision"] != "float32") is expected


def test_a_parent_at_chance_is_not_pruned(digits: Data, tmp_path: Path) -> None:
    scale = replace(TINY, parent_epochs={"resnet-20": 0.1})
    rows = one_network(digits, "resnet-20", scale, folder=tmp_path)
    assert len(rows) == 1
    assert rows[0]["at_chance"] is True
    page = tables({"resnet-20": [rows]}, "digits")
    assert page.endswith(
        f"\nA parent with {100 * rows[0]['accuracy']:.2f} % is hardly better than guessing, and "
        "was not pruned: that would say nothing. Train it longer, or take larger data.\n"
    )


@pytest.mark.slow
def test_a_network_goes_on_where_it_stopped(
    digits: Data, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rows: list[dict[str, Any]]
) -> None:
    trainings: list[int] = []
    real = iterations.trained

    def stopping(*arguments: Any, **options: Any) -> nn.Module:
        trainings.append(1)
        if len(trainings) == 9:  # the third method of the second iteration
            raise KeyboardInterrupt
        return real(*arguments, **options)

    monkeypatch.setattr(iterations, "trained", stopping)
    with pytest.raises(KeyboardInterrupt):
        one_network(digits, "resnet-20", TINY, folder=tmp_path)
    steps: list[str] = []
    again = one_network(
        digits, "resnet-20", TINY, folder=tmp_path, progress=lambda _, text: steps.append(text)
    )
    assert len(trainings) == 9 + 4 + 6, "nothing that was there is trained again"
    assert set(steps) == {"resnet-20, iteration 3"}, "nor searched"
    assert untimed(again) == untimed(rows), "and all is as if it had never stopped"


def untimed(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{name: v for name, v in row.items() if not name.endswith("_seconds")} for row in rows]


def test_a_page_has_a_table_for_each_network() -> None:
    parent = {"number": 0, "sparsity": 0.0, "epochs": 0.0, "accuracy": 0.9, "parameters": 1_000}
    after = {
        "number": 1, "parameters": 500, "sparsity": 0.5, "epochs": 2.0, "accuracy": 0.88,
        "pruned_accuracy": 0.4, "rivals_pruned": {"global": 0.35, "ERK": 0.2},
        "rivals": {"global": 0.87, "ERK": 0.89}, "search_seconds": 12.0,
        "retrain_seconds": 90.0, "pepe": 25.0,
        "fittest": [
            {"pruned": 0.6, "accuracy_drop": 0.125}, {"pruned": 0.7, "accuracy_drop": 0.0025},
        ],
    }  # fmt: skip
    better = {**after, "accuracy": 0.90, "sparsity": 0.6, "epochs": 4.0, "pepe": 15.0}
    seeds = [[parent, after, after, better], [parent, after, after, better]]
    assert tables({"resnet-20": seeds, "resnet-56": seeds}, "cifar10").endswith(PAGE)


PAGE = """
## resnet-56

| iteration | parameters | sparsity % | epochs | accuracy % | drop | before retraining | best rival before | uniform | global | LAMP | ERK | least loss | PEPE, drop ≤ 2 | search s | retraining s | fittest at first | fittest found |
| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |
| 0 | 1,000 (853,018) | 0.00 (0) | 0.00 (0) | 90.00 (93.51) | 0.00 (0) |  |  |  |  |  |  |  |  |  |  |  |  |
| 1 | 500 | 50.00 (55.96) | 2.00 (2) | 88.00 (93.16) | 2.00 (0.35) | 40.00 | global 35.00 |  | 87.00 |  | 89.00 |  | 25.00 (27.98) | 12 | 90 (208) | 60.0 % for 12.50 | 70.0 % for 0.25 |
| 2 | 500 | 50.00 (75.08) | 2.00 (5) | 88.00 (92.2) | 2.00 (1.31) | 40.00 | global 35.00 |  | 87.00 |  | 89.00 |  | 25.00 (15.02) | 12 | 90 (303) | 60.0 % for 12.50 | 70.0 % for 0.25 |
| 3 | 500 | 60.00 (82.94) | 4.00 (9) | 90.00 (91.59) | 0.00 (1.92) | 40.00 | global 35.00 |  | 87.00 |  | 89.00 |  | 15.00 (9.22) | 12 | 90 (914) | 60.0 % for 12.50 | 70.0 % for 0.25 |
"""  # noqa: E501


@pytest.mark.slow
def test_a_reproduction_goes_on_where_it_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rows: list[dict[str, object]]
) -> None:
    monkeypatch.setattr(reproduction, "SMALL", TINY)
    monkeypatch.setattr(reproduction, "PAPER", replace(TINY, search_images={"resnet-20": 41}))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    calls = []

    def counted(data: Data, name: str, scale: Scale, *, seed: int, **_: object) -> object:
        calls.append((data.name, name, scale, seed))
        return rows

    monkeypatch.setattr(reproduction, "one_network", counted)
    given: dict[str, Any] = {"runs": 1, "data": "digits", "data_root": None}
    for _ in range(2):
        text = io.StringIO()
        reproduction.reproduce(tmp_path, console=Console(file=text), **given)
    assert calls == [("digits", "resnet-20", TINY, 0)]
    page = (tmp_path / "report.md").read_text(encoding="utf-8")
    assert page == tables(
        {"resnet-20": [json.loads((tmp_path / "resnet-20-0.json").read_text())]}, "digits"
    )
    assert "## resnet-20" in page
    assert page in text.getvalue()
    with pytest.raises(PruneError, match="another reproduction: search_images differ; take anothe"):
        reproduction.reproduce_fully(tmp_path, console=Console(file=io.StringIO()), **given)
