from __future__ import annotations

from typing import NoReturn

import pytest
import torch

from pymoo_prune import Data, PruneError
from pymoo_prune.machine import check_device, exact
from pymoo_prune.problem import PruningProblem
from tests.support.tiny_problem import Pixels


def flags() -> tuple[bool, bool, bool]:
    cudnn = torch.backends.cudnn
    return cudnn.allow_tf32, cudnn.deterministic, cudnn.benchmark


def test_a_gpu_computes_with_all_bits_and_always_the_same() -> None:
    before = flags()
    with exact(torch.device("cuda")):
        assert flags() == (False, True, False)
    assert flags() == before
    with exact(torch.device("cpu")):
        assert flags() == before


def test_every_measurement_is_exact(digits: Data, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[torch.device] = []

    def noted(device: torch.device) -> object:
        asked.append(device)
        return exact(device)

    monkeypatch.setattr("pymoo_prune.problem.pruning_problem.exact", noted)
    problem: PruningProblem = Pixels(digits)
    X = problem.operators()["sampling"](problem, 3).get("X")
    problem.measured(X)
    problem.measured_finally(X)
    assert asked == [torch.device("cpu")] * 2


@pytest.mark.parametrize("name", ["cuda:77", "nonsense", "meta"])
def test_a_device_that_cannot_be_used(name: str) -> None:
    with pytest.raises(PruneError, match=rf"device '{name}' cannot be used here \(there are"):
        check_device(name)
    assert check_device("cpu") == torch.device("cpu")


def test_only_the_first_line_of_an_error_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> NoReturn:
        raise RuntimeError("invalid device ordinal\nFor debugging consider")

    monkeypatch.setattr(torch, "zeros", fail)
    with pytest.raises(PruneError, match=r"take cpu: invalid device ordinal$"):
        check_device("cuda:9")
