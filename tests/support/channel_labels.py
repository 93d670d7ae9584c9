"""Labels and pieces of networks, in a form that tests can write down."""

from __future__ import annotations

from pymoo_prune.pruning import ChannelFlow

Expected = dict[str, tuple[list[int] | None, list[int]]]
FoundPiece = tuple[str, tuple[str, int], bool]


def span(first: int, last: int) -> list[int]:
    """Labels from the first to the last."""
    return list(range(first, last + 1))


def labels(flow: ChannelFlow) -> Expected:
    """The labels that each layer reads and gives."""
    return {
        layer.name: (
            None if layer.inputs is None else layer.inputs.tolist(),
            layer.outputs.tolist(),
        )
        for layer in flow.layers
    }


def pieces(flow: ChannelFlow) -> list[FoundPiece]:
    """The name and the operand of each piece, and whether it is added."""
    return [(piece.name, piece.branch, piece.residual) for piece in flow.pieces]
