from __future__ import annotations

import io
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pytest
import torch
from matplotlib import image
from rich.console import Console
from torch import nn

from pymoo_prune import Data, Front, PruneError
from pymoo_prune.errors import TrainingDiverged
from pymoo_prune.measuring import (
    PERTURBATIONS,
    STRENGTHS,
    Latency,
    accuracy,
    count_parameters,
    robustness,
)
from pymoo_prune.results import Appraisal, WinningTicket, appraise, winning_ticket
from tests.support.tiny_problem import Pixels

FAST: dict[str, Any] = {"batch_sizes": (1,), "repeats": 2}
"""Latencies that take no time."""


class PixelsOfParent(Pixels):
    """Pixels with the whole classifier as its parent."""

    def __init__(self, data: Data, **options: Any) -> None:
        super().__init__(data, **options)
        self.parent = self.network(np.ones(self.n_var, dtype=bool))


@pytest.fixture(scope="module")
def problem(digits: Data) -> PixelsOfParent:
    return PixelsOfParent(digits)


@pytest.fixture(scope="module")
def front(problem: PixelsOfParent) -> Front:
    X = problem.random(20, np.random.default_rng(0))
    return Front.from_candidates(problem, X, problem.measured(X)).finish(images=300)


@pytest.fixture(scope="module")
def found(front: Front) -> WinningTicket:
    return winning_ticket(front, images=300, **FAST)


def linear(answer: int | None = None) -> nn.Module:
    """A classifier of digits: a random one, or one that always gives the same answer."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        layer = nn.Linear(64, 10)
    if answer is not None:
        with torch.no_grad():
            layer.weight.zero_()
            layer.bias.copy_(torch.eye(10)[answer])
    return nn.Sequential(nn.Flatten(), layer)


def convolutional() -> nn.Module:
    """A classifier of digits with weights that have more than one layout."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        layers = [nn.Conv2d(1, 4, 3), nn.Conv2d(4, 6, 3), nn.Flatten(), nn.Linear(96, 10)]
    return nn.Sequential(*layers).to(memory_format=torch.channels_last)


def timed(milliseconds: float, batch_size: int = 1, *, device: str = "cpu") -> Latency:
    """A latency with quartiles a tenth of a millisecond away."""
    quartiles = milliseconds - 0.1, milliseconds + 0.1
    lower, upper = (1e-3 * quartile for quartile in quartiles)
    return Latency(1e-3 * milliseconds, lower, upper, lower, batch_size, 1, device, 50)


def worth(
    name: str,
    clean: float,
    perturbed: dict[str, Sequence[float]],
    *latencies: Latency,
    size: int = 1_000,
) -> Appraisal:
    measured = latencies or (timed(1.0),)
    return Appraisal(name, clean, size, 20 * size, 21.0 * size, measured, perturbed)


def known(front: Front, *, masked: bool = False) -> WinningTicket:
    """A ticket with a quarter of the size, and round numbers everywhere."""
    parent = worth(
        "parent",
        0.98,
        {"noise": [0.9] * 5, "blur": [0.98] * 5, "contrast": [0.5] * 5, "occlusion": [0.7] * 5},
        *(timed(2.0), timed(8.0, 64)),
    )
    ticket = worth(
        "network 1",
        0.96,
        {"noise": [0.84] * 5, "blur": [0.96] * 5, "contrast": [0.6] * 5, "occlusion": [0.665] * 5},
        *(timed(1.9), timed(3.2, 64)),
        size=250,
    )
    return WinningTicket(front[1], linear(), parent, ticket, 12_000, masked)


# Appraising.


