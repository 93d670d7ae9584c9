from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from benchmarks import ecomp_reference
from pymoo_prune import Budget, Data, Front, PruneError, Split, find_problem
from pymoo_prune.complexity import count_parameters
from pymoo_prune.engines import make_algorithm
from pymoo_prune.evaluation import accuracy
from pymoo_prune.genome import Array, digests
from pymoo_prune.networks import FeedForward
from pymoo_prune.search import Found, search
from pymoo_prune.testing import check_problem, sample
from pymoo_prune_problems import EComp
from pymoo_prune_problems.ecomp import train_parent
from tests.tiny_problem import threads


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    with threads(1):
        yield


@pytest.fixture(scope="module")
def balanced_parent(digits: Data) -> FeedForward:
    return train_parent(digits, (16, 16), 20_000)


def random_parent(widths: Sequence[int], inputs: int = 64, classes: int = 10) -> FeedForward:
    """Weights that no training's last bits can change."""
    generator = np.random.default_rng(1)
    sizes = [inputs, *widths, classes]
    weights, biases = [], []
    for fan_in, fan_out in pairwise(sizes):
        matrix = generator.normal(size=(fan_out, fan_in)) * np.sqrt(2 / fan_in)
        weights.append(torch.from_numpy(matrix.astype(np.float32)))
        biases.append(torch.from_numpy((0.1 * generator.normal(size=fan_out)).astype(np.float32)))
    return FeedForward.from_layers(weights, biases)


WEIGHTS: dict[str, Any] = {"encoding": "weights"}
IN_BATCHES: dict[str, Any] = {"encoding": "weights", "batch_size": 50, "search_images": 200}
CONFIGURATIONS: dict[str, dict[str, Any]] = {
    "masks-refit": {},
    "masks-none": {"recovery": "none"},
    "masks-steps": {"recovery": "steps:2"},
    "masks-refit-steps": {"recovery": "refit+steps:2"},
    "masks-batches": {"batch_size": 50, "search_images": 200},
    "weights": WEIGHTS,
    "weights-steps": {**WEIGHTS, "recovery": "steps:2"},
    "weights-batches": IN_BATCHES,
    "weights-train": {**WEIGHTS, "search_split": "train", "search_images": 120},
}
every_configuration = pytest.mark.parametrize(
    "options", CONFIGURATIONS.values(), ids=CONFIGURATIONS
)


@every_configuration
def test_the_contract(digits: Data, balanced_parent: FeedForward, options: dict[str, Any]) -> None:
    check_problem(EComp(digits, parent=balanced_parent, **options))


def test_the_contract_with_one_objective(digits: Data, balanced_parent: FeedForward) -> None:
    fitness = EComp.fitness(1, 2, 1)
    check_problem(EComp(digits, parent=balanced_parent, objectives=fitness, **IN_BATCHES))


# The paper's settings.


def test_the_papers_constants() -> None:
    assert EComp.POPULATION == 100
    assert EComp.GENERATIONS == 100
    assert EComp.BATCH_SIZE == 100
    assert EComp.SEARCH_IMAGES == EComp.GENERATIONS * EComp.BATCH_SIZE
    assert EComp.MUTATION_RATE == 0.01
    assert EComp.MUTATION_RANGE == (0.9, 1.1)
    assert EComp.COMPRESSION_RATES == (0.1, 0.8)
    assert EComp.PERPLEXITY == 30
    assert EComp.PARENT_WIDTHS == (256, 256)
    assert EComp.PARENT_IMAGES == 4 * 60_000
    assert EComp.WEIGHTINGS == {
        "001": (0, 0, 1),
        "020": (0, 2, 0),
        "100": (1, 0, 0),
        "021": (0, 2, 1),
        "120": (1, 2, 0),
        "101": (1, 0, 1),
        "121": (1, 2, 1),
    }


def test_the_paper_preset_is_the_papers_search() -> None:
    preset = find_problem("ecomp").presets["paper"]
    assert dict(preset.options) == {
        "encoding": "weights",
        "search_split": "train",
        "search_images": 10_000,
        "batch_size": 100,
    }
    assert (preset.algorithm, preset.pop_size, preset.generations) == ("own", 100, 101)
    assert preset.objectives == EComp.fitness(1, 2, 1)


