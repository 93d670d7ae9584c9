"""The paper's search, its first population, its front and the baselines."""

from __future__ import annotations

import inspect
import json
import signal
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pymoo.algorithms.soo.nonconvex.ga import GA
from torch import Tensor, nn

from pymoo_prune import Budget, Data, Front, PruneError, Run, find_problem
from pymoo_prune.chromosomes import Array, digests
from pymoo_prune.cli import main
from pymoo_prune.engines import make_algorithm
from pymoo_prune.measuring import accuracy, count_macs, count_parameters
from pymoo_prune.networks import SimpleCNN
from pymoo_prune.recovery import Recovery, calibrate
from pymoo_prune.results import baseline_series, load_network, save_network
from pymoo_prune.search import search
from pymoo_prune_problems import DistilledFilters
from pymoo_prune_problems.distilled_filters import problem as module
from pymoo_prune_problems.distilled_filters.problem import FITNESS
from tests.support.distilled_filters import RIVALS, Spy, candidates, kept, small
from tests.support.running import asked, assert_same_run, quiet, started, stopped_when
from tests.support.trainings import same

# The paper.


def test_the_paper_preset_is_the_papers_search(digits: Data, teacher: SimpleCNN) -> None:
    preset = find_problem("distilled-filters").presets["paper"]
    recovery = Recovery.parse(preset.options["recovery"])
    assert not recovery.refit
    assert not recovery.batch_norm
    epoch = recovery.steps * DistilledFilters.LEARNING.batch_size
    assert epoch == pytest.approx(50_000, rel=0.01)  # of CIFAR-10
    assert preset.options["patience"] > 0
    assert preset.objectives == FITNESS
    # A tenth of the parameters, and of the MACs, is worth a point of accuracy.
    assert FITNESS.weights == {"accuracy": 1, "sparsity": 0.1, "macs_removed": 0.1}
    assert (preset.algorithm, preset.pop_size, preset.generations) == ("own", 20, 10)
    assert preset.finish_images > 10 * epoch
    algorithm = small(digits, teacher, recovery="none", objectives=FITNESS).algorithm()
    assert isinstance(algorithm, GA)
    assert (algorithm.pop_size, algorithm.n_offsprings) == (preset.pop_size, preset.pop_size)


def test_presets_are_options_that_there_are(digits: Data, teacher: SimpleCNN) -> None:
    known = inspect.signature(DistilledFilters).parameters
    assert next(iter(DistilledFilters.presets)) == "quick"
    for preset in DistilledFilters.presets.values():
        assert preset.options.keys() <= known.keys()
        objectives = {} if preset.objectives is None else {"objectives": preset.objectives}
        problem = small(digits, teacher, **{**preset.options, **objectives})
        make_algorithm(preset.algorithm, problem, preset.pop_size)


def test_the_papers_algorithm_needs_one_objective(plain: DistilledFilters) -> None:
    with pytest.raises(
        PruneError,
        match=r"one objective, but the problem has 3; take --weights accuracy=1,sparsity=0\.1,"
        r"macs_removed=0\.1, or --algorithm nsga2",
    ):
        plain.algorithm()
    with pytest.raises(PruneError, match="needs one objective, but the problem has 3"):
        make_algorithm("own", plain, 20)


def test_the_papers_algorithm_is_elitist(digits: Data, teacher: SimpleCNN) -> None:
    problem = small(digits, teacher, recovery="refit", objectives=FITNESS)
    populations: list[Any] = []
    found = search(
        problem, problem.algorithm(), Budget(generations=4), seed=0,
        on_generation=lambda step: populations.append(step.algorithm.pop),
    )  # fmt: skip
    best, middle = ([float(of(pop.get("F"))) for pop in populations] for of in (np.min, np.median))
    assert best == sorted(best, reverse=True)
    assert middle[-1] < middle[0] - 0.1
    for before, after in pairwise(populations):
        assert len(after) == 20
        # The best of parents and children survive: no place gets worse from one generation to the
        # next.
        ranked = [np.sort(pop.get("F")[:, 0])[: len(before)] for pop in (after, before)]
        assert (ranked[0] <= ranked[1]).all()
    front = Front.from_candidates(problem, found.X, found.measurements)
    values = front.fittest().values
    fitness = sum(weight * values[name] for name, weight in FITNESS.weights.items())
    assert -fitness == pytest.approx(best[-1], abs=1e-12)


# The first population, and random ones.


