from __future__ import annotations

import copy
import inspect
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from pymoo.algorithms.soo.nonconvex.ga import GA
from pymoo.operators.selection.rnd import RandomSelection
from torch import nn

from pymoo_prune import Budget, Data, Front, PruneError, find_problem, training
from pymoo_prune.batches import balanced
from pymoo_prune.complexity import count_macs, count_parameters
from pymoo_prune.connections import fully_connected
from pymoo_prune.engines import make_algorithm
from pymoo_prune.errors import NothingFoundError, TrainingDiverged
from pymoo_prune.evaluation import accuracy
from pymoo_prune.genome import Array, candidate_seed, digests
from pymoo_prune.networks import DenseNet, FeedForward
from pymoo_prune.operators import Elitism, MatrixBitFlip, QuadrantMatrixCrossover
from pymoo_prune.pruning.connectivity import SharedWeights, strengths
from pymoo_prune.recovery import ChannelRefit, calibrate
from pymoo_prune.registry import registered
from pymoo_prune.search import search
from pymoo_prune.testing import check_problem, sample
from pymoo_prune.training import trained
from pymoo_prune_problems import DenseConnectivity
from pymoo_prune_problems import dense_connectivity as module
from tests.tiny_problem import threads

SIZE: dict[str, Any] = {"depth": 16, "growth": 4}  # 2 layers a block, 9 free connections
RECOVERIES = ("none", "refit", "batch-norm", "refit+batch-norm", "refit+batch-norm+steps:1")
SCRATCH: dict[str, Any] = {"weights": "scratch", "epochs": 0.07}  # two gradient steps


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    with threads(1):
        yield


@pytest.fixture(scope="module")
def parent(digits: Data) -> DenseNet:
    """Trained for all of its candidates; nothing here may change it."""
    return DenseConnectivity(digits, **SIZE, recovery="none", parent_epochs=8).parent


@pytest.fixture(scope="module", autouse=True)
def unchanged_parent(parent: DenseNet) -> Iterator[None]:
    before = copy.deepcopy(parent.state_dict())
    yield
    assert all(torch.equal(value, before[name]) for name, value in parent.state_dict().items())
    assert all(p.requires_grad and p.grad is None for p in parent.parameters())


def small(data: Data, parent: nn.Module | None, **options: Any) -> DenseConnectivity:
    return DenseConnectivity(
        data, parent=parent, **{**SIZE, "search_images": 100, "recovery_images": 64, **options}
    )


@pytest.fixture(scope="module")
def plain(digits: Data, parent: DenseNet) -> DenseConnectivity:
    """Weights are cut, and nothing is done about it."""
    return small(digits, parent, recovery="none")


@pytest.fixture(scope="module")
def scratch(digits: Data) -> DenseConnectivity:
    return small(digits, None, **SCRATCH)


