"""The paper's search on its batches, its front and the baseline."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from pymoo_prune import Budget, Data, Front, find_problem
from pymoo_prune.chromosomes import digests
from pymoo_prune.engines import make_algorithm
from pymoo_prune.measuring import accuracy, count_parameters
from pymoo_prune.networks import FeedForward
from pymoo_prune.search import search
from pymoo_prune.testing import sample
from pymoo_prune_problems import EComp
from pymoo_prune_problems.ecomp import REFITTED, train_feed_forward
from tests.support.ecomp import IN_BATCHES, WEIGHTS, random_parent

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
    first, parents = digests(algorithm.pop.get("X")), list(algorithm.pop)
    assert len(first) == 100
    algorithm.next()
    children = digests(algorithm.off.get("X"))
    assert len(children) == 100
    # Generational replacement: only children survive, however bad they are.
    assert digests(algorithm.pop.get("X")) == children
    assert not {id(one) for one in algorithm.pop} & {id(one) for one in parents}
    # Children are new, except those of equal parents: the first population has few widths.
    assert sum(child not in first for child in children) > 75
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
    one = train_feed_forward(digits, (16, 16), 3_000, seed=1, progress=shares.append)
    two = train_feed_forward(digits, (16, 16), 3_000, seed=1)
    other = train_feed_forward(digits, (16, 16), 3_000, seed=2)
    assert one.widths == (16, 16)
    assert one.activation == "relu"
    assert shares == sorted(shares)
    states = [network.state_dict() for network in (one, two, other)]
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])
    assert not torch.equal(states[0]["1.weight"], states[2]["1.weight"])
    trained = train_feed_forward(digits, (32,), 40_000)
    assert accuracy(trained, digits.validation) > 0.85


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
        expected = problem.approximation.measure(X, batch)
        for name in ("accuracy", "similarity_loss"):
            values = algorithm.pop.get(name).astype(float)[:5]
            assert np.array_equal(values, expected[name]), (batch, name)


def test_the_final_measurements_are_means_over_all_batches(
    digits: Data, balanced_parent: FeedForward
) -> None:
    problem = EComp(digits, parent=balanced_parent, **IN_BATCHES)
    X = sample(problem)
    final = problem.measure(X)
    each = [problem.approximation.measure(X, batch) for batch in range(4)]
    for name, column in final.items():
        assert np.allclose(column, sum(one[name] for one in each) / 4, rtol=1e-14), name
    whole = accuracy(problem.network(X[0]), problem.batches.pool)
    assert final["accuracy"][0] == pytest.approx(whole, abs=1e-12)


# Baselines.


def test_baselines_are_l1_pruning_and_refitted_networks_at_the_fronts_widths(
    digits: Data, balanced_parent: FeedForward
) -> None:
    problem = EComp(digits, parent=balanced_parent)
    baseline, *refitted = problem.rivals.at({"width": np.array([0.25, 0.5, 1.0])})
    assert baseline.name == "L1 pruning"
    assert [one.name for one in refitted] == [f"{name} with refit" for name in REFITTED]
    for one in refitted:
        assert (one.sizes["width"].min(), one.sizes["width"].max()) == (0.25, 1)
        assert len(one.networks) == len(one.sizes["width"]) <= 12
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


# Golden: a search finds the same front as ever.


GOLDEN_NEURONS = [1, 2, 3, 5, 6, 7, 8, 10, 11, 14, 16, 20, 21, 25]
GOLDEN_ACCURACIES = np.array(
    [0.205, 0.315, 0.345, 0.515, 0.54, 0.59, 0.61, 0.685, 0.725, 0.765, 0.805, 0.815, 0.825, 0.83]
)


@pytest.fixture(scope="module")
def solved_parent(digits: Data) -> FeedForward:
    """Random features with an output layer solved in double precision: the same everywhere."""
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