def test_the_papers_algorithm(digits: Data, balanced_parent: FeedForward) -> None:
    fitness = EComp.fitness(1, 2, 1)
    problem = EComp(digits, parent=balanced_parent, objectives=fitness, **IN_BATCHES)
    algorithm = problem.algorithm()
    algorithm.setup(problem, termination=("n_gen", 3), seed=0)
    algorithm.next()
    first = digests(algorithm.pop.get("X"))
    assert len(first) == 100
    algorithm.next()
    children = digests(algorithm.off.get("X"))
    assert len(children) == 100
    # Generational replacement: only children live on, however bad they are.
    assert digests(algorithm.pop.get("X")) == children
    assert not set(children) & set(first)
    mutation = problem.operators()["mutation"]
    assert (mutation.rate, mutation.low, mutation.high) == (0.01, 0.9, 1.1)


@pytest.mark.parametrize("weights", EComp.WEIGHTINGS.values(), ids=EComp.WEIGHTINGS)
def test_fitness_is_the_papers(
    digits: Data, balanced_parent: FeedForward, weights: tuple[float, float, float]
) -> None:
    objectives = EComp.fitness(*weights)
    problem = EComp(digits, parent=balanced_parent, objectives=objectives, **WEIGHTS)
    X = sample(problem)
    values = problem.measure(X)
    w_a, w_s, w_c = weights
    a, s, c = values["accuracy"], values["similarity_loss"], values["width"]
    fitness = w_a * a - w_s * s + w_c * (1 - c)
    F = problem.evaluate(X, return_as_dictionary=True)["F"]
    assert F.shape == (len(X), 1)
    assert np.allclose(F[:, 0], -fitness, rtol=0, atol=1e-12)


@pytest.mark.parametrize(("width", "depth", "n"), [(16, 2, 10), (10, 1, 7), (20, 3, 100)])
def test_the_first_population_is_pruned_by_l1_norm_at_evenly_spaced_rates(
    digits: Data, width: int, depth: int, n: int
) -> None:
    parent = random_parent([width] * depth)
    problem = EComp(digits, parent=parent, **WEIGHTS)
    sampling = problem.operators()["sampling"]
    X = sampling(problem, n, random_state=np.random.default_rng(0)).get("X")
    weights, biases = parent.arrays()
    for number, (genome,) in enumerate(X):
        rate = 0.1 + 0.7 * number / n
        count = width - int(rate * width + 1e-9)
        source = np.arange(64)
        for layer in range(depth):
            norms = np.abs(weights[layer]).sum(axis=1)
            target = np.sort(np.argsort(norms)[width - count :])
            assert np.array_equal(genome.weights[layer], weights[layer][target][:, source])
            assert np.array_equal(genome.biases[layer], biases[layer][target])
            source = target
        assert np.array_equal(genome.weights[-1], weights[-1][:, source])
        assert np.array_equal(genome.biases[-1], biases[-1])


def test_the_parent_is_trained_as_in_the_paper_and_by_seed_alone(
    digits: Data, untouched_global_generators: None
) -> None:
    shares: list[float] = []
    one = train_parent(digits, (16, 16), 3_000, seed=1, progress=shares.append)
    two = train_parent(digits, (16, 16), 3_000, seed=1)
    other = train_parent(digits, (16, 16), 3_000, seed=2)
    assert one.widths == (16, 16)
    assert one.activation == "relu"
    assert shares == sorted(shares)
    states = [network.state_dict() for network in (one, two, other)]
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])
    assert not torch.equal(states[0]["1.weight"], states[2]["1.weight"])
    trained = train_parent(digits, (32,), 40_000)
    assert accuracy(trained, digits.validation) > 0.85


# Measurements are what a plain computation gives.


def recombined(problem: EComp, generations: int = 2) -> Array:
    """Children of children, some of them mutated: weights that no slice of the parent has."""
    from pymoo_prune.operators import CutPointWeightCrossover, WeightScaling

    generator = np.random.default_rng(4)
    X = sample(problem)
    for _ in range(generations):
        pairs = generator.permutation(len(X)).reshape(2, -1)
        children = CutPointWeightCrossover()._do(problem, X[pairs], random_state=generator)
        X = WeightScaling(rate=0.5)._do(problem, children.reshape(-1, 1), random_state=generator)
    return X