@pytest.fixture
def whole_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is computed with half the bits, whatever the processor."""
    monkeypatch.setattr(training, "has_fast_bfloat16", lambda _: False)


def candidates(problem: DenseConnectivity, n: int = 4) -> Array:
    """The chain alone, everything, and some in between."""
    X = problem.codec.random(n, np.random.default_rng(0), 0.5)
    X[0], X[1] = False, True
    return X


def same(one: nn.Module, other: nn.Module) -> bool:
    mine, theirs = one.state_dict(), other.state_dict()
    return mine.keys() == theirs.keys() and all(
        mine[k].shape == theirs[k].shape and torch.equal(mine[k], theirs[k]) for k in mine
    )


# The contract.


@pytest.mark.parametrize("recovery", RECOVERIES)
def test_the_contract_with_inherited_weights(digits: Data, parent: DenseNet, recovery: str) -> None:
    check_problem(small(digits, parent, recovery=recovery, search_images=50, image_size=4))


def test_the_contract_with_training_from_scratch(digits: Data) -> None:
    check_problem(
        small(
            digits, None, **SCRATCH, search_images=50, image_size=4, kept=0.5,
            objectives=["accuracy"], constraints=["connections<=0.9"],
        )
    )  # fmt: skip


# The paper.


def test_the_paper_preset_is_the_papers_search(digits: Data) -> None:
    preset = find_problem("dense-connectivity").presets["paper"]
    assert preset.options["weights"] == "scratch"
    assert preset.options["search_images"] == 10_000  # all test images of CIFAR-10
    assert 0.5 <= preset.options["kept"] <= 0.9
    assert (preset.algorithm, preset.pop_size, preset.generations) == ("own", 20, 10)
    assert preset.objectives == ("accuracy",)
    defaults = inspect.signature(DenseConnectivity).parameters
    assert (defaults["depth"].default, defaults["growth"].default) == (100, 12)
    assert defaults["epochs"].default == 1
    for one in DenseConnectivity.presets.values():
        assert one.options.keys() <= defaults.keys()
    with torch.device("meta"):
        network = DenseNet.of_depth(100, 12)
    assert len(network.blocks) == 3
    assert {len(block.layers) for block in network.blocks} == {16}  # type: ignore[arg-type]


def test_the_papers_algorithm_has_the_papers_constants(digits: Data, parent: DenseNet) -> None:
    algorithm = small(digits, parent, recovery="none", objectives=["accuracy"]).algorithm()
    assert isinstance(algorithm, GA)
    assert (algorithm.pop_size, algorithm.n_offsprings) == (20, 20)
    assert isinstance(algorithm.survival, Elitism)
    assert algorithm.survival.share == 0.2
    mating = algorithm.mating
    assert isinstance(mating.selection, RandomSelection)
    assert isinstance(mating.crossover, QuadrantMatrixCrossover)
    assert mating.crossover.prob.get() == 1
    assert isinstance(mating.mutation, MatrixBitFlip)
    assert mating.mutation.rate == 0.1


def test_the_papers_algorithm_runs(digits: Data) -> None:
    problem = small(
        digits, None, weights="scratch", epochs=1, train_images=64, image_size=4, kept=0.5,
        objectives=["accuracy"], search_images=50,
    )  # fmt: skip
    populations: list[Any] = []
    found = search(
        problem, problem.algorithm(), Budget(generations=2), seed=0,
        on_generation=lambda step: populations.append(step.algorithm.pop),
    )  # fmt: skip
    assert found.last.evaluated == 40
    first, second = (pop.get("X") for pop in populations)
    assert len(first) == len(second) == 20
    assert 0.35 < first.mean() < 0.65
    # One in five parents, those with the best fitness, live on.
    survivors = set(digests(second)) & set(digests(first))
    ranked = first[np.argsort(populations[0].get("F")[:, 0], kind="stable")]
    assert survivors == set(digests(ranked[:4]))
    best = max(pop.get("accuracy").astype(float).max() for pop in populations)
    assert found.measurements["accuracy"].tolist() == [best]


def test_the_papers_algorithm_needs_one_objective(plain: DenseConnectivity) -> None:
    with pytest.raises(PruneError, match=r"one objective.*has 3; take --objectives accuracy"):
        plain.algorithm()
    with pytest.raises(PruneError, match="needs one objective, but the problem has 3"):
        make_algorithm("own", plain, 20)


# The first population, and random ones.


@pytest.mark.parametrize("share", [0.2, 0.9, 1])
def test_connections_live_with_the_papers_chance(
    digits: Data, parent: DenseNet, share: float
) -> None:
    problem = small(digits, parent, recovery="none", kept=share)
    sampling = problem.operators()["sampling"]
    X = sampling(problem, 300, random_state=np.random.default_rng(0)).get("X")
    for rows in (X, problem.random(300, np.random.default_rng(0))):
        assert rows.shape == (300, problem.n_var)
        assert rows.dtype == bool
        assert rows.mean() == pytest.approx(share, abs=0.03)


@pytest.mark.parametrize("n", [1, 2, 8, 40])
def test_an_open_first_population_goes_from_the_chain_to_everything(
    plain: DenseConnectivity, n: int
) -> None:
    X = plain._first_population(n, np.random.default_rng(0))
    assert X.shape == (n, plain.n_var)
    assert X.dtype == bool
    assert not X[0].any()
    if n > 1:
        known = X[: max(2, n // 4)]
        assert known[-1].all()
        strength = strengths(plain.parent)[:, plain.codec.free].ravel()
        for row in known[1:-1]:
            assert strength[row].min() > strength[~row].max()
    if n == 40:
        shares = X.mean(axis=1)
        assert len(np.unique(shares)) > 5
        assert np.array_equal(np.sort(X[:10].sum(axis=1)), np.arange(10))


def test_random_candidates_have_any_share_of_connections(plain: DenseConnectivity) -> None:
    shares = plain.random(400, np.random.default_rng(0)).mean(axis=1)
    counts, _ = np.histogram(shares, bins=4, range=(0, 1))
    assert counts.min() > 40


# Measurements.


def assert_networks_are_what_was_measured(problem: DenseConnectivity, X: Array) -> None:
    values, data = problem.measure(X), problem.data_set
    whole = count_parameters(problem.parent)
    for row, (x, matrices) in enumerate(zip(X, problem.codec.matrices(X), strict=True)):
        network = problem.network(x)
        assert isinstance(network, DenseNet)
        assert not any(part.training for part in network.modules())
        assert np.array_equal(network.connections, matrices)
        own = count_parameters(network)
        assert values["parameters"][row] == own
        assert values["sparsity"][row] == 1 - own / whole
        assert values["macs"][row] == count_macs(network, data.shape)
        assert values["connections"][row] == pytest.approx(x.mean(), abs=1e-12)
        assert values["accuracy"][row] == accuracy(network, problem.search)
        drop = accuracy(problem.parent, problem.search) - accuracy(network, problem.search)
        assert values["accuracy_drop"][row] == drop
    for name, column in problem.sizes(X).items():
        assert np.array_equal(column, values[name]), name
    assert {"parameters", "macs", "sparsity", "connections"} == problem.sizes(X).keys()


@pytest.mark.parametrize("recovery", RECOVERIES)
def test_networks_with_inherited_weights_are_what_was_measured(
    digits: Data, parent: DenseNet, recovery: str
) -> None:
    problem = small(digits, parent, recovery=recovery)
    assert_networks_are_what_was_measured(problem, candidates(problem))


def test_networks_trained_from_scratch_are_what_was_measured(scratch: DenseConnectivity) -> None:
    assert_networks_are_what_was_measured(scratch, candidates(scratch))


def test_the_parent_is_measured_like_a_candidate(plain: DenseConnectivity) -> None:
    X = candidates(plain)
    values = plain.measure(X)
    for name, value in plain.parent_measurements().items():
        assert values[name][1] == value, name
    assert values["sparsity"][1] == values["accuracy_drop"][1] == 0
    assert values["connections"].tolist()[:2] == [0, 1]
    assert plain.parent_network() is plain.parent


def test_each_rung_does_what_it_says(digits: Data, parent: DenseNet) -> None:
    problems = {text: small(digits, parent, recovery=text) for text in RECOVERIES}
    images = problems["none"].recovery_split
    assert len(images) == 64
    shared = SharedWeights(parent)
    names = [reader.layer for reader in shared.readers(parent.connections)]
    refits = {
        centred: ChannelRefit(parent, names, images, centred=centred) for centred in (False, True)
    }
    for x in candidates(problems["none"])[[0, 2]]:
        matrices = problems["none"].codec.matrices(x)
        networks = {
            "none": shared.network(matrices),
            "refit": shared.network(matrices, refits[False]),
            "batch-norm": calibrate(shared.network(matrices), images.images),
            "refit+batch-norm": calibrate(shared.network(matrices, refits[True]), images.images),
        }
        stepped = problems["refit+batch-norm+steps:1"]
        networks["refit+batch-norm+steps:1"] = trained(
            networks["refit+batch-norm"], digits.train, images=64, recipe=stepped.gentle
        )
        for text, expected in networks.items():
            assert same(problems[text].network(x), expected), text
        plainly = networks["none"].state_dict()["linear.weight"]
        for text in RECOVERIES[1:]:
            found = networks[text].state_dict()["linear.weight"]
            assert torch.equal(found, plainly) is (text == "batch-norm"), text


def test_recovery_is_worth_its_name(digits: Data, parent: DenseNet) -> None:
    X = np.random.default_rng(0).random((12, 9)) < 0.6
    plain, recovered = (
        small(digits, parent, recovery=text, search_images=400, recovery_images=256).measure(X)
        for text in ("none", "refit+batch-norm")
    )
    assert recovered["accuracy"].mean() > plain["accuracy"].mean() + 0.1


def test_from_scratch_each_candidate_is_trained_from_weights_of_its_own(
    scratch: DenseConnectivity, digits: Data
) -> None:
    X = candidates(scratch)
    stems = set()
    for x, digest in zip(X, digests(X), strict=True):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(candidate_seed(0, digest))
            start = DenseNet(scratch.codec.matrices(x), 4, 1, 10)
        expected = trained(start, digits.train, images=67, recipe=scratch.training)
        assert same(scratch.network(x), expected)
        stems.add(expected.stem.weight.detach().numpy().tobytes())
    assert len(stems) == len(X)


def test_what_a_surrogate_looks_at_is_finite_and_has_the_connections(
    plain: DenseConnectivity,
) -> None:
    X = candidates(plain)
    features = plain.features(X)
    assert features.shape == (4, plain.n_var + 2)
    assert np.isfinite(features).all()
    assert np.array_equal(features[:, :-2], X)
    values = plain.sizes(X)
    np.testing.assert_allclose(
        np.exp(features[:, -2:]), np.column_stack([values["parameters"], values["macs"]])
    )


@pytest.mark.usefixtures("whole_numbers")
@pytest.mark.parametrize("weights", ["scratch", "inherited"])
def test_candidates_trained_together_measure_what_they_measure_alone(
    digits: Data, parent: DenseNet, weights: str
) -> None:
    options: dict[str, Any] = {"recovery": "batch-norm+steps:2"}
    if weights == "scratch":
        options = {"weights": "scratch", "epochs": 0.2}
    one, three = (small(digits, parent, **options, search_images=300, together=n) for n in (1, 3))
    X = candidates(one)  # a stack of three, and one that is left
    alone, together = one.measure(X), three.measure(X)
    gaps = np.abs(alone["accuracy"] - together["accuracy"]) * 300
    assert gaps.max() <= 6
    assert gaps[3] == 0
    for name in one.sizes(X):
        assert np.array_equal(alone[name], together[name]), name
    assert one.fingerprint != three.fingerprint  # they round differently
    assert (one.together, small(digits, parent, recovery="none").together) == (1, 1)


@pytest.mark.usefixtures("untouched_global_generators")
@pytest.mark.parametrize("options", [{"recovery": "refit+batch-norm+steps:1"}, SCRATCH], ids=str)
def test_arguments_are_left_as_they_were(digits: Data, options: dict[str, Any]) -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        parent = DenseNet.of_depth(16, 4, 1).train()
    weights = copy.deepcopy(parent.state_dict())
    images = digits.validation.images.clone(), digits.train.images.clone()
    problem = small(digits, parent, **options, parent_epochs=0.1, image_size=6)
    X = sample(problem)
    before = X.copy()
    problem.baselines(problem.measure(X))
    search(problem, make_algorithm("random", problem, 4), Budget(generations=2), seed=0)
    assert problem.parent is not parent
    assert np.array_equal(X, before)
    assert parent.training
    assert all(p.requires_grad and p.grad is None for p in parent.parameters())
    assert all(torch.equal(weights[name], now) for name, now in parent.state_dict().items())
    assert torch.equal(images[0], digits.validation.images)
    assert torch.equal(images[1], digits.train.images)


# The images.


class Spy:
    """Notes what networks are trained with, and trains them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.calls: list[dict[str, Any]] = []
        monkeypatch.setattr(module, "trained", self)

    def __call__(self, network: Any, split: Any, **settings: Any) -> Any:
        self.calls.append({"network": network, "split": split, **settings})
        return trained(network, split, **settings)