def shares(problem: DistilledFilters, X: Array) -> Array:
    return problem.preview.sizes(X)["parameters"] / count_parameters(problem.parent)


@pytest.mark.parametrize("n", [1, 2, 30])
@pytest.mark.parametrize("smallest", [0.1, 0.3])
def test_the_first_population_has_networks_of_all_sizes(
    digits: Data, teacher: SimpleCNN, n: int, smallest: float
) -> None:
    problem = small(digits, teacher, recovery="none", smallest=smallest)
    X = problem.populations.first(n, np.random.default_rng(0))
    assert X.shape == (n, problem.n_var)
    assert X.dtype == bool
    assert (problem.filters.genes.counts(X) >= 1).all()
    wanted = np.geomspace(smallest, 1, n + 1)[:-1]
    assert np.abs(np.log(shares(problem, X) / wanted)).max() < 0.2
    assert len(set(digests(X))) >= 0.75 * n  # some sizes have a single network
    again = problem.populations.first(n, np.random.default_rng(0))
    assert np.array_equal(X, again)


def test_the_smallest_filters_go_first_in_one_of_four(plain: DistilledFilters) -> None:
    X = plain.populations.first(24, np.random.default_rng(0))[3::4]
    norms = plain.parent.get_parameter("features.0.conv.weight").detach().abs().sum(dim=(1, 2, 3))
    smaller = 0
    for first, *_ in (kept(plain, x) for x in X):
        gone = np.setdiff1d(np.arange(6), first)
        if len(gone):
            smaller += 1
            assert norms[first].min() >= norms[gone].max()
    assert smaller >= 3, "of six networks"


def test_every_other_network_may_lack_branches(digits: Data, residual: nn.Module) -> None:
    problem = small(digits, residual, recovery="none")
    genes = problem.filters.genes
    X = problem.populations.first(40, np.random.default_rng(0))
    pieces = genes.pieces(X)
    assert pieces[::2].all()
    assert not pieces[1::2].all()
    assert 0.1 < 1 - pieces[1::2].mean() < 0.4
    assert len(set(digests(X))) >= 25
    assert np.ptp(np.log(shares(problem, X))) > np.log(10)
    assert np.array_equal(X, sample_of(problem, 40))


def sample_of(problem: DistilledFilters, n: int) -> Array:
    sampling = problem.operators()["sampling"]
    X: Array = sampling(problem, n, random_state=np.random.default_rng(0)).get("X")
    return X


def test_random_candidates_have_any_size_and_any_branches(
    digits: Data, residual: nn.Module
) -> None:
    problem = small(digits, residual, recovery="none")
    genes = problem.filters.genes
    X = problem.random(300, np.random.default_rng(0))
    assert X.shape == (300, problem.n_var)
    assert X.dtype == bool
    assert np.array_equal(X, problem.filters.repaired(X))
    found = np.histogram(np.log(shares(problem, X)), bins=5)[0]
    assert found.min() > 10
    assert np.ptp(np.log(shares(problem, X))) > np.log(10)
    alive = genes.pieces(X).mean(axis=0)
    assert ((alive > 0.5) & (alive < 0.8)).all()
    assert len(set(digests(X))) > 290


# Fronts.


@pytest.mark.slow
def test_a_search_with_the_same_seed_finds_the_same_front(digits: Data, teacher: SimpleCNN) -> None:
    fronts = []
    for seed in (1, 1, 2):
        problem = small(digits, teacher, recovery="refit+batch-norm")
        found = search(
            problem, make_algorithm("nsga2", problem, 12), Budget(generations=3), seed=seed
        )
        fronts.append(Front.from_candidates(problem, found.X, found.measurements))
    one, again, other = fronts
    assert np.array_equal(one.X, again.X)
    for name, column in one.columns.items():
        assert np.array_equal(column, again.columns[name]), name
    assert digests(one.X) != digests(other.X)
    assert len(one) >= 4
    assert (np.diff(one.columns["parameters"]) >= 0).all()
    assert one.columns["accuracy"].max() > 0.8
    assert one.columns["sparsity"].max() > 0.7
    assert accuracy(other[0].network(), problem.search_images) == other.columns["accuracy"][0]
    assert not same(other[0].network(finish_images=64), other[0].network())