@pytest.mark.parametrize("widths", [(16, 16), (24,), (32, 32, 32)])
def test_measurements_equal_those_of_one_network_at_a_time(
    digits: Data, widths: tuple[int, ...]
) -> None:
    parent = train_parent(digits, widths, 20_000)
    problem = EComp(digits, parent=parent, encoding="weights", batch_size=100, search_images=200)
    X = recombined(problem)
    modules = [ecomp_reference.build(g.weights, g.biases) for (g,) in X]
    reference_parent = ecomp_reference.build(*parent.arrays())
    for batch in (0, 1):
        split = problem.batches[batch]
        measured = problem.measure_on(X, batch)
        expected = ecomp_reference.measure(modules, reference_parent, split.images, split.labels)
        correct = [
            int((module(split.images).argmax(1) == split.labels).sum()) for module in modules
        ]
        assert np.array_equal(measured["accuracy"], np.array(correct) / 100)
        assert np.allclose(measured["accuracy"], expected.accuracy, atol=1e-6)
        # The target for two hidden layers is 5e-6; losses add up over the layers.
        error = np.abs(measured["similarity_loss"] - expected.similarity_loss).max()
        assert error < max(5e-6, 2.5e-6 * len(widths))
        assert np.allclose(measured["width"], expected.width, rtol=1e-15)
        assert measured["similarity_loss"].min() > 1e-3


def test_similarity_takes_the_first_hundred_images_and_accuracy_all(
    digits: Data, balanced_parent: FeedForward
) -> None:
    problem = EComp(digits, parent=balanced_parent, encoding="weights", search_images=180)
    X = sample(problem)
    pool = problem.batches[0]
    assert len(pool) == 180
    modules = [ecomp_reference.build(g.weights, g.biases) for (g,) in X]
    reference_parent = ecomp_reference.build(*balanced_parent.arrays())
    few = ecomp_reference.measure(modules, reference_parent, pool.images[:100], pool.labels[:100])
    measured = problem.measure(X)
    assert np.abs(measured["similarity_loss"] - few.similarity_loss).max() < 5e-6
    assert measured["accuracy"].tolist() == [accuracy(module, pool) for module in modules]


@every_configuration
def test_networks_are_what_was_measured(
    digits: Data, balanced_parent: FeedForward, options: dict[str, Any]
) -> None:
    problem = EComp(digits, parent=balanced_parent, **options)
    X = sample(problem)
    values, split = problem.measure(X), problem.batches[0]
    full = count_parameters(balanced_parent)
    parent_accuracy = accuracy(balanced_parent, split)
    for row, x in enumerate(X):
        network = problem.network(x)
        linears = [layer for layer in network if isinstance(layer, nn.Linear)]
        macs = sum(layer.in_features * layer.out_features for layer in linears)
        hidden = sum(layer.out_features for layer in linears[:-1])
        assert values["accuracy"][row] == accuracy(network, split)
        assert values["accuracy_drop"][row] == parent_accuracy - values["accuracy"][row]
        assert values["parameters"][row] == count_parameters(network)
        assert values["sparsity"][row] == 1 - count_parameters(network) / full
        assert values["macs"][row] == macs
        assert values["width"][row] == hidden / 32
        assert not network.training


@pytest.mark.parametrize("widths", [(24,), (16, 16), (20, 12, 8)])
def test_the_small_network_is_the_masked_full_one(digits: Data, widths: tuple[int, ...]) -> None:
    parent = random_parent(widths)
    problem = EComp(digits, parent=parent, recovery="none")
    images = digits.validation.images[:60]
    for x in problem.random(6, np.random.default_rng(0)):
        hidden, masks = images.flatten(1), np.split(x, np.cumsum(widths)[:-1])
        layers = parent.linear_layers
        with torch.no_grad():
            for layer, mask in zip(layers[:-1], masks, strict=True):
                hidden = torch.relu(layer(hidden)) * torch.from_numpy(mask)
            masked = layers[-1](hidden)
            slim = problem.network(x)(images)
        assert torch.allclose(slim, masked, atol=1e-5)


