"""Groups, blocks, pieces and alternatives of networks small enough to follow by hand."""

from __future__ import annotations

from typing import Any

import pytest
from torch import Tensor, nn

from pymoo_prune.pruning import PrunableFilters
from tests.support.channel_labels import FoundPiece, pieces
from tests.support.small_networks import ALL, CLASSES, SHAPE, Net, small, unit

GENES: dict[str, tuple[tuple[int, ...], list[FoundPiece], list[Any]]] = {
    "chain": ((4, 6), [], []),
    "without_norms": ((4, 6), [], []),
    "neurons": ((7, 4), [], []),
    "bare_norms": ((4, 6), [], []),
    "residual": ((4, 6), [("a", ("add", 0), True), ("second", ("add_1", 1), True)], []),
    "projection": ((4, 6, 5), [("a.0", ("add", 0), True)], []),
    "inception": (
        (4, 2, 3, 3, 3, 2),
        [
            ("one", ("cat", 0), False),
            ("two", ("cat", 2), False),
            ("left", ("cat_1", 0), False),
            ("right", ("cat_1", 1), False),
        ],
        [(2, 3)],
    ),
    "depthwise": ((4, 6), [], []),
    "dense": ((4, 3, 2), [("a", ("cat", 1), False), ("b", ("cat_1", 1), False)], []),
    "excitation": ((6, 2, 3, 4), [], []),
    "nested": (
        (4, 3, 2),
        [
            ("inner", ("add", 1), True),
            ("enter.0", ("cat", 0), False),
            ("beside", ("cat", 1), False),
            ("enter.0", ("add_1", 1), True),
        ],
        [(1, 2)],
    ),
    "shared_stem": (
        (4, 3, 2, 3),
        [
            ("left", ("cat", 0), False),
            ("right", ("cat", 1), False),
            ("other", ("cat", 2), False),
        ],
        [(0, 1, 2)],
    ),
    "interwoven": (
        (3, 3, 2, 3, 2),
        [
            ("a.0", ("add", 0), True),
            ("c", ("add_1", 0), True),
            ("a_again.0", ("cat_2", 0), False),
        ],
        [],
    ),
    "onto_the_image": (
        (4, 4, 6),
        [("hidden.0", ("add", 1), True), ("three", ("add_1", 1), True)],
        [],
    ),
    "signal": ((4, 5), [], []),
}


@pytest.mark.parametrize("name", ALL)
def test_genes_are_those_found_by_hand(name: str) -> None:
    filters = PrunableFilters(small(name), SHAPE)
    sizes, found, alternatives = GENES[name]
    assert filters.genes.sizes == sizes
    assert pieces(filters.flow) == found
    assert list(filters.genes.alternatives) == alternatives
    assert filters.genes.n_pieces == len(found)


def test_blocks_are_the_largest_modules_that_are_no_containers() -> None:
    class Block(nn.Module):
        def __init__(self, inputs: int) -> None:
            super().__init__()
            self.one, self.two = unit(inputs, 4), unit(4, 4)

        def forward(self, x: Tensor) -> Tensor:
            return x + self.two(self.one(x))  # type: ignore[no-any-return]

    class Body(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.stem = unit(3, 4)
            self.blocks = nn.Sequential(Block(4), nn.Sequential(Block(4)))
            self.head = nn.Linear(4, CLASSES)

        def forward(self, x: Tensor) -> Tensor:
            return self.head(self.blocks(self.stem(x)).mean((2, 3)))  # type: ignore[no-any-return]

    # The module around it contains everything, and so is no block.
    genes = PrunableFilters(Net(lambda net, x: net.body(x), body=Body()), SHAPE).genes
    assert genes.sizes == (4, 4, 4)
    assert genes.blocks == (0, 1, 2)
    assert genes.piece_blocks == (1, 2)