def test_a_network_that_always_answers_the_same_is_worth_the_share_of_that_class(
    digits: Data,
) -> None:
    shares = [float((digits.test.labels == answer).double().mean()) for answer in (3, 7)]
    networks = {"three": linear(3), "seven": linear(7)}
    found = appraise(networks, digits, batch_sizes=(1, 2), threads=1, repeats=3)
    assert [one.name for one in found] == ["three", "seven"]
    for one, share in zip(found, shares, strict=True):
        assert one.test_accuracy == share
        assert dict(one.robustness) == dict.fromkeys(PERTURBATIONS, [share] * STRENGTHS)
        assert (one.parameters, one.macs, one.thop_macs) == (650, 640, 640.0)
        assert [latency.batch_size for latency in one.latencies] == [1, 2]
        for latency in one.latencies:
            assert (latency.threads, latency.repeats, latency.device) == (1, 3, "cpu")
            assert 0 < latency.lower <= latency.median <= latency.upper
        for losses in one.losses().values():
            assert losses.tolist() == [0.0] * STRENGTHS


def test_perturbations_are_those_of_the_seed(digits: Data) -> None:
    network = linear()
    for seed in (0, 4):
        (found,) = appraise({"network": network}, digits, seed=seed, **FAST)
        assert dict(found.robustness) == robustness(network, digits.test, seed=seed)


@pytest.mark.usefixtures("untouched_global_generators")
def test_appraising_leaves_networks_as_they_were(digits: Data) -> None:
    network = convolutional().train()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    appraise({"network": network}, digits, **FAST)
    assert network.training
    for name, value in network.state_dict().items():
        assert torch.equal(value, before[name]), name
    assert not network.get_parameter("1.weight").is_contiguous()


