"""Compressed networks: bits, grids and files."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from pymoo_prune import Data, PruneError, load_network
from pymoo_prune.networks import build_network, spec_of
from pymoo_prune.pruning.alphabets import (
    Lettered,
    can_be_compressed,
    compressed,
    decompressed,
    other_bytes,
    with_grids,
    with_halves,
)
from pymoo_prune.pruning.alphabets.coding import (
    CODINGS,
    coded,
    coded_bytes,
    decoded,
    from_words,
    to_words,
)
from pymoo_prune.pruning.alphabets.grids import bits_of, on_grid, reduced
from pymoo_prune.pruning.alphabets.halves import halved
from pymoo_prune.results import save_compressed
from pymoo_prune.training import Recipe, trained
from tests.support.alphabets import lettered
from tests.support.layer_vector import train_resnet

LETTERS = "1,0.3,0.06,0.01@32,8,4,3,2 0.25x4@4"


@pytest.fixture(scope="module")
def assembly(digits: Data) -> Lettered:
    return lettered(train_resnet(digits, 1), digits, LETTERS, skip=True)


def a_network(assembly: Lettered, seed: int) -> tuple[nn.Module, int]:
    """A network of random letters, and the bytes that its letters say."""
    database, generator = assembly.database, np.random.default_rng(seed)
    places = np.array([generator.integers(len(each)) for each in database.letters])
    network = assembly.network(places)
    size = database.facts.bytes[places, np.arange(len(places))].sum()
    return network, int(size) + other_bytes(network, database.names, spec_of(network) or {})


# Numbers in sixteen bits, and grids.


@pytest.mark.parametrize("factor", [1.0, 1e-9, 3e7, 1e30, 0.0])
def test_rounding_again_changes_nothing(factor: float) -> None:
    drawn = factor * torch.randn(3, 500, generator=torch.Generator().manual_seed(0)) ** 5
    once = halved(drawn)
    assert torch.equal(halved(once), once)
    assert torch.equal(halved(drawn[1]), once[1])  # each row has an exponent of its own
    large = drawn.abs() > 1e-6 * drawn.abs().max()
    torch.testing.assert_close(once[large], drawn[large], rtol=1 / 2048, atol=0)


@pytest.mark.parametrize("bits", [2, 3, 4, 6, 8])
def test_grids_are_found_again(bits: int) -> None:
    generator, most = torch.Generator().manual_seed(bits), 2 ** (bits - 1) - 1
    codes = torch.randint(-most, most + 1, (6, 4, 3, 3), generator=generator).to(torch.int8)
    codes[0] = 0
    codes[1] = (codes[1] != 0) * most  # a filter that fewer bits hold
    codes[2, 0, 0, 0] = most
    codes[2, 0, 0, 1] = 1 - most
    scales = halved(torch.rand(6, generator=generator) + 0.01)
    weight = codes.float() * scales[:, None, None, None]
    assert bits_of(weight) == bits
    found = on_grid(weight, bits)
    assert found is not None
    assert torch.equal(found[0].float() * found[1][:, None, None, None], weight)
    smaller, larger, few = reduced(codes, scales)
    assert few == bits
    assert torch.equal(smaller.float() * larger[:, None, None, None], weight)
    assert int(smaller[1].abs().max()) <= int(codes[1].abs().max())
    assert on_grid(weight + 1e-3 * torch.rand(weight.shape, generator=generator), bits) is None
    assert bits_of(torch.randn(weight.shape, generator=generator)) == 32


# Codings.


@pytest.mark.parametrize("bits", [2, 3, 5, 8, 32])
@pytest.mark.parametrize("share", [0.0, 0.003, 0.02, 0.1, 0.3, 1.0])
@pytest.mark.parametrize("block", [1, 4, 8])
def test_weights_come_back_from_their_bits(bits: int, share: float, block: int) -> None:
    generator = np.random.default_rng(0)
    alive = np.repeat(generator.random(1600 // block) < share, block)
    if bits == 32:
        words = np.where(alive, generator.normal(size=1600), 0).astype(np.float32).view(np.uint32)
    else:
        most = 2 ** (bits - 1) - 1
        codes = generator.integers(1, most + 1, 1600) * generator.choice([-1, 1], 1600)
        words = to_words((codes * alive).astype(np.int8), bits)
        assert np.array_equal(from_words(words, bits), codes * alive)
    content = coded(words, alive, bits)
    place, size = coded_bytes(alive, bits)
    assert content[0] == place
    assert len(content) == 1 + size
    found, used = decoded(memoryview(content + b"more"), 1600, bits)
    assert used == len(content)
    assert np.array_equal(found, words)
    assert size <= 1600 * bits // 8


def test_each_coding_is_the_cheapest_somewhere() -> None:
    generator = np.random.default_rng(0)
    seen = set()
    for share in (0.0, 0.002, 0.01, 0.1, 0.3, 1.0):
        for block in (1, 4, 8):
            alive = np.repeat(generator.random(4096 // block) < share, block)
            seen.add(CODINGS[coded_bytes(alive, 4)[0]])
    assert {(one.kind) for one in seen} == {"dense", "bitmap", "index"}
    assert {(one.block) for one in seen} == {1, 4, 8}


# Files.


@pytest.mark.parametrize("seed", range(4))
def test_a_file_is_as_long_as_its_letters_say(
    assembly: Lettered, tmp_path: Path, seed: int
) -> None:
    network, size = a_network(assembly, seed)
    assert save_compressed(network, tmp_path / "one.pmp")
    assert (tmp_path / "one.pmp").stat().st_size == size
    again = load_network(tmp_path / "one.pmp")
    assert not again.training
    for name, value in network.state_dict().items():
        assert torch.equal(value, again.state_dict()[name]), name


def test_other_networks_are_not_compressed(digits: Data, tmp_path: Path) -> None:
    network = train_resnet(digits, 0.1)
    (tmp_path / "one.pmp").write_bytes(b"an older one")
    assert not save_compressed(network, tmp_path / "one.pmp")
    assert not (tmp_path / "one.pmp").exists()
    assert not can_be_compressed(with_halves(network))
    with pytest.raises(PruneError, match="has numbers that sixteen bits do not hold"):
        compressed(network, {})


def test_damaged_files_are_refused(assembly: Lettered, tmp_path: Path) -> None:
    network, _ = a_network(assembly, 0)
    spec = spec_of(network) or {}
    content = compressed(network, spec)
    path = tmp_path / "one.pmp"

    def refused(changed: bytes, message: str) -> None:
        path.write_bytes(changed)
        with pytest.raises(PruneError, match=f"one.pmp: .*{message}"):
            load_network(path)

    for length in (0, 3, 8, 12, 200, len(content) // 2, len(content) - 1):
        refused(content[:length], "damaged|no compressed network")
    generator = np.random.default_rng(0)
    for place in [4, 5, 9, 20, *generator.integers(9, len(content), 60).tolist()]:
        flipped = bytearray(content)
        flipped[place] ^= 1 << int(generator.integers(8))
        refused(bytes(flipped), "damaged: its checksum")
    refused(content + b"\0", "damaged: its checksum")
    refused(b"PK" + content[2:], "no compressed network")
    other = build_network({**spec, "arguments": {**spec["arguments"], "classes": 7}})
    with pytest.raises(PruneError, match="damaged"):
        decompressed(content, lambda _: other)


def test_gradient_steps_keep_the_letters(assembly: Lettered, digits: Data) -> None:
    network, _ = a_network(assembly, 1)
    before = copy.deepcopy(network.state_dict())

    def train(one: nn.Module) -> nn.Module:
        recipe = Recipe("sgd", 0.01, "linear", 100)
        return trained(one, digits.train, images=500, recipe=recipe, keep_zeros=True)

    found = with_grids(network, train)
    assert can_be_compressed(found)
    changed = 0
    for name in assembly.database.names:
        old, new = (one[f"{name}.weight"] for one in (before, found.state_dict()))
        assert bits_of(new) <= bits_of(old)
        assert not new[old == 0].any()
        changed += int((old != new).sum())
    assert changed > 0
    assert all(torch.equal(value, network.state_dict()[name]) for name, value in before.items())
    assert found.state_dict().keys() == before.keys()
    again: Any = decompressed(compressed(found, spec_of(found) or {}), build_network)
    assert all(torch.equal(v, again.state_dict()[n]) for n, v in found.state_dict().items())