@pytest.mark.slow
def test_a_surrogate_may_choose_the_children(digits: Data, teacher: SimpleCNN) -> None:
    problem = small(digits, teacher, recovery="refit")
    populations = []
    for surrogate in (None, "ridge"):
        algorithm: Any = make_algorithm("nsga2", problem, 24, surrogate=surrogate)
        if surrogate:
            algorithm.mating.warm_up = 24
        found = search(problem, algorithm, Budget(generations=4), seed=0)
        assert found.last.evaluated > 3 * 24
        populations.append(digests(algorithm.pop.get("X")))
    assert populations[0] != populations[1]
    for name, column in problem.preview.sizes(found.X).items():
        assert np.array_equal(column, found.measurements[name]), name


# Baselines.


@pytest.mark.slow
@pytest.mark.parametrize("which", ["teacher", "residual"])
def test_baselines_are_the_largest_weights_at_like_sizes(
    digits: Data, teacher: SimpleCNN, residual: nn.Module, which: str
) -> None:
    parent = teacher if which == "teacher" else residual
    problem = small(digits, parent, recovery="none")
    front = problem.preview.sizes(problem.populations.first(20, np.random.default_rng(0)))
    wanted = np.quantile(front["parameters"], np.linspace(0, 1, 8))
    for baseline, name in zip(
        problem.rivals.at(front)[:2], ("all layers alike", "whole network"), strict=True
    ):
        assert baseline.name == f"L1 pruning, {name}"
        assert 4 <= len(baseline.networks) <= 8
        own = baseline.sizes["parameters"]
        assert own.tolist() == [count_parameters(network) for network in baseline.networks]
        assert len(set(own)) == len(own)
        for size in wanted[2:]:
            assert np.abs(np.log(own / size)).min() < 0.25
        whole = count_parameters(parent)
        for place, network in enumerate(baseline.networks):
            sizes = {name: column[place] for name, column in baseline.sizes.items()}
            macs = count_macs(network, digits.shape)
            assert sizes["macs"] == macs
            assert sizes["macs_removed"] == 1 - macs / count_macs(parent, digits.shape)
            assert sizes["sparsity"] == 1 - sizes["parameters"] / whole
            with torch.no_grad():  # all branches are there
                assert network(digits.test.images[:3]).shape == (3, 10)
    if which == "teacher":
        weight = teacher.get_parameter("features.0.conv.weight").detach()
        norms = weight.abs().sum(dim=(1, 2, 3))
        for baseline in problem.rivals.at(front)[:2]:
            for network in baseline.networks:
                kept_ones = network.get_parameter("network.features.0.conv.weight")
                expected = weight[torch.sort(norms.argsort(descending=True)[: len(kept_ones)])[0]]
                assert torch.equal(kept_ones, expected)


def test_baselines_get_what_candidates_get(
    digits: Data, teacher: SimpleCNN, monkeypatch: pytest.MonkeyPatch
) -> None:
    problem = small(digits, teacher, recovery="refit+batch-norm+steps:1", patience=1)
    front = problem.preview.sizes(candidates(problem, 10))
    calibrated: list[nn.Module] = []

    def calibrating(network: Any, images: Tensor) -> Any:
        calibrated.append(network)
        return calibrate(network, images)

    monkeypatch.setattr(module, "calibrate", calibrating)
    spy = Spy(monkeypatch)
    found = problem.rivals.at(front)
    networks = [network for baseline in found for network in baseline.networks]
    tried = [one for one in found if "best of" in one.name]  # these are chosen from more networks
    assert len(networks) <= len(spy.calls) == len(calibrated)
    assert len(spy.calls) - len(networks) <= sum(3 * 8 - len(one.networks) for one in tried)
    for call, network in zip(spy.calls, calibrated, strict=True):
        assert call["network"] is network
        assert (call["images"], call["stopping"]) == (64, problem.stopping)
    # The same chromosome gives the same network in baselines and candidates.
    families = problem.filters.uniform(np.linspace(0, 1, 400))
    sizes = problem.preview.sizes(families)["parameters"]
    for network, size in zip(found[0].networks, found[0].sizes["parameters"], strict=True):
        twins = families[sizes == size]
        assert any(same(problem.network(x), network) for x in np.unique(twins, axis=0))


