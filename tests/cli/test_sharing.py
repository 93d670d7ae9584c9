"""Run folders that a colleague uses: elsewhere, later, without the data, without write access."""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.datasets import load_digits

from pymoo_prune import Data, Run, load_network
from pymoo_prune.cli import main
from pymoo_prune.errors import DataError
from pymoo_prune.measuring import accuracy
from pymoo_prune.problem import PruningProblem
from pymoo_prune.results import read_csv
from tests.support.older_folders import without_digests
from tests.support.running import quiet
from tests.support.tiny_problem import pixels_run

SMALL = ("--set", "parent_widths=[8, 8]", "--set", "parent_images=1000", "--threads", "1")
FEW = ("--pop-size", "6", "--generations", "2", "--finish", "100")


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def photographs(folder: Path, *, first: int = 0) -> Path:
    """A folder of images: 30 of each digit."""
    digits = load_digits()
    for label in range(10):
        place = folder / str(label)
        place.mkdir(parents=True)
        chosen = digits.images[digits.target == label][first : first + 30]
        for number, pixels in enumerate(chosen):
            Image.fromarray((pixels * 15).astype(np.uint8)).save(place / f"{number}.png")
    return folder


def arrays(path: Path, **more: np.ndarray) -> Path:
    digits = load_digits()
    np.savez(path, images=digits.images[:600] / 16, labels=digits.target[:600], **more)
    return path


@pytest.fixture
def no_data(monkeypatch: pytest.MonkeyPatch) -> None:
    """Data sets are missing, and nothing can be trained."""

    def missing(*_: object, **__: object) -> Data:
        msg = "the data set is not there"
        raise DataError(msg)

    monkeypatch.setattr("pymoo_prune.data.loading.data_from_arrays", missing)


