"""Compressed networks: bits, grids and files."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from pymoo_prune import Data, PruneError, load_network
from pymoo_prune.errors import UntrustedCode
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
from pymoo_prune.pruning.alphabets.entropy import (
    PARTS,
    PARTS_BITS,
    entropy_coded,
    entropy_decoded,
    least_bytes,
    shares_of,
    table_bytes,
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
@pytest.mark.parametrize("entropy", [True, False])
def test_weights_come_back_from_their_bits(
    bits: int, share: float, block: int, entropy: bool
) -> None:
    generator = np.random.default_rng(0)
    alive = np.repeat(generator.random(1600 // block) < share, block)
    if bits == 32:
        words = np.where(alive, generator.normal(size=1600), 0).astype(np.float32).view(np.uint32)
    else:
        most = 2 ** (bits - 1) - 1
        codes = generator.integers(1, most + 1, 1600) * generator.choice([-1, 1], 1600)
        words = to_words((codes * alive).astype(np.int8), bits)
        assert np.array_equal(from_words(words, bits), codes * alive)
    content = coded(words, alive, bits, entropy=entropy)
    place, size = coded_bytes(words, alive, bits, entropy=entropy)
    assert size <= coded_bytes(words, alive, bits, entropy=False)[1]
    assert content[0] == place
    assert len(content) == 1 + size
    found, used = decoded(memoryview(content + b"more"), 1600, bits)
    assert used == len(content)
    assert np.array_equal(found, words)
    assert size <= 1600 * bits // 8


def test_each_coding_is_the_cheapest_somewhere() -> None:
    generator = np.random.default_rng(0)
    seen = {True: set(), False: set()}
    for share in (0.0, 0.002, 0.01, 0.1, 0.3, 1.0):
        for block in (1, 4, 8):
            alive = np.repeat(generator.random(4096 // block) < share, block)
            words = np.where(alive, generator.integers(1, 16, 4096), 8).astype(np.uint32)
            for entropy, found in seen.items():
                found.add(CODINGS[coded_bytes(words, alive, 4, entropy=entropy)[0]])
    assert {one.kind for one in seen[False]} == {"dense", "bitmap", "index"}
    assert "entropy" in {one.kind for one in seen[True]}
    assert {one.block for one in seen[False]} == {1, 4, 8}


@given(st.integers(2, 8), st.data())
@settings(max_examples=60, deadline=None, derandomize=True)
def test_entropy_coding_is_exact_and_close_to_the_entropy(bits: int, drawn: st.DataObject) -> None:
    words = np.array(drawn.draw(st.lists(st.integers(0, 2**bits - 1), min_size=1)), np.uint32)
    words = np.repeat(words, drawn.draw(st.integers(1, 400)))
    shares = shares_of(words, bits)
    assert shares.sum() == PARTS
    assert ((shares > 0) == (np.bincount(words, minlength=2**bits) > 0)).all()
    content = entropy_coded(words, shares)
    found = entropy_decoded(memoryview(content + b"more"), len(words), shares)
    assert found is not None
    assert found[1] == len(content)
    assert np.array_equal(found[0], words)
    assert least_bytes(words, shares) <= table_bytes(shares) + len(content)
    needed = (PARTS_BITS - np.log2(shares[words])).sum() / 8
    assert len(content) <= 1.001 * needed + 6


def test_entropy_coding_takes_no_more_than_the_entropy() -> None:
    """Of 20,000 weights of a normal distribution, rounded to three bits."""
    drawn = np.random.default_rng(0).normal(size=20_000)
    codes = np.clip(np.round(1.2 * drawn), -3, 3).astype(np.int8)
    words = to_words(codes, 3)
    share = np.bincount(words) / len(words)
    entropy = -(share[share > 0] * np.log2(share[share > 0])).sum() * len(words) / 8
    _, size = coded_bytes(words, codes != 0, 3)
    assert entropy < size < 1.01 * entropy + 20 < 0.85 * len(words) * 3 / 8


@pytest.mark.parametrize("number", range(40))
def test_a_damaged_entropy_coding_is_refused_or_is_other_words(number: int) -> None:
    generator = np.random.default_rng(number)
    codes = np.round(generator.normal(size=900)).clip(-3, 3).astype(np.int8)
    content = bytearray(coded(to_words(codes, 3), codes != 0, 3))
    assert CODINGS[content[0]].kind == "entropy"
    if number % 2:
        content = content[: generator.integers(1, len(content))]
    else:
        content[generator.integers(1, len(content))] ^= 1 << int(generator.integers(8))
    try:
        found, _ = decoded(memoryview(content), 900, 3)
    except PruneError as error:
        assert "damaged" in str(error)  # noqa: PT017 - a changed bit may also give other words
    else:
        assert number % 2 == 0
        assert found.max() < 8


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


def test_a_file_of_a_users_network_takes_what_is_given(assembly: Lettered, tmp_path: Path) -> None:
    network, _ = a_network(assembly, 0)
    spec = spec_of(network)
    assert spec is not None
    path = tmp_path / "one.pmp"
    path.write_bytes(compressed(network, {"network": "not_here:network", "arguments": {}}))
    with pytest.raises(UntrustedCode, match="names code outside of pymoo-prune: not_here"):
        load_network(path)
    again = load_network(path, lambda: build_network(spec))
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


def test_a_layer_with_two_names_keeps_its_grid() -> None:
    layer = nn.Linear(8, 8)
    with torch.no_grad():
        layer.weight.copy_((torch.arange(64.0) % 7 - 3).view(8, 8) / 8)
    bits = bits_of(layer.weight)

    def train(one: nn.Module) -> nn.Module:
        with torch.no_grad():
            for values in one.parameters():
                values.add_(0.1)
        return one

    found: Any = with_grids(nn.Sequential(layer, nn.ReLU(), layer), train)
    assert found[0] is found[2]
    assert not torch.equal(found[0].weight, layer.weight)
    assert bits_of(found[0].weight) == bits
