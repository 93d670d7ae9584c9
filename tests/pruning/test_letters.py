"""Letters: their text, their patterns, and how they are made."""

from __future__ import annotations

import pickle
from itertools import product
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from pymoo_prune import Data, PruneError
from pymoo_prune.pruning import MagnitudeOrder
from pymoo_prune.pruning.alphabets import (
    STEPS,
    Blocks,
    EnergyTable,
    Filters,
    Letter,
    Lettered,
    NOfM,
    Single,
    Treatment,
    cheapest,
    cheapest_within,
    check_steps,
    letters_of_layers,
    parse_letters,
    parse_steps,
    undominated,
)
from pymoo_prune.pruning.alphabets import database as module
from pymoo_prune.pruning.alphabets.feedback import Factors, quadratic, rounded
from pymoo_prune.pruning.alphabets.letters import back, rows
from pymoo_prune.pruning.alphabets.removals import removal_losses
from tests.support.alphabets import lettered
from tests.support.trained_cnn import trained_cnn


@pytest.fixture(scope="module")
def network(digits: Data) -> nn.Module:
    return trained_cnn(digits.train)


@pytest.fixture(scope="module")
def assembly(network: nn.Module, digits: Data) -> Lettered:
    return lettered(network, digits)


# Their text.


def test_letters_from_text() -> None:
    found = parse_letters("1,0.5@32,4 2:4@8 0.25x4@3 1@4")
    assert found == (
        Letter(), Letter(1, 4), Letter(0.5), Letter(0.5, 4), Letter(0.5, 8, NOfM(2, 4)),
        Letter(0.25, 3, Blocks(4)),
    )  # fmt: skip
    assert [str(one) for one in found] == ["1@32", "1@4", "0.5@32", "0.5@4", "2:4@8", "0.25x4@3"]
    assert parse_letters(" ".join(map(str, found))) == found
    rounding = parse_letters("1@8,4/8,4 2:4@8/8 1@8/32")
    assert [str(one) for one in rounding] == [
        "1@8/8", "1@8/4", "1@4/8", "1@4/4", "2:4@8/8", "1@8",
    ]  # fmt: skip
    assert rounding[1] == Letter(1, 8, inputs=4)
    assert parse_letters("0.5f@8/8") == (Letter(0.5, 8, Filters(), 8),)
    assert str(Letter(0.5, 4, Filters())) == "0.5f@4"
    assert rounding[1].of_weights == Letter(1, 8)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "there are no letters"),
        ("0.5", "'0.5' names no letters"),
        ("half@4", "'half@4' names no letters"),
        ("1@four", "names no letters"),
        ("0@4", "a share above 0 and at most 1, but it is 0"),
        ("1.5@4", "a share above 0 and at most 1"),
        ("1@1", "2 to 8 bits, or 32, not 1"),
        ("1@9", "or 32, not 9"),
        ("1@33", "or 32, not 33"),
        ("1@8/1", "a letter's inputs have 2 to 8 bits, or 32, not 1"),
        ("1@8/", "'1@8/' names no letters"),
        ("1@/8", "'1@/8' names no letters"),
        ("1@8/8/8", "'1@8/8/8' names no letters"),
        ("4:4@8", "must keep at least 1 of more inputs"),
        ("0.5x0@8", "at least 1 weight"),
    ],
)
def test_letters_that_cannot_be(text: str, message: str) -> None:
    with pytest.raises(PruneError, match=message):
        parse_letters(text)


def test_layers_that_cannot_have_a_letter() -> None:
    weights = {"first": torch.ones(8, 3, 3, 3), "second": torch.ones(8, 8)}
    letters = parse_letters("1@32,8 2:4@8 0.5x4@8")
    message = "layer 'first' cannot have the letter '2:4@8': groups of 4 do not divide 3 inputs"
    with pytest.raises(PruneError, match=message):
        letters_of_layers(letters, weights)
    with pytest.raises(PruneError, match="blocks of 4 do not divide 3 inputs"):
        letters_of_layers(parse_letters("1@32,8 0.5x4@8"), weights)
    first, second = letters_of_layers(letters, weights, skip=True)
    assert [str(one) for one in first] == ["1@32", "1@8"]
    assert second == letters
    with pytest.raises(PruneError, match="layer 'first' has none of the letters"):
        letters_of_layers(parse_letters("2:4@8,4"), weights, skip=True)
    with pytest.raises(PruneError, match="layer 'first' has only 1@32 of the letters"):
        letters_of_layers(parse_letters("1@32"), weights)


# Patterns.


