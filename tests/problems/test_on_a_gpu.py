"""Candidates are measured on a GPU without tensors that stay on the processor."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from pymoo_prune import Data, PruningProblem
from pymoo_prune.chromosomes import Connections
from pymoo_prune.networks import DenseNet
from pymoo_prune.pruning import DenseNetStack
from pymoo_prune_problems import EComp, LayerAlphabet, LayerVector
from pymoo_prune_problems.ecomp import train_feed_forward
from tests.support.fake_gpu import GPU, on_fake_gpu
from tests.support.layer_vector import train_resnet

pytestmark = pytest.mark.slow


def test_what_is_left_behind_is_found() -> None:
    with on_fake_gpu(torch.ones(3)) as (there,):
        assert there.device == GPU
        with pytest.raises(RuntimeError, match="two devices, cuda:0 and cpu"):
            there + torch.ones(3)


@pytest.mark.parametrize(
    "options",
    [{}, {"recovery": "none"}, {"encoding": "weights"}],
    ids=["refit", "plain", "weights"],
)
def test_ecomp(digits: Data, options: dict[str, Any]) -> None:
    parent = train_feed_forward(digits, (16, 16), 1_000)
    problem = EComp(digits, parent=parent, search_images=200, together=4, **options)
    X = problem.random(4, np.random.default_rng(0))
    with on_fake_gpu(problem, problem.views[0]) as (there, view):
        assert there.parent.linear_layers[0].weight.device == GPU
        for passed in (there._together, there._one_by_one):
            logits, products = passed(X, view)
            assert logits.device == products.device == GPU
            assert logits.shape == (4, 200, 10)
            assert products.shape == (2, 4, 100, 100)


@pytest.mark.parametrize("recovery", ["none", "refit", "refit+batch-norm"])
def test_the_layer_vector(digits: Data, recovery: str) -> None:
    problem = LayerVector(
        digits, network="resnet-8", parent_epochs=0.2, search_images=50, recovery_images=32,
        together=3, recovery=recovery,
    )  # fmt: skip
    X = problem.random(3, np.random.default_rng(0))
    problem.measure(X)  # prepares what is made once
    counts = problem.encoding.decode(X)
    with on_fake_gpu(problem) as (there,):
        assembly, view = there.assembly, there.search_images
        outputs = assembly.outputs_together(counts, view.exact)
        assert (outputs.device, outputs.shape) == (GPU, (3, 50, 10))
        for name in ("goodness", "divergence"):
            assert getattr(view.expected, name)(outputs).shape == (3,)
        if "batch-norm" not in recovery:  # its sums need numbers to have shapes
            outputs = assembly.outputs(counts[0], view.exact)
            assert (outputs.device, outputs.shape) == (GPU, (50, 10))


@pytest.mark.parametrize("letters", ["1,0.5@32,4", "1,0.5@32,4/32,8"], ids=["floats", "rounded"])
def test_the_layer_alphabet(digits: Data, letters: str) -> None:
    problem = LayerAlphabet(
        digits, network="resnet-8", parent_epochs=0.2, search_images=50, recovery_images=32,
        together=3, letters=letters, batch_norm=False,
    )  # fmt: skip
    X = problem.random(3, np.random.default_rng(0))
    problem.measure(X)  # prepares what is made once
    places = problem.decode(X)
    with on_fake_gpu(problem) as (there,):
        assembly, view = there.assembly, there.search_images
        outputs = assembly.outputs_together(places, view.exact)
        assert (outputs.device, outputs.shape) == (GPU, (3, 50, 10))
        outputs = assembly.outputs(places[0], view.exact)
        assert (outputs.device, outputs.shape) == (GPU, (50, 10))


def test_dense_networks_in_a_stack(digits: Data) -> None:
    codec = Connections(2)
    X = np.random.default_rng(0).random((3, codec.n_var)) < 0.5
    networks = [DenseNet(matrices, 4, 1, 10) for matrices in codec.matrices(X)]
    with on_fake_gpu(DenseNetStack(networks), digits.train.images[:6]) as (stack, images):
        outputs = stack.train()(images)
        assert (outputs.device, outputs.shape) == (GPU, (3, 6, 10))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
@pytest.mark.parametrize("together", [1, 4])
def test_a_gpu_measures_what_a_processor_does(digits: Data, together: int) -> None:
    there = digits.to("cuda")
    mlp = train_feed_forward(digits, (16, 16), 20_000)
    resnet = train_resnet(digits)
    few: dict[str, Any] = {"search_images": 200, "together": together}
    pairs: list[tuple[PruningProblem, PruningProblem]] = [
        (EComp(digits, parent=mlp, **few), EComp(there, parent=mlp, **few)),
        (LayerVector(digits, parent=resnet, **few), LayerVector(there, parent=resnet, **few)),
        (
            LayerAlphabet(digits, parent=resnet, letters="1,0.5@32,4/32,8", **few),
            LayerAlphabet(there, parent=resnet, letters="1,0.5@32,4/32,8", **few),
        ),
    ]
    for one, other in pairs:
        X = one.random(6, np.random.default_rng(0))
        expected, found = one.measured(X), other.measured(X)
        clear = expected["accuracy"] > 0.3
        np.testing.assert_allclose(found["accuracy"][clear], expected["accuracy"][clear], atol=0.02)
        assert np.array_equal(found["macs"], expected["macs"])
        again = other.measured(X[::-1])
        assert np.array_equal(again["accuracy"][::-1], found["accuracy"])