def test_the_whole_parent_loses_nothing(digits: Data, balanced_parent: FeedForward) -> None:
    problem = EComp(digits, parent=balanced_parent, recovery="none")
    values = problem.measure(np.ones((1, 32), dtype=bool))
    expected = {
        "accuracy": accuracy(balanced_parent, problem.batches[0]),
        "accuracy_drop": 0,
        "parameters": count_parameters(balanced_parent),
        "sparsity": 0,
        "macs": 64 * 16 + 16 * 16 + 16 * 10,
        "width": 1,
    }
    parent = problem.parent_measurements()
    for name, value in expected.items():
        assert values[name][0] == value == parent[name], name
    assert abs(values["similarity_loss"][0]) < 1e-6
    assert parent["similarity_loss"] == 0


def test_refitting_pays(digits: Data, balanced_parent: FeedForward) -> None:
    plain = EComp(digits, parent=balanced_parent, recovery="none")
    refitted = EComp(digits, parent=balanced_parent)
    X = plain.random(30, np.random.default_rng(0))
    assert refitted.measure(X)["accuracy"].mean() > plain.measure(X)["accuracy"].mean() + 0.05


# A measurement depends on the candidate alone.


@every_configuration
def test_neighbours_and_order_change_no_bit(
    digits: Data, balanced_parent: FeedForward, options: dict[str, Any]
) -> None:
    problem = EComp(digits, parent=balanced_parent, **options)
    X = recombined(problem) if options.get("encoding") == "weights" else sample(problem)
    X = np.concatenate([X, X[:3]])
    together = problem.measure(X)
    for row in range(len(X)):
        alone = problem.measure(X[row : row + 1])
        for name, column in together.items():
            assert column[row] == alone[name][0], (name, row)
    for name, column in problem.measured(X[::-1]).items():
        assert np.array_equal(column[::-1], together[name]), name


def test_threads_change_nothing_but_last_bits(digits: Data, balanced_parent: FeedForward) -> None:
    for options in (WEIGHTS, {}):
        problem = EComp(digits, parent=balanced_parent, **options)
        X = sample(problem)
        one = problem.measure(X)
        with threads(2):
            two = EComp(digits, parent=balanced_parent, **options).measure(X)
        for name in problem.quantities:
            tolerance = 1.5 / len(problem.batches[0]) if "accuracy" in name else 2e-6
            assert np.abs(one[name] - two[name]).max() <= tolerance, name


def test_a_view_that_was_dropped_is_made_again_alike(
    digits: Data, balanced_parent: FeedForward
) -> None:
    problem = EComp(digits, parent=balanced_parent, **IN_BATCHES)
    X = sample(problem)
    first = problem.measure_on(X, 0)
    for batch in (1, 2, 3):
        problem.measure_on(X, batch)
    again = problem.measure_on(X, 0)
    for name, column in first.items():
        assert np.array_equal(column, again[name]), name


def found_by(problem: EComp, generations: int = 3, engine: str = "nsga2") -> Found:
    algorithm = make_algorithm(engine, problem, 8)
    return search(problem, algorithm, Budget(generations=generations), seed=1)


@every_configuration
def test_arguments_are_left_as_they_were(
    digits: Data, options: dict[str, Any], untouched_global_generators: None
) -> None:
    parent = train_parent(digits, (12, 12), 500)
    parent.train()
    weights = copy.deepcopy(parent.state_dict())
    images = digits.validation.images.clone(), digits.train.images.clone()
    problem = EComp(digits, parent=parent, **options)
    X = sample(problem)
    names = digests(X)
    contents = copy.deepcopy(X) if X.dtype == bool else None
    problem.measure(X)
    problem.measure_finally(X)
    front = Front.from_candidates(problem, X, problem.measured(X)).finish(images=100)
    problem.baselines(front.columns)
    found_by(problem, 2)
    assert digests(X) == names
    assert contents is None or np.array_equal(contents, X)
    assert parent.training
    assert all(p.requires_grad and p.grad is None for p in parent.parameters())
    assert all(torch.equal(weights[name], now) for name, now in parent.state_dict().items())
    assert torch.equal(images[0], digits.validation.images)
    assert torch.equal(images[1], digits.train.images)


