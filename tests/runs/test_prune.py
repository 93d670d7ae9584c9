from __future__ import annotations

import copy
import io
import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from rich.console import Console
from torch import nn

from pymoo_prune import (
    Budget,
    Data,
    Front,
    PruneError,
    Run,
    StoreError,
    load_data,
    load_network,
    prune,
)
from pymoo_prune.cli import main
from tests.support.own_networks import network
from tests.support.tiny_problem import threads

SMALL: dict[str, Any] = {
    "budget": Budget(generations=2),
    "pop_size": 6,
    "finish_images": 100,
    "options": {"recovery": "refit"},
}


@pytest.fixture(scope="module")
def own() -> nn.Module:
    return network()


def pruned(own: nn.Module, data: Data | str, output: Path, **given: Any) -> tuple[Front, str]:
    """The front, and what was printed."""
    text = io.StringIO()
    with threads(1):
        front = prune(own, data, output=output, console=Console(file=text), **{**SMALL, **given})
    return front, text.getvalue()


def test_one_call_is_the_run_of_the_command_line(own: nn.Module, tmp_path: Path) -> None:
    front, text = pruned(own, "digits", tmp_path / "call")
    assert f"report: {tmp_path / 'call' / 'report.md'}" in text.replace("\n", "")
    command = ["run", "distilled-filters", "--network", "tests.support.own_networks:network"]
    command += ["--set", "recovery=refit", "--generations", "2", "--pop-size", "6"]
    command += ["--finish", "100", "--threads", "1", "--output", str(tmp_path / "command")]
    assert main(command) == 0
    for name in ("front.csv", "front.npz", "layers.json"):
        one, other = (tmp_path / place / name for place in ("call", "command"))
        assert one.read_bytes() == other.read_bytes(), name
    member = front.pick("macs<=50%")
    assert member.network(finish_images=100)(torch.zeros(3, 1, 8, 8)).shape == (3, 10)
    assert not (tmp_path / "call" / "parent").exists()  # nothing could rebuild it
    about = json.loads((tmp_path / "command" / "parent" / "network.json").read_text())
    assert about["network"] == "tests.support.own_networks:network"
    # The pruned networks are those of the front, and come back from their own folder.
    assert main(["export", str(tmp_path / "command"), "--pick", str(member.place)]) == 0
    small = load_network(tmp_path / "command" / f"network-{member.place}")
    images = load_data("digits").test.images[:50]
    with threads(1):
        assert torch.allclose(small(images), member.network(finish_images=100)(images), atol=1e-6)


def test_the_same_call_reads_what_is_done(own: nn.Module, digits: Data, tmp_path: Path) -> None:
    first, _ = pruned(own, digits, tmp_path / "run", baselines=False)
    kept = (tmp_path / "run" / "front.csv").stat().st_mtime_ns
    again, _ = pruned(own, digits, tmp_path / "run", baselines=False)
    assert (tmp_path / "run" / "front.csv").stat().st_mtime_ns == kept
    assert np.array_equal(first.X, again.X)
    with pytest.raises(PruneError, match="holds a run with other settings"):
        pruned(own, digits, tmp_path / "run", baselines=False, seed=1)


def test_other_parts_of_a_network_can_go(own: nn.Module, digits: Data, tmp_path: Path) -> None:
    front, _ = pruned(
        own,
        digits,
        tmp_path / "run",
        what="weights",
        options={},
        baselines=False,
        objectives=["accuracy", "sparsity"],
        constraints=["accuracy_drop<=0.2"],
    )
    assert (front.columns["accuracy_drop"] <= 0.2).all()
    assert front.columns["sparsity"].max() > 0