@pytest.mark.slow
def test_front_and_baselines_are_finished_by_the_teacher(
    digits: Data, teacher: SimpleCNN, monkeypatch: pytest.MonkeyPatch
) -> None:
    problem = small(digits, teacher, recovery="refit")
    X = candidates(problem)
    spy = Spy(monkeypatch)
    front = Front.from_candidates(problem, X, problem.measure(X)).finish(images=100)
    assert [call["seed"] for call in spy.calls] == front.seeds
    columns = {"test_accuracy", "finished_accuracy", "finished_test_accuracy"}
    assert columns <= front.columns.keys()
    alone = front[0].network(finish_images=100)
    assert front.columns["finished_accuracy"][0] == accuracy(alone, digits.validation)
    before = len(spy.calls)
    series = baseline_series(
        problem, front, store=None, evaluations=6, pop_size=6, seed=0, images=100,
        display=quiet(),
    )  # fmt: skip
    assert [one.name for one in series] == [
        *RIVALS, "random search",
    ]  # fmt: skip
    assert len(spy.calls) - before == sum(len(one) for one in series)
    for call in spy.calls:
        assert call["teaching"] is problem.distillation
        assert (call["images"], call.get("stopping")) == (100, None)
    for one in series:
        assert columns <= one.columns.keys()
        assert np.isfinite(one.columns["finished_test_accuracy"]).all()


# Runs.


def command(folder: Path, parent: Path, *more: str) -> list[str]:
    return [
        *("run", "distilled-filters", "--parent", str(parent), "--output", str(folder)),
        *("--threads", "1", "--pop-size", "8", "--generations", "4", "--finish", "32"),
        *("--set", "recovery=refit+batch-norm+steps:2", "--set", "search_images=100"),
        *("--set", "recovery_images=64", *more),
    ]


@pytest.fixture
def exported(teacher: SimpleCNN, tmp_path: Path) -> Path:
    return save_network(teacher, tmp_path / "teacher", about={})


@pytest.mark.slow
def test_a_run_that_is_killed_ends_as_if_nothing_had_happened(
    exported: Path, tmp_path: Path, teacher: SimpleCNN, digits: Data
) -> None:
    whole, folder = tmp_path / "whole", tmp_path / "killed"
    assert main(command(whole, exported)) == 0
    process = started(command(folder, exported))
    out, err = stopped_when(process, lambda: asked(folder) >= 16, signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL, (out, err)
    assert not (folder / "summary.json").exists()
    Run.open(folder).execute(quiet())
    assert_same_run(whole, folder)
    summary = json.loads((folder / "summary.json").read_text())
    assert summary["evaluations"] > 3 * 8
    run = Run.open(whole)
    assert same(load_network(whole / "parent"), teacher)
    names = [series.name for series in run.results()[0]]
    assert names[1:] == [
        *RIVALS, "random search", "first population",
    ]  # fmt: skip
    carried = run.export("knee", tmp_path / "ticket", quiet())
    member, ticket = carried.member, load_network(carried.folder)
    assert count_parameters(ticket) == member.values["parameters"]
    assert accuracy(ticket, digits.test) == pytest.approx(
        member.values["finished_test_accuracy"], abs=0.01
    )


@pytest.mark.slow
def test_the_papers_algorithm_can_be_had_on_the_command_line(
    exported: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    paper = ("--preset", "paper", "--set", "recovery=steps:1", "--generations", "2")
    assert (
        main(command(tmp_path / "one", exported, *paper, "--objectives", "accuracy", "macs")) == 2
    )
    assert "needs one objective, but the problem has 2; take --weights" in capsys.readouterr().err
    assert main(command(tmp_path / "two", exported, *paper)) == 0
    summary = json.loads((tmp_path / "two" / "summary.json").read_text())
    assert summary["goals"] == ["accuracy", "sparsity", "macs_removed"]
    assert (
        summary["evaluations"] > 20
    )  # the paper's algorithm has a population of its own, whatever --pop-size is
    assert summary["fittest"] is not None


@pytest.mark.parametrize(
    "content", [[1, 2], torch.zeros(3), "text", {"weight": 1}, {"epoch": torch.zeros(3)}], ids=repr
)
def test_a_parent_that_is_no_state_is_refused(
    exported: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], content: Any
) -> None:
    torch.save(content, exported / "network.pt")
    assert main(command(tmp_path / "run", exported)) == 2
    assert f"the exported network in {exported} is damaged" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_a_parent_that_is_no_folder_of_a_network_is_refused(
    exported: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (exported / "network.pt").unlink()
    assert main(command(tmp_path / "run", exported)) == 2
    error = capsys.readouterr().err
    assert f"{exported} is not an exported network: network.pt is missing" in error
