from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import prune

from pymoo_prune.data import Packed, Packing
from pymoo_prune.errors import PruneError
from pymoo_prune.measuring import Latency, latencies
from pymoo_prune.networks import FeedForward, PackedInputs


class Clock:
    """A clock that tests set by hand."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    result = Clock()
    monkeypatch.setattr("pymoo_prune.measuring.latency.perf_counter", result)
    return result


def takes(*seconds: float, clock: Clock, log: list[str], name: str = "network") -> nn.Module:
    """A network whose calls take these times, one after the other, and then always the last."""

    class Takes(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.calls = 0

        def forward(self, images: Tensor) -> Tensor:
            clock.now += seconds[min(self.calls, len(seconds) - 1)]
            self.calls += 1
            log.append(name)
            return images

    return Takes()


def probe(look: Any) -> nn.Module:
    """A network that calls a function with itself and its images."""

    class Probe(nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            look(self, images)
            return images

    return Probe()


@pytest.fixture
def three_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(before)


def test_the_text_says_how_long_and_how_it_was_measured() -> None:
    latency = Latency(0.00321, 0.00320, 0.00325, 0.00319, 1, 1, "cpu", 50)
    assert latency.iqr == pytest.approx(0.00005)
    assert str(latency) == "3.21 ms (IQR 0.05 ms; batch of 1, 1 thread, cpu, 50 repeats)"
    latency = Latency(32.1e-6, 32e-6, 33.5e-6, 31e-6, 64, 8, "cuda:0", 1)
    assert str(latency) == "32.10 µs (IQR 1.50 µs; batch of 64, 8 threads, cuda:0, 1 repeat)"


def test_networks_take_turns_and_each_is_first_once(clock: Clock) -> None:
    log: list[str] = []
    networks = {name: takes(0.01, clock=clock, log=log, name=name) for name in "abc"}
    latencies(networks, (1, 2, 2), warm_up=2, repeats=4)
    assert "".join(log[-12:]) == "abcbcacababc"
    # Before these, one call shows whether it runs, two warm up and three calibrate.
    assert "".join(log[:-12]) == "aaabbbcccaaabbbccc"


def test_median_and_quartiles_are_those_of_the_repeats(clock: Clock) -> None:
    calls = [9.0, *[0.01] * 3, 0.05, 0.02, 0.01, 0.04, 0.03]  # warm-up, calibration, five repeats
    network = takes(*calls, clock=clock, log=[])
    result = latencies({"it": network}, (1, 2, 2), warm_up=0, repeats=5)["it"]
    assert (result.lower, result.median, result.upper) == pytest.approx((0.02, 0.03, 0.04))
    assert (result.batch_size, result.threads, result.device, result.repeats) == (1, 1, "cpu", 5)


def test_a_single_repeat_is_all_quartiles(clock: Clock) -> None:
    network = takes(0.01, clock=clock, log=[])
    result = latencies({"it": network}, (1, 2, 2), repeats=1)["it"]
    assert result.lower == result.median == result.upper == pytest.approx(0.01)


@pytest.mark.parametrize(
    ("seconds", "calls"), [(3e-3, 1), (1.01e-3, 1), (0.9e-3, 3), (0.3e-3, 7), (15e-6, 134)]
)
def test_short_calls_are_several_a_repeat(clock: Clock, seconds: float, calls: int) -> None:
    log: list[str] = []
    # The first calls take longer, and one of three that calibrate is interrupted.
    network = takes(1.0, 1.0, 1.0, seconds, 1.0, seconds, seconds, clock=clock, log=log)
    result = latencies({"it": network}, (1, 2, 2), warm_up=2, repeats=5)["it"]
    assert len(log) == 3 + 3 + 5 * calls
    assert result.median == pytest.approx(seconds)
    assert result.iqr == pytest.approx(0, abs=1e-12)


def test_a_clock_that_stands_still_is_no_division_by_zero(clock: Clock) -> None:
    network = takes(0.0, clock=clock, log=[])
    assert latencies({"it": network}, (1, 2, 2), repeats=1)["it"].median == 0


def test_more_work_takes_longer() -> None:
    networks = {
        "large": nn.Sequential(*[nn.Conv2d(32, 32, 3, padding=1) for _ in range(10)]),
        "small": nn.Conv2d(32, 1, 1),
    }
    result = latencies(networks, (32, 24, 24), warm_up=1, repeats=5)
    assert list(result) == ["large", "small"]
    assert result["large"].lower > result["small"].upper
    for latency in result.values():
        assert 0 < latency.lower <= latency.median <= latency.upper < math.inf


def test_networks_run_in_evaluation_mode_without_a_graph_and_stay_as_they_were() -> None:
    seen: list[tuple[bool, bool]] = []
    looks = probe(lambda self, _: seen.append((self.training, torch.is_inference_mode_enabled())))
    network = nn.Sequential(looks, nn.BatchNorm2d(3), nn.Dropout(), nn.Conv2d(3, 4, 3)).train()
    network[1].eval()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    places = {name: value.data_ptr() for name, value in network.state_dict().items()}
    latencies({"it": network}, (3, 8, 8), repeats=2)
    assert set(seen) == {(False, True)}
    assert not torch.is_inference_mode_enabled()
    assert [module.training for module in network] == [True, False, True, True]
    for name, value in network.state_dict().items():
        assert torch.equal(value, before[name]), name
        assert value.data_ptr() == places[name], name
        assert not value.is_inference()


def test_all_networks_get_the_same_images_in_the_type_of_their_weights() -> None:
    seen: list[Tensor] = []
    looks = probe(lambda _, images: seen.append(images.clone()))
    networks = {
        "changes its images": nn.ReLU(inplace=True),
        "no weights": looks,
        "float32": nn.Sequential(looks, nn.Conv2d(3, 2, 1)),
        "float64": nn.Sequential(looks, nn.Conv2d(3, 2, 1)).double(),
    }
    latencies(networks, (3, 4, 5), repeats=1)
    assert {images.dtype for images in seen} == {torch.float32, torch.float64}
    assert all(torch.equal(images.float(), seen[0]) for images in seen)
    assert (seen[0] < 0).any()
    assert (seen[0] > 0).any()
    first = seen[0]
    latencies({"on another day": looks}, (3, 4, 5), repeats=1)
    assert torch.equal(seen[-1], first)


def test_random_tables_hold_ids_that_every_network_knows() -> None:
    seen: list[tuple[Tensor, ...]] = []

    class Mixed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embedding = nn.Embedding(1, 2)

        def forward(self, ids: Tensor, beside: Tensor) -> Tensor:
            seen.append((ids, beside))
            return self.embedding(ids).sum(1) + beside

    packing = Packing((Packed((3,), 0), Packed((2,))))
    latencies({"it": PackedInputs.of(Mixed(), packing)}, (5,), repeats=1, packing=packing)
    ids, beside = seen[0]
    assert ids.tolist() == [[0, 0, 0]]
    assert (beside != 0).all()


@pytest.mark.usefixtures("untouched_global_generators")
@pytest.mark.parametrize("batch_size", [1, 7])
def test_the_batch_has_so_many_images(batch_size: int) -> None:
    shapes: set[tuple[int, ...]] = set()
    looks = probe(lambda _, images: shapes.add(tuple(images.shape)))
    result = latencies({"it": looks}, (3, 4, 5), batch_size=batch_size, repeats=1)
    assert shapes == {(batch_size, 3, 4, 5)}
    assert result["it"].batch_size == batch_size


@pytest.mark.usefixtures("three_threads")
def test_threads_are_set_and_set_back() -> None:
    seen: set[int] = set()
    looks = probe(lambda *_: seen.add(torch.get_num_threads()))
    assert latencies({"it": looks}, (1, 2, 2), threads=2, repeats=1)["it"].threads == 2
    assert seen == {2}
    assert torch.get_num_threads() == 3


@pytest.mark.usefixtures("three_threads")
@pytest.mark.parametrize("calls", [0, 1, 5, 7])  # first, warm-up, calibration, repeat
def test_nothing_is_left_over_where_a_network_fails(calls: int) -> None:
    left = [calls]

    def fail(*_: object) -> None:
        if left[0] == 0:
            raise KeyError("lost")
        left[0] -= 1

    network = probe(fail).train()
    with pytest.raises((PruneError, KeyError), match="lost"):
        latencies({"it": network}, (1, 2, 2), warm_up=2, repeats=2)
    assert torch.get_num_threads() == 3
    assert not torch.is_inference_mode_enabled()
    assert network.training


def test_a_network_that_cannot_take_the_image_is_named(parent: FeedForward) -> None:
    networks = {"parent": parent, "colours": nn.Conv2d(3, 4, 3)}
    message = r"network 'colours' cannot take a batch of shape \(2, 1, 8, 8\) on cpu: .*channels"
    with pytest.raises(PruneError, match=message):
        latencies(networks, (1, 8, 8), batch_size=2)


def test_a_network_that_cannot_be_copied_is_named() -> None:
    network = prune.l1_unstructured(nn.Linear(4, 4), "weight", 0.5)
    with pytest.raises(PruneError, match=r"network 'masked' cannot be copied; .*remove\(\)"):
        latencies({"masked": network}, (1, 4, 4))
    latencies({"masked": prune.remove(network, "weight")}, (1, 4, 4), repeats=1)


def test_inputs_may_have_any_number_of_axes() -> None:
    found = latencies({"table": nn.Linear(8, 2)}, (8,), batch_size=3, repeats=2)
    assert found["table"].batch_size == 3


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"batch_size": 0}, "at least 1 .* batch_size=0, threads=1, repeats=50 and warm_up=10"),
        ({"threads": 0}, "threads=0"),
        ({"repeats": 0}, "repeats=0"),
        ({"warm_up": -1}, "warm_up at least 0, but .* warm_up=-1"),
        ({"device": "cuda:77"}, "device 'cuda:77' cannot be used here"),
        ({"networks": {}}, "there are no networks to measure"),
        ({"shape": ()}, r"\(channels, height, width\), but it is \(\)"),
        ({"shape": (1, 0, 8)}, r"but it is \(1, 0, 8\)"),
    ],
)
def test_measurements_that_are_impossible_are_refused(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(PruneError, match=message):
        latencies(**{"networks": {"it": nn.Identity()}, "shape": (1, 8, 8)} | wrong)


@pytest.mark.slow
@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
def test_a_gpu_is_waited_for() -> None:
    # A thousand times the work takes longer, although its launch takes equally long.
    networks = {"small": nn.Linear(8, 8), "large": nn.Linear(8, 8 * 4096)}
    result = latencies(networks, (64, 64, 8), batch_size=8, repeats=5, device="cuda")
    assert result["large"].lower > 5 * result["small"].upper
    assert result["large"].device == "cuda"
    assert next(networks["large"].parameters()).device.type == "cpu"
