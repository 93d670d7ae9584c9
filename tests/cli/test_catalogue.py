from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from pymoo_prune.cli import main
from pymoo_prune.problem import registered


def test_list_names_problems_engines_and_data_sets(capsys: pytest.CaptureFixture[str]) -> None:
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


def test_list_says_what_each_problem_prunes_and_how(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    for name in registered():
        (line,) = [line for line in lines if line.startswith(f"  {name} ")]
        assert re.fullmatch(rf"  {name} +Prunes [^?()]+[:;] [^?()]+\.", line), line


def networks(capsys: pytest.CaptureFixture[str], *options: str) -> dict[str, str]:
    """The rows of the table, each with single spaces and on one line."""
    assert main(["networks", *options]) == 0
    rows: dict[str, str] = {}
    for line in capsys.readouterr().out.rpartition("──")[2].splitlines():
        if line.strip():  # a line without a name goes on with the row before it
            name = line.split()[0] if line[1] != " " else list(rows)[-1]
            rows[name] = f"{rows.get(name, '')} {' '.join(line.split())}".strip()
    return rows


@pytest.mark.slow
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
        "small-vit": "small-vit 79,714 6,562,272 21 transformer, 3 blocks",
        "small-mixer": "small-mixer 67,186 4,497,888 15 MLP-Mixer, 3 blocks",
    }


@pytest.mark.slow
def test_networks_are_listed_for_other_images(capsys: pytest.CaptureFixture[str]) -> None:
    rows = networks(capsys, "--channels", "1", "--classes", "100", "--size", "8")
    assert rows["feed-forward"].startswith("feed-forward 108,132 107,520 3 ")
    assert rows["resnet-56"].startswith(f"resnet-56 {858_868 - 2 * 144:,} ")


@pytest.mark.slow
def test_a_network_that_does_not_fit_says_why_in_its_row(
    capsys: pytest.CaptureFixture[str],
) -> None:
    rows = networks(capsys, "--channels", "2")
    assert rows["resnet-20"].startswith("resnet-20 269,578 40,403,584 20 ")
    assert rows["r2plus1d-18"].startswith("r2plus1d-18 – – – images must have 3 channels a frame")
    assert rows["r2plus1d-18"].endswith("but they have 2")


@pytest.mark.parametrize("option", ["--channels", "--classes", "--size"])
def test_networks_for_impossible_images_are_refused(
    capsys: pytest.CaptureFixture[str], failed: Callable[..., str], option: str
) -> None:
    for value in ("0", "-3"):
        error = failed("networks", option, value)
        assert f"{option} must be at least 1, but it is {value}" in error
    with pytest.raises(SystemExit) as caught:
        main(["networks", option, "large"])
    assert caught.value.code == 2
    assert f"{option}: invalid int value: 'large'" in capsys.readouterr().err