def test_fewer_and_smaller_images_are_what_is_trained_on(
    digits: Data, monkeypatch: pytest.MonkeyPatch
) -> None:
    spy = Spy(monkeypatch)
    problem = small(
        digits, None, weights="scratch", epochs=2, train_images=70, image_size=5, search_images=30
    )
    X = candidates(problem)
    values = problem.measure(X)
    assert len(spy.calls) == 5  # the parent, too
    for call in spy.calls:
        assert call["split"].images.shape == (70, 1, 5, 5)
        assert torch.bincount(call["split"].labels).tolist() == [7] * 10
        assert call["images"] == 140
    assert problem.search.images.shape == (30, 1, 5, 5)
    network = problem.network(X[2])
    assert values["accuracy"][2] == accuracy(network, problem.search)
    assert values["macs"][2] == count_macs(network, (1, 8, 8))
    chosen = balanced(digits.train.labels, 70, 0)
    expected = digits.train.subset(chosen).resized(5)
    assert torch.equal(problem.train.images, expected.images)


def test_a_parent_with_heirs_is_trained_for_its_own_epochs(
    digits: Data, monkeypatch: pytest.MonkeyPatch
) -> None:
    spy, shares = Spy(monkeypatch), []
    problem = small(
        digits, None, recovery="batch-norm", parent_epochs=1.5, epochs=9, train_images=100,
        progress=shares.append,
    )  # fmt: skip
    assert [call["images"] for call in spy.calls] == [150]
    assert shares
    assert shares == sorted(shares)
    problem.measure(candidates(problem))
    assert len(spy.calls) == 1
    # Its statistics are those of training images without any connection missing.
    norm: Any = problem.parent.norm
    again = copy.deepcopy(problem.parent)
    calibrate(again, problem.train.images)
    assert torch.equal(norm.running_mean, again.norm.running_mean)  # type: ignore[arg-type]


