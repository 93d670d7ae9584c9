"""What is measured of candidates, and that their files are as long as they say."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from torch import nn

from pymoo_prune import Data
from pymoo_prune.measuring import accuracy, count_macs
from pymoo_prune.pruning.alphabets import EnergyTable, decompressed
from pymoo_prune.testing import check_problem, sample
from pymoo_prune_problems import LayerAlphabet
from tests.support.alphabets import small
from tests.support.layer_vector import nonzero


def test_the_problem_keeps_the_contract(problem: LayerAlphabet) -> None:
    check_problem(problem)


@pytest.mark.slow
@pytest.mark.parametrize(
    "options",
    [
        {"letters": "1@32,8,4 2:4@8 0.5x4@4", "skip": True},
        {"letters": "1,0.5f,0.2f@32,8,4"},
        {"steps": "magnitude+nearest", "batch_norm": False},
        {"precision": "bfloat16"},
        {"together": 3},
        {"objectives": ["divergence", "bytes", "bit_operations"], "constraints": ["energy<=50%"]},
    ],
    ids=["patterns", "filters", "plain", "bfloat16", "together", "three"],
)
def test_every_configuration_keeps_the_contract(
    digits: Data, network: nn.Module, options: dict[str, object]
) -> None:
    check_problem(small(digits, network, **options))


def test_networks_are_what_was_measured(problem: LayerAlphabet, digits: Data) -> None:
    X = sample(problem)
    values = problem.measured(X)
    names, split = problem.order.names, problem.search_images.split
    table = EnergyTable()
    for row, x in enumerate(X):
        candidate = problem.network(x)
        letters = problem.letters(x)
        left = np.array(nonzero(candidate, names))
        bits = np.array([letters[name].bits for name in names])
        work = left * problem.order.positions
        assert values["accuracy"][row] == accuracy(candidate, split)
        assert values["macs"][row] == work.sum()
        assert values["bit_operations"][row] == (work * bits * 32).sum()
        # Inputs are floats, so that products are those of floats.
        energy = (work.sum() * table.multiply[32] + values["bytes"][row] * table.byte) / 1e6
        assert values["energy"][row] == pytest.approx(energy)
        for name, letter in letters.items():
            weight = candidate.get_submodule(name).weight
            assert (weight != 0).sum() <= max(1, round(letter.share * weight.numel()))


def test_files_are_as_long_as_measured(problem: LayerAlphabet) -> None:
    X = np.concatenate([sample(problem), problem.random(20, np.random.default_rng(1))])
    for x, size in zip(X, problem.preview.sizes(X)["bytes"], strict=True):
        content, expected = problem.packed(x), problem.network(x).state_dict()
        assert len(content) == size
        again = decompressed(content, lambda _: copy.deepcopy(problem.parent)).state_dict()
        assert all(torch.equal(value, again[name]) for name, value in expected.items())


def test_files_without_entropy_coding_are_larger_and_have_the_same_weights(
    problem: LayerAlphabet, digits: Data, network: nn.Module
) -> None:
    plain = small(digits, network, entropy=False)
    assert plain.fingerprint != problem.fingerprint
    places = np.array([[len(each) - 1 for each in problem.assembly.database.letters]])
    sizes = [one.tables.sizes(places)["bytes"][0] for one in (problem, plain)]
    assert sizes[0] < sizes[1]
    larger = plain.tables.each["bytes"] - problem.tables.each["bytes"]
    assert (larger >= 0).all()
    X = plain.random(10, np.random.default_rng(1))
    for x, size in zip(X, plain.preview.sizes(X)["bytes"], strict=True):
        content = plain.packed(x)
        assert len(content) == size
        again = decompressed(content, lambda _: copy.deepcopy(plain.parent)).state_dict()
        assert all(torch.equal(v, again[n]) for n, v in plain.network(x).state_dict().items())


def test_the_parent_is_what_candidates_are_compared_with(
    problem: LayerAlphabet, digits: Data, network: nn.Module
) -> None:
    parent = problem.parent_values
    macs = count_macs(network, digits.shape)
    assert parent["bytes"] == 4 * parent["parameters"]
    assert parent["macs"] == macs
    assert parent["bit_operations"] == macs * 32 * 32
    assert parent["accuracy"] == accuracy(network, problem.search_images.split)
    whole = problem.measured(np.zeros((1, problem.n_var), dtype=int))
    assert abs(whole["accuracy_drop"][0]) <= 0.01
    assert whole["macs"][0] == macs


def test_a_table_of_ones_own(digits: Data, network: nn.Module, problem: LayerAlphabet) -> None:
    table = EnergyTable({2: 1, 3: 1, 4: 1, 32: 1}, byte=0)
    other = small(digits, network, energy=table)
    X = sample(other)
    values = other.preview.sizes(X)
    assert values["energy"] == pytest.approx(values["macs"] / 1e6)
    assert other.fingerprint != problem.fingerprint


def test_genes_are_in_order(problem: LayerAlphabet) -> None:
    for layer, sizes in enumerate(problem.alphabet.sizes_of("bytes")):
        assert (np.diff(sizes) <= 0).all()
        ladder = problem.alphabet.ladder("bytes")[layer]
        places = problem.alphabet.letters[layer][ladder]
        assert (np.diff(problem.tables.losses[places, layer]) > 0).all()
        assert (np.diff(sizes[ladder]) < 0).all()
