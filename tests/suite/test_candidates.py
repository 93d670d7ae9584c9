from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pymoo_prune.errors import PruneError
from pymoo_prune.suite import Instance, candidates_csv, improvement, problem, read_candidates
from pymoo_prune.suite.contents import INDEX, digest, index
from pymoo_prune.suite.definitions import DEFINITIONS
from tests.support.suite import NEURONS, WIDTHS, bounded, tabular, with_front


def written(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def columns(text: str) -> dict[str, list[float]]:
    rows = list(csv.DictReader(io.StringIO(text)))
    return {name: [float(row[name]) for row in rows] for name in rows[0]}


# Files.


@pytest.mark.parametrize("name", [WIDTHS, NEURONS])
def test_candidates_are_read_as_they_were_written(name: str, tmp_path: Path) -> None:
    instance = with_front(name)
    known = instance.known
    text = candidates_csv(instance, known.X, known.F)
    X = read_candidates(written(tmp_path / "front.csv", text), instance)
    assert X.dtype == instance.vtype
    assert np.array_equal(X, known.X)
    found = columns(text)
    for place, objective in enumerate(instance.objectives):
        assert found[objective] == known.F[:, place].tolist()
    for quantity, values in instance.measurements(known.X).items():
        column = f"measured_{quantity}" if quantity in instance.objectives else quantity
        assert found[column] == values.tolist()
    assert len(found) == instance.n_var + instance.n_obj + len(instance.measurements(known.X))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.floats(-2, 2), min_size=10, max_size=10))
def test_real_numbers_are_read_to_the_last_bit(tmp_path: Path, x: list[float]) -> None:
    instance = problem("deep-digits-thresholds")
    x[0] = abs(x[0])
    text = f"{','.join(f'x{gene}' for gene in range(10))}\n{','.join(map(repr, x))}\n"
    X = read_candidates(written(tmp_path / "reals.csv", text), instance)
    assert X.tolist() == [x]


def test_other_columns_and_their_order_do_not_count(tmp_path: Path) -> None:
    path = tmp_path / "front.csv"
    path.write_bytes("\ufeffx2,name,x0,error,x1\r\n7,a,0,nan,3.0\r\n\r\n1,b,2,,31\r\n".encode())
    assert read_candidates(path, problem(WIDTHS)).tolist() == [[0, 3, 7], [2, 31, 1]]


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("", "lacks the columns x0, x1, x2; a candidate of three-layers-digits-widths has the"),
        ("0,1,2\n", "lacks the columns x0, x1, x2; "),
        ("x0,x2\n1,2\n", "lacks the columns x1; "),
        ("x0,x1,x2,x1\n1,2,3,4\n", "has twice the columns x1; "),
        ("x0,x1,x2\n", "has no candidates: no line follows the names of the columns"),
        ("x0,x1,x2\n1,2,3\n1,b,3\n", "x1 must be a number, but it is 'b'"),
        ("x0,x1,x2\n1,2\n", "x2 must be a number, but it is 'missing'"),
        ("x0,x1,x2\n1,True,2\n", "x1 must be a number, but it is 'True'"),
        ("x0,x1,x2\n1,2,3\n1,2,nan\n", "gene 2 of candidate 1 is nan, but the genes of"),
        ("x0,x1,x2\n1,2.5,3\n", "gene 1 of candidate 0 is 2.5, but "),
        ("x0,x1,x2\n1,32,3\n", "gene 1 of candidate 0 is 32.0, but "),
        ("x0,x1,x2\n1,-1,3\n", "this one between 0 and 31; candidate 0 is the first line after"),
    ],
)
def test_wrong_files_are_refused_with_file_and_place(tmp_path: Path, text: str, error: str) -> None:
    path = written(tmp_path / "front.csv", text)
    with pytest.raises(PruneError) as caught:
        read_candidates(path, problem(WIDTHS))
    assert str(path) in str(caught.value)
    assert error in str(caught.value)


