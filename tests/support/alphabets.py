"""Helpers of the tests of alphabets: a small trained network and its letters."""

from __future__ import annotations

from typing import Any

from torch import nn

from pymoo_prune import Data
from pymoo_prune.pruning import MagnitudeOrder
from pymoo_prune.pruning.alphabets import Lettered, letters_of_layers, parse_letters, parse_steps
from pymoo_prune_problems import LayerAlphabet

LETTERS = "1,0.5,0.2,0.08@32,4,3,2"


def lettered(
    network: nn.Module,
    data: Data,
    letters: str = LETTERS,
    *,
    steps: str = "loss+refit+feedback+scales",
    skip: bool = False,
    **options: Any,
) -> Lettered:
    """Networks put together from letters."""
    order = MagnitudeOrder(network, data.shape)
    weights = dict(zip(order.names, order.weights, strict=True))
    own = letters_of_layers(parse_letters(letters), weights, skip=skip)
    return Lettered(
        network, order, data.train, own, parse_steps(steps), **{"images": 64, **options}
    )


def small(data: Data, parent: nn.Module | None, **options: Any) -> LayerAlphabet:
    """A problem with few letters and few images."""
    defaults = {"letters": LETTERS, "search_images": 200, "recovery_images": 64}
    return LayerAlphabet(data, parent=parent, **{**defaults, **options})