def test_latencies_do_not_depend_on_the_layout_that_training_left(
    digits: Data, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pymoo_prune.results import appraisal

    seen = []

    def spying(networks: dict[str, nn.Module], *args: Any, **given: Any) -> dict[str, Latency]:
        for network in networks.values():
            seen.extend(weight.is_contiguous() for weight in network.parameters())
        return {name: timed(1.0) for name in networks}

    monkeypatch.setattr(appraisal, "latencies", spying)
    network = convolutional()
    assert not all(weight.is_contiguous() for weight in network.parameters())
    appraise({"network": network}, digits, batch_sizes=(1,))
    assert seen == [True] * 6


@pytest.mark.parametrize("wrong", [{"batch_sizes": ()}, {"batch_sizes": (1, 0)}, {"repeats": 0}])
def test_latencies_that_cannot_be_measured(digits: Data, wrong: dict[str, Any]) -> None:
    with pytest.raises(PruneError, match="batch_sizes must be one or more numbers"):
        appraise({"network": linear()}, digits, **{**FAST, **wrong})


# Choosing and retraining.


def test_the_ticket_is_the_chosen_network_retrained_with_its_own_seed(
    front: Front, found: WinningTicket, digits: Data
) -> None:
    assert found.winner == front.pick()
    assert found.images == 300
    expected = front.pick().network(finish_images=300).state_dict()
    weights = found.network.state_dict()
    assert weights.keys() == expected.keys()
    for name, value in expected.items():
        assert torch.equal(weights[name], value), name
    assert found.ticket.name == f"network {front.pick().place}"
    assert found.ticket.test_accuracy == front.pick().values["finished_test_accuracy"]
    assert dict(found.ticket.robustness) == robustness(found.network, digits.test)
    other = winning_ticket(front, pick="0", images=0, **FAST)
    assert other.winner == front[0]
    assert other.ticket.test_accuracy == front[0].values["test_accuracy"]


def test_the_parent_is_not_retrained(front: Front, found: WinningTicket, digits: Data) -> None:
    parent = front.problem.parent
    assert parent is not None
    assert found.parent.name == "parent"
    assert found.parent.test_accuracy == accuracy(parent, digits.test)
    assert dict(found.parent.robustness) == robustness(parent, digits.test)


def test_zeros_do_not_count_where_networks_are_masked(front: Front, found: WinningTicket) -> None:
    assert found.masked
    values, whole = front.pick().values, front.problem.parent_measurements()
    assert (found.ticket.parameters, found.ticket.macs) == (values["parameters"], values["macs"])
    assert (found.parent.parameters, found.parent.macs) == (whole["parameters"], whole["macs"])
    assert found.ticket.parameters < count_parameters(found.network) == 650
    assert found.compression == 1 - values["parameters"] / whole["parameters"]
    assert found.macs_removed == 1 - values["macs"] / whole["macs"]
    assert found.ticket.thop_macs == found.parent.thop_macs == 640
    page = found.markdown()
    assert f"| parameters (non-zero) | {found.parent.parameters:,} |" in page
    assert f"| MACs (non-zero) | {found.parent.macs:,} |" in page
    assert "| MACs by thop (all) | 640 | 640 | 0.00\u00a0% removed |" in page


def test_sizes_are_counted_where_nothing_is_masked(front: Front) -> None:
    columns = {**front.columns, "parameters": np.full(len(front), 650.0)}
    found = winning_ticket(Front(front.problem, front.X, columns), images=0, **FAST)
    assert not found.masked
    assert (found.ticket.parameters, found.ticket.macs) == (650, 640)
    assert (found.parent.parameters, found.parent.macs) == (650, 640)
    assert "non-zero" not in found.markdown()


@pytest.mark.usefixtures("untouched_global_generators")
def test_all_but_the_latencies_is_the_same_again(front: Front, found: WinningTicket) -> None:
    columns = {name: column.copy() for name, column in front.columns.items()}
    X = front.X.copy()
    again = winning_ticket(front, images=300, **FAST)
    for one, other in ((found.parent, again.parent), (found.ticket, again.ticket)):
        assert replace(one, latencies=()) == replace(other, latencies=())
    assert np.array_equal(front.X, X)
    for name, column in front.columns.items():
        assert np.array_equal(column, columns[name]), name


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"images": -1}, "images must be at least 0, but they are -1"),
        ({"batch_sizes": ()}, r"but batch_sizes=\[\], threads=1 and repeats=50"),
        ({"batch_sizes": (64, -1)}, r"at least 1, but batch_sizes=\[64, -1\]"),
        ({"threads": 0}, "threads=0"),
        ({"repeats": 0}, "repeats=0"),
        ({"pick": "kne"}, "unknown pick 'kne'.*Did you mean 'knee'"),
        ({"pick": "99"}, "there is no network 99"),
        ({"pick": "finished_test_accuracy"}, "is for reporting"),
    ],
)
def test_impossible_arguments_are_refused_before_anything_is_retrained(
    front: Front, monkeypatch: pytest.MonkeyPatch, arguments: dict[str, Any], message: str
) -> None:
    def too_late(*args: Any, **given: Any) -> Any:
        pytest.fail("retrained")

    monkeypatch.setattr(front.problem, "finished", too_late)
    with pytest.raises(PruneError, match=message):
        winning_ticket(front, **{"images": 100, **arguments})


def test_a_problem_without_a_parent_has_no_ticket(digits: Data) -> None:
    problem = Pixels(digits)
    X = problem.random(4, np.random.default_rng(0))
    front = Front.from_candidates(problem, X, problem.measured(X))
    with pytest.raises(PruneError, match="Pixels has no parent network to compare a ticket with"):
        winning_ticket(front, images=0)


def test_a_retraining_that_diverges_says_what_to_do(
    front: Front, monkeypatch: pytest.MonkeyPatch
) -> None:
    def diverging(*args: Any, **given: Any) -> Any:
        msg = "the training diverged: its last loss is nan; try a lower learning rate"
        raise TrainingDiverged(msg)

    monkeypatch.setattr(front.problem, "finished", diverging)
    expected = "network 0 is no ticket: the training diverged: .*, pick another network"
    with pytest.raises(PruneError, match=expected):
        winning_ticket(front, pick="0", images=100)


# For a reader.


