"""Parents, options and images that are accepted or refused."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
from torch import nn

from pymoo_prune import Data, PruneError
from pymoo_prune.measuring import accuracy
from pymoo_prune.networks import FeedForward
from pymoo_prune.testing import sample
from pymoo_prune_problems import EComp
from tests.support.ecomp import CONFIGURATIONS, WEIGHTS, found_by, random_parent


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


@pytest.mark.parametrize("options", [{"search_images": 31}, {"batch_size": 31}])
def test_too_few_images_for_the_perplexity(digits: Data, options: dict[str, Any]) -> None:
    """It is known before a parent is trained."""
    message = "perplexity of 30 needs more than 31 images, but there are 31 validation .*larger"
    with pytest.raises(PruneError, match=message):
        EComp(digits, progress=lambda _: pytest.fail("a parent is trained"), **options)


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
