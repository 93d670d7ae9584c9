"""The letters of each layer, made once and shared by all candidates."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from torch import Tensor

from pymoo_prune.chromosomes import Floats
from pymoo_prune.pruning.alphabets.container import layer_bytes
from pymoo_prune.pruning.alphabets.grids import reduced
from pymoo_prune.pruning.alphabets.input_grids import InputGrids, squares_through
from pymoo_prune.pruning.alphabets.letters import FLOAT_BITS, Letter
from pymoo_prune.pruning.alphabets.steps import Step, Treatment, scaled
from pymoo_prune.recovery import WeightRefit

CACHE_BYTES = 2**29
"""Memory for prepared letters; those that were unused for longest are made again."""


@dataclass(frozen=True, eq=False)  # tensors have no single truth value for ==
class Prepared:
    """A layer as it will be.

    Attributes:
        weight: Its codes, or its weights where these are floats.
        scales: A factor for each filter; None where weights are floats.
        bits: Bits of a weight: the letter's, or fewer where these are enough.
    """

    weight: Tensor
    scales: Tensor | None
    bits: int

    @property
    def result(self) -> Tensor:
        """The weights, float32."""
        return self.weight if self.scales is None else scaled(self.weight, self.scales)

    @property
    def nbytes(self) -> int:
        """Memory that it takes."""
        return int(self.weight.nbytes + (0 if self.scales is None else self.scales.nbytes))


@dataclass(frozen=True, eq=False)  # arrays have no single truth value for ==
class Facts:
    """What is known of each letter of each layer; letters that a layer does not have are infinite.

    Attributes:
        losses: The shares of the outputs that are lost, (letters, layers).
        weights: Weights that are not 0, (letters, layers).
        bytes: Bytes in a file, (letters, layers).
        bits: Bits of a weight, as the letters say, (letters, layers).
        inputs: Bits of an input, as the letters say, (letters, layers).
    """

    losses: Floats
    weights: Floats
    bytes: Floats
    bits: Floats
    inputs: Floats


class Database:
    """Letters of layers: made when they are asked for, kept while there is room.

    Args:
        weights: The parent's weights, by path.
        letters: The letters of each of these layers.
        steps: What makes a letter, in order.
        refit: The parent's statistics.
        grids: What layers may round their inputs to; None where no letter says so.
        entropy: Whether files may have entropy coding.
        progress: Called with the share of all letters that are made, while facts are gathered.
    """

    def __init__(
        self,
        weights: dict[str, Tensor],
        letters: Sequence[Sequence[Letter]],
        steps: Sequence[Step],
        refit: WeightRefit,
        *,
        grids: InputGrids | None = None,
        entropy: bool = True,
        progress: Callable[[float], None] | None = None,
    ) -> None:
        self.entropy, self.grids = entropy, grids
        self.weights, self.steps, self.refit = weights, tuple(steps), refit
        self.names = list(weights)
        self.letters = [tuple(each) for each in letters]
        self.progress = progress
        self._known: list[dict[Any, Any]] = [{} for _ in self.names]
        self._prepared: OrderedDict[tuple[int, Letter], Prepared] = OrderedDict()
        self._bytes = 0

    def __getstate__(self) -> dict[str, Any]:
        """Without letters and progress: a worker makes the letters that it needs."""
        known = [
            {name: value for name, value in one.items() if name == "losses"} for one in self._known
        ]
        emptied = {"_prepared": OrderedDict(), "_bytes": 0, "_known": known, "progress": None}
        return {**self.__dict__, **emptied, "facts": self.facts}

    def prepared(self, layer: int, letter: Letter) -> Prepared:
        """A layer as a letter of it; the bits of its inputs make no difference.

        Args:
            layer: Its place among the layers.
            letter: Any letter that the layer can have.
        """
        letter = letter.of_weights
        key = layer, letter
        if key in self._prepared:
            self._prepared.move_to_end(key)
            return self._prepared[key]
        name = self.names[layer]
        letter.check(name, self.weights[name])
        treated = Treatment(name, letter, self.weights[name], self.refit, self._known[layer])
        for step in self.steps:
            treated = step(treated)
        found = Prepared(treated.weight.contiguous(), None, FLOAT_BITS)
        if treated.codes is not None:
            found = Prepared(*reduced(treated.codes, treated.scales))
        self._prepared[key] = found
        self._bytes += found.nbytes
        while self._bytes > CACHE_BYTES and len(self._prepared) > 1:
            _, oldest = self._prepared.popitem(last=False)
            self._bytes -= oldest.nbytes
        return found

    @cached_property
    def facts(self) -> Facts:
        """The facts of all letters, for which each is made once."""
        shape = max(map(len, self.letters)), len(self.names)
        found = np.full((5, *shape), np.inf)
        for layer, letters in enumerate(self.letters):
            # Letters that differ in their bits alone share their masks.
            order = sorted(
                range(len(letters)),
                key=lambda i: (str(letters[i].pattern), -letters[i].share, i),
            )
            for place in order:
                found[:, place, layer] = self._fact(layer, letters[place])
            for name in ("refit", "factors"):
                self._known[layer].pop(name, None)
            if self.progress is not None:
                self.progress((layer + 1) / len(self.names))
        return Facts(*found)

    def _fact(self, layer: int, letter: Letter) -> tuple[float, ...]:
        one = self.prepared(layer, letter)
        loss = self.refit.loss(self.names[layer], one.result)
        loss += self._lost_before(self.names[layer], one.result, letter.inputs)
        size = layer_bytes(one.weight, one.bits, len(one.weight), entropy=self.entropy)
        alive = float((one.weight != 0).sum())
        return loss, alive, float(size), float(letter.bits), float(letter.inputs)

    def _lost_before(self, name: str, weight: Tensor, bits: int) -> float:
        """The share of a layer's outputs that is lost because its inputs are rounded."""
        if bits == FLOAT_BITS:
            return 0.0
        assert self.grids is not None  # noqa: S101 - such letters come with grids
        layer = self.refit.layers[name]
        lost = squares_through(layer, weight, self.grids.error(name, bits))
        whole = self.refit.power(name)
        if whole is None:
            whole = squares_through(layer, self.weights[name], self.grids.power(name))
        return lost / whole if whole > 0 else 0.0