def test_what_cannot_be_pruned_is_refused(own: nn.Module, digits: Data, tmp_path: Path) -> None:
    with pytest.raises(PruneError, match=r"network must be a torch\.nn\.Module, but it is a str"):
        prune("resnet", digits)  # type: ignore[arg-type]
    with pytest.raises(PruneError, match=r"unknown kind of pruning 'filter'.*'filters'"):
        prune(own, digits, "filter", output=tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--network", "tests.support.own_networks:NOT_A_NETWORK"], "is a int; it must be"),
        (["--network", "tests.support.own_networks:gives_text"], "is a str; it must be"),
        (["--network", "tests.support.own_networks:missing"], "cannot be imported"),
        (["--network", "a:b", "--parent", "there"], "'a:b' cannot be imported"),
        (
            ["--network", "tests.support.own_networks:network", "--parent", "nowhere"],
            "there is no nowhere with weights for the network of tests.support",
        ),
    ],
)
def test_a_network_that_is_none_is_refused_before_there_is_a_folder(
    options: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "run"
    assert main(["run", "layer-vector", *options, "--output", str(folder)]) == 2
    assert message in " ".join(capsys.readouterr().err.split())
    assert not folder.exists()


def test_a_function_in_place_of_a_network_is_found_again(
    digits: Data, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    front, _ = pruned(network, "digits", tmp_path / "run", baselines=False)
    assert main(["export", str(tmp_path / "run"), "--pick", "0", "--output", f"{tmp_path}/0"]) == 0
    small = load_network(tmp_path / "0")
    with threads(1):
        expected = front[0].network(finish_images=100)(digits.test.images)
    assert torch.allclose(small(digits.test.images), expected, atol=1e-6)
    again, _ = pruned(network, "digits", tmp_path / "run", baselines=False)
    assert np.array_equal(again.X, front.X)
    with pytest.raises(PruneError, match=r"must be a torch\.nn\.Module, but it is a str"):
        pruned(lambda: "text", digits, tmp_path / "none")  # type: ignore[arg-type, return-value]


def test_the_command_line_is_told_which_network_it_was(
    own: nn.Module, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    front, _ = pruned(own, "digits", tmp_path / "run", baselines=False)
    export = ["export", str(tmp_path / "run"), "--pick", "0", "--output", str(tmp_path / "0")]
    assert main([*export, "--network", "no-module"]) == 2
    assert "--network must read module:name" in " ".join(capsys.readouterr().err.split())
    assert main([*export, "--network", "tests.support.own_data:network"]) == 2
    assert "belongs to another configuration" in " ".join(capsys.readouterr().err.split())
    assert main([*export, "--network", "tests.support.own_networks:network"]) == 0
    small = load_network(tmp_path / "0", network)
    images = load_data("digits").test.images
    with threads(1):
        expected = front[0].network(finish_images=100)(images)
    assert torch.allclose(small(images), expected, atol=1e-6)


def test_a_network_of_a_module_that_moved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    Path("old_place.py").write_text("from tests.support.own_data import network\n")
    search = ["run", "distilled-filters", "--network", "old_place:network", "--threads", "1"]
    search += ["--set", "recovery=refit", "--generations", "2", "--pop-size", "6"]
    assert main([*search, "--finish", "100", "--output", "run"]) == 0
    Path("old_place.py").unlink()
    monkeypatch.delitem(sys.modules, "old_place")
    capsys.readouterr()
    assert main(["export", "run"]) == 2
    assert "'old_place:network' cannot be imported" in " ".join(capsys.readouterr().err.split())
    for kept in (True, False):  # from the run's file of networks, or retrained
        if not kept:
            Path("run/finished.npz").unlink()
        moved = ["--network", "tests.support.own_data:network"]
        assert main(["export", "run", *moved, "--pick", "0"]) == 0
        assert json.loads(Path("run/network-0/network.json").read_text())["network"] == "slim"
    assert Run.open("run").settings.network == "old_place:network"


def test_what_is_not_kept_is_told_when_it_is_needed(
    own: nn.Module, digits: Data, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pruned(own, digits, tmp_path / "run", baselines=False)
    for command in ("export", "ticket"):
        assert main([command, str(tmp_path / "run")]) == 2
        error = " ".join(capsys.readouterr().err.split())
        assert "was given in Python and is not kept. The run in" in error
        assert "call it again with the same arguments" in error
    mine = replace(digits, name="my digits")
    pruned(own, mine, tmp_path / "mine", baselines=False)
    assert main(["export", str(tmp_path / "mine")]) == 2
    error = " ".join(capsys.readouterr().err.split())
    assert "'my digits'" in error
    assert "made by prune() with a network or data of the caller's" in error


def test_a_finished_run_is_not_read_for_another_network_or_other_images(
    own: nn.Module, digits: Data, tmp_path: Path
) -> None:
    pruned(own, digits, tmp_path / "run", baselines=False)
    other = copy.deepcopy(own)
    with torch.no_grad():
        next(other.parameters()).add_(0.01)
    with pytest.raises(StoreError, match="belongs to another configuration"):
        pruned(other, digits, tmp_path / "run", baselines=False)
    fewer = replace(digits, train=digits.train.subset(range(900)))
    with pytest.raises(StoreError, match="belongs to another configuration"):
        pruned(own, fewer, tmp_path / "run", baselines=False)