@pytest.mark.parametrize("options", [{}, IN_BATCHES, {"recovery": "refit+steps:2"}])
def test_a_search_never_sees_the_test_images(
    digits: Data, balanced_parent: FeedForward, options: dict[str, Any]
) -> None:
    generator = torch.Generator().manual_seed(0)
    garbage = Split(
        torch.rand(digits.test.images.shape, generator=generator), digits.test.labels.flip(0)
    )
    real = found_by(EComp(digits, parent=balanced_parent, **options))
    blind = found_by(EComp(replace(digits, test=garbage), parent=balanced_parent, **options))
    assert digests(real.X) == digests(blind.X)
    for name, column in real.measurements.items():
        assert np.array_equal(column, blind.measurements[name]), name


def test_trained_candidates_depend_on_the_seed_and_on_nothing_else(
    digits: Data, balanced_parent: FeedForward
) -> None:
    X = sample(EComp(digits, parent=balanced_parent))

    def weights(seed: int) -> torch.Tensor:
        options: dict[str, Any] = {"recovery": "steps:3", "seed": seed}
        problem = EComp(digits, parent=balanced_parent, **options)
        return problem.network(X[3]).get_parameter("1.weight")

    first = weights(0)
    torch.rand(7)
    assert torch.equal(first, weights(0))
    assert not torch.equal(first, weights(1))


# Batches.


def test_the_batch_schedule(digits: Data, balanced_parent: FeedForward) -> None:
    problem = EComp(digits, parent=balanced_parent, **IN_BATCHES)
    assert [problem.batch(generation) for generation in range(1, 7)] == [0, 0, 1, 2, 3, 4]
    assert problem.changes_batches
    assert problem.batches.count == 4
    pool = problem.batches.pool.images.flatten(1)
    seen = torch.cat([problem.batches[batch].images.flatten(1) for batch in range(4)])
    assert len(seen) == len(pool) == 200
    rows = [tuple(row) for row in seen.tolist()]
    assert sorted(rows) == sorted(tuple(row) for row in pool.tolist())
    fixed = EComp(digits, parent=balanced_parent, **WEIGHTS)
    assert {fixed.batch(generation) for generation in (1, 2, 3, 50)} == {0}
    assert not fixed.changes_batches


def test_generations_are_measured_on_their_batches(
    digits: Data, balanced_parent: FeedForward
) -> None:
    fitness = EComp.fitness(1, 2, 1)
    problem = EComp(digits, parent=balanced_parent, objectives=fitness, **IN_BATCHES)
    algorithm = problem.algorithm()
    algorithm.setup(problem, termination=("n_gen", 4), seed=0)
    for batch in (0, 0, 1, 2):
        algorithm.next()
        X = algorithm.pop.get("X")[:5]
        expected = problem.measure_on(X, batch)
        for name in ("accuracy", "similarity_loss"):
            values = algorithm.pop.get(name).astype(float)[:5]
            assert np.array_equal(values, expected[name]), (batch, name)


def test_the_final_measurements_are_means_over_all_batches(
    digits: Data, balanced_parent: FeedForward
) -> None:
    problem = EComp(digits, parent=balanced_parent, **IN_BATCHES)
    X = sample(problem)
    final = problem.measure_finally(X)
    each = [problem.measure_on(X, batch) for batch in range(4)]
    for name, column in final.items():
        assert np.allclose(column, sum(one[name] for one in each) / 4, rtol=1e-14), name
    whole = accuracy(problem.network(X[0]), problem.batches.pool)
    assert final["accuracy"][0] == pytest.approx(whole, abs=1e-12)


# Networks that it takes, and those that it does not.