def test_the_page_has_all_numbers(front: Front) -> None:
    from pymoo_prune.machine import processor

    ticket = known(front)
    assert (ticket.compression, ticket.macs_removed) == (0.75, 0.75)
    assert ticket.speedups == pytest.approx((2.0 / 1.9, 2.5))
    page = ticket.markdown(title="Mine", picture="robustness.png").replace("\u00a0", " ")
    assert page == (
        "# Mine\n\n"
        "The ticket is network 1 of the front, retrained with 12,000 images; the parent is the "
        "network that was pruned. Accuracies are on all 359 test images.\n\n"
        "|  | parent | ticket | difference |\n"
        "| --- | ---: | ---: | ---: |\n"
        "| test accuracy | 98.00 % | 96.00 % | −2.00 points |\n"
        "| parameters | 1,000 | 250 | 75.00 % removed |\n"
        "| MACs | 20,000 | 5,000 | 75.00 % removed |\n"
        "| MACs by thop | 21,000 | 5,250 | 75.00 % removed |\n"
        "| ms for a batch of 1 | 2.00 (IQR 0.20) | 1.90 (IQR 0.20) | 1.05× as fast |\n"
        "| ms for a batch of 64 | 8.00 (IQR 0.20) | 3.20 (IQR 0.20) | 2.50× as fast |\n\n"
        "Latencies are medians of 50 repeats with interquartile ranges (IQR), both networks in "
        f"turns, on {processor()}, 1 thread. The ranges of the two overlap for batches of 1: "
        "there the difference may be chance.\n\n"
        "## Perturbed images\n\n"
        "![accuracy on perturbed images](robustness.png)\n\n"
        "Test accuracy in %, parent / ticket, at each strength:\n\n"
        "| strength | 1 | 2 | 3 | 4 | 5 |\n"
        "| --- | ---: | ---: | ---: | ---: | ---: |\n"
        f"| noise {'| 90.0 / 84.0 ' * 5}|\n"
        f"| blur {'| 98.0 / 96.0 ' * 5}|\n"
        f"| contrast {'| 50.0 / 60.0 ' * 5}|\n"
        f"| occlusion {'| 70.0 / 66.5 ' * 5}|\n\n"
        "Of its accuracy on images as they are, and on average over the strengths, the ticket "
        "loses more than the parent under noise (by 4.0 points) and occlusion (by 1.5 points), "
        "less under contrast (by 12.0 points), as much under blur.\n"
    )


def test_the_page_without_a_picture_links_to_none(front: Front) -> None:
    page = known(front).markdown()
    assert page.startswith("# The winning ticket\n")
    assert "](" not in page


@pytest.mark.parametrize(
    ("parent", "ticket", "expected"),
    [
        ([0.5, 0.4], [0.5, 0.3], "loses more than the parent under noise (by 5.0 points)."),
        (
            [0.5, 0.4],
            [0.6, 0.5],
            (
                "loses no more than the parent under any perturbation: "
                "less under noise (by 10.0 points)."
            ),
        ),
        (
            [0.5, 0.4],
            [0.5004, 0.4],
            "loses no more than the parent under any perturbation: as much under noise.",
        ),
    ],
)
def test_what_the_ticket_loses_is_said_plainly(
    front: Front, parent: list[float], ticket: list[float], expected: str
) -> None:
    both = [worth(name, 0.9, {"noise": row}) for name, row in (("p", parent), ("t", ticket))]
    found = WinningTicket(front[0], linear(), *both, images=0)
    gap = (sum(parent) - sum(ticket)) / 2
    assert found.extra_losses == {"noise": pytest.approx(gap, abs=1e-12)}
    assert found.verdict().endswith(expected)


def test_losses_count_from_each_networks_own_accuracy(front: Front) -> None:
    parent = worth("parent", 0.9, {"blur": [0.8] * 5})
    ticket = worth("network 0", 0.7, {"blur": [0.6] * 5})
    found = WinningTicket(front[0], linear(), parent, ticket, images=0)
    assert found.extra_losses == {"blur": pytest.approx(0, abs=1e-12)}
    assert found.verdict().endswith("as much under blur.")
    assert "network 0 of the front, not retrained;" in found.origin()


