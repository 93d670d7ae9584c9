"""Tables say what networks do."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.suite.tables import SPACES, again
from pymoo_prune.measuring import count_parameters
from pymoo_prune.suite import Instance
from pymoo_prune.suite.contents import holds
from pymoo_prune.suite.definition import Definition
from pymoo_prune.suite.definitions import DEFINITIONS, GROUPS
from pymoo_prune.suite.tables import Table, chromosomes
from tests.support.suite import NEURONS, WIDTHS, needs_data, tabular, with_front

TABLES = {definition.table: definition for definition in DEFINITIONS.values() if definition.table}
STRUCTURED = [name for name in GROUPS["tabular"] if "levels" not in name]
"""Instances whose networks have no zeros in place of what is pruned."""
SEEDED = "deep-digits-levels-seeded"


def some_rows(table: Table, n: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Rows at random, the whole network's and the smallest network's among them."""
    rows = np.random.default_rng(11).integers(0, len(table), n - 2)
    return np.array([0, *rows, len(table) - 1])


def data_of(definition: Definition) -> str:
    assert definition.live is not None
    return definition.live.data


@pytest.mark.slow
@pytest.mark.parametrize("name", SPACES)
def test_rows_of_a_table_are_what_is_measured_again(name: str) -> None:
    if not holds(f"tables/{name}.npz"):
        pytest.skip(f"the table {name} is not made yet")
    needs_data(data_of(TABLES[name]))
    table = Table(name)
    rows = some_rows(table, 20)
    for key, values in again(name, rows).items():
        kept = table._arrays[key][rows]
        if key.startswith("right_"):
            assert np.array_equal(values, kept), key
        else:
            assert np.allclose(values, kept, rtol=1e-4, atol=1e-5), key


@pytest.mark.parametrize("name", [WIDTHS, NEURONS])
def test_the_same_instance_without_its_table_measures_the_same(name: str) -> None:
    table = tabular(name)
    live = Instance(replace(DEFINITIONS[name], table=""))
    assert live.measurer.table is None
    X = chromosomes(some_rows(table.measurer.table, 12), table.measurer.table.choices)
    found, kept = live.measurements(X), table.measurements(X)
    for quantity in ("accuracy", "accuracy_drop", "parameters", "macs"):
        assert np.array_equal(found[quantity], kept[quantity]), quantity
    assert np.allclose(found["width"], kept["width"], rtol=1e-7, atol=0)
    assert np.allclose(found["similarity_loss"], kept["similarity_loss"], rtol=1e-4, atol=1e-5)
    assert np.allclose(live.evaluate(X), table.evaluate(X), rtol=1e-7, atol=1e-8)
    assert live.measurer.parent == pytest.approx(table.measurer.parent)


@pytest.mark.parametrize("name", STRUCTURED)
def test_networks_of_the_true_front_have_the_parameters_of_the_table(name: str) -> None:
    instance = with_front(name)
    needs_data(data_of(instance.definition))
    X = instance.known.X[:: max(1, len(instance.known.X) // 8)]
    parameters = instance.measurements(X)["parameters"]
    assert [count_parameters(instance.network(x)) for x in X] == parameters.tolist()


@pytest.mark.parametrize("name", GROUPS["tabular"])
def test_the_first_row_is_the_whole_network(name: str) -> None:
    instance = tabular(name)
    table = instance.measurer.table
    bits = instance.vtype is bool
    whole = {q: v[-1 if bits else 0] for q, v in table.columns.items()}
    for quantity in ("parameters", "macs"):
        assert whole[quantity] == table.parent[quantity]
        assert whole[quantity] == table.columns[quantity].max()
    # Refitting may change the answers to a few images.
    assert abs(whole["accuracy_drop"]) <= 0.02
    # Noise of half precision aside, no network is larger or empty.
    assert min(table.columns[quantity].min() for quantity in ("parameters", "macs")) > 0


def test_a_seeded_instance_starts_with_networks_that_need_no_search() -> None:
    instance = Instance(DEFINITIONS[SEEDED])
    first = instance.first(20, np.random.default_rng(0))
    X = instance.genes.checked(first, SEEDED)
    assert X.shape == (20, 9)
    assert np.array_equal(X, instance.first(20, np.random.default_rng(0)))
    random = instance.random(20, np.random.default_rng(0))
    assert instance.evaluate(X)[:, 0].min() < instance.evaluate(random)[:, 0].min()
