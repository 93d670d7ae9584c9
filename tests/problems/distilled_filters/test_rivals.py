"""Networks without a search: least loss for a size, and torch-pruning's group importances."""

from __future__ import annotations

import copy
import io
import pickle
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from rich.console import Console
from torch import nn

from pymoo_prune import Budget, Data, PruneError, Split, prune
from pymoo_prune.chromosomes import Array
from pymoo_prune.measuring import accuracy, count_macs, count_parameters
from pymoo_prune.networks import SimpleCNN, SlimNetwork, named_network
from pymoo_prune.pruning import PrunableFilters
from pymoo_prune.results import simple_series
from pymoo_prune.search import Display
from pymoo_prune_problems import DistilledFilters
from pymoo_prune_problems.distilled_filters.group_importance import group_importances
from pymoo_prune_problems.distilled_filters.rivals import MIXTURES
from tests.support.distilled_filters import RIVALS, small
from tests.support.prunable_filters import filters_of, some_images
from tests.support.running import quiet
from tests.support.small_networks import ALL
from tests.support.trainings import same

WITHOUT = "torch-pruning, group magnitude and Taylor, is left out: "
NOT_HERE = f"{WITHOUT}it is not here; pip install 'pymoo-prune[torch-pruning]'."


def some_front(problem: DistilledFilters, *names: str) -> dict[str, Array]:
    sizes = problem.preview.sizes(problem.populations.first(20, np.random.default_rng(0)))
    return {name: sizes[name] for name in names or sizes}


@pytest.mark.slow
@pytest.mark.parametrize("which", ["teacher", "residual"])
def test_sizes_are_those_of_the_networks(
    digits: Data, teacher: SimpleCNN, residual: nn.Module, which: str
) -> None:
    parent = teacher if which == "teacher" else residual
    problem = small(digits, parent, recovery="refit")
    front = some_front(problem)
    found = problem.rivals.at(front)
    assert tuple(one.name for one in found) == RIVALS
    assert problem.rivals.left_out() == ()
    for one in found:
        axis = "macs" if "MACs" in one.name else "parameters"
        assert 3 <= len(one.networks) <= 8
        for place, network in enumerate(one.networks):
            assert isinstance(network, SlimNetwork)
            assert one.sizes["parameters"][place] == count_parameters(network)
            assert one.sizes["macs"][place] == count_macs(network, digits.shape)
        assert one.sizes.keys() == {"parameters", "sparsity", "macs", "macs_removed"}
        largest = one.sizes[axis].max() / front[axis].max()
        assert 0.7 < largest < 1.4, one.name


def test_every_network_has_the_recovery_of_a_candidate(digits: Data, teacher: SimpleCNN) -> None:
    problem = small(digits, teacher, recovery="refit+batch-norm+steps:1")
    recovered, made = problem.rivals.recovered, {}

    def noted(x: Array) -> nn.Module:
        network = recovered(x)
        made[network] = x
        return network

    problem.rivals.recovered = noted
    for one in problem.rivals.at(some_front(problem, "macs")):
        for network in one.networks:
            assert same(problem.network(made[network]), network)


def test_a_front_without_parameters_has_rivals_at_its_macs(
    digits: Data, teacher: SimpleCNN
) -> None:
    problem = small(digits, teacher, recovery="none")
    wanted = np.array([0.1, 0.3, 0.6]) * problem.filters.all_macs
    found = problem.rivals.at({"macs": wanted})
    assert [one.name for one in found] == [name for name in RIVALS if "its param" not in name]
    for one in found:
        for size in wanted:
            assert np.abs(np.log(one.sizes["macs"] / size)).min() < 0.4, (
                one.name
            )  # few filters: sizes jump


# Least loss.


def test_all_layers_alike_may_keep_the_filters_that_are_missed_most(
    digits: Data, teacher: SimpleCNN
) -> None:
    problem = small(digits, teacher, recovery="refit+batch-norm")
    strong, _, missed, *_ = problem.rivals.at(some_front(problem))
    assert missed.name == "least loss, all layers alike"
    assert missed.sizes["macs"].tolist() == strong.sizes["macs"].tolist()
    shares = np.linspace(0, 1, 400)
    X = problem.narrowed(problem.filters.counts(np.repeat(shares[:, None], 3, axis=1)))
    sizes = problem.preview.sizes(X)["macs"]
    for network, size in zip(missed.networks, missed.sizes["macs"], strict=True):
        twins = np.unique(X[sizes == size], axis=0)
        assert any(same(problem.network(x), network) for x in twins)
    pairs = zip(missed.networks, strong.networks, strict=True)
    assert sum(not same(one, other) for one, other in pairs) > len(missed.networks) / 2


