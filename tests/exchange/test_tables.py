"""CSV, Parquet and pandas: the same table, and every number exactly."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pymoo_prune import PruneError
from pymoo_prune.exchange import Evaluations, frame_of, networks_frame, write_evaluations
from tests.support.evaluations import REASON, Genes, made_up

NAMES = [
    *("problem", "method", "seed", "number", "generation", "chromosome", "accuracy"),
    *("parameters", "feasible", "failed", "failure"),
]


def runs(genes: Genes) -> list[Evaluations]:
    return [
        made_up(0, genes=genes, failed=(0, 7), infeasible=(3,)),
        made_up(4, method="ga@accuracy=1,width=0.5", genes=genes),
    ]


def cells(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def text_of(genes: Any) -> str:
    if genes.dtype == bool:
        return "".join("1" if gene else "0" for gene in genes)
    return json.dumps(genes.tolist())


@pytest.mark.parametrize("genes", ["booleans", "whole", "reals", "none"])
def test_csv_has_a_row_for_each_evaluation(tmp_path: Path, genes: Genes) -> None:
    given = runs(genes)
    assert write_evaluations(given, "csv", tmp_path / "all.csv") == []
    rows = cells(tmp_path / "all.csv")
    assert list(rows[0]) == NAMES
    assert len(rows) == sum(map(len, given)) == 120
    for run, part in zip(given, (rows[:60], rows[60:]), strict=True):
        for number, row in enumerate(part):
            assert (row["problem"], row["method"]) == (run.problem, run.method)
            assert (int(row["seed"]), int(row["number"])) == (run.seed, number)
            assert int(row["generation"]) == run.generation[number]
            assert row["chromosome"] == ("" if run.X is None else text_of(run.X[number]))
            for name, column in run.measurements.items():
                value = float(row[name]) if row[name] else np.nan
                assert value == column[number] or (number in (0, 7) and np.isnan(value))
            assert row["feasible"] == str(bool(run.feasible[number])).lower()
            assert row["failed"] == str(bool(run.failed[number])).lower()
            assert row["failure"] == run.failures[number]
    assert rows[7]["failure"] == REASON


def test_bits_keep_their_zeros(tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas")
    run = made_up(X=np.eye(60, dtype=bool)[::-1])
    write_evaluations([run], "csv", tmp_path / "all.csv")
    frame = pandas.read_csv(tmp_path / "all.csv", dtype={"chromosome": str})
    assert frame["chromosome"][0] == "0" * 59 + "1"
    assert frame["feasible"].dtype == bool


def test_what_a_run_did_not_measure_is_empty(tmp_path: Path) -> None:
    one, other = made_up(), made_up(problem="other", measurements={"macs": np.arange(60.0)})
    write_evaluations([one, other], "csv", tmp_path / "all.csv")
    rows = cells(tmp_path / "all.csv")
    assert (rows[0]["macs"], rows[60]["macs"], rows[60]["accuracy"]) == ("", "0.0", "")
    pytest.importorskip("pandas")
    frame = frame_of([one, other])
    assert frame["macs"].isna().tolist() == [True] * 60 + [False] * 60


def test_measurements_do_not_hide_other_columns(tmp_path: Path) -> None:
    run = made_up(measurements={"seed": np.arange(60.0), "failed": np.ones(60)})
    write_evaluations([run], "csv", tmp_path / "all.csv")
    row = cells(tmp_path / "all.csv")[5]
    assert (row["seed"], row["measured_seed"]) == ("0", "5.0")
    assert (row["failed"], row["measured_failed"]) == ("false", "1.0")


def test_matrices_are_flattened(tmp_path: Path) -> None:
    X = np.arange(60 * 4).reshape(60, 2, 2)
    write_evaluations([made_up(X=X)], "csv", tmp_path / "all.csv")
    assert cells(tmp_path / "all.csv")[1]["chromosome"] == "[4, 5, 6, 7]"


@pytest.mark.parametrize("genes", ["booleans", "whole", "reals", "none"])
def test_parquet_has_the_same_rows_with_types(tmp_path: Path, genes: Genes) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    given = runs(genes)
    assert write_evaluations(given, "parquet", tmp_path / "all.parquet") == []
    table = parquet.read_table(tmp_path / "all.parquet")
    assert table.column_names == NAMES
    rows = table.to_pylist()
    assert len(rows) == 120
    for place, run in ((0, given[0]), (60, given[1])):
        for number in (0, 3, 7, 59):
            row = rows[place + number]
            assert row["number"] == number
            assert row["seed"] == run.seed
            assert row["parameters"] == run.measurements["parameters"][number]
            assert row["feasible"] is bool(run.feasible[number])
            assert row["failure"] == run.failures[number]
            if run.X is None:
                assert row["chromosome"] is None
            elif genes == "booleans":
                assert row["chromosome"] == text_of(run.X[number])
            else:
                assert row["chromosome"] == run.X[number].tolist()
    assert rows[7]["accuracy"] is None
    assert rows[60]["accuracy"] == given[1].measurements["accuracy"][0]


def test_chromosomes_of_two_kinds_share_a_column_as_text(tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    given = [made_up(), made_up(problem="other", genes="whole"), made_up(3, genes="none")]
    write_evaluations(given, "parquet", tmp_path / "all.parquet")
    found = parquet.read_table(tmp_path / "all.parquet")["chromosome"].to_pylist()
    assert found[:60] == [text_of(x) for x in kept(given[0])]
    assert found[60:120] == [text_of(x) for x in kept(given[1])]
    assert found[120:] == [None] * 60


def kept(run: Evaluations) -> Sequence[Any]:
    assert run.X is not None
    return list(run.X)


def test_large_whole_numbers_are_text(tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    X = np.full((60, 2), 2**64 - 1, dtype=np.uint64)
    write_evaluations([made_up(X=X)], "parquet", tmp_path / "all.parquet")
    found = parquet.read_table(tmp_path / "all.parquet")["chromosome"].to_pylist()
    assert found[0] == f"[{2**64 - 1}, {2**64 - 1}]"


@pytest.mark.parametrize("genes", ["booleans", "whole", "reals", "none"])
def test_pandas_has_the_same_rows(genes: Genes) -> None:
    pytest.importorskip("pandas")
    given = runs(genes)
    frame = frame_of(given)
    assert list(frame.columns) == NAMES
    assert len(frame) == 120
    assert frame.index.tolist() == list(range(120))
    one = given[0].to_pandas()
    assert one.equals(frame.iloc[:60].reset_index(drop=True))
    for name, column in given[0].measurements.items():
        np.testing.assert_array_equal(one[name], column)
    assert one["feasible"].tolist() == given[0].feasible.tolist()
    assert one["failed"].sum() == 2
    assert one["failure"][7] == REASON
    X = given[0].X
    if X is None:
        assert one["chromosome"].isna().all()
    elif genes == "booleans":
        assert one["chromosome"].tolist() == [text_of(x) for x in X]
    else:
        assert one["chromosome"].tolist() == X.tolist()


def test_networks_have_their_numbers() -> None:
    pytest.importorskip("pandas")
    frame = networks_frame({"accuracy": np.array([0.25, 0.5]), "macs": np.array([3.0, 4.0])})
    assert frame.index.name == "network"
    assert frame.to_dict("list") == {"accuracy": [0.25, 0.5], "macs": [3.0, 4.0]}


@pytest.mark.parametrize(
    ("package", "kind"), [("pyarrow", "parquet"), ("optuna", "optuna"), ("pandas", None)]
)
def test_a_missing_package_is_named_with_its_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, package: str, kind: str | None
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    told = pytest.raises(PruneError, match=rf"needs {package}: pip install 'pymoo-prune\[data\]'")
    if kind is None:
        with told:
            made_up().to_pandas()
    else:
        with told:
            write_evaluations([made_up()], kind, tmp_path / "all")
    assert list(tmp_path.iterdir()) == []