@pytest.fixture
def no_retraining(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        pytest.fail("a network is retrained")

    monkeypatch.setattr(PruningProblem, "finished", refuse)


# Finished weights.


def test_finished_networks_are_exported_without_data_bit_for_bit(
    finished: Path, tmp_path: Path, digits: Data, no_data: None, no_retraining: None
) -> None:
    front = read_csv(finished / "front.csv")[0].columns
    for place in range(len(front["accuracy"])):
        output = tmp_path / str(place)
        assert main(["export", str(finished), "--pick", str(place), "--output", str(output)]) == 0
        network = load_network(output)
        assert accuracy(network, digits.test) == front["finished_test_accuracy"][place]
        assert accuracy(network, digits.validation) == front["finished_accuracy"][place]


@pytest.mark.parametrize("pick", ["knee", "accuracy", "width<=60%", "accuracy_drop<=0.9"])
def test_a_pick_is_the_same_with_and_without_data(
    finished: Path, tmp_path: Path, pick: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = Run.open(finished).front(quiet()).pick(pick)
    monkeypatch.setattr("pymoo_prune.data.loading.data_from_arrays", None)
    output = tmp_path / "network"
    assert main(["export", str(finished), "--pick", pick, "--output", str(output)]) == 0
    about = json.loads((output / "network.json").read_text())
    assert about["made_by"]["network"] == expected.place
    assert about["measurements"] == expected.values
    assert about["input_shape"] == [1, 8, 8]


def test_a_ticket_takes_the_kept_weights_or_says_why_not(
    finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], no_retraining: None
) -> None:
    few = ["--batch-sizes", "1", "--output", str(tmp_path / "ticket")]
    assert main(["ticket", str(finished), "--images", "300", *few]) == 0
    capsys.readouterr()
    with pytest.raises(pytest.fail.Exception):
        main(["ticket", str(finished), "--images", "200", *few])
    said = " ".join(capsys.readouterr().out.split())
    assert (
        "is retrained with 200 images: the weights that the run keeps are those after 300" in said
    )


def test_too_large_weights_are_left_out_and_the_report_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "run"
    monkeypatch.setattr("pymoo_prune.results.finished_networks.MEGABYTE", 100)
    arguments = ["run", "ecomp", *SMALL, *FEW, "--output", str(folder)]
    assert main([*arguments, "--keep-networks", "1"]) == 0
    assert not (folder / "finished.npz").exists()
    (note,) = [
        line
        for line in (folder / "report.md").read_text().splitlines()
        if "The finished networks are not kept: their weights have " in line
    ]
    needed = note.split("(")[1].split(" keeps")[0].split()
    assert main(["export", str(folder)]) == 0
    shutil.rmtree(folder)
    assert main([*arguments, *needed]) == 0
    assert (folder / "finished.npz").exists()
    assert "not kept" not in (folder / "report.md").read_text()


@pytest.mark.slow
def test_resume_does_not_finish_twice(finished: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(finished, tmp_path / "copy")
    before = contents(copy)
    (copy / "summary.json").unlink()
    (copy / "front.csv").unlink()
    with pytest.MonkeyPatch.context() as patch:
        seen: list[object] = []
        plain = PruningProblem.finished

        def counted(self: PruningProblem, network: torch.nn.Module, **how: int) -> torch.nn.Module:
            seen.append(network)
            return plain(self, network, **how)

        patch.setattr(PruningProblem, "finished", counted)
        assert main(["resume", str(copy)]) == 0
    series = read_csv(copy / "front.csv")
    # The baselines alone, and those of the first population that the front does not have.
    front, *baselines, first = series
    new = set(first.columns["evaluation"]) - set(front.columns["evaluation"])
    assert first.name == "first population"
    assert len(seen) == sum(len(one) for one in baselines) + len(new)
    assert (copy / "front.csv").read_bytes() == before["front.csv"]
    assert (copy / "finished.npz").read_bytes() == before["finished.npz"]


def test_a_damaged_file_is_named_with_the_remedy(
    finished: Path, tmp_path: Path, failed: Callable[..., str]
) -> None:
    run = Path(shutil.copytree(finished, tmp_path / "run"))
    file, output = run / "finished.npz", ("--output", str(tmp_path / "out"))
    whole = file.read_bytes()
    half = len(whole) // 2
    for content in (b"", b"garbage", whole[:half], whole[:half] + b"\0\0\0\0" + whole[half + 4 :]):
        file.write_bytes(content)
        for place in range(len(read_csv(run / "front.csv")[0])):
            if main(["export", str(run), "--pick", str(place), *output]) == 2:
                break
        error = failed("export", str(run), "--pick", str(place), *output)
        assert f"{file} is damaged: " in error
        assert "remove it, and networks are retrained" in error
    without_digests(run)
    arrays = dict(np.load(io.BytesIO(whole)))
    changed = next(name for name in arrays if name.startswith("0/"))
    np.savez(file, **{**arrays, changed: arrays[changed] + 1})
    error = failed("export", str(run), "--pick", "0", *output)
    assert "the weights of network 0 are not those that were written" in error
    file.unlink()
    assert main(["export", str(run), "--pick", "0", *output]) == 0
    assert (tmp_path / "out" / "network.pt").is_file()


@pytest.mark.parametrize(
    ("name", "value"), [("fingerprint", "0" * 32), ("images", 301), ("chromosomes", None)]
)
def test_a_file_of_another_run_is_not_used(
    finished: Path, tmp_path: Path, failed: Callable[..., str], name: str, value: object
) -> None:
    run = Path(shutil.copytree(finished, tmp_path / "run"))
    arrays = dict(np.load(run / "finished.npz"))
    about = json.loads(arrays["about"].tobytes())
    about[name] = about[name][::-1] if value is None else value
    arrays["about"] = np.frombuffer(json.dumps(about).encode(), np.uint8)
    np.savez(run / "finished.npz", **arrays)
    error = failed("export", str(run), "--output", str(tmp_path / "out"))
    assert f"{run / 'finished.npz'} is of another run: its {name} differ; remove it" in error


def test_networks_without_a_description_are_not_kept(tmp_path: Path) -> None:
    assert main(pixels_run(tmp_path / "run")) == 0
    assert not (tmp_path / "run" / "finished.npz").exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("problem", "options", "images"),
    [
        ("layer-vector", ["network=resnet-8", "parent_epochs=1"], "100"),
        ("distilled-filters", [], "100"),
        ("distilled-filters", [], "0"),
        ("dense-connectivity", ["depth=10", "growth=4", "parent_epochs=1"], "100"),
    ],
)
def test_kept_networks_are_those_that_were_measured(
    problem: str, options: list[str], images: str, tmp_path: Path, digits: Data
) -> None:
    folder = tmp_path / "run"
    sets = [word for option in options for word in ("--set", option)]
    few = ["--pop-size", "6", "--generations", "2", "--finish", images, "--threads", "1"]
    few.append("--no-baselines")
    assert main(["run", problem, *sets, *few, "--output", str(folder)]) == 0
    kept = Run.open(folder).front(quiet())
    measured = kept.columns["test_accuracy" if images == "0" else "finished_test_accuracy"]
    copy = shutil.copytree(folder, tmp_path / "copy")
    (copy / "finished.npz").unlink()
    again = Run.open(copy).front(quiet())
    for one, other, right in zip(kept, again, measured, strict=True):
        network = one.network(finish_images=int(images))
        assert accuracy(network, digits.test) == right
        expected = other.network(finish_images=int(images)).state_dict()
        weights = network.state_dict()
        assert weights.keys() == expected.keys()
        assert all(torch.equal(weights[name], value) for name, value in expected.items())


# Data that is elsewhere.


@pytest.fixture(scope="module")
def of_photographs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that was made with a relative path to its images, which lie beside it."""
    place = tmp_path_factory.mktemp("place")
    photographs(place / "photographs")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        arguments = ("--data", "photographs", "--output", "run")
        assert main(["run", "ecomp", *SMALL, *FEW, *arguments]) == 0
    return place


@pytest.fixture
def place(of_photographs: Path, tmp_path: Path) -> Path:
    """The same, somewhere else, and one file less."""
    copy = shutil.copytree(of_photographs, tmp_path / "place")
    (copy / "run" / "finished.npz").unlink(missing_ok=True)
    return Path(copy)


def test_images_of_a_relative_folder_are_found_from_elsewhere(
    of_photographs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    run = shutil.copytree(of_photographs / "run", tmp_path / "run")
    assert "# ecomp on photographs\n" in (run / "report.md").read_text()
    (run / "finished.npz").unlink(missing_ok=True)
    assert main(["report", str(run)]) == 0
    assert main(["export", str(run), "--output", "network"]) == 0
    (run / "summary.json").unlink()
    assert main(["resume", str(run)]) == 0


@pytest.mark.parametrize("command", ["export", "ticket", "resume"])
def test_moved_images_are_asked_for_and_taken(
    of_photographs: Path,
    place: Path,
    failed: Callable[..., str],
    monkeypatch: pytest.MonkeyPatch,
    command: str,
) -> None:
    settings = json.loads((without_digests(place / "run") / "run.json").read_text())
    settings["data"] = str(place / "gone")
    (place / "run" / "run.json").write_text(json.dumps(settings))
    if command == "resume":
        (place / "run" / "summary.json").unlink()
    run = str(place / "run")
    monkeypatch.chdir(place)
    (place / "photographs").rename(place / "moved")
    error = failed(command, run)
    assert str(place / "gone") in error
    assert "--data PATH" in error
    other = photographs(place / "other", first=60)
    error = failed(command, run, "--data", str(other))
    assert f"{other} holds other images than those that the run in {run} was made with" in error
    more = ["--batch-sizes", "1"] if command == "ticket" else []
    assert main([command, run, "--data", "moved", *more]) == 0


def test_other_images_at_the_same_place_are_refused(
    of_photographs: Path, place: Path, failed: Callable[..., str], tmp_path: Path
) -> None:
    other = photographs(tmp_path / "other", first=60)
    settings = json.loads((without_digests(place / "run") / "run.json").read_text())
    settings["data"] = str(other)
    (place / "run" / "run.json").write_text(json.dumps(settings))
    error = failed("export", str(place / "run"))
    assert f"{other} holds other images" in error


@pytest.mark.slow
def test_a_comparison_takes_moved_images(
    tmp_path: Path, failed: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    images = arrays(tmp_path / "arrays.npz")
    few = ["--pop-size", "6", "--generations", "2", "--finish", "0", "--seeds", "1", "--jobs", "2"]
    compared = ["compare", "ecomp", *SMALL, *few, "--data", "arrays.npz", "--output", "both"]
    assert main(compared) == 0
    images.rename(tmp_path / "moved.npz")
    (tmp_path / "both" / "results.json").unlink()
    for run in (tmp_path / "both" / "runs").iterdir():
        (run / "summary.json").unlink()
    monkeypatch.chdir("/")
    error = failed("resume", str(tmp_path / "both"))
    assert f"data {images}: there is no such file or folder" in error
    assert "--data PATH" in error
    np.savez(tmp_path / "other.npz", images=np.zeros((60, 8, 8)), labels=np.arange(60) % 10)
    error = failed("resume", str(tmp_path / "both"), "--data", str(tmp_path / "other.npz"))
    assert "holds other images" in error
    moved = ["--data", str(tmp_path / "moved.npz"), "--jobs", "2"]
    assert main(["resume", str(tmp_path / "both"), *moved]) == 0


# Arrays.


@pytest.mark.parametrize("source", ["tests.support.own_data:data", "arrays.npz"])
def test_arrays_are_data(source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    arrays(tmp_path / "arrays.npz")
    assert main(["run", "ecomp", *SMALL, *FEW, "--data", source, "--output", "run"]) == 0
    expected = arrays_digest(tmp_path / "arrays.npz")
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert summary["data"] == expected
    monkeypatch.chdir("/")
    (tmp_path / "run" / "finished.npz").unlink(missing_ok=True)
    assert main(["export", str(tmp_path / "run")]) == 0


def arrays_digest(path: Path) -> str:
    from pymoo_prune import data_from_arrays

    with np.load(path) as found:
        return data_from_arrays(found["images"], found["labels"]).digest


def test_a_data_set_of_a_module_is_taken_as_it_is(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    data = ("--data", "tests.support.own_data:whole_data")
    assert main(["run", "ecomp", *SMALL, *FEW, *data, "--output", str(folder)]) == 0
    assert "ecomp on tests.support.own_data:whole_data" in (folder / "report.md").read_text()


@pytest.mark.parametrize(
    ("data", "messages"),
    [
        ("missing.npz", ["missing.npz", "there is no such file"]),
        ("without.npz", ["without.npz has no 'labels'", "it has images, targets"]),
        ("broken.npz", ["broken.npz cannot be read"]),
        ("pickled.npz", ["pickled.npz cannot be read"]),
        ("text.txt", ["text.txt is a file", ".npz"]),
        ("tests.support.own_data:NO_DATA", ["is a int", "a Data, or a tuple"]),
        ("tests.support.own_data:three_arrays", ["3 arrays", "(images, labels)"]),
        ("tests.support.own_data:missing", ["cannot be imported"]),
        ("tests.support.own_data:whole_data --validation 0.2", ["--validation", "parts"]),
    ],
)
def test_what_is_no_data_is_refused_by_name(
    data: str,
    messages: list[str],
    tmp_path: Path,
    failed: Callable[..., str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    np.savez("without.npz", images=np.zeros((4, 2, 2)), targets=np.arange(4))
    np.savez("pickled.npz", images=np.array([{}, {}]), labels=np.arange(2))
    Path("broken.npz").write_bytes(b"PK\x03\x04broken")
    Path("text.txt").write_text("text")
    error = failed("run", "ecomp", "--data", *data.split(), "--output", "run")
    for message in messages:
        assert message in error, message
    assert not Path("run").exists()


# A parent's weights.


def test_weights_of_a_class_of_ones_own(
    tmp_path: Path, failed: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from tests.support import own_data

    monkeypatch.chdir(tmp_path)
    torch.save(own_data.trained_weights(), "weights.pt")
    search = ["run", "layer-vector", "--parent", "weights.pt", "--threads", "1", *FEW]
    error = failed(*search, "--output", "run")
    assert "weights.pt holds weights, but not how to build their network" in error
    assert "--parent weights.pt --network my_module:network" in error
    assert not Path("run").exists()
    own = ["--network", "tests.support.own_data:network", "--set", "recovery=none"]
    assert main([*search, *own, "--output", "run"]) == 0
    problem = Run.open("run").prepare(quiet())
    assert problem.parent is not None
    for name, value in own_data.trained_weights().items():
        assert torch.equal(problem.parent.state_dict()[name], value)
    # A colleague does not have the file.
    Path("weights.pt").unlink()
    Path("run/summary.json").unlink()
    assert main(["resume", "run"]) == 0


def test_an_exported_network_of_a_class_of_ones_own(
    tmp_path: Path, failed: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from pymoo_prune import save_network
    from tests.support import own_data

    monkeypatch.chdir(tmp_path)
    network = own_data.described()
    network.load_state_dict(own_data.trained_weights())
    save_network(network, "mine", about={})
    search = ["run", "layer-vector", "--parent", "mine", "--threads", "1", *FEW]
    error = failed(*search, "--output", "run")
    assert "'only-mine'" in error
    assert "--parent mine --network my_module:network" in error
    own = ["--network", "tests.support.own_data:described", "--set", "recovery=none"]
    assert main([*search, *own, "--output", "run"]) == 0
    problem = Run.open("run").prepare(quiet())
    assert problem.parent is not None
    for name, value in own_data.trained_weights().items():
        assert torch.equal(problem.parent.state_dict()[name], value)


@pytest.mark.parametrize(
    ("file", "message"),
    [
        ("other.pt", "do not fit the network of tests.support.own_data:network"),
        ("model.pt", "holds no state_dict that can be read safely"),
        ("list.pt", "holds no state_dict"),
        ("none.pt", "there is no none.pt"),
    ],
)
def test_weights_that_do_not_fit_are_refused(
    file: str,
    message: str,
    tmp_path: Path,
    failed: Callable[..., str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from tests.support import own_data

    monkeypatch.chdir(tmp_path)
    torch.save({"a": torch.zeros(3)}, "other.pt")
    torch.save(own_data.network(), "model.pt")
    torch.save([1, 2], "list.pt")
    own = ("--network", "tests.support.own_data:network")
    error = failed("run", "layer-vector", "--parent", file, *own, "--output", "run")
    assert message in error
    assert not Path("run").exists()


# Folders that are not written to, or cannot be.


@pytest.mark.parametrize("kept", [True, False])
@pytest.mark.parametrize("command", ["export", "ticket"])
def test_a_folder_that_is_only_read_stays_as_it_is(
    finished: Path, tmp_path: Path, command: str, kept: bool
) -> None:
    run = Path(shutil.copytree(finished, tmp_path / "run"))
    if not kept:
        (run / "finished.npz").unlink(missing_ok=True)
    before = contents(run)
    more = ["--images", "300", "--batch-sizes", "1"] if command == "ticket" else ["--latency"]
    assert main([command, str(run), *more, "--output", str(tmp_path / "out")]) == 0
    assert contents(run) == before


@pytest.fixture
def read_only(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Path], None]]:
    """Makes a folder one in which no file can be made."""
    import os

    plain = os.open
    closed: list[Path] = []

    def guarded(path: str | Path, flags: int, *rest: int, **more: int) -> int:
        inside = any(Path(path).is_relative_to(folder) for folder in closed)
        if inside and flags & os.O_CREAT:
            raise PermissionError(13, "Permission denied", str(path))
        return plain(path, flags, *rest, **more)

    monkeypatch.setattr(os, "open", guarded)
    return closed.append


@pytest.mark.parametrize("command", ["export", "ticket"])
def test_a_place_that_cannot_be_written_to_is_noticed_before_the_retraining(
    finished: Path,
    tmp_path: Path,
    failed: Callable[..., str],
    command: str,
    no_retraining: None,
    read_only: Callable[[Path], None],
) -> None:
    run = Path(shutil.copytree(finished, tmp_path / "run"))
    (run / "finished.npz").unlink(missing_ok=True)
    (tmp_path / "file").touch()
    (tmp_path / "closed").mkdir()
    read_only(tmp_path / "closed")
    for output in (tmp_path / "file" / "inside", tmp_path / "closed", tmp_path / "closed" / "new"):
        error = failed(command, str(run), "--output", str(output))
        assert f"{output} cannot be written to" in error
        assert "give another --output" in error
    read_only(run)
    assert "cannot be written to" in failed(command, str(run))
