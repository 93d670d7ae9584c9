from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from matplotlib import image

from pymoo_prune import Data, Run, load_network
from pymoo_prune.cli import main
from pymoo_prune.data import load_data
from pymoo_prune.evaluation import accuracy
from pymoo_prune.export import save_network
from pymoo_prune.front import read_csv
from pymoo_prune.networks import CifarResNet
from tests.tiny_problem import ecomp_run, full_disk, pixels_run, threads


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    with threads(1):
        yield


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cli") / "run"
    assert main(ecomp_run(folder)) == 0
    return folder


def failed(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """What a command that must fail writes to standard error."""
    assert main(arguments) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith("error: ")
    assert "Traceback" not in captured.err
    return captured.err


def test_list_names_what_there_is(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list"]) == 0
    out = capsys.readouterr().out
    for text in (
        "ecomp",
        "--preset quick",
        "--preset paper",
        "similarity_loss",
        "nsga2",
        "random search",
        "digits",
        "cifar100",
        "reproductions",
    ):
        assert text in out, text


def networks(capsys: pytest.CaptureFixture[str], *options: str) -> dict[str, str]:
    """The rows of the table, each with single spaces and on one line."""
    assert main(["networks", *options]) == 0
    rows: dict[str, str] = {}
    for line in capsys.readouterr().out.rpartition("──")[2].splitlines():
        if line.strip():  # a line without a name goes on with the row before it
            name = line.split()[0] if line[1] != " " else list(rows)[-1]
            rows[name] = f"{rows.get(name, '')} {' '.join(line.split())}".strip()
    return rows


def test_networks_are_listed_with_their_sizes(capsys: pytest.CaptureFixture[str]) -> None:
    assert networks(capsys) == {
        "feed-forward": "feed-forward 855,050 854,528 3 two hidden layers of 256",
        "simple-cnn": "simple-cnn 357,034 10,585,344 5 three convolutions",
        "resnet-8": "resnet-8 75,290 12,239,488 8 residual, 1 block a stage",
        "resnet-20": "resnet-20 269,722 40,551,040 20 residual, 3 blocks a stage",
        "resnet-56": "resnet-56 853,018 125,485,696 56 residual, 9 blocks a stage",
        "resnet-110": "resnet-110 1,727,962 252,887,680 110 residual, 18 blocks a stage",
        "densenet-bc-40": "densenet-bc-40 176,122 72,365,352 40 dense, 6 layers a block",
        "densenet-bc-100": "densenet-bc-100 769,162 287,929,692 100 dense, 16 layers a block",
        "resnet-18": "resnet-18 11,173,962 555,422,720 21 residual, 512 channels",
        "googlenet": "googlenet 5,602,474 1,451,042,816 58 Inception, 9 blocks",
        "r2plus1d-18": "r2plus1d-18 31,305,255 869,641,216 38 R(2+1)D, clips and stills",
    }


def test_networks_are_listed_for_other_images(capsys: pytest.CaptureFixture[str]) -> None:
    rows = networks(capsys, "--channels", "1", "--classes", "100", "--size", "8")
    assert rows["feed-forward"].startswith("feed-forward 108,132 107,520 3 ")
    assert rows["resnet-56"].startswith(f"resnet-56 {858_868 - 2 * 144:,} ")


def test_a_network_that_does_not_fit_says_why_in_its_row(
    capsys: pytest.CaptureFixture[str],
) -> None:
    rows = networks(capsys, "--channels", "2")
    assert rows["resnet-20"].startswith("resnet-20 269,578 40,403,584 20 ")
    assert rows["r2plus1d-18"].startswith("r2plus1d-18 – – – images must have 3 channels a frame")
    assert rows["r2plus1d-18"].endswith("but they have 2")


@pytest.mark.parametrize("option", ["--channels", "--classes", "--size"])
def test_networks_for_nothing_are_refused(capsys: pytest.CaptureFixture[str], option: str) -> None:
    for value in ("0", "-3"):
        error = failed(capsys, "networks", option, value)
        assert f"{option} must be at least 1, but it is {value}" in error
    with pytest.raises(SystemExit) as caught:
        main(["networks", option, "large"])
    assert caught.value.code == 2
    assert f"{option}: invalid int value: 'large'" in capsys.readouterr().err


def test_a_run_leaves_a_table_a_picture_and_a_report(
    finished: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = {path.name for path in finished.iterdir()}
    assert files >= {
        *("run.json", "evaluations.sqlite", "parent", "front.csv", "front.npz", "summary.json"),
        *("report.md", "front.png", "generations.png"),
    }
    assert not any(name.startswith(".part") for name in files)
    assert (finished / "front.png").read_bytes().startswith(b"\x89PNG\r\n\x1a\n")
    assert image.imread(finished / "front.png")[..., :3].std() > 0.05
    assert main(["report", str(finished)]) == 0
    out = capsys.readouterr().out
    assert "networks of the front" in out
    assert "L1 pruning" in out
    assert f"report: {finished / 'report.md'}, picture: {finished / 'front.png'}" in out


def test_the_default_preset_is_the_first(tmp_path: Path) -> None:
    assert main(pixels_run(tmp_path / "run")) == 0
    settings = json.loads((tmp_path / "run" / "run.json").read_text())
    assert (settings["pop_size"], settings["budget"]["generations"]) == (8, 3)
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert summary["evaluations"] == 24


@pytest.mark.parametrize("pick", ["knee", "0", "accuracy", "width<=60%", "accuracy_drop<=0.9"])
def test_export_and_load_rebuild_the_network_of_the_report(
    finished: Path, tmp_path: Path, digits: Data, capsys: pytest.CaptureFixture[str], pick: str
) -> None:
    output = tmp_path / "network"
    torch.set_num_threads(2)  # the run's own number of threads must count
    assert main(["export", str(finished), "--pick", pick, "--output", str(output)]) == 0
    out = capsys.readouterr().out
    assert f"written to {output}" in out
    spec = json.loads((output / "network.json").read_text())
    place = spec["made_by"]["network"]
    front = read_csv(finished / "front.csv")[0]
    row = {name: float(column[place]) for name, column in front.columns.items()}
    assert spec["measurements"] == row
    network = load_network(output)
    assert accuracy(network, digits.test) == row["finished_test_accuracy"]
    assert accuracy(network, digits.validation) == row["finished_accuracy"]
    assert sum(p.numel() for p in network.parameters()) == row["parameters"]
    assert spec["macs_by_thop"] == row["macs"]
    assert torch.load(output / "network.pt", weights_only=True).keys()
    if pick == "accuracy":
        assert row["accuracy"] == front.columns["accuracy"].max()


def test_export_goes_into_the_runs_folder_unless_told(finished: Path) -> None:
    assert main(["export", str(finished), "--pick", "0"]) == 0
    assert load_network(finished / "network-0") is not None


def test_an_exported_network_can_be_pruned_in_turn(finished: Path, tmp_path: Path) -> None:
    parent = tmp_path / "parent"
    assert main(["export", str(finished), "--pick", "accuracy", "--output", str(parent)]) == 0
    arguments = ["--parent", str(parent), "--pop-size", "6", "--generations", "2", "--threads", "1"]
    folder = tmp_path / "run"
    assert main(["run", "ecomp", *arguments, "--finish", "0", "--output", str(folder)]) == 0
    kept, given = load_network(folder / "parent"), load_network(parent)
    assert str(kept) == str(given)
    assert torch.equal(kept.get_parameter("1.weight"), given.get_parameter("1.weight"))


def test_the_ticket_is_shown_and_written(
    finished: Path, tmp_path: Path, digits: Data, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "ticket"
    arguments = ["--pick", "accuracy", "--images", "500", "--batch-sizes", "1", "5"]
    assert main(["ticket", str(finished), *arguments, "--output", str(folder)]) == 0
    out = capsys.readouterr().out
    for text in (
        "the winning ticket",
        "test accuracy on perturbed images",
        "s for a batch of 5",
        "retrained with 500 images",
        "Latencies are medians of 50 repeats",
        "the ticket loses",
        f"report: {folder / 'ticket.md'}, picture: {folder / 'robustness.png'}",
        f"written to {folder}; pymoo_prune.load_network('{folder}') rebuilds it",
    ):
        assert text in " ".join(out.split()), text
    right = accuracy(load_network(folder), digits.test)
    assert f"{100 * right:.2f}\u00a0%" in out
    assert f"| {100 * right:.2f}\u00a0% |" in (folder / "ticket.md").read_text()


def test_the_ticket_goes_into_the_runs_folder_unless_told(finished: Path) -> None:
    assert main(["ticket", str(finished), "--images", "0", "--batch-sizes", "2"]) == 0
    names = {path.name for path in (finished / "ticket").iterdir()}
    assert names == {"ticket.md", "robustness.png", "network.pt", "network.json"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--images", "-1"], "images must be at least 0, but they are -1"),
        (["--batch-sizes", "1", "0"], "at least 1, but batch_sizes=[1, 0]"),
    ],
)
def test_tickets_that_cannot_be(
    finished: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    assert message in failed(capsys, "ticket", str(finished), *arguments)


def test_a_stopped_ticket_is_not_resumed(
    finished: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def stopped(*args: object, **given: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Run, "ticket", stopped)
    assert main(["ticket", str(finished)]) == 130
    assert capsys.readouterr().out == "stopped.\n"


def test_options_arrive_in_the_settings(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    arguments = [
        *("--algorithm", "sms-emoa", "--objectives", "accuracy", "macs", "pixels"),
        *("--constraint", "accuracy>=0.1", "--constraint", "macs<=95%", "--seed", "5"),
        *("--evaluations", "20", "--time", "2h", "--pop-size", "6", "--validation", "0.5"),
        *("--set", "pause=0.0", "--finish", "100"),
    ]
    assert main(pixels_run(folder, *arguments)) == 0
    settings = json.loads((folder / "run.json").read_text())
    assert settings["budget"] == {"generations": None, "evaluations": 20, "seconds": 7200.0}
    expected = {
        "algorithm": "sms-emoa",
        "objectives": ["accuracy", "macs", "pixels"],
        "constraints": ["accuracy>=0.1", "macs<=95%"],
        "seed": 5,
        "pop_size": 6,
        "validation": 0.5,
        "options": {"pause": 0.0},
        "finish_images": 100,
        "threads": 1,
    }
    assert {name: settings[name] for name in expected} == expected
    front = read_csv(folder / "front.csv")[0]
    summary = json.loads((folder / "summary.json").read_text())
    assert (front.columns["macs"] <= 0.95 * summary["parent"]["macs"]).all()


@pytest.mark.parametrize(
    ("text", "seconds"), [("90", 90), ("90s", 90), ("1.5m", 90), ("2h", 7_200), ("0.5", 0.5)]
)
def test_times(text: str, seconds: float) -> None:
    from pymoo_prune.cli import _seconds

    assert _seconds(text) == seconds


# Bad input.


@pytest.mark.parametrize(
    ("arguments", "messages"),
    [
        (["ecmp"], ["unknown problem 'ecmp'", "Did you mean 'ecomp'"]),
        (["nowhere:Class"], ["cannot be imported", "nowhere"]),
        (["tests.tiny_problem:not_a_problem"], ["not a PruningProblem"]),
        (["ecomp", "--preset", "quik"], ["unknown preset 'quik'", "paper", "mean 'quick'"]),
        (["ecomp", "--algorithm", "nsga22"], ["unknown algorithm 'nsga22'", "mean 'nsga2'"]),
        (["ecomp", "--data", "digts"], ["unknown data set 'digts'", "mean 'digits'"]),
        (["ecomp", "--time", "soon"], ["--time 'soon' must read like", "'15m'"]),
        (["ecomp", "--time", "0"], ["needs a limit", "above 0"]),
        (["ecomp", "--generations", "0"], ["needs a limit"]),
        (["ecomp", "--evaluations", "-5"], ["needs a limit"]),
        (["ecomp", "--pop-size", "0"], ["pop_size must be at least 2, but it is 0"]),
        (["ecomp", "--pop-size", "-8"], ["pop_size must be at least 2"]),
        (["ecomp", "--seed", "-1"], ["seed must be at least 0"]),
        (["ecomp", "--threads", "0"], ["threads must be at least 1"]),
        (["ecomp", "--finish", "-1"], ["finish_images must be at least 0"]),
        (["ecomp", "--weights", "accuracy"], ["'accuracy' must read NAME=VALUE"]),
        (["ecomp", "--weights", "accuracy=much"], ["--weights must give numbers", "accuracy"]),
        (["ecomp", "--weights", "accuracy=-1"], ["not negative"]),
        (["ecomp", "--weights", "accuracy=NaN"], ["must be finite"]),
        (["ecomp", "--weights", "accuracy=0"], ["not all 0"]),
        (["ecomp", "--weights", "accuracy=1", "--objectives", "macs"], ["not both"]),
        (["ecomp", "--validation", "half"], ["--validation 'half' must be a share"]),
        (["ecomp", "--set", "encoding"], ["'encoding' must read NAME=VALUE"]),
    ],
)
def test_bad_input_is_refused_before_a_folder_is_made(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], messages: list[str]
) -> None:
    folder = tmp_path / "run"
    error = failed(capsys, "run", *arguments, "--output", str(folder))
    for message in messages:
        assert message in error, message
    if "unknown data set" not in messages[0]:
        assert not folder.exists()


@pytest.mark.parametrize(
    ("arguments", "messages"),
    [
        (["--objectives", "acuracy"], ["unknown objective 'acuracy'", "Did you mean 'accuracy'"]),
        (["--objectives", "macs", "macs"], ["must differ"]),
        (["--weights", "accurcy=1"], ["unknown objective 'accurcy'"]),
        (["--constraint", "macs<20"], ["'macs<20' must read like"]),
        (["--constraint", "mac<=20"], ["unknown constrained quantity 'mac'", "mean 'macs'"]),
        (["--constraint", "accuracy>=0.999"], ["the nearest misses accuracy>=0.999"]),
        (["--validation", "1.5"], ["validation=1.5", "between 0 and 1"]),
        (["--validation", "99999"], ["validation=99999"]),
        (["--set", "pase=1"], ["unknown option of Pixels 'pase'", "Did you mean 'pause'"]),
        (["--set", "seed=1"], ["unknown option of Pixels 'seed'"]),
        (["--algorithm", "ga"], ["needs one objective", "--weights"]),
        (["--algorithm", "own"], ["no algorithm of its own"]),
        (["--device", "cuda:77"], ["device 'cuda:77' cannot be used here"]),
        (["--device", "gpu"], ["device 'gpu' cannot be used here"]),
        (["--parent", "no/such/folder"], ["no/such/folder is not an exported network"]),
    ],
)
def test_bad_settings_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], messages: list[str]
) -> None:
    error = failed(capsys, *pixels_run(tmp_path / "run", *arguments))
    for message in messages:
        assert message in error, message


@pytest.mark.parametrize(
    ("options", "messages"),
    [
        (["encoding=mask"], ["unknown encoding 'mask'", "Did you mean 'masks'"]),
        (["recovery=refitt"], ["recovery 'refitt' is not known", "'steps:K'"]),
        (["search_split=test"], ["unknown search split 'test'"]),
        (["encoding=weights", "recovery=refit"], ["'refit' needs encoding 'masks'"]),
        (["encoding=weights", "parent_widths=[8, 12]"], ["balanced parent", "[8, 12]", "masks"]),
        (["parent_widths=[]"], ["at least one hidden layer"]),
        (["parent_images=-1"], ["images must be at least 0"]),
        (["search_images=20"], ["perplexity of 30 needs more than 31 images"]),
        (["batch_size=0"], ["batch_size between 1 and search_images"]),
    ],
)
def test_bad_options_of_ecomp_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str], messages: list[str]
) -> None:
    given = ["parent_images=100", *options]
    sets = [word for option in given for word in ("--set", option)]
    arguments = ["--threads", "1", "--pop-size", "4", "--generations", "2"]
    error = failed(capsys, "run", "ecomp", *arguments, *sets, "--output", str(tmp_path / "run"))
    for message in messages:
        assert message in error, message


def test_missing_data_says_where_it_was_looked_for_and_how_to_get_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--data", "cifar10", "--data-root", str(tmp_path / "data")]
    error = failed(capsys, *pixels_run(tmp_path / "run", *arguments))
    assert str(tmp_path / "data") in error
    assert "--download" in error
    # The folder stays resumable: with the data there, it would go on.
    error = failed(capsys, "resume", str(tmp_path / "run"))
    assert str(tmp_path / "data") in error


def test_settings_that_cannot_be_leave_no_folder_behind(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    failed(capsys, *pixels_run(tmp_path / "run", "--objectives", "speed", "accuracy"))
    assert not (tmp_path / "run").exists()


def test_data_cut_short_names_the_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = tmp_path / "data" / "MNIST" / "raw"
    root.mkdir(parents=True)
    (root / "train-images-idx3-ubyte").write_bytes(
        b"\0\0\x08\x03\0\0\xea\x60\0\0\0\x1c\0\0\0\x1cabc"
    )
    arguments = ["--data", "mnist", "--data-root", str(tmp_path / "data")]
    error = failed(capsys, *pixels_run(tmp_path / "run", *arguments))
    assert "train-" in error
    assert str(tmp_path / "data") in error


def test_a_folder_that_is_there_is_not_overwritten(
    finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = (finished / "front.csv").read_bytes()
    error = failed(capsys, *ecomp_run(finished))
    assert f"{finished} is there already; 'pymoo-prune resume {finished}' goes on with it" in error
    assert (finished / "front.csv").read_bytes() == before
    (tmp_path / "notes.txt").write_text("mine")
    error = failed(capsys, *ecomp_run(tmp_path))
    assert "is there already; give another --output" in error
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


@pytest.mark.parametrize("command", ["resume", "report", "export", "ticket"])
def test_what_is_no_run_folder_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    for folder in (tmp_path / "none", tmp_path):
        assert f"{folder} is not a run folder" in failed(capsys, command, str(folder))


@pytest.mark.parametrize(
    ("pick", "messages"),
    [
        ("kne", ["unknown pick 'kne'", "Did you mean 'knee'"]),
        ("999", ["there is no network 999; they are numbered 0 to"]),
        ("fittest", ["several objectives"]),
        ("accuracy>=0.9999", ["no network keeps accuracy>=0.9999; the nearest is network"]),
        ("macs<=1", ["no network keeps macs<=1; the nearest is network 0"]),
        ("finished_test_accuracy>=10%", ["finished_test_accuracy"]),
    ],
)
def test_picks_that_cannot_be(
    finished: Path, capsys: pytest.CaptureFixture[str], pick: str, messages: list[str]
) -> None:
    for command in ("export", "ticket"):
        error = failed(capsys, command, str(finished), "--pick", pick)
        for message in messages:
            assert message in error, message


def test_a_problem_whose_networks_have_no_spec_cannot_export_and_says_why(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(pixels_run(tmp_path / "run")) == 0
    error = failed(capsys, "export", str(tmp_path / "run"))
    assert "cannot be exported: it has no `spec`" in error


def test_a_problem_without_a_parent_has_no_ticket_and_says_why(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(pixels_run(tmp_path / "run")) == 0
    error = failed(capsys, "ticket", str(tmp_path / "run"))
    assert "Pixels has no parent network to compare a ticket with" in error
    assert not (tmp_path / "run" / "ticket").exists()


def test_a_full_disk_is_said_and_the_run_goes_on_afterwards(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole, folder = tmp_path / "whole", tmp_path / "run"
    more = ["--generations", "12"]
    assert main(pixels_run(whole, *more)) == 0
    with full_disk(60_000):
        error = failed(capsys, *pixels_run(folder, *more))
    assert "free some space on the disk and resume the run" in error
    assert not (folder / "summary.json").exists()
    assert main(["resume", str(folder)]) == 0
    assert (folder / "front.csv").read_bytes() == (whole / "front.csv").read_bytes()


def test_a_full_disk_while_the_parent_is_kept(
    tmp_path: Path, finished: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "run"
    with full_disk(3_000):
        assert "too large" in failed(capsys, *ecomp_run(folder)).lower()
    assert not (folder / "parent").exists()
    assert main(["resume", str(folder)]) == 0
    assert (folder / "front.csv").read_bytes() == (finished / "front.csv").read_bytes()


def test_commands_are_needed(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in ([], ["rum"], ["run"], ["run", "ecomp", "--generations", "many"]):
        with pytest.raises(SystemExit) as caught:
            main(arguments)
        assert caught.value.code == 2
    assert "usage: pymoo-prune" in capsys.readouterr().err


def test_brackets_in_a_folders_name_are_no_markup(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "run [red] one"
    assert main(pixels_run(folder)) == 0
    assert f"report: {folder / 'report.md'}" in capsys.readouterr().out
    assert f"{folder} is there already" in failed(capsys, *pixels_run(folder))
    assert np.isfinite(read_csv(folder / "front.csv")[0].columns["accuracy"]).all()


# Layer vector.


def layer_vector_run(folder: Path, *more: str) -> list[str]:
    """The command line of a small run on a network that knows little."""
    return [
        *("run", "layer-vector", "--set", "network=resnet-8", "--set", "parent_epochs=1"),
        *("--set", "search_images=100", "--generations", "2", "--threads", "1"),
        *("--output", str(folder), *more),
    ]


@pytest.fixture(scope="module")
def pruned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("layer-vector") / "run"
    small = ["--set", "levels=8", "--pop-size", "8", "--finish", "100"]
    assert main(layer_vector_run(folder, *small)) == 0
    return folder


def test_a_layer_vector_run_reports_what_a_user_would_do_instead(
    pruned: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report = (pruned / "report.md").read_text()
    methods = ["this search", "global magnitude pruning", "uniform magnitude pruning"]
    for method in (*methods, "random search"):
        assert f"| {method} |" in report, method
    series = {one.name: one.columns for one in read_csv(pruned / "front.csv")}
    sparsities = [series[method]["sparsity"] for method in methods]
    for name in ("finished_test_accuracy", "macs"):
        assert all(len(series[m][name]) == len(s) for m, s in zip(methods, sparsities, strict=True))
    for baseline in sparsities[1:]:
        assert baseline.min() == pytest.approx(sparsities[0].min(), abs=1e-4)
        assert baseline.max() == pytest.approx(sparsities[0].max(), abs=1e-4)
    assert main(["resume", str(pruned)]) == 0
    assert f"{pruned} is finished already" in capsys.readouterr().out


def test_layers_without_a_weight_are_named_in_the_report(tmp_path: Path) -> None:
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(0)
        parent = CifarResNet(8, 1, 10)
        parent.get_parameter("stages.0.0.conv1.weight").mul_(1e-6)  # the first to be pruned
    save_network(parent, tmp_path / "parent", about={})
    folder = tmp_path / "run"
    arguments = ["--parent", str(tmp_path / "parent"), "--set", "recovery=none"]
    more = ["--pop-size", "7", "--generations", "1", "--finish", "0"]
    assert main(layer_vector_run(folder, *arguments, *more)) == 0
    empty = read_csv(folder / "front.csv")[0].columns["empty_layers"]
    assert empty.max() == 1
    report = (folder / "report.md").read_text()
    for place, layers in enumerate(empty):
        note = f"- Network {place} has no weight left in stages.0.0.conv1."
        assert (note in report) == (layers == 1)


def test_exported_zeros_stay_zeros(pruned: Path, tmp_path: Path) -> None:
    output = tmp_path / "network"
    assert main(["export", str(pruned), "--pick", "knee", "--output", str(output)]) == 0
    spec = json.loads((output / "network.json").read_text())
    assert spec["network"] == "cifar-resnet"
    network = load_network(output)
    zeros = sum(int((p == 0).sum()) for p in network.parameters() if p.ndim > 1)
    total = sum(p.numel() for p in network.parameters())
    row = spec["measurements"]
    assert total - zeros == row["parameters"]
    assert zeros / total == pytest.approx(row["sparsity"], abs=1e-12)
    data = load_data("digits")
    assert accuracy(network, data.test) == row["finished_test_accuracy"]
    # What was exported can be pruned further, and reports then count from the whole network.
    arguments = ["--parent", str(output), "--set", "recovery=none", "--pop-size", "4"]
    folder = tmp_path / "run"
    assert main(layer_vector_run(folder, *arguments, "--finish", "0")) == 0
    summary = json.loads((folder / "summary.json").read_text())
    assert summary["parent"]["parameters"] == total - zeros
    front = read_csv(folder / "front.csv")[0]
    assert (front.columns["sparsity"] > zeros / total).all()


def test_the_ticket_of_a_masked_network_counts_what_is_not_zero(
    pruned: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "ticket"
    arguments = ["--pick", "0", "--images", "100", "--batch-sizes", "1"]
    assert main(["ticket", str(pruned), *arguments, "--output", str(folder)]) == 0
    row = json.loads((folder / "network.json").read_text())["measurements"]
    whole = json.loads((pruned / "summary.json").read_text())["parent"]
    page = (folder / "ticket.md").read_text().replace("\u00a0", " ")
    for name, label in (("parameters", "parameters"), ("macs", "MACs")):
        gone = 100 * (1 - row[name] / whole[name])
        cells = f"| {whole[name]:,.0f} | {row[name]:,.0f} | {gone:.2f} % removed |"
        assert f"| {label} (non-zero) {cells}" in page
    network = load_network(folder)
    zeros = sum(int((p == 0).sum()) for p in network.parameters() if p.ndim > 1)
    assert sum(p.numel() for p in network.parameters()) - zeros == row["parameters"]
    line = next(line for line in page.splitlines() if "by thop (all)" in line)
    assert line.endswith("| 0.00 % removed |")


def test_the_papers_search_on_the_command_line(tmp_path: Path) -> None:
    assert main(layer_vector_run(tmp_path / "run", "--preset", "paper", "--finish", "0")) == 0
    settings = json.loads((tmp_path / "run" / "run.json").read_text())
    assert (settings["algorithm"], settings["objectives"]) == ("own", {"kind": "pwad"})
    assert settings["budget"] == {"generations": 2, "evaluations": None, "seconds": None}
    assert settings["options"]["recovery"] == "none"
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert (summary["evaluations"], summary["goals"]) == (80, ["accuracy_drop", "pruned"])
    assert summary["fittest"] is not None


@pytest.mark.parametrize("racing", ["false", "true"])
def test_pruned_weights_per_accuracy_drop_on_the_command_line(tmp_path: Path, racing: str) -> None:
    arguments = ["--objectives", "pwad", "--algorithm", "ga", "--set", f"racing={racing}"]
    more = ["--set", "recovery=none", "--set", "search_images=300", "--pop-size", "8"]
    folder = tmp_path / "run"
    assert main(layer_vector_run(folder, *arguments, *more, "--finish", "0")) == 0
    summary = json.loads((folder / "summary.json").read_text())
    # A candidate counts once, on however many slices of images it raced.
    assert summary["evaluations"] == 16
    front = read_csv(folder / "front.csv")[0]
    loss = front.columns["accuracy_drop"] / front.columns["sparsity"]
    if (front.columns["accuracy_drop"] > 0).all():
        assert loss[summary["fittest"]] == loss.min()


@pytest.mark.parametrize(
    ("arguments", "messages"),
    [
        (["--set", "network=resnet20"], ["unknown network 'resnet20'", "mean 'resnet-20'"]),
        (["--set", "parent_epochs=0"], ["parent_epochs must be above 0"]),
        (["--set", "recovery=retrain"], ["recovery 'retrain' is not known", "'batch-norm'"]),
        (["--set", "width=3"], ["unknown option of LayerVector 'width'"]),
        (["--objectives", "pwad", "macs"], ["unknown objective 'pwad'"]),
        (["--objectives", "empty_layer"], ["Did you mean 'empty_layers'"]),
    ],
)
def test_bad_options_of_layer_vector_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], messages: list[str]
) -> None:
    error = failed(capsys, *layer_vector_run(tmp_path / "run", *arguments))
    for message in messages:
        assert message in error, message
    assert not (tmp_path / "run").exists()