@pytest.fixture
def scores() -> Tensor:
    return torch.rand(6, 8, 3, 3, generator=torch.Generator().manual_seed(0)) + 0.01


def test_single_weights_are_the_highest(scores: Tensor) -> None:
    alive = torch.ones_like(rows(scores), dtype=torch.bool)
    mask = Single().mask(rows(scores), alive, 0.25)
    assert int(mask.sum()) == 108
    assert rows(scores)[mask].min() >= rows(scores)[~mask].max()
    assert int(Single().mask(rows(scores), alive, 1e-6).sum()) == 1


def test_groups_of_inputs_keep_n_of_m(scores: Tensor) -> None:
    alive = torch.ones_like(rows(scores), dtype=torch.bool)
    mask = back(NOfM(2, 4).mask(rows(scores), alive, 0.5), scores.shape)
    # Neighbouring channels at one place of the kernel are a group.
    assert (mask.unflatten(1, (2, 4)).sum(dim=2) == 2).all()
    kept = scores.unflatten(1, (2, 4)).topk(2, dim=2).values.sum()
    assert scores[mask].sum() == pytest.approx(float(kept))


def test_blocks_live_or_go_whole(scores: Tensor) -> None:
    alive = torch.ones_like(rows(scores), dtype=torch.bool)
    mask = back(Blocks(4).mask(rows(scores), alive, 0.25), scores.shape).unflatten(1, (2, 4))
    assert (mask.all(dim=2) == mask.any(dim=2)).all()
    assert int(mask.sum()) == 108


def test_filters_go_whole(scores: Tensor) -> None:
    alive = torch.ones_like(rows(scores), dtype=torch.bool)
    mask = Filters().mask(rows(scores), alive, 0.5)
    whole = mask.all(dim=1)
    assert torch.equal(mask.any(dim=1), whole)
    assert whole.sum() == round(0.5 * len(whole))
    sums = rows(scores).sum(dim=1)
    assert sums[whole].min() >= sums[~whole].max()
    assert Filters().mask(rows(scores), alive, 0.001).any(dim=1).sum() == 1


@pytest.mark.parametrize("pattern", [Single(), NOfM(2, 4), Blocks(4), Filters()])
def test_weights_that_were_zero_stay_zero(scores: Tensor, pattern: Any) -> None:
    alive = rows(scores > 0.3)
    for share in (1.0, 0.5):
        assert not (pattern.mask(rows(scores), alive, share) & ~alive).any()
    assert torch.equal(back(rows(scores), scores.shape), scores)


# Removing and rounding.


def products(inputs: int, generator: torch.Generator) -> Tensor:
    drawn = torch.randn(4 * inputs, inputs, generator=generator, dtype=torch.float64)
    mixed = drawn @ torch.randn(inputs, inputs, generator=generator, dtype=torch.float64)
    return mixed.T @ mixed / len(mixed) + 0.1 * torch.eye(inputs, dtype=torch.float64)


def test_the_first_weight_to_go_is_the_one_that_is_missed_least() -> None:
    generator = torch.Generator().manual_seed(0)
    gram, weight = products(9, generator), torch.randn(3, 9, generator=generator)
    found = removal_losses(weight, gram)
    for row, losses in zip(weight.double(), found, strict=True):
        alone = []
        for place in range(9):
            others = [i for i in range(9) if i != place]
            change = torch.zeros(9, dtype=torch.float64)
            change[place] = -row[place]
            right = -gram[others][:, place] * change[place]
            change[others] = torch.linalg.solve(gram[others][:, others], right)
            alone.append(float(change @ gram @ change))
        # Those that go next may lose less, but never count less.
        assert float(losses.min()) == pytest.approx(min(alone), rel=1e-5)
        assert float(losses[int(np.argmin(alone))]) == float(losses.min())


@pytest.mark.parametrize("same", [True, False])
def test_feedback_rounds_better_than_each_weight_alone(*, same: bool) -> None:
    generator = torch.Generator().manual_seed(1)
    places, weight = torch.arange(40), torch.randn(5, 40, generator=generator)
    # Inputs that are alike, as neighbouring pixels are.
    gram = 0.95 ** (places[:, None] - places).abs().double()
    mask = torch.rand(1 if same else 5, 40, generator=generator).expand(5, 40) < 0.6
    factors = Factors.of(gram, mask)
    codes, scales = rounded(weight * mask, factors, 3)
    assert not codes[~mask].any()
    assert codes.abs().max() == 3
    error = (codes * scales[:, None] - weight * mask).double()
    direct = ((error @ gram) * error).sum(dim=1)
    kept = error.float().gather(1, factors.index) * factors.filled
    torch.testing.assert_close(quadratic(kept, factors).double(), direct, rtol=1e-3, atol=1e-4)
    alone = weight * mask
    steps = torch.linspace(0.1, 1.0, 100)[:, None, None] * alone.abs().amax(dim=1)[:, None] / 3
    nearest = steps * (alone / steps).round().clamp(-3, 3)
    errors = (nearest - alone).double()
    best = ((errors @ gram) * errors).sum(dim=2).amin(dim=0)
    assert (direct < best).all()
    assert direct.sum() < 0.5 * best.sum()