@pytest.mark.parametrize("widths", [(24,), (12, 12, 12)])
@pytest.mark.parametrize("encoding", ["masks", "weights"])
def test_any_depth(digits: Data, widths: tuple[int, ...], encoding: Any) -> None:
    problem = EComp(digits, parent=random_parent(widths), encoding=encoding)
    found = found_by(problem)
    networks = [problem.network(x) for x in found.X]
    assert all(len(network.widths) == len(widths) for network in networks)
    assert problem.n_var == (1 if encoding == "weights" else sum(widths))


def test_layers_of_different_width_need_masks(digits: Data) -> None:
    parent = random_parent((20, 12))
    with pytest.raises(PruneError, match=r"one width, but they are \[20, 12\]; encoding 'masks'"):
        EComp(digits, parent=parent, encoding="weights")
    problem = EComp(digits, parent=parent)
    found = found_by(problem)
    assert {len(problem.network(x).widths) for x in found.X} == {2}
    values = problem.measure(np.ones((1, 32), dtype=bool))
    assert values["width"][0] == 1


@pytest.mark.parametrize("activation", ["tanh", "gelu"])
def test_other_activations(digits: Data, activation: str) -> None:
    weights = random_parent((16, 16))
    layers = weights.linear_layers
    parent = FeedForward.from_layers(
        [layer.weight for layer in layers], [layer.bias for layer in layers], activation
    )
    for options in ({}, WEIGHTS):
        problem = EComp(digits, parent=parent, **options)
        X = sample(problem)
        network = problem.network(X[-1])
        assert network.activation == activation
        assert problem.measure(X)["accuracy"][-1] == accuracy(network, problem.batches[0])


def test_a_users_own_module_can_be_the_parent(digits: Data) -> None:
    known = random_parent((16, 16))
    layers = [copy.deepcopy(layer) for layer in known.linear_layers]
    own = nn.Sequential(
        nn.Flatten(),
        nn.Sequential(layers[0], nn.ReLU(), nn.Dropout(0.5)),
        nn.Sequential(layers[1], nn.ReLU()),
        layers[2],
    )
    one, two = EComp(digits, parent=known), EComp(digits, parent=own)
    assert one.fingerprint == two.fingerprint
    X = sample(one)
    for name, column in one.measure(X).items():
        assert np.array_equal(column, two.measure(X)[name]), name


CONVOLUTIONAL = nn.Sequential(
    nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 6 * 6, 16), nn.ReLU(),
    nn.Linear(16, 10),
)  # fmt: skip


