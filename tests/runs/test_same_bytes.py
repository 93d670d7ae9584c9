"""A run that was stopped and resumed is equal to the byte; times have files of their own."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from pymoo_prune import Run, StoreError
from pymoo_prune.cli import main
from pymoo_prune.results import ticket_words
from pymoo_prune.search import Store, settle
from tests.support.running import files_in, query
from tests.support.tiny_problem import ecomp_run, pixels_run

AFTERWARDS = (
    ("export", "r", "--latency"),
    ("ticket", "r", "--images", "300", "--batch-sizes", "1"),
    ("report", "r", "--latex"),
)


def stopping_at(generation: int, patch: pytest.MonkeyPatch) -> None:
    """Lets a search end with Ctrl-C when a generation is done."""
    finish = Store.finish_generation

    def finishing(store: Store, number: int, elapsed: float) -> None:
        finish(store, number, 100 + elapsed)
        if number == generation:
            raise KeyboardInterrupt

    patch.setattr(Store, "finish_generation", finishing)


def made(place: Path, stops: Sequence[int], monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run in a folder `r`, stopped at generations, and all that is made of it."""
    place.mkdir()
    monkeypatch.chdir(place)
    for number, generation in enumerate(stops):
        with monkeypatch.context() as patch:
            stopping_at(generation, patch)
            begin = ("resume", "r") if number else ecomp_run(Path("r"))
            assert main(begin) == 130
    assert main(("resume", "r") if stops else ecomp_run(Path("r"))) == 0
    for command in AFTERWARDS:
        assert main(command) == 0
    return place / "r"


@pytest.mark.slow
def test_stops_change_no_byte_besides_times(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = made(tmp_path / "alone", [], monkeypatch)
    stopped = made(tmp_path / "stopped", [1, 2], monkeypatch)
    ours, theirs = files_in(alone), files_in(stopped)
    assert list(ours) == list(theirs)
    assert [name for name in ours if ours[name] != theirs[name]] == []
    expected = {"evaluations.sqlite", "summary.json", "report.md", "ticket/ticket.md"}
    assert expected <= ours.keys()

    times = sorted(path.name for path in alone.rglob("*times.*"))
    assert times == ["evaluations-times.csv", "times.json", "times.md", "times.md"]
    lines = (stopped / "evaluations-times.csv").read_text().splitlines()
    assert lines[0] == "generation,seconds"
    assert [float(line.split(",")[1]) > 100 for line in lines[1:3]] == [True, True]
    assert "| µs for a batch of 1 |" in (page := (alone / "ticket" / "times.md").read_text()) or (
        "| ms for a batch of 1 |" in page
    )
    assert (
        "Latencies of both are in [times.md](times.md)."
        in (alone / "ticket" / "ticket.md").read_text()
    )
    assert "seconds" not in json.loads((alone / "summary.json").read_text())
    assert ticket_words.HEAD[1] in page


@pytest.mark.slow
def test_times_are_read_from_their_file_and_are_not_needed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(pixels_run(Path("r"))) == 0
    times = tmp_path / "r" / "evaluations-times.csv"
    times.write_text("generation,seconds\n1,3.5\n2,7.25\n3,3.5\n")
    store = Store.existing(tmp_path / "r" / "evaluations.sqlite")
    assert (store.elapsed(1), store.elapsed(2), store.elapsed(9)) == (3.5, 7.25, None)
    store.close()
    assert main(["report", "r"]) == 0
    assert "The search worked for 3.5 s." in capsys.readouterr().out
    assert "are in `evaluations-times.csv`." in (tmp_path / "r" / "report.md").read_text()
    times.write_bytes(b"\xff")
    assert main(["report", "r"]) == 0
    assert "The search worked for" not in capsys.readouterr().out
    store = Store.existing(tmp_path / "r" / "evaluations.sqlite")
    with pytest.raises(StoreError, match=r"evaluations-times\.csv cannot be read: .* or remove it"):
        store.elapsed(1)
    store.close()
    times.unlink()
    page = (tmp_path / "r" / "report.md").read_text()
    assert main(["report", "r"]) == 0
    assert (tmp_path / "r" / "report.md").read_text() == page
    assert Run.open("r").complete


def test_times_of_older_versions_are_read_from_the_database(tmp_path: Path) -> None:
    path = tmp_path / "evaluations.sqlite"
    store = Store(path, ("accuracy",), "f")
    store.finish_generation(1, 2.5)
    store.close()
    assert query(tmp_path, "SELECT elapsed FROM generations") == [(2.5,)]
    older = Store.existing(path)
    assert older.elapsed(1) == 2.5
    older.close()
    store = Store(path, ("accuracy",), "f")
    store.close()
    settle(path)
    assert query(tmp_path, "SELECT elapsed FROM generations") == [(0.0,)]
    again = Store(path, ("accuracy",), "f")
    again.finish_generation(2, 4.5)
    again.close()
    settle(path)
    again = Store.existing(path)
    assert (again.elapsed(1), again.elapsed(2)) == (2.5, 4.5)
    again.close()