def test_each_step_makes_letters_better(network: nn.Module, digits: Data) -> None:
    def losses(steps: str) -> Any:
        return lettered(network, digits, steps=steps).database.facts.losses

    plain, refitted = losses("magnitude+nearest"), losses("magnitude+refit+nearest")
    chosen, fed = losses("loss+refit+nearest"), losses("loss+refit+feedback")
    best = losses("loss+refit+feedback+scales")
    assert (plain[0] == 0).all()
    assert refitted.sum() < 0.8 * plain.sum()
    assert chosen.sum() < 0.9 * refitted.sum()
    assert fed.sum() < chosen.sum()
    assert fed[:4].sum() < 0.5 * chosen[:4].sum()  # nothing is pruned
    assert best.sum() < fed.sum()


def test_a_step_of_ones_own(
    network: nn.Module, digits: Data, monkeypatch: pytest.MonkeyPatch
) -> None:
    def halve(treated: Treatment) -> Treatment:
        return treated.with_weight(treated.weight / 2)

    monkeypatch.setitem(STEPS, "halve", halve)
    found = lettered(network, digits, "1,0.5@32", steps="magnitude+halve")
    weight = found.weights(np.zeros(len(found.database.names), dtype=int))
    for name, before in found.database.weights.items():
        assert torch.equal(weight[name], before / 2)


@pytest.mark.parametrize(
    ("steps", "message"),
    [
        ("loss+refitt", "unknown step 'refitt'.*Did you mean 'refit'"),
        ("refit+nearest", "must begin with one of magnitude, loss"),
        ("loss+refit", "need a step that rounds: nearest or feedback"),
    ],
)
def test_steps_that_cannot_be(steps: str, message: str) -> None:
    with pytest.raises(PruneError, match=message):
        check_steps(parse_steps(steps), parse_letters("1@32,4"))


# The database.


def test_letters_are_what_they_say(assembly: Lettered, network: nn.Module) -> None:
    database, order = assembly.database, assembly.order
    facts = database.facts
    for layer, letters in enumerate(database.letters):
        for place, letter in enumerate(letters):
            weight = database.prepared(layer, letter).result
            count = int((weight != 0).sum())
            assert facts.weights[place, layer] == count
            assert count <= max(1, round(letter.share * int(order.counts[layer])))
            assert facts.bits[place, layer] <= letter.bits
            values = [len(row.unique()) for row in weight.flatten(1)]
            if letter.bits < 32:
                assert max(values) <= 2**letter.bits - 1
    assert (facts.losses[0] == 0).all()
    assert np.isfinite(facts.losses).all()


def test_memory_is_bounded(
    assembly: Lettered, network: nn.Module, digits: Data, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "CACHE_BYTES", 3_000)
    small = lettered(network, digits)
    facts, again = assembly.database.facts, small.database.facts
    assert np.array_equal(facts.losses, again.losses)
    assert len(small.database._prepared) < 5
    places = np.array([3, 5, 7, 2])[: len(small.database.names)]
    weights, same = assembly.weights(places), small.weights(places)
    assert all(torch.equal(weights[name], same[name]) for name in weights)


def test_workers_get_facts_without_letters(assembly: Lettered) -> None:
    database = assembly.database
    known = database.facts
    sent = pickle.loads(pickle.dumps(database))  # noqa: S301 - our own
    assert not sent._prepared
    assert np.array_equal(sent.__dict__["facts"].losses, known.losses)
    letter = database.letters[1][6]
    assert torch.equal(sent.prepared(1, letter).result, database.prepared(1, letter).result)


def test_a_network_has_its_letters(assembly: Lettered, digits: Data) -> None:
    places = np.full(len(assembly.database.names), 6)
    found = assembly.network(places)
    for layer, name in enumerate(assembly.database.names):
        letter = assembly.database.letters[layer][6]
        weight = found.get_submodule(name).weight
        assert torch.equal(weight, assembly.database.prepared(layer, letter).result)
    images = assembly.exact.prepare(digits.validation.images)
    with torch.no_grad():
        outputs = found(digits.validation.images)
    expected = assembly.outputs(places, images, exact=True)
    torch.testing.assert_close(outputs, expected, rtol=1e-4, atol=1e-4)
    together = assembly.outputs_together(np.stack([places, places]), images, exact=True)
    torch.testing.assert_close(together[1], expected, rtol=1e-4, atol=1e-4)