@pytest.mark.parametrize(
    ("parent", "message"),
    [
        (random_parent((16, 16), inputs=49), "takes 49 values .* have 64 values"),
        (random_parent((16, 16), classes=7), "gives 7 classes.*10 classes"),
        (CONVOLUTIONAL, r"not a feed-forward network: layer '0' \(Conv2d\)"),
        (nn.Sequential(nn.Flatten(), nn.Linear(64, 10)), "at least two linear layers"),
        (
            nn.Sequential(
                nn.Linear(64, 9), nn.ReLU(), nn.Linear(9, 9), nn.Tanh(), nn.Linear(9, 10)
            ),
            "same activation",
        ),
        (nn.Bilinear(64, 64, 10), "must be an nn.Sequential"),
    ],
)
def test_parents_that_do_not_fit(digits: Data, parent: nn.Module, message: str) -> None:
    with pytest.raises(PruneError, match=message):
        EComp(digits, parent=parent)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"encoding": "mask"}, "unknown encoding 'mask'.*Did you mean 'masks'"),
        ({"recovery": "refitt"}, "recovery 'refitt' is not known"),
        ({"recovery": "steps:"}, "recovery 'steps:' is not known"),
        ({"search_split": "test"}, "unknown search split 'test'"),
        ({"encoding": "weights", "recovery": "refit"}, "'refit' needs encoding 'masks'"),
        ({"encoding": "weights", "recovery": "refit+steps:2"}, "needs encoding 'masks'"),
        ({"search_images": 0}, "search_images must be at least 1"),
        ({"batch_size": 0}, "batch_size between 1 and search_images"),
        ({"search_images": 50, "batch_size": 51}, "batch_size between 1 and search_images"),
        ({"objectives": ["accuracy", "widht"]}, "Did you mean 'width'"),
        ({"constraints": ["width<0.5"]}, "must read like"),
    ],
)
def test_options_that_cannot_be(
    digits: Data, balanced_parent: FeedForward, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(PruneError, match=message):
        EComp(digits, parent=balanced_parent, **options)


def test_too_few_images_for_the_perplexity(digits: Data, balanced_parent: FeedForward) -> None:
    problem = EComp(digits, parent=balanced_parent, search_images=31)
    with pytest.raises(PruneError, match="perplexity of 30 needs more than 31 images"):
        problem.measure(sample(problem))


def test_the_fingerprint_knows_what_measurements_depend_on(
    digits: Data, balanced_parent: FeedForward
) -> None:
    parents = [balanced_parent, random_parent((16, 16))]
    problems = [
        *(EComp(digits, parent=balanced_parent, **options) for options in CONFIGURATIONS.values()),
        EComp(digits, parent=parents[1]),
        EComp(digits, parent=balanced_parent, seed=1),
        EComp(digits, parent=balanced_parent, search_images=100),
        EComp(digits, parent=balanced_parent, search_images=100, batch_size=100),
    ]
    assert len({problem.fingerprint for problem in problems}) == len(problems)
    same = EComp(digits, parent=balanced_parent, objectives=["macs", "accuracy"])
    assert same.fingerprint == problems[0].fingerprint


# Baselines.


def test_the_baseline_is_l1_pruning_at_the_fronts_widths(
    digits: Data, balanced_parent: FeedForward
) -> None:
    problem = EComp(digits, parent=balanced_parent)
    (baseline,) = problem.baselines({"width": np.array([0.25, 0.5, 1.0])})
    assert baseline.name == "L1 pruning"
    assert baseline.sizes["width"].min() == 0.25
    assert baseline.sizes["width"].max() == 1
    weights, _ = balanced_parent.arrays()
    for place, network in enumerate(baseline.networks):
        assert isinstance(network, FeedForward)
        assert baseline.sizes["parameters"][place] == count_parameters(network)
        assert baseline.sizes["width"][place] == sum(network.widths) / 32
        norms = np.abs(weights[0]).sum(axis=1)
        kept = np.sort(np.argsort(-norms)[: network.widths[0]])
        assert np.array_equal(network.linear_layers[0].weight.detach().numpy(), weights[0][kept])
    images = digits.test.images
    with torch.no_grad():
        assert torch.allclose(baseline.networks[-1](images), balanced_parent(images), atol=1e-5)


# Golden: what a search found once, it finds again.

GOLDEN_NEURONS = [1, 2, 3, 4, 5, 7, 9, 11, 12, 13, 18, 19, 21, 22]
GOLDEN_ACCURACIES = np.array(
    [0.185, 0.315, 0.37, 0.43, 0.505, 0.59, 0.66, 0.69, 0.7, 0.765, 0.77, 0.78, 0.82, 0.825]
)


@pytest.fixture(scope="module")
def solved_parent(digits: Data) -> FeedForward:
    """Random features and a readout solved in double precision: the same on every machine."""
    parent = random_parent((40,))
    with torch.no_grad():
        layer, readout = parent.linear_layers
        hidden = torch.relu(layer(digits.train.images.flatten(1))).double()
        inputs = torch.hstack([hidden, torch.ones(len(hidden), 1)])
        targets = torch.eye(10, dtype=torch.float64)[digits.train.labels]
        normal = inputs.T @ inputs + 0.1 * torch.eye(41)
        solved = torch.linalg.solve(normal, inputs.T @ targets)
        readout.weight.copy_(solved[:-1].T)
        readout.bias.copy_(solved[-1])
    return parent


def test_golden_front(digits: Data, solved_parent: FeedForward) -> None:
    problem = EComp(digits, parent=solved_parent, search_images=200)
    algorithm = make_algorithm("nsga2", problem, 12)
    found = search(problem, algorithm, Budget(generations=6), seed=0)
    front = Front.from_candidates(problem, found.X, found.measurements)
    neurons = (front.columns["width"] * 40).round().astype(int).tolist()
    assert neurons == GOLDEN_NEURONS
    assert np.abs(front.columns["accuracy"] - GOLDEN_ACCURACIES).max() <= 1.01 / 200
