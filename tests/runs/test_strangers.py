"""Folders from strangers: nothing outside of them is changed."""

from __future__ import annotations

import io
import json
import sqlite3
import zipfile
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
import torch

from pymoo_prune import PruneError, Run, StoreError, load_network, save_network
from pymoo_prune.chromosomes import opened_arrays, pack, unpack
from pymoo_prune.cli import main
from pymoo_prune.networks import FeedForward
from pymoo_prune.runs.carrying import check_ticket_folder
from tests.support.older_folders import without_digests
from tests.support.tiny_problem import pixels_run


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    assert main(pixels_run(tmp_path / "run")) == 0
    return tmp_path / "run"


def test_links_in_a_folder_are_not_followed(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("lock.json", "evaluations.sqlite", "front.csv", "parent", "network-0", ".part-x"):
        precious = tmp_path / "precious"
        precious.write_text("precious")
        kept = folder / f"kept-{name}"
        if (folder / name).exists():
            (folder / name).rename(kept)
        (folder / name).symlink_to(precious)
        for command in ("report", "resume", "export", "ticket"):
            assert main([command, str(folder)]) == 2
            assert f"{folder / name} is a link" in capsys.readouterr().err.replace("\n", "")
        assert precious.read_text() == "precious"
        (folder / name).unlink()
        if kept.exists():
            kept.rename(folder / name)
    assert main(["report", str(folder)]) == 0


def test_latencies_elsewhere_are_not_written(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = tmp_path / "other.sqlite"
    with closing(sqlite3.connect(other)) as db:
        db.execute("CREATE TABLE mine (a)")
    before = other.read_bytes()
    settings = json.loads((folder / "run.json").read_text())
    (folder / "run.json").write_text(json.dumps({**settings, "latencies": str(other)}))
    (folder / "summary.json").unlink()
    assert main(["resume", str(folder)]) == 2
    assert "outside of the run; this is not followed" in capsys.readouterr().err.replace("\n", " ")
    assert other.read_bytes() == before


def test_latencies_of_a_comparison_that_is_none_are_not_written(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = tmp_path.parent / "latency.sqlite"
    settings = json.loads((folder / "run.json").read_text())
    (folder / "run.json").write_text(json.dumps({**settings, "latencies": "../../latency.sqlite"}))
    (folder / "summary.json").unlink()
    assert main(["resume", str(folder)]) == 2
    assert "but is no run of a comparison" in capsys.readouterr().err.replace("\n", " ")
    assert not other.exists()
    within = tmp_path / "comparison" / "runs"
    within.mkdir(parents=True)
    (within.parent / "comparison.json").touch()
    precious = tmp_path / "precious"
    precious.write_text("precious")
    (within.parent / "latency.sqlite-journal").symlink_to(precious)
    folder.rename(within / "run")
    assert main(["resume", str(within / "run")]) == 2
    assert "latency.sqlite-journal is a link" in capsys.readouterr().err.replace("\n", " ")
    assert precious.read_text() == "precious"


def test_views_and_triggers_of_a_database_do_not_run(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with closing(sqlite3.connect(folder / "evaluations.sqlite")) as db:
        db.executescript("""
            ALTER TABLE history RENAME TO kept;
            CREATE VIEW history AS WITH RECURSIVE endless (number) AS
                (SELECT 0 UNION ALL SELECT number + 1 FROM endless)
                SELECT number, 1 AS generation, '' AS images, x'00' AS digest FROM endless;
        """)
    assert main(["report", str(folder)]) == 2
    assert "which no store has" in capsys.readouterr().err.replace("\n", " ")


# Sizes.


def test_arrays_that_unpack_to_far_more_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "front.npz"
    np.savez_compressed(path, X=np.zeros(200_000_000, dtype=np.uint8))
    assert path.stat().st_size < 300_000
    with pytest.raises(ValueError, match="it claims to hold 200,000,128 bytes"):
        opened_arrays(path).__enter__()


def test_arrays_that_claim_any_size_are_refused(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    head = io.BytesIO()
    about = {"descr": "|u1", "fortran_order": False, "shape": (2**45,)}
    np.lib.format.write_array_header_1_0(head, about)
    with zipfile.ZipFile(without_digests(folder) / "front.npz", "w") as archive:
        archive.writestr("X.npy", head.getvalue())
    assert main(["export", str(folder)]) == 2
    assert "front.npz cannot be read: it claims to hold 35,184,372,088,832 bytes" in (
        capsys.readouterr().err.replace("\n", " ")
    )


def test_networks_that_need_more_than_their_weights_are_refused(tmp_path: Path) -> None:
    save_network(FeedForward(4, [3], 2), tmp_path, about={})
    spec = json.loads((tmp_path / "network.json").read_text())
    del spec["digests"]
    spec["arguments"]["widths"] = [10**6, 10**6]
    (tmp_path / "network.json").write_text(json.dumps(spec))
    with pytest.raises(PruneError, match=r"needs 1,000,00\d,\d+,\d+ weights, but network.pt has"):
        load_network(tmp_path)


def test_weights_that_unpack_to_far_more_are_refused(tmp_path: Path) -> None:
    save_network(FeedForward(4, [3], 2), tmp_path, about={})
    spec = json.loads((tmp_path / "network.json").read_text())
    del spec["digests"]
    (tmp_path / "network.json").write_text(json.dumps(spec))
    content = io.BytesIO()
    torch.save({"0.weight": torch.zeros(100_000_000, dtype=torch.uint8)}, content)
    with (
        zipfile.ZipFile(content) as plain,
        zipfile.ZipFile(tmp_path / "network.pt", "w", zipfile.ZIP_DEFLATED) as packed,
    ):
        for one in plain.infolist():
            packed.writestr(one.filename, plain.read(one))
    with pytest.raises(PruneError, match="it claims to hold"):
        load_network(tmp_path)


def test_deep_descriptions_are_refused(tmp_path: Path) -> None:
    save_network(FeedForward(4, [3], 2), tmp_path, about={})
    spec = inner = json.loads((tmp_path / "network.json").read_text())
    del spec["digests"]
    for _ in range(70):
        spec = {"network": "slim", "arguments": {"parent": spec, "kept": {}}}
    (tmp_path / "network.json").write_text(json.dumps(spec))
    with pytest.raises(PruneError, match="a network within 70 others, and 60 is the limit"):
        load_network(tmp_path)
    (tmp_path / "network.json").write_text("[" * 100_000)
    with pytest.raises(PruneError, match="damaged"):
        load_network(tmp_path)
    assert inner["network"] == "feed-forward"


# What is shown.


def test_notes_reach_neither_the_terminal_nor_the_page_as_commands(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = without_digests(folder) / "summary.json"
    summary = json.loads(path.read_text())
    summary["notes"] = ["mine \x1b]0;title\x07 \x9b2J <script>alert(1)</script> a < b"]
    path.write_text(json.dumps(summary))
    capsys.readouterr()
    assert main(["report", str(folder)]) == 0
    out = capsys.readouterr().out
    assert "mine" in out
    assert "\x1b" not in out
    assert "\x9b" not in out
    page = (folder / "report.md").read_text()
    assert "&lt;script>alert(1)&lt;/script> a < b" in page


# What is there already.


def test_a_ticket_replaces_nothing_but_a_ticket(tmp_path: Path) -> None:
    save_network(FeedForward(4, [3], 2), tmp_path / "mine", about={})
    with pytest.raises(StoreError, match="mine is there already, and is no winning ticket; give"):
        check_ticket_folder(tmp_path / "mine")
    (tmp_path / "mine" / "ticket.md").touch()
    check_ticket_folder(tmp_path / "mine")
    (tmp_path / "empty").mkdir()
    check_ticket_folder(tmp_path / "empty")
    check_ticket_folder(tmp_path / "new")


def test_rows_of_another_front_are_not_exported(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = without_digests(folder) / "front.npz"
    with opened_arrays(path) as arrays:
        X = unpack(arrays)
    np.savez_compressed(path, **pack(X[::-1]))
    for command in ("export", "ticket"):
        assert main([command, str(folder)]) == 2
        error = capsys.readouterr().err.replace("\n", " ")
        assert f"network 0 in {path} is not evaluation" in error
        assert f"'pymoo-prune resume {folder}' makes both again" in error
    np.savez_compressed(path, **pack(X[:-1]))
    assert main(["export", str(folder)]) == 2
    assert "front.npz has 9 networks, but front.csv has 10" in capsys.readouterr().err
    assert Run.open(folder).complete