def test_digits_are_not_mirrored(digits: Data, plain: DenseConnectivity) -> None:
    for recipe in (plain.training, plain.gentle, plain.retraining):
        assert not recipe.flip
        assert recipe.crop == 1
    named = replace(digits, name="photographs")
    assert small(named, plain.parent, recovery="none").training.flip


def test_a_search_on_test_images_says_so(digits: Data, parent: DenseNet) -> None:
    with pytest.warns(UserWarning, match="the search sees the test images") as warned:
        problem = small(digits, parent, recovery="none", fitness_split="test")
    assert [warning.filename for warning in warned] == [__file__]
    X = candidates(problem)
    (note,) = problem.notes(X)
    assert note.startswith("Beware: the search sees the test images")
    split = digits.test.subset(balanced(digits.test.labels, 100, 0))
    assert torch.equal(problem.search.images, split.images)
    expected = [accuracy(problem.network(x), split) for x in X]
    assert problem.measure(X)["accuracy"].tolist() == expected


def test_otherwise_no_test_image_is_seen(plain: DenseConnectivity, digits: Data) -> None:
    assert plain.notes(candidates(plain)) == []
    split = digits.validation.subset(balanced(digits.validation.labels, 100, 0))
    assert torch.equal(plain.search.images, split.images)
    assert torch.bincount(plain.search.labels).tolist() == [10] * 10


