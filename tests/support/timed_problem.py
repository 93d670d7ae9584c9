"""A problem whose networks are physically small, and a meter that needs no clock."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from pymoo_prune import Data
from pymoo_prune.chromosomes import Array
from pymoo_prune.measuring import Latency, count_parameters
from pymoo_prune.problem import Timing
from tests.support.tiny_problem import FailingPixels, Pixels


class Meter:
    """Stands in for `latencies`: a nanosecond a parameter, and each call is slower than the last.

    So a second measurement of the same network gives another number.

    Attributes:
        calls: The networks' names and the options, of each call.
    """

    def __init__(self, slower: float = 0.01) -> None:
        self.slower = slower
        self.calls: list[tuple[list[str], dict[str, Any]]] = []

    def __call__(
        self, networks: Mapping[str, nn.Module], shape: Sequence[int], **options: Any
    ) -> dict[str, Latency]:
        self.calls.append((list(networks), {"shape": shape, **options}))
        found = {}
        for name, network in networks.items():
            phase = 1 + self.slower * len(self.calls) * (name == "candidate")
            seconds = 1e-9 * count_parameters(network) * phase
            conditions = options["batch_size"], 1, "cpu", options["repeats"]
            found[name] = Latency(seconds, seconds, seconds, seconds, *conditions)
        return found

    @property
    def candidates(self) -> int:
        """How many candidates were measured."""
        return sum("candidate" in names for names, _ in self.calls)

    @property
    def parents(self) -> int:
        """How many times the parent was measured alone."""
        return sum(names == ["parent"] for names, _ in self.calls)


class Choice(nn.Module):
    """A linear classifier that looks at some pixels alone."""

    def __init__(self, weight: Tensor, bias: Tensor, pixels: Tensor) -> None:
        super().__init__()
        self.linear = nn.utils.skip_init(nn.Linear, len(pixels), len(bias))
        with torch.no_grad():
            self.linear.weight.copy_(weight[:, pixels])
            self.linear.bias.copy_(bias)
        self.register_buffer("pixels", pixels)

    def forward(self, images: Tensor) -> Tensor:
        return self.linear(images.flatten(1)[:, self.pixels])  # type: ignore[no-any-return]


class SmallPixels(Pixels):
    """The tiny problem with small networks: pixels that are pruned are not read."""

    timing = Timing()

    def network(self, x: Array) -> Choice:
        weight, bias = torch.from_numpy(self.weight), torch.from_numpy(self.bias)
        return Choice(weight, bias, torch.from_numpy(np.flatnonzero(x)))

    def __init__(self, data: Data, **options: Any) -> None:
        super().__init__(data, **options)
        self.parent = SmallPixels.network(self, np.ones(self.n_var, dtype=bool))
        self.depends_on = {"parent": "all pixels"}

    def milliseconds(self, x: Array) -> float:
        """What the meter says of its first call."""
        return 1e-6 * (10 * int(x.sum()) + 10)


class SmallFailingPixels(SmallPixels, FailingPixels):
    """The same with candidates that cannot be measured; they have no network either."""

    def network(self, x: Array) -> Choice:
        assert not self.fails(x)
        return super().network(x)
