"""Networks with several inputs, or with ids of tokens, as networks of one table of numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, fx, nn

from pymoo_prune.data import Packed, Packing
from pymoo_prune.errors import PruneError
from pymoo_prune.networks.building import build_network, buildable, spec_of


def part_of(values: Tensor, start: int, end: int, shape: Sequence[int], *, whole: bool) -> Tensor:
    """One of the inputs in a table, (n, ...); a graph has it as one node.

    Args:
        values: The table, (n, values).
        start: Its first column there.
        end: The column behind its last.
        shape: One item's.
        whole: Whether it has whole numbers, which embeddings take as int64.
    """
    one = values[:, start:end]
    if len(shape) != 1:
        one = one.reshape(-1, *shape)
    return one.long() if whole else one


fx.wrap("part_of")


@buildable("packed-inputs")
class PackedInputs(nn.Module):
    """A network that takes all its inputs from the columns of one table, (n, values).

    Args:
        network: The spec of the network, which takes the inputs one by one.
        parts: Of each input its shape, and the largest whole number, or None for real numbers.
    """

    def __init__(
        self, network: Mapping[str, Any], parts: Sequence[tuple[Sequence[int], int | None]]
    ) -> None:
        super().__init__()
        self.network, self.packing = build_network(network), packing_of(parts)

    @classmethod
    def of(cls, network: nn.Module, packing: Packing) -> PackedInputs:
        """The same with a network that is there; it is shared.

        Args:
            network: Takes the inputs one by one.
            packing: How they lie in the table.
        """
        packed = cls.__new__(cls)
        nn.Module.__init__(packed)
        packed.network, packed.packing = network, packing
        packed.training = network.training
        return packed

    @property
    def spec(self) -> dict[str, Any] | None:
        """How to build it; None where the network itself has no spec."""
        inner = spec_of(self.network)
        if inner is None:
            return None
        arguments = {"network": inner, "parts": parts_of(self.packing)}
        return {"network": "packed-inputs", "arguments": arguments}

    def forward(self, values: Tensor) -> Tensor:
        """(n, values) -> the network's outputs."""
        parts = zip(self.packing.parts, self.packing.columns, strict=True)
        inputs = [
            part_of(values, *ends, part.shape, whole=part.most is not None) for part, ends in parts
        ]
        outputs: Tensor = self.network(*inputs)
        return outputs


@buildable("own-inputs")
class OwnInputs(nn.Module):
    """A network of one table of numbers that takes the inputs one by one again.

    Args:
        network: The spec of the network that takes a table.
        parts: See `PackedInputs`.
    """

    def __init__(
        self, network: Mapping[str, Any], parts: Sequence[tuple[Sequence[int], int | None]]
    ) -> None:
        super().__init__()
        self.network, self.packing = build_network(network), packing_of(parts)

    @classmethod
    def of(cls, network: nn.Module, packing: Packing) -> OwnInputs:
        """A network that takes the inputs one by one.

        Args:
            network: Takes a table of them; it is shared.
            packing: How they lie in the table.
        """
        own = cls.__new__(cls)
        nn.Module.__init__(own)
        own.network, own.packing = network, packing
        own.training = network.training
        return own

    @property
    def spec(self) -> dict[str, Any] | None:
        """How to build it; None where the network itself has no spec."""
        inner = spec_of(self.network)
        if inner is None:
            return None
        arguments = {"network": inner, "parts": parts_of(self.packing)}
        return {"network": "own-inputs", "arguments": arguments}

    def forward(self, *inputs: Tensor) -> Tensor:
        """Each input, (n, ...) -> the network's outputs."""
        columns = [one.reshape(one.shape[0], -1).to(torch.float32) for one in inputs]
        outputs: Tensor = self.network(torch.cat(columns, dim=1))
        return outputs


def own_inputs(network: nn.Module, packing: Packing | None = None) -> nn.Module:
    """A network that takes the inputs of the user's own network, one by one.

    Args:
        network: Any network of a search; it is shared.
        packing: How inputs lie in the table that it takes; None where its own spec says so, or
            where it takes no table.
    """
    spec = spec_of(network) or {}
    parent = spec.get("arguments", {}).get("parent")
    if isinstance(parent, Mapping) and parent.get("network") == "packed-inputs":
        packing = packing_of(parent["arguments"]["parts"])
    if isinstance(network, PackedInputs):
        return network.network
    return network if packing is None else OwnInputs.of(network, packing)


def parts_of(packing: Packing) -> list[list[Any]]:
    """A packing as JSON keeps it."""
    return [[list(part.shape), part.most] for part in packing.parts]


def packing_of(parts: Sequence[tuple[Sequence[int], int | None]]) -> Packing:
    """A packing as JSON kept it."""
    try:
        return Packing(tuple(Packed(tuple(map(int, shape)), most) for shape, most in parts))
    except (TypeError, ValueError) as error:
        msg = f"parts must be pairs of a shape and a largest whole number or None: {parts}"
        raise PruneError(msg) from error