@pytest.mark.parametrize(
    ("times", "cells"),
    [
        ((1.25, 0.5), ["µs for a batch of 1", "1,250 (IQR 200)", "500 (IQR 200)"]),
        ((40.0, 1.0), ["ms for a batch of 1", "40.00 (IQR 0.20)", "1.00 (IQR 0.20)"]),
    ],
)
def test_latencies_in_a_row_have_one_unit(
    front: Front, times: tuple[float, float], cells: list[str]
) -> None:
    both = [worth("one", 0.9, {"noise": [0.5]}, timed(time)) for time in times]
    found = WinningTicket(front[0], linear(), *both, images=0)
    assert list(found.size_rows()[1][-1][:3]) == cells
    assert "overlap" not in found.conditions()


def test_where_latencies_come_from_is_said(front: Front) -> None:
    both = [
        worth("one", 0.9, {"noise": [0.5]}, replace(timed(t, device="cuda:0"), repeats=1))
        for t in (2.0, 1.0)
    ]
    found = WinningTicket(front[0], linear(), *both, images=0)
    assert "medians of 1 repeat with" in found.conditions()
    assert found.conditions().endswith("in turns, on cuda:0.")


def test_the_tables_have_the_rows_of_the_page(front: Front) -> None:
    ticket = known(front)
    sizes, perturbed = ticket.tables()
    assert [column.header for column in sizes.columns] == list(ticket.size_rows()[0])
    assert (sizes.row_count, perturbed.row_count) == (6, 4)
    assert (len(sizes.columns), len(perturbed.columns)) == (4, 6)


@pytest.mark.parametrize("masked", [False, True])
def test_a_terminal_of_usual_width_shows_each_row_on_a_line(front: Front, masked: bool) -> None:
    perturbed = dict.fromkeys(PERTURBATIONS, [0.987] * 5)
    slow, fast = timed(99.0, 64), replace(timed(0.9, 64), lower=0, upper=9e-3)
    parent = worth("parent", 1.0, perturbed, slow, size=12_345_678)
    ticket = replace(parent, latencies=(fast,), test_accuracy=0.0)
    found = WinningTicket(front[1], linear(), parent, ticket, 12_000, masked)
    console = Console(width=80, file=io.StringIO())
    for table in found.tables():
        console.print(table)
    lines = [line for line in console.file.getvalue().splitlines() if line.strip()]
    assert len(lines) == (3 + 5) + (3 + 4)


# The picture.


@pytest.mark.slow
def test_the_picture_is_a_picture_and_the_same_again(front: Front, tmp_path: Path) -> None:
    before = dict(mpl.rcParams)
    for name in ("one.png", "two.png"):
        known(front).draw(tmp_path / name)
    content = (tmp_path / "one.png").read_bytes()
    assert content.startswith(b"\x89PNG\r\n\x1a\n")
    assert content == (tmp_path / "two.png").read_bytes()
    pixels = image.imread(tmp_path / "one.png")[..., :3]
    assert pixels.shape[1] > 1_000
    assert len(np.unique(pixels.reshape(-1, 3), axis=0)) > 50
    assert dict(mpl.rcParams) == before


def test_the_picture_says_what_it_shows(front: Front, tmp_path: Path) -> None:
    known(front).draw(tmp_path / "robustness.svg")
    drawn = (tmp_path / "robustness.svg").read_text(encoding="utf-8")
    texts = re.findall(r">([^<>]+)</text>", drawn)
    for text in (*PERTURBATIONS, "parent", "ticket", "clean", "strength", "test accuracy"):
        assert text in texts, text
    # Six markers a network and panel, and one each in the legend.
    for colour in ("#0072b2", "#d55e00"):
        assert len(re.findall(rf"<use [^>]*fill: {colour}", drawn)) == 4 * 6 + 1