# Choosing.


def test_the_cheapest_choice_is_on_the_convex_hull() -> None:
    generator = np.random.default_rng(0)
    prices = np.sort(generator.random((4, 3)), axis=0)[::-1]
    losses = np.sort(generator.random((4, 3)), axis=0)
    losses[3, 1] = np.inf
    choices = [np.array(one) for one in product(range(4), repeat=3)]
    layers = np.arange(3)
    least = np.where(np.isfinite(losses), prices, np.inf).min(axis=0).sum()
    budgets = np.linspace(least, prices.max(axis=0).sum(), 7)
    for row, budget in zip(cheapest(losses, prices, budgets), budgets, strict=True):
        assert prices[row, layers].sum() <= budget + 1e-12
        within = [one for one in choices if prices[one, layers].sum() <= prices[row, layers].sum()]
        best = min(losses[one, layers].sum() for one in within)
        assert losses[row, layers].sum() == pytest.approx(best)
    assert (losses[cheapest(losses, prices, np.array([0.0])), layers] < np.inf).all()


def test_the_cheapest_choice_within_two_sums_is_the_best_of_all_that_spend_no_more() -> None:
    generator = np.random.default_rng(1)
    first = np.sort(generator.random((4, 4)), axis=0)[::-1]
    second, losses = first[:, ::-1] ** 2, np.sort(generator.random((4, 4)), axis=0)
    losses[3, 1] = np.inf
    layers, mixes = np.arange(4), np.array([[1.0, 0.0], [0.5, 0.5], [0.0, 1.0]])
    budgets = [0.6 * one.max(axis=0).sum() for one in (first, second)]
    found = cheapest_within(losses, [first, second], budgets, mixes)
    spent = np.array([[one[row, layers].sum() for one in (first, second)] for row in found])
    assert (spent <= budgets).all()
    # The weighted sum that a choice spends cannot be spent better (Everett, 1963).
    choices = [np.array(one) for one in product(range(4), repeat=4)]
    for row, mix, used in zip(found, mixes / budgets, spent, strict=True):
        within = [c for c in choices if mix @ [first[c, layers].sum(), second[c, layers].sum()]
                  <= mix @ used + 1e-12]  # fmt: skip
        best = min(losses[one, layers].sum() for one in within)
        assert losses[row, layers].sum() == pytest.approx(best)
    # A bound that nothing reaches does not count: the other one decides alone.
    alone = cheapest_within(losses, [first, second], [budgets[0], 1e6], mixes[:1])
    assert np.array_equal(alone, cheapest(losses, first, np.array(budgets[:1])))


def test_letters_that_others_beat_are_left_out() -> None:
    losses = np.array([[0.0, 0.0], [0.2, 0.1], [0.3, np.inf], [0.2, 0.2]])
    sizes = np.array([[8.0, 8.0], [4.0, 4.0], [5.0, np.inf], [4.0, 2.0]])
    first, second = undominated([losses, sizes])
    assert first.tolist() == [0, 1]
    assert second.tolist() == [0, 1, 3]


# Energy.


def test_an_energy_table_must_have_all_bits(tmp_path: Any) -> None:
    EnergyTable().check([2, 3, 4, 5, 6, 7, 8, 32])
    path = tmp_path / "energy.json"
    path.write_text('{"multiply": {"8": 0.3, "32": 4.6}, "byte": 100}')
    table = EnergyTable.read(path)
    assert (table.multiply[8], table.byte) == (0.3, 100)
    with pytest.raises(PruneError, match="no entry for 4 bits, which a letter has; it has 8, 32"):
        table.check([4, 8])
    path.write_text('{"multiply": {"8": -1}, "byte": 100}')
    with pytest.raises(PruneError, match="the energy table's '8' must be at least 0"):
        EnergyTable.read(path).check([8])
    path.write_text('{"multiply": [1]}')
    with pytest.raises(PruneError, match="must be JSON with picojoules"):
        EnergyTable.read(path)
    with pytest.raises(PruneError, match="cannot be read"):
        EnergyTable.read(tmp_path / "none.json")


def test_orders_are_shared_between_letters(network: nn.Module, digits: Data) -> None:
    order = MagnitudeOrder(network, digits.shape)
    assert list(lettered(network, digits).database.weights) == order.names
