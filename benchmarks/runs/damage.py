"""Is a damaged folder noticed? Files of a finished run damaged at random, then read and exported.

In a copy of a small finished run, one file is damaged: a byte is flipped, the file is cut, filled
with zeros, or deleted. Half of the copies keep no finished networks, so that the export retrains
one. Then the report's page and numbers are made, and the suggested network is
exported and loaded. Each damage may be named in an error, or change nothing; it may not change a
number or a weight in silence, end in an error that is not named, or take longer than ten seconds.
At full size there are 2,000 folders; a benchmark that was stopped goes on.

Target: 0
"""

from __future__ import annotations

import random
import shutil
import tempfile
import time
from collections import Counter
from pathlib import Path

from rich.console import Console

from benchmarks.harness import Outcome
from benchmarks.kept import Parts
from pymoo_prune import Budget, PruneError, Run, Settings, load_network
from pymoo_prune.chromosomes import hash_bytes
from pymoo_prune.runs import Report
from pymoo_prune.search import Display

FOLDERS = 2_000
PART = 100
"""Folders of a part that is kept."""
SECONDS = 10.0
KINDS = ("flipped", "cut", "zeros", "deleted")
VERDICTS = ("named", "the same", "SILENT", "TRACEBACK", "SLOW")
FINISHED_FILE = "finished.npz"
DERIVED = (".png", ".svg", ".md")
"""The endings of files that nothing reads."""


def run(quick: bool) -> Outcome:
    """The figure is the number of silent changes, errors without a name, and long waits."""
    folders, parts = 80 if quick else FOLDERS, Parts("damage")
    with tempfile.TemporaryDirectory() as place:
        whole = made(Path(place) / "whole")
        expected, files = found(whole), files_of(whole)
        counts: dict[str, Counter[str]] = {name: Counter() for name in files}
        wrong = []
        for start in range(0, folders, PART):

            def make(start: int = start) -> list[list[str]]:
                chance = random.Random(start)  # noqa: S311 - damage, not secrets
                verdicts = []
                for number in range(start, min(start + PART, folders)):
                    file, kind = files[number % len(files)], chance.choice(KINDS)
                    copy = Path(place) / "copy"
                    verdicts.append(
                        [file, kind, of_a_copy(whole, copy, file, kind, expected, chance)]
                    )
                return verdicts

            for file, kind, verdict in make() if quick else parts.of(str(start), make):
                counts[file][verdict] += 1
                if verdict not in ("named", "the same"):
                    wrong.append(f"{file} {kind}: {verdict}")
            print(f"{start + PART} folders: {wrong}", flush=True)
    parts.forget()
    rows = [(name, *(str(counts[name][one]) for one in VERDICTS)) for name in files]
    return Outcome(
        len(wrong),
        f"silent wrong results of {folders:,} damaged folders",
        [("damaged files", ("file", *VERDICTS), rows)],
        {"folders": folders, "counts": {n: dict(one) for n, one in counts.items()}, "wrong": wrong},
    )


def files_of(whole: Path) -> list[str]:
    """The files of a folder that are read."""
    return sorted(
        path.relative_to(whole).as_posix()
        for path in whole.rglob("*")
        if path.is_file() and path.suffix not in DERIVED
    )


def of_a_copy(
    whole: Path, copy: Path, file: str, kind: str, expected: list[bytes], chance: random.Random
) -> str:
    """Damages a file of a copy; what became of it, one of `VERDICTS`.

    In half of the copies an export retrains, from the parent.
    """
    shutil.copytree(whole, copy)
    if chance.random() < 0.5 and file != FINISHED_FILE:
        (copy / FINISHED_FILE).unlink()
    damage(copy / file, kind, chance)
    verdict = judged(copy, expected)
    shutil.rmtree(copy)
    return verdict


def made(folder: Path) -> Path:
    """A small finished run, with a report."""
    settings = Settings(
        problem="ecomp",
        algorithm="nsga2",
        pop_size=8,
        budget=Budget(generations=3),
        options={"parent_widths": [16, 16], "parent_images": 6_000},
        finish_images=300,
        threads=1,
        baselines=False,
    )
    run = Run.create(folder, settings)
    run.execute(silent())
    return folder


def silent() -> Display:
    """A display that shows nothing."""
    return Display(Console(quiet=True))


def found(folder: Path) -> list[bytes]:
    """All that a reader takes from a run's folder, as digests: tables, numbers, a network."""
    run = Run.open(folder)
    report = Report(run)
    parts = [report.page().replace(str(folder), "").encode()]
    parts += [repr(report.findings.shares).encode()]
    for name, column in report.findings.generation_means.items():
        parts += [name.encode(), column.tobytes()]
    for one in report.findings.series:
        parts += [name.encode() + column.tobytes() for name, column in one.columns.items()]
    with tempfile.TemporaryDirectory() as place:
        carried = run.export("suggestion", Path(place) / "network", silent())
        weights = load_network(carried.folder).state_dict()
    parts += [name.encode() + value.numpy().tobytes() for name, value in weights.items()]
    return [hash_bytes(part) for part in parts]


def damage(path: Path, kind: str, chance: random.Random) -> None:
    """Damages a file."""
    content = bytearray(path.read_bytes())
    if kind == "deleted" or not content:
        path.unlink()
        return
    place = chance.randrange(len(content))
    if kind == "flipped":
        content[place] ^= chance.randrange(1, 256)
    elif kind == "cut":
        del content[place:]
    else:
        content = bytearray(len(content))
    path.write_bytes(content)


def judged(folder: Path, expected: list[bytes]) -> str:
    """What became of a damaged folder, one of `VERDICTS`."""
    began = time.perf_counter()
    try:
        verdict = "the same" if found(folder) == expected else "SILENT"
    except PruneError as error:
        verdict = "named" if str(folder) in str(error) else "TRACEBACK"
    except Exception:  # noqa: BLE001 - what it is must not matter
        verdict = "TRACEBACK"
    return "SLOW" if time.perf_counter() - began > SECONDS else verdict
