from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional

from benchmarks.suite import dense_connections
from benchmarks.suite.dense_connections import (
    SPACE,
    Settings,
    batches,
    digits,
    genes_of,
    make_table,
    measured_row,
    rows_of,
    trained_network,
    untrained,
)
from benchmarks.suite.lean_dense_net import Stack, windows
from pymoo_prune.chromosomes import Connections, fully_connected
from pymoo_prune.measuring import count_macs, count_parameters, dense_net_complexity
from pymoo_prune.networks import DenseNet

TINY = Settings(growth=2, stem=3, steps=3, batch_size=16)
NUMBERS = range(510, 513)


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def arrays(path: Path) -> dict[str, np.ndarray]:
    with np.load(path, allow_pickle=False) as file:
        return {name: file[name] for name in file.files}


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("table") / "dense.npz"
    make_table(path, NUMBERS, TINY)
    return path


def test_gene_0_is_the_most_significant_bit() -> None:
    assert genes_of(0).tolist() == [False] * SPACE.n_var
    assert np.flatnonzero(genes_of(1)).tolist() == [SPACE.n_var - 1]
    assert np.flatnonzero(genes_of(512)).tolist() == [0]


def test_rows_are_chromosomes_in_their_order(table: Path) -> None:
    found = arrays(table)
    assert found["validation_right"].shape == found["test_right"].shape == (3, 2)
    assert found["validation_right"].dtype == found["test_right"].dtype == np.uint16
    assert found["connections"].tolist() == [8, 9, 1]
    assert json.loads(str(found["about"]))["rows"] == [510, 513]
    again = measured_row(511, TINY)
    assert found["validation_right"][1].tolist() == again.validation_right
    assert found["test_right"][1].tolist() == again.test_right


def test_a_stopped_program_goes_on(
    table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = tmp_path / "dense.npz"
    part = tmp_path / "dense.npz.part"
    make_table(output, NUMBERS[:2], TINY)
    text = part.read_text()
    part.write_text(text[:-10])  # killed while it wrote the second row
    made = []

    def counted(row: int, settings: Settings) -> dense_connections.Row:
        made.append(row)
        return measured_row(row, settings)

    monkeypatch.setattr(dense_connections, "measured_row", counted)
    make_table(output, NUMBERS, TINY)
    assert made == [511, 512]
    whole, resumed = arrays(table), arrays(output)
    for name in whole.keys() - {"about"}:
        np.testing.assert_array_equal(whole[name], resumed[name])
    make_table(output, NUMBERS, TINY)
    assert len(made) == 2


def test_rows_of_other_settings_are_refused(tmp_path: Path) -> None:
    make_table(tmp_path / "dense.npz", NUMBERS[:1], TINY)
    with pytest.raises(ValueError, match="but the settings are"):
        make_table(tmp_path / "dense.npz", NUMBERS, Settings())


@pytest.mark.parametrize("row", [0, 345, 1023])
def test_costs_are_those_of_the_closed_form(row: int) -> None:
    genes = genes_of(row)
    found = measured_row(row, TINY)
    expected = dense_net_complexity(
        SPACE.matrices(genes)[None], growth=2, stem=3, channels=1, classes=10, size=(8, 8)
    )
    network = trained_network(genes, 0, TINY)
    assert (found.parameters, found.macs) == tuple(int(values[0]) for values in expected)
    assert found.parameters == count_parameters(network)
    assert found.macs == count_macs(network, (1, 8, 8))


def test_a_network_is_made_again() -> None:
    one, two = (trained_network(genes_of(345), 1, TINY).state_dict() for _ in range(2))
    assert all(torch.equal(one[name], two[name]) for name in one)
    other = trained_network(genes_of(345), 0, TINY).state_dict()
    assert not torch.equal(one["stem.weight"], other["stem.weight"])


def test_a_seed_shows_every_image_once_an_epoch() -> None:
    settings = Settings(steps=70, batch_size=16)
    rows = batches(1, settings)
    assert rows.shape == (70, 16)
    epoch = rows.flatten()[: len(digits().train)]
    assert epoch.sort().values.tolist() == list(range(len(digits().train)))
    assert not torch.equal(rows, batches(0, settings))


def test_torchs_generator_is_left_alone() -> None:
    before = torch.get_rng_state()
    trained_network(genes_of(3), 1, TINY)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("codec", [SPACE, Connections(3, 2)])
def test_lean_steps_are_those_of_the_networks(codec: Connections) -> None:
    """Outputs, gradients and the statistics of batch norms, in double precision."""
    images, labels = digits().train.images[:32].double(), digits().train.labels[:32]
    genes = np.random.default_rng(0).random(codec.n_var) < 0.5
    for matrices in (codec.matrices(genes), fully_connected(codec.layers, codec.blocks)):
        networks = [
            DenseNet(matrices, growth=3, channels=1, stem=5).double().train() for _ in range(2)
        ]
        lean = copy.deepcopy(networks)
        stack = Stack(lean)
        seen = torch.stack([windows(part) for part in images.split(16)])
        expected = torch.stack(
            [network(part) for network, part in zip(networks, images.split(16), strict=True)]
        )
        found = stack.outputs(seen)
        torch.testing.assert_close(found, expected)
        for outputs in (expected, found):
            functional.cross_entropy(outputs.flatten(0, 1), labels).backward()
        stack.store()
        for place, network in enumerate(networks):
            for one, other in zip(network.parameters(), stack.parameters, strict=True):
                assert one.grad is not None
                assert other.grad is not None
                torch.testing.assert_close(other.grad[place], one.grad)
            for name, values in network.named_buffers():
                if not name.endswith("num_batches_tracked"):
                    torch.testing.assert_close(lean[place].get_buffer(name), values)


def test_a_training_is_that_of_torch() -> None:
    """A seed's network, trained beside another one, is what torch alone makes of it."""
    network = untrained(genes_of(345), 1, TINY).train()
    optimizer = torch.optim.Adam(network.parameters())
    train = digits().train
    for step, places in enumerate(batches(1, TINY), start=1):
        done = step / (TINY.steps + 1)
        factor = min(done / TINY.rising, (1 - done) / (1 - TINY.rising))
        optimizer.param_groups[0]["lr"] = TINY.learning_rate * factor
        optimizer.zero_grad()
        functional.cross_entropy(network(train.images[places]), train.labels[places]).backward()
        optimizer.step()
    found = trained_network(genes_of(345), 1, TINY).state_dict()
    for name, values in network.state_dict().items():
        if not name.endswith("num_batches_tracked"):
            torch.testing.assert_close(found[name], values, rtol=1e-3, atol=1e-4)


def test_ranges_of_rows() -> None:
    assert rows_of(":") == range(1024)
    assert rows_of("3:5") == range(3, 5)
    with pytest.raises(Exception, match="--rows must be A:B"):
        rows_of("5:5")