# Who diverges.


@pytest.fixture
def poison(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever has the first free connection starts with a number that is none."""
    start = DenseConnectivity._start

    def poisoned(self: DenseConnectivity, matrices: Any, seed: int) -> DenseNet:
        network = start(self, matrices, seed)
        if self.codec.genes(matrices)[0]:
            nn.init.constant_(network.stem.weight, torch.nan)
        return network

    monkeypatch.setattr(DenseConnectivity, "_start", poisoned)


@pytest.mark.usefixtures("poison", "whole_numbers")
@pytest.mark.parametrize("together", [1, 3])
def test_who_diverges_has_a_reason_and_no_accuracy(
    digits: Data, parent: DenseNet, together: int
) -> None:
    problem = small(digits, parent, **SCRATCH, together=together)
    X = candidates(problem, 7)
    values = problem.measured(X)
    diverged = np.flatnonzero(X[:, 0])
    assert 0 < len(diverged) < 6
    assert sorted(values.failures) == diverged.tolist()
    assert all("the training diverged: its last loss is" in r for r in values.failures.values())
    for name in ("accuracy", "accuracy_drop"):
        assert np.array_equal(np.isnan(values[name]), X[:, 0]), name
    for name, column in problem.sizes(X).items():
        assert np.array_equal(values[name], column), name
    with pytest.raises(TrainingDiverged, match="the training diverged"):
        problem.network(X[diverged[0]])


@pytest.mark.usefixtures("poison")
@pytest.mark.parametrize("objectives", [["accuracy"], ["accuracy", "parameters"]], ids=len)
def test_a_search_goes_on_without_those_who_diverge(
    digits: Data, parent: DenseNet, objectives: list[str]
) -> None:
    problem = small(
        digits, parent, recovery="steps:1", image_size=4, train_images=64, search_images=50,
        objectives=objectives, constraints=["accuracy_drop<=1"],
    )  # fmt: skip
    name = "ga" if len(objectives) == 1 else "nsga2"
    found = search(problem, make_algorithm(name, problem, 8), Budget(generations=3), seed=0)
    assert found.last.generation == 3
    assert len(found.failures) > 2
    assert not found.X[:, 0].any()
    assert all(np.isfinite(column).all() for column in found.measurements.values())
    front = Front.from_candidates(problem, found.X, found.measurements)
    assert not front.X[:, 0].any()
    # The wholly connected network is one of them, so that baselines go without it.
    for baseline in problem.baselines(front.columns):
        assert len(baseline.networks) == len(baseline.sizes["parameters"]) > 0


@pytest.mark.usefixtures("poison")
def test_a_search_in_which_everybody_diverges_says_why(digits: Data, parent: DenseNet) -> None:
    problem = small(digits, parent, recovery="steps:1", search_images=50, kept=1)
    with pytest.raises(NothingFoundError, match=r"all 1 candidates failed.*the training diverged"):
        search(problem, make_algorithm("nsga2", problem, 4), Budget(generations=1), seed=0)


# What it is compared with.


def live(network: Any, problem: DenseConnectivity) -> Array:
    return problem.codec.genes(network.connections)


@pytest.mark.parametrize("weights", ["inherited", "scratch"])
def test_baselines_are_networks_of_like_sizes(
    digits: Data, parent: DenseNet, weights: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = SCRATCH if weights == "scratch" else {"recovery": "refit+batch-norm"}
    problem = small(digits, parent, **options, parent_epochs=0.2)
    front = problem.sizes(problem.random(30, np.random.default_rng(0)))
    spy = Spy(monkeypatch)
    globally, uniformly, narrower = problem.baselines(front)
    assert [baseline.name for baseline in (globally, uniformly, narrower)] == [
        "global magnitude pruning", "uniform magnitude pruning", "narrower DenseNets",
    ]  # fmt: skip
    wanted = np.quantile(front["parameters"], np.linspace(0, 1, 6))
    strength = strengths(problem.parent)[:, problem.codec.free]
    for baseline in (globally, uniformly):
        assert 2 <= len(baseline.networks) <= 6
        sizes = baseline.sizes["parameters"]
        for size in wanted:
            # One connection is a channel group's worth at most.
            assert np.abs(sizes - size).min() <= 0.15 * wanted.max()
        for network in baseline.networks:
            kept = live(network, problem)
            assert same(network, problem.network(kept))
            by_block = kept.reshape(strength.shape)
            if baseline is globally:
                assert strength[by_block].min(initial=9) > strength[~by_block].max(initial=0)
            else:
                assert np.ptp(by_block.sum(axis=1)) <= 1
                for mine, theirs in zip(by_block, strength, strict=True):
                    assert theirs[mine].min(initial=9) > theirs[~mine].max(initial=0)
    assert 1 <= len(narrower.networks) <= 3
    for network in narrower.networks:
        assert isinstance(network, DenseNet)
        assert live(network, problem).all()
        assert 1 <= network.growth < 4
        assert network.stem.out_channels == 2 * network.growth
    images = problem.parent_images if weights == "inherited" else problem.images
    assert images == (192 if weights == "inherited" else 67)
    calls = spy.calls[-len(narrower.networks) :]
    assert {call["images"] for call in calls} == {images}
    for baseline in (globally, uniformly, narrower):
        assert len({count_parameters(network) for network in baseline.networks}) == len(
            baseline.networks
        )
        for place, network in enumerate(baseline.networks):
            own = {name: column[place] for name, column in baseline.sizes.items()}
            assert own["parameters"] == count_parameters(network)
            assert own["sparsity"] == 1 - own["parameters"] / count_parameters(problem.parent)
            assert own["macs"] == count_macs(network, (1, 8, 8))
            assert own["connections"] == pytest.approx(live(network, problem).mean())
            assert not network.training


def test_a_narrower_network_that_diverges_is_left_out(
    plain: DenseConnectivity, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plain, "parent_images", 70)
    front = {"parameters": np.array([0.0, 1e9])}
    before = {one.name: len(one.networks) for one in plain.baselines(front)}

    def diverges(network: Any, *args: Any, **settings: Any) -> Any:
        if isinstance(network, DenseNet) and network.growth == 1:
            raise TrainingDiverged("the training diverged")
        return trained(network, *args, **settings)

    monkeypatch.setattr(module, "trained", diverges)
    found = {one.name: one for one in plain.baselines(front)}
    narrower = found["narrower DenseNets"]
    assert len(narrower.networks) == before["narrower DenseNets"] - 1 > 0
    for network, parameters in zip(narrower.networks, narrower.sizes["parameters"], strict=True):
        assert parameters == count_parameters(network)


# Configurations.


def test_the_fingerprint_knows_what_measurements_depend_on(
    digits: Data, parent: DenseNet, plain: DenseConnectivity
) -> None:
    other = copy.deepcopy(parent)
    with torch.no_grad():
        other.norm.running_mean[0] += 1  # type: ignore[operator, index]
    fewer = replace(digits, train=digits.train.subset(range(900)))
    changes: list[tuple[Data, nn.Module, dict[str, Any]]] = [
        (digits, parent, {}),
        (digits, parent, {"recovery": "refit"}),
        (digits, parent, {"recovery": "steps:1"}),
        (digits, parent, {"recovery": "steps:2"}),
        (digits, parent, {"recovery_images": 65}),
        (digits, parent, {"train_images": 500}),
        (digits, parent, {"image_size": 6}),
        (digits, parent, {"search_images": 50}),
        (digits, parent, {"seed": 1}),
        (digits, parent, SCRATCH),
        (digits, parent, {**SCRATCH, "epochs": 0.1}),
        (digits, other, {}),
        (digits, DenseNet.of_depth(22, 4, 1), {"depth": 22}),
        (digits, DenseNet.of_depth(16, 5, 1), {"growth": 5}),
        (fewer, parent, {}),
    ]
    prints = [
        small(data, one, **{"recovery": "none", **options}).fingerprint
        for data, one, options in changes
    ]
    with pytest.warns(UserWarning, match="test images"):
        prints.append(small(digits, parent, recovery="none", fitness_split="test").fingerprint)
    assert prints[0] == plain.fingerprint
    assert len(set(prints)) == len(prints)


def test_the_fingerprint_does_not_know_what_changes_no_measurement(
    digits: Data, parent: DenseNet, plain: DenseConnectivity
) -> None:
    for options in (
        {"kept": 0.5}, {"together": 5}, {"objectives": ["accuracy"]}, {"epochs": 3.0},
        {"parent_epochs": 3.0}, {"constraints": ["macs<=50%"]}, {"train_images": 10_000},
    ):  # fmt: skip
        assert small(digits, parent, recovery="none", **options).fingerprint == plain.fingerprint
    one, two = (
        small(digits, parent, **SCRATCH, recovery=text, recovery_images=n).fingerprint
        for text, n in (("none", 64), ("refit", 32))
    )
    assert one == two


# Seeds.


@pytest.mark.parametrize(
    "options", [{"recovery": "refit+batch-norm", "parent_epochs": 0.2}, SCRATCH], ids=str
)
def test_a_seed_gives_the_same_parent_and_measurements(
    digits: Data, options: dict[str, Any]
) -> None:
    one, same_again, other = (small(digits, None, **options, seed=seed) for seed in (3, 3, 4))
    assert same(one.parent, same_again.parent)
    assert not same(one.parent, other.parent)
    assert one.fingerprint == same_again.fingerprint != other.fingerprint
    X = candidates(one)
    assert same(one.network(X[2]), same_again.network(X[2]))
    first, again = one.measure(X), same_again.measure(X)
    for name, column in first.items():
        assert np.array_equal(column, again[name]), name
    assert not same(one.network(X[2]), other.network(X[2]))


# Parameters in the last population of the paper's algorithm, where parameters are all that counts:
# nothing in it depends on the machine. A front over accuracies does, by the way a processor rounds,
# and NSGA-II does, because numpy's sort breaks ties as the instruction set wants: such a front is
# only compared with itself, below.
GOLDEN = [
    4274, 4302, 4314, 4358, 4364, 4370, 4382, 4412, 4442, 4458,
    4502, 4538, 4546, 4570, 4574, 4578, 4586, 4598, 4618, 4642,
]  # fmt: skip


def test_the_papers_search_over_sizes_ends_where_it_always_did(
    digits: Data, parent: DenseNet
) -> None:
    problem = small(
        digits, parent, recovery="none", kept=0.5, search_images=10, objectives=["parameters"]
    )
    found = search(problem, problem.algorithm(), Budget(generations=3), seed=1)
    parameters = found.last.algorithm.pop.get("parameters").astype(int)
    assert parameters.tolist() == GOLDEN
    assert found.measurements["parameters"].tolist() == [GOLDEN[0]]


def test_a_search_with_the_same_seed_finds_the_same_front(digits: Data, parent: DenseNet) -> None:
    fronts = []
    for _ in range(2):
        problem = small(digits, parent)
        found = search(problem, make_algorithm("nsga2", problem, 8), Budget(generations=3), seed=1)
        fronts.append(Front.from_candidates(problem, found.X, found.measurements))
    one, other = fronts
    assert np.array_equal(one.X, other.X)
    for name, column in one.columns.items():
        assert np.array_equal(column, other.columns[name]), name
    assert len(one) >= 2
    assert (np.diff(one.columns["parameters"]) > 0).all()
    assert accuracy(one[0].network(), problem.search) == one.columns["accuracy"][0]


# Errors.


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kept": 0}, r"share of connections kept must be above 0 and at most 1, but it is 0"),
        ({"kept": 1.5}, "at most 1, but it is 1.5"),
        ({"kept": -0.1}, "above 0.*but it is -0.1"),
        ({"kept": float("nan")}, "above 0.*but it is nan"),
        ({"weights": "inherit"}, "unknown origin of weights 'inherit'.*Did you mean 'inherited'"),
        ({"fitness_split": "train"}, "unknown fitness split 'train'; there are: test, validation"),
        ({"depth": 17}, r"depth must be 6 N \+ 4.*but it is 17"),
        ({"depth": 4}, r"depth must be 6 N \+ 4.*but it is 4"),
        ({"growth": 1}, "growth must be at least 2.*but growth is 1"),
        ({"growth": 0}, "growth must be at least 2.*but growth is 0"),
        ({"recovery": "refitt"}, "recovery 'refitt' is not known.*'batch-norm'.*'steps:K'"),
        ({"search_images": 0}, "must be at least 1.* are 0, 256, None, 1.0 and 12.0"),
        ({"recovery_images": -1}, "are 1000, -1, None"),
        ({"train_images": 0}, "are 1000, 256, 0, 1.0"),
        ({"train_images": -5}, "are 1000, 256, -5, 1.0"),
        ({"together": 0}, "together must be at least 1, but it is 0"),
        ({"together": -1}, "together must be at least 1, but it is -1"),
        ({"epochs": 0}, "epochs and parent_epochs above 0.*None, 0 and 12.0"),
        ({"parent_epochs": -1}, "None, 1.0 and -1"),
        ({"image_size": 0}, "images must have at least 4×4 pixels.*and image_size is 0"),
        ({"image_size": 3}, "images must have at least 4×4 pixels.*and image_size is 3"),
        ({"objectives": ["accuracy", "conections"]}, "Did you mean 'connections'"),
        ({"constraints": ["macs>0.5"]}, "must read like"),
    ],
)
def test_options_that_cannot_be_are_refused_before_anything_is_trained(
    digits: Data, monkeypatch: pytest.MonkeyPatch, options: dict[str, Any], message: str
) -> None:
    monkeypatch.delattr(module, "trained")
    with pytest.raises(PruneError, match=message):
        DenseConnectivity(digits, **options)


def test_images_that_are_too_small_are_refused(digits: Data) -> None:
    tiny = replace(
        digits, train=digits.train.resized(3), validation=digits.validation.resized(3),
        test=digits.test.resized(3),
    )  # fmt: skip
    with pytest.raises(PruneError, match=r"at least 4×4 pixels.*images have 3×3 pixels"):
        DenseConnectivity(tiny, **SIZE)


def lacking(layers: int = 2) -> DenseNet:
    matrices = fully_connected(layers)
    matrices[1, 0, 2] = False
    return DenseNet(matrices, 4, 1)


@pytest.mark.parametrize("weights", ["inherited", "scratch"])
@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: FeedForward(64, [4], 10), "must be a DenseNet, but it is a FeedForward"),
        (lambda: DenseNet.of_depth(22, 4, 1), r"= \(3, 2, 4, 1, 10\).* has \(3, 3, 4, 1, 10\)"),
        (lambda: DenseNet.of_depth(16, 5, 1), r"has \(3, 2, 5, 1, 10\) and 10; depth and growth"),
        (lambda: DenseNet.of_depth(16, 4, 3), r"has \(3, 2, 4, 3, 10\)"),
        (lambda: DenseNet.of_depth(16, 4, 1, 7), r"has \(3, 2, 4, 1, 7\)"),
        (lambda: DenseNet.of_depth(16, 4, 1, stem=9), r"stem of twice the growth.* and 9;"),
        (lambda: DenseNet(fully_connected(2, 2), 4, 1), r"has \(2, 2, 4, 1, 10\)"),
        (lacking, "in block 1 node 2 does not read node 0"),
    ],
)
def test_parents_that_do_not_fit(digits: Data, make: Any, message: str, weights: str) -> None:
    with torch.random.fork_rng(devices=[]), pytest.raises(PruneError, match=message):
        small(digits, make(), weights=weights)


@pytest.mark.parametrize(
    ("X", "message"),
    [
        (np.zeros((1, 9)), "9 booleans each .*but they are float64"),
        (np.zeros((1, 8), dtype=bool), r"9 booleans each .*bool of shape \(1, 8\)"),
    ],
)
def test_chromosomes_that_cannot_be(plain: DenseConnectivity, X: Array, message: str) -> None:
    with pytest.raises(PruneError, match=message):
        plain.measure(X)


def test_chromosomes_are_drawn_as_what_reads_what(plain: DenseConnectivity) -> None:
    X = candidates(plain, 4)
    live, possible = plain.matrices(X)
    nodes = plain.codec.nodes
    assert live.shape == (4, 3, nodes, nodes)
    assert not (live & ~possible).any()
    assert (live | ~plain.codec.chain).all()  # the chain is never cut
    for x, matrices in zip(X, live, strict=True):
        assert np.array_equal(plain.network(x).connections, matrices)


@pytest.mark.parametrize("problem", sorted(registered()))
def test_what_papers_report_can_be_drawn(problem: str) -> None:
    cls = find_problem(problem)
    assert cls.published
    for sources in cls.published.values():
        for columns in sources.values():
            assert columns.keys() <= {*cls.quantities, "test_accuracy"}
            assert len({len(values) for values in columns.values()}) == 1