# Least loss for a size.


@pytest.mark.parametrize("axis", list(MIXTURES))
def test_at_each_size_the_most_accurate_member_is_taken(
    digits: Data, teacher: SimpleCNN, axis: str
) -> None:
    problem = small(digits, teacher, recovery="none")
    whole = problem.parent_measurements()[axis]
    differences = 0
    for size in np.array([0.1, 0.2, 0.3, 0.45, 0.6]) * whole:
        members = []
        for share in MIXTURES[axis]:
            family = problem.populations.priced(np.logspace(-5, 2, 400), share)
            sizes = problem.preview.sizes(family)[axis]
            members.append(family[np.abs(np.log(sizes / size)).argmin()])
        measured = problem.measure(np.array(members))
        right = measured["accuracy"]
        found = problem.rivals.at({axis: np.array([size])})
        (baseline,) = [one for one in found if "best of 3" in one.name]
        (network,) = baseline.networks
        assert baseline.name.split()[4] == ("MACs," if axis == "macs" else "parameters,")
        assert accuracy(network, problem.search_images) == right.max()
        assert baseline.sizes[axis].item() in measured[axis][right == right.max()]
        differences += len(set(right)) > 1
    assert differences >= 2


# torch-pruning.


def pruned(filters: Any, ratio: float, kind: str, split: Split) -> nn.Module:
    """What torch-pruning itself leaves."""
    import torch_pruning as tp

    network = copy.deepcopy(filters.whole).eval()
    importance = tp.importance.GroupMagnitudeImportance(p=2)
    if kind == "Taylor":
        nn.functional.cross_entropy(network(split.images), split.labels).backward()
        importance = tp.importance.GroupTaylorImportance()
    last = [layer.name for layer in filters.flow.layers if layer.taps and layer.outputs.max() < 0]
    tp.pruner.BasePruner(
        network,
        split.images[:1],
        importance=importance,
        global_pruning=True,
        pruning_ratio=ratio,
        ignored_layers=[network.get_submodule(name) for name in last],
    ).step()
    return network


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", ["magnitude", "Taylor"])
@pytest.mark.parametrize("name", [*sorted(ALL.keys() - {"interwoven"}), "simple-cnn"])
def test_filters_are_those_that_torch_pruning_leaves(name: str, kind: Any) -> None:
    pytest.importorskip("torch_pruning")
    filters = filters_of(name)
    images = some_images(filters, 12).float()
    split = Split(images, torch.arange(12) % 3)
    ratios = np.array([0.0, 0.2, 0.4])
    X = filters.with_branches(group_importances(filters, kind, split).kept(ratios))
    assert X[0].all()
    for x, ratio in zip(X[1:], ratios[1:].tolist(), strict=True):
        theirs, ours = pruned(filters, ratio, kind, split), filters.network(x)
        with torch.no_grad():
            assert torch.allclose(ours(images), theirs(images), atol=1e-5), ratio
        assert count_parameters(ours) == count_parameters(theirs)


@pytest.mark.filterwarnings("ignore")
def test_heads_have_the_mean_importance_of_their_channels() -> None:
    pytest.importorskip("torch_pruning")
    network = named_network("small-vit", channels=1, classes=10, size=(8, 8)).eval()
    with torch.no_grad():
        for name in ("query", "key", "value"):  # the third head of the first block is strong
            getattr(network.blocks[0].attention, name).weight[24:36] *= 10
    filters = PrunableFilters(network, (1, 8, 8))
    found = group_importances(filters, "magnitude", Split(torch.rand(4, 1, 8, 8), torch.arange(4)))
    (heads,) = [one for one in found.labels if 24 in one]
    assert heads.tolist() == [24, 25, 26, 27]
    (scores,) = [s for one, s in zip(found.labels, found.scores, strict=True) if 24 in one]
    assert scores.argmax() == 2


