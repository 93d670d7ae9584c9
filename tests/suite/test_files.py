from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks.suite.parents import made
from pymoo_prune import load_data
from pymoo_prune.errors import StoreError
from pymoo_prune.measuring import accuracy
from pymoo_prune.suite import Facts, problem, suite
from pymoo_prune.suite.contents import INDEX, digest, holds, index, read
from pymoo_prune.suite.definitions import DEFINITIONS
from pymoo_prune.suite.parents import parent, unpacked
from tests.suite.conftest import FILES
from tests.support.suite import WIDTHS

LARGEST, ALL = 2_000_000, 12_000_000
TABLE, FRONT = f"tables/{WIDTHS}.npz", f"fronts/{WIDTHS}.npz"
PARENT = "parents/three-layers-digits.npz"


def flip(path: Path, place: int) -> None:
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)


def test_files_are_small() -> None:
    sizes = {path: path.stat().st_size for path in FILES.rglob("*") if path.is_file()}
    assert max(sizes.values()) <= LARGEST
    assert sum(sizes.values()) <= ALL


def test_the_index_has_the_digest_of_every_file() -> None:
    found = {
        path.relative_to(FILES).as_posix(): digest(path.read_bytes())
        for path in FILES.rglob("*.npz")
    }
    assert found == index()["digests"]


def test_the_index_speaks_of_instances_that_exist() -> None:
    assert index()["instances"].keys() <= DEFINITIONS.keys()
    for name in index()["digests"]:
        kind, _, file = name.partition("/")
        known = {
            "tables": {one.table for one in suite()},
            "fronts": set(DEFINITIONS),
            "parents": {one.live.parent for one in suite() if one.live is not None},
        }[kind]
        assert file.removesuffix(".npz") in known


READS: dict[str, Callable[[], object]] = {
    TABLE: lambda: problem(WIDTHS)([0, 0, 0]),
    FRONT: lambda: problem(WIDTHS).known,
    PARENT: lambda: parent("three-layers-digits"),
}


@pytest.mark.parametrize("name", READS)
@pytest.mark.parametrize("place", [0, 200, 1000, -1])
def test_a_flipped_byte_is_noticed_at_once(copied: Path, name: str, place: int) -> None:
    READS[name]()
    flip(copied / name, place)
    problem(WIDTHS).measurer  # noqa: B018 - what was read stays as it is
    from pymoo_prune.suite import measuring

    measuring._MEASURERS.clear()
    with pytest.raises(StoreError) as caught:
        READS[name]()
    assert str(caught.value) == (
        f"{name} of the benchmark suite is damaged: its digest is not the one in {INDEX}; install "
        "pymoo-prune again"
    )


@pytest.mark.parametrize("name", READS)
def test_a_missing_file_is_noticed_at_once(copied: Path, name: str) -> None:
    (copied / name).unlink()
    with pytest.raises(StoreError) as caught:
        READS[name]()
    assert (
        str(caught.value) == f"{name} of the benchmark suite is missing; install pymoo-prune again"
    )


def test_a_file_that_the_index_does_not_know_is_not_read(copied: Path) -> None:
    (copied / "tables" / "other.npz").write_bytes((copied / TABLE).read_bytes())
    assert not holds("tables/other.npz")
    with pytest.raises(StoreError, match=r"tables/other\.npz of the benchmark suite is damaged"):
        read("tables/other.npz")


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"[]", b"{}", b'{"digests": 3}'])
def test_a_damaged_index_is_noticed_at_once(copied: Path, content: bytes) -> None:
    (copied / INDEX).write_bytes(content)
    with pytest.raises(StoreError, match=rf"{INDEX} of the benchmark suite is damaged; install"):
        problem(WIDTHS)([0, 0, 0])


def test_a_missing_index_is_noticed_at_once(copied: Path) -> None:
    (copied / INDEX).unlink()
    with pytest.raises(StoreError, match=rf"{INDEX} of the benchmark suite is missing"):
        problem(WIDTHS)([0, 0, 0])


def test_facts_tell_fronts_that_are_there_from_those_that_are_not(copied: Path) -> None:
    facts = Facts(DEFINITIONS[WIDTHS])
    assert facts.known is not None
    assert facts.front_size == len(facts.known.F)
    path = copied / INDEX
    content = json.loads(path.read_text())
    del content["digests"][FRONT], content["instances"][WIDTHS]
    path.write_text(json.dumps(content))
    index.cache_clear()
    assert facts.known is None
    assert facts.front_size is None


@pytest.mark.parametrize("name", sorted({one.live.parent for one in suite() if one.live}))
def test_facts_count_the_parents_parameters(name: str) -> None:
    network, about = parent(name)
    (definition, *_) = [one for one in suite() if one.live and one.live.parent == name]
    facts = Facts(definition)
    assert facts.parameters == sum(p.numel() for p in network.parameters())
    assert facts.about == about


@pytest.mark.slow
def test_a_parent_is_trained_again() -> None:
    network, about = unpacked(made("two-layers-digits"))
    kept, known = parent("two-layers-digits")
    assert about["spec"] == known["spec"] == kept.spec
    assert about["data_digest"] == known["data_digest"]
    # Another processor rounds otherwise, which a training makes more of.
    found = accuracy(network, load_data("digits").validation)
    assert abs(found - known["validation_accuracy"]) < 0.03
