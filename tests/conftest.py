from __future__ import annotations

import signal
from collections.abc import Callable, Iterator

import numpy as np
import pytest
import torch
from hypothesis import settings

from pymoo_prune.cli import main
from pymoo_prune.data import Data, load_data
from pymoo_prune.networks import FeedForward
from pymoo_prune.training import Recipe, trained

# Every run tries the same examples: a failure in CI is a failure here.
settings.register_profile("same", deadline=None, derandomize=True, database=None, max_examples=50)
settings.load_profile("same")

# On networks as small as these, threads only wait for each other: on a busy machine, for seconds.
torch.set_num_threads(1)

# A shell's background job ignores Ctrl-C, and so do the processes that it starts.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """A run sets its own number of threads; the next test has one again."""
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def digits() -> Data:
    """Real images: 1,797 handwritten digits, 8 by 8."""
    return load_data("digits")


@pytest.fixture(scope="session")
def parent(digits: Data) -> FeedForward:
    """A small network, trained well enough that what is cut out of it matters; never change it."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = FeedForward(64, [24, 16], 10)
    return trained(network, digits.train, images=8_000, recipe=Recipe(learning_rate=3e-3))


@pytest.fixture
def untouched_global_generators() -> Iterator[None]:
    """Fails a test that draws from, or seeds, numpy's or torch's global generator."""
    legacy = np.random.get_state(legacy=False)  # noqa: NPY002 - it is the one to be left alone
    before = torch.get_rng_state()
    yield
    now = np.random.get_state(legacy=False)  # noqa: NPY002
    assert np.array_equal(now["state"]["key"], legacy["state"]["key"])
    assert now["state"]["pos"] == legacy["state"]["pos"]
    assert torch.equal(torch.get_rng_state(), before)


@pytest.fixture
def failed(capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Runs a command that must fail; returns what it writes to standard error."""

    def run(*arguments: str) -> str:
        assert main(arguments) == 2
        error = capsys.readouterr().err
        assert error.startswith("error: ")
        assert "Traceback" not in error
        return error

    return run
