from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from rich.console import Console

from pymoo_prune import Budget, Data, PruneError
from pymoo_prune_problems.layer_vector import HEAD, TABLE_1, one_network, reproduction, table_rows
from pymoo_prune_problems.layer_vector.reproduction import Scale, tables

TINY = Scale(
    {"resnet-20": 1}, Budget(generations=2), {"resnet-20": (0.1, 0.1, 0.1)}, {"resnet-20": 40}
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
    assert all(list(row["rivals"]) == list(reproduction.RIVALS) for row in rows[1:])  # type: ignore[call-overload]
    assert json.loads(json.dumps(rows)) == [
        {k: list(v) if isinstance(v, tuple) else v for k, v in row.items()} for row in rows
    ]


@pytest.mark.slow
def test_tables_have_the_papers_figures_in_brackets(rows: list[dict[str, object]]) -> None:
    cells = table_rows("resnet-20", [rows, rows], "cifar10")
    assert all(len(row) == len(HEAD) for row in cells)
    last = dict(zip(HEAD, cells[-1], strict=True))
    assert last["sparsity %"] == f"{100 * float(rows[-1]['sparsity']):.2f} (81.98)"  # type: ignore[arg-type]
    assert last["accuracy %"].endswith("(90.44)")
    assert last["PEPE"].endswith("(9.11)")
    assert last["retraining s"].endswith("(371)")
    drop = 100 * (float(rows[0]["accuracy"]) - float(rows[-1]["accuracy"]))  # type: ignore[arg-type]
    assert float(last["drop"]) == pytest.approx(drop, abs=0.006)
    assert "(" not in "".join(table_rows("resnet-20", [rows], "cifar100")[-1])
    assert table_rows("resnet-56", [rows], "cifar100")[-1][1].endswith("(74.06)")


def test_published_figures_agree_with_each_other() -> None:
    # Table I's PEPE is the sparsity over the search cost (eq. 4).
    published = {"resnet-20": (27.51, 14.81, 9.11), "resnet-56": (27.98, 15.02, 9.22),
                 "resnet-110": (28.09, 15.06, 9.24)}  # fmt: skip
    for name, values in published.items():
        for (sparsity, epochs, *_), pepe in zip(TABLE_1[name][1:], values, strict=True):
            assert sparsity / epochs == pytest.approx(pepe, abs=0.011)


def test_a_page_has_a_table_for_each_network() -> None:
    parent = {"number": 0, "sparsity": 0.0, "epochs": 0.0, "accuracy": 0.9}
    after = {
        "number": 1, "sparsity": 0.5, "epochs": 2.0, "accuracy": 0.88, "pruned_accuracy": 0.4,
        "rivals": {"global": 0.87, "ERK": 0.89}, "search_seconds": 12.0,
        "retrain_seconds": 90.0, "pepe": 25.0,
    }  # fmt: skip
    better = {**after, "accuracy": 0.90, "sparsity": 0.6, "epochs": 4.0, "pepe": 15.0}
    seeds = [[parent, after, after, better], [parent, after, after, better]]
    assert tables({"resnet-20": seeds, "resnet-56": seeds}, "cifar10").endswith(PAGE)


PAGE = """
## resnet-56

| iteration | sparsity % | epochs | accuracy % | drop | before retraining | global magnitude | best without search | PEPE | search s | retraining s |
| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |
| 0 | 0.00 (0) | 0.00 (0) | 90.00 (93.51) | 0.00 |  |  |  |  |  |  |
| 1 | 50.00 (55.96) | 2.00 (2) | 88.00 (93.16) | 2.00 | 40.00 | 87.00 | ERK 89.00 | 25.00 (27.98) | 12.00 | 90.00 (208) |
| 2 | 50.00 (75.08) | 2.00 (5) | 88.00 (92.2) | 2.00 | 40.00 | 87.00 | ERK 89.00 | 25.00 (15.02) | 12.00 | 90.00 (303) |
| 3 | 60.00 (82.94) | 4.00 (9) | 90.00 (91.59) | 0.00 | 40.00 | 87.00 | ERK 89.00 | 15.00 (9.22) | 12.00 | 90.00 (914) |
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