def test_lines_are_counted_in_the_file(tmp_path: Path) -> None:
    path = written(tmp_path / "front.csv", "x0,x1,x2\n1,2,3\n\n1,?,3\n")
    with pytest.raises(PruneError, match=rf"^line 4 of {path}: x1 must be a number"):
        read_candidates(path, problem(WIDTHS))


def test_files_of_other_kinds_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "front.npz"
    path.write_bytes(b"PK\x03\x04\xff\xfe\x00")
    with pytest.raises(PruneError, match="is not a CSV file: "):
        read_candidates(path, problem(WIDTHS))


# Improvements.


def poorer(folder: Path, name: str, keep: slice) -> Instance:
    """The instance with a part of its known front."""
    instance = problem(name)
    known = instance.known
    path = folder / "fronts" / f"{name}.npz"
    np.savez_compressed(path, X=known.X[keep], F=known.F[keep])
    content = json.loads((folder / INDEX).read_text())
    content["digests"][f"fronts/{name}.npz"] = digest(path.read_bytes())
    content["instances"][name] |= {"front": len(known.F[keep]), "true": False}
    (folder / INDEX).write_text(json.dumps(content))
    index.cache_clear()
    return problem(name)


def test_the_true_front_cannot_be_improved() -> None:
    instance = with_front(WIDTHS)
    known = instance.known
    X = np.concatenate([known.X, instance.random(500, np.random.default_rng(0))])
    found = improvement(instance, X)
    assert (found.measured, found.kept, found.new) == (len(X), len(X), 0)
    assert found.equal >= len(known.X)
    assert found.alone == found.together == 1
    assert np.array_equal(found.F, known.F)
    assert np.array_equal(found.X, known.X)


def test_a_poorer_front_is_improved(copied: Path) -> None:
    with_front(WIDTHS)
    true = problem(WIDTHS).known
    instance = poorer(copied, WIDTHS, slice(None, None, 2))
    missing = true.X[1::2]
    found = improvement(instance, np.concatenate([missing, missing[:5], true.X[:4]]))
    assert found.measured == len(missing) + 9
    assert found.new == len(missing)
    assert found.equal == 2
    assert found.together is not None
    assert found.alone is not None
    assert found.together > 1 > found.alone * 0.9
    assert found.together == pytest.approx(1 / instance_share(true.F, true.F[::2], instance))
    assert np.array_equal(found.F, true.F)
    assert np.array_equal(instance.evaluate(found.X), found.F)


def instance_share(whole: np.ndarray, part: np.ndarray, instance: Instance) -> float:
    """The hypervolume of a part of a front as a share of the whole front's."""
    return instance.hypervolume(part) / instance.hypervolume(whole)


def test_candidates_that_break_constraints_improve_nothing(copied: Path) -> None:
    tabular(WIDTHS)
    instance = bounded("accuracy_drop<=0.02")
    X = np.array([[31, 31, 31], [0, 0, 0]])
    found = improvement(instance, X)
    assert (found.measured, found.kept, found.new, found.equal) == (2, 1, 1, 0)
    assert found.X.tolist() == [[0, 0, 0]]
    assert found.alone is found.together is None  # it has no known front
    none = improvement(instance, X[:1])
    assert (none.kept, none.new, len(none.F)) == (0, 0, 0)


def test_candidates_are_checked_before_they_are_measured() -> None:
    with pytest.raises(PruneError, match="gene 0 of candidate 0 is 99"):
        improvement(problem(WIDTHS), np.array([[99, 0, 0]]))


def test_definitions_name_every_column_once() -> None:
    for definition in DEFINITIONS.values():
        names = [cost.name for cost in definition.costs]
        assert len(set(names)) == len(names)
        assert not any(name.startswith("x") and name[1:].isdigit() for name in names)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(PruneError, match=r"front\.csv cannot be read: No such file"):
        read_candidates(tmp_path / "front.csv", tabular(WIDTHS))