def test_a_group_keeps_its_most_important_filter(digits: Data, teacher: SimpleCNN) -> None:
    pytest.importorskip("torch_pruning")
    problem = small(digits, teacher, recovery="none")
    found = group_importances(problem.filters, "magnitude", problem.recovery_split)
    (kept,) = found.kept(np.ones(1))
    for labels, scores in zip(found.labels, found.scores, strict=True):
        assert labels[kept[labels]].tolist() == [labels[scores.argmax()]]
    assert kept.sum() == len(found.labels)


@pytest.mark.filterwarnings("ignore")
def test_networks_that_it_groups_otherwise_are_refused() -> None:
    pytest.importorskip("torch_pruning")
    filters = filters_of("interwoven")
    images = some_images(filters, 6).float()
    split = Split(images, torch.arange(6) % 3)
    with pytest.raises(PruneError, match="it puts other channels together than those"):
        group_importances(filters, "magnitude", split)


def test_what_it_cannot_take_is_left_out_with_the_reason(
    digits: Data, residual: nn.Module, monkeypatch: pytest.MonkeyPatch
) -> None:
    tp = pytest.importorskip("torch_pruning")

    def failing(*args: Any, **settings: Any) -> Any:
        raise KeyError("a layer\nthat is unknown")

    monkeypatch.setattr(tp.pruner, "BasePruner", failing)
    problem = small(digits, residual, recovery="refit")
    found = problem.rivals.at(some_front(problem))
    assert tuple(one.name for one in found) == RIVALS[:5]
    (line,) = problem.rivals.left_out()
    assert line.startswith(f"{WITHOUT}it cannot take this network (KeyError: ")
    assert "\n" not in line


def test_one_importance_may_be_left_out_alone(
    digits: Data, teacher: SimpleCNN, monkeypatch: pytest.MonkeyPatch
) -> None:
    tp = pytest.importorskip("torch_pruning")
    monkeypatch.setattr(
        tp.importance.GroupTaylorImportance,
        "__call__",
        lambda _, group: torch.full((len(group[0].idxs),), float("nan")),
    )
    problem = small(digits, teacher, recovery="none")
    found = problem.rivals.at(some_front(problem))
    assert tuple(one.name for one in found) == RIVALS[:6]
    assert problem.rivals.left_out() == (
        "torch-pruning, group Taylor, is left out: its importances are not finite.",
    )


def test_without_torch_pruning_the_others_are_there(
    digits: Data, teacher: SimpleCNN, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torch_pruning", None)
    problem = small(digits, teacher, recovery="none")
    console = Console(record=True, quiet=False, width=200, file=io.StringIO())
    found = simple_series(problem, some_front(problem), seed=0, images=0, display=Display(console))
    assert tuple(one.name for one in found) == RIVALS[:5]
    assert NOT_HERE in console.export_text()


@pytest.mark.slow
@pytest.mark.parametrize("there", [True, False], ids=["there", "missing"])
def test_a_report_on_a_users_network_says_what_is_left_out(
    digits: Data,
    residual: nn.Module,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    there: bool,
) -> None:
    if there:
        pytest.importorskip("torch_pruning")
    else:
        monkeypatch.setitem(sys.modules, "torch_pruning", None)
    front = prune(
        residual,
        digits,
        options={"recovery": "refit", "search_images": 50, "recovery_images": 64},
        pop_size=6,
        budget=Budget(generations=2),
        finish_images=64,
        output=tmp_path / "run",
        console=quiet().console,
    )
    assert len(front)
    page = (tmp_path / "run" / "report.md").read_text()
    names = RIVALS if there else RIVALS[:5]
    assert [name for name in RIVALS if f"| {name} |" in page] == list(names)
    assert page.count("is left out") == (0 if there else 1)
    assert (f"- {NOT_HERE}\n" in page) is not there


def test_workers_can_have_the_rivals(digits: Data, teacher: SimpleCNN) -> None:
    problem = small(digits, teacher, recovery="none")
    front = some_front(problem, "macs")
    before = problem.rivals.at(front)
    again = pickle.loads(pickle.dumps(problem)).rivals.at(front)  # noqa: S301
    assert [one.name for one in again] == [one.name for one in before]
