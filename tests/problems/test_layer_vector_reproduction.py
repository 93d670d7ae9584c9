from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
import torch
from rich.console import Console

from pymoo_prune import Budget, Data, PruneError
from pymoo_prune_problems import layer_vector_reproduction as reproduction
from pymoo_prune_problems.layer_vector_reproduction import (
    HEAD,
    TABLE_1,
    Scale,
    one_network,
    table_rows,
    tables,
)

TINY = Scale(
    {"resnet-20": 1}, Budget(generations=2), {"resnet-20": (0.1, 0.1, 0.1)}, {"resnet-20": 40}
)


@pytest.fixture(scope="module")
def rows(digits: Data) -> list[dict[str, object]]:
    return one_network(digits, "resnet-20", TINY)


def test_a_network_has_a_row_for_itself_and_each_iteration(rows: list[dict[str, float]]) -> None:
    assert [row["number"] for row in rows] == [0, 1, 2, 3]
    sparsities = [row["sparsity"] for row in rows]
    assert sparsities == sorted(set(sparsities))
    assert [row["epochs"] for row in rows] == pytest.approx([0, 0.1, 0.2, 0.3])
    seconds = [row["retrain_seconds"] for row in rows[1:]]
    assert seconds == sorted(seconds), "the paper's runtime is a total"
    assert all(row["generations"] == 2 for row in rows[1:])
    assert json.loads(json.dumps(rows)) == [
        {k: list(v) if isinstance(v, tuple) else v for k, v in row.items()} for row in rows
    ]


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


def test_a_reproduction_goes_on_where_it_stopped(
    digits: Data, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rows: list[dict[str, object]]
) -> None:
    monkeypatch.setattr(reproduction, "SMALL", TINY)
    monkeypatch.setattr(reproduction, "load_data", lambda *_, **__: digits)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    calls = []

    def counted(*_: object, **__: object) -> list[dict[str, object]]:
        calls.append(1)
        return rows

    monkeypatch.setattr(reproduction, "one_network", counted)
    for _ in range(2):
        text = io.StringIO()
        reproduction.reproduce(
            tmp_path, runs=1, data="digits", data_root=None, console=Console(file=text)
        )
    assert len(calls) == 1
    page = (tmp_path / "report.md").read_text(encoding="utf-8")
    assert page == tables(
        {"resnet-20": [json.loads((tmp_path / "resnet-20-0.json").read_text())]}, "digits"
    )
    assert "## resnet-20" in page
    with pytest.raises(PruneError, match="--runs must be at least 1, but it is 0"):
        reproduction.reproduce(
            tmp_path, runs=0, data="digits", data_root=None, console=Console(file=io.StringIO())
        )
