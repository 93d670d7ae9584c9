"""Networks with some of a DenseNet's connections, and the weights that they inherit."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.func import functional_call

from pymoo_prune.chromosomes import Booleans, Connections, nodes_of
from pymoo_prune.errors import PruneError
from pymoo_prune.networks import COMPRESSION, DenseNet
from pymoo_prune.recovery import ChannelRefit


@dataclass(frozen=True)
class Reader:
    """A batch norm and the layer behind it, which read some nodes of a block.

    Attributes:
        norm: The batch norm's path.
        layer: The path of the convolution or linear layer.
        inputs: Channels of the full network that it reads, ascending indices.
        outputs: Channels of the full network that it gives, ascending indices.
    """

    norm: str
    layer: str
    inputs: Tensor
    outputs: Tensor


class SharedWeights:
    """A DenseNet with all connections; networks with fewer connections inherit its weights.

    Where fewer channels enter a transition, fewer leave it: the first of the parent's stay.

    Args:
        parent: The network; every connection must be live.
    """

    def __init__(self, parent: DenseNet) -> None:
        self.codec = Connections.of(parent.connections)
        missing = ~parent.connections & self.codec.everything
        if missing.any():
            block, source, reader = (int(place) for place in np.argwhere(missing)[0])
            msg = (
                "the parent must have all of its connections, but in block "
                f"{block} node {reader} does not read node {source}"
            )
            raise PruneError(msg)
        self.parent = parent

    def like(self, matrices: Booleans) -> DenseNet:
        """A network with these connections and any weights."""
        parent = self.parent
        # The caller may have seeded torch for something else.
        with torch.random.fork_rng(devices=[]):
            return DenseNet(
                matrices, parent.growth, parent.channels, parent.classes, parent.entering,
                large=parent.large,
            )  # fmt: skip

    def readers(self, matrices: Booleans) -> Iterator[Reader]:
        """The layers that read through connections, in the order of the network.

        Args:
            matrices: Live connections, (blocks, nodes, nodes).
        """
        growth, blocks = self.parent.growth, len(matrices)
        entering = whole = self.parent.entering
        for block, layers in enumerate(self.codec.sizes):
            matrix = matrices[block, : layers + 2, : layers + 2]
            # The channels of node i in the full block; fewer for node 0 where fewer enter.
            own = [np.arange(entering)]
            own += [whole + growth * i + np.arange(growth) for i in range(layers)]
            read = [
                torch.from_numpy(np.concatenate([own[i] for i in np.flatnonzero(column)]))
                for column in matrix.T[1:]
            ]
            path = f"blocks.{block}.layers"
            for layer in range(layers):
                conv: Any = self.parent.get_submodule(f"{path}.{layer}.conv1")
                everything = torch.arange(conv.weight.shape[0])
                yield Reader(
                    f"{path}.{layer}.norm1", f"{path}.{layer}.conv1", read[layer], everything
                )
            whole += growth * layers
            if block < blocks - 1:
                entering, whole = len(read[-1]) // COMPRESSION, whole // COMPRESSION
                path = f"transitions.{block}"
                yield Reader(f"{path}.norm", f"{path}.conv", read[-1], torch.arange(entering))
            else:
                yield Reader("norm", "linear", read[-1], torch.arange(self.parent.classes))

    def inherited(self, matrices: Booleans, refit: ChannelRefit | None = None) -> dict[str, Tensor]:
        """The state of a network with these connections: slices of the parent's.

        Args:
            matrices: Live connections, (blocks, nodes, nodes).
            refit: Solves for the weights behind the live connections; None only cuts.

        Returns:
            Parameters and buffers by name. Gradients of slices of the parent's parameters reach the
            parent; buffers are copies.
        """
        state: dict[str, Tensor] = dict(self.parent.named_parameters())
        state |= {name: buffer.clone() for name, buffer in self.parent.named_buffers()}
        for reader in self.readers(matrices):
            inputs, outputs = reader.inputs, reader.outputs
            for name in ("weight", "bias", "running_mean", "running_var"):
                state[f"{reader.norm}.{name}"] = state[f"{reader.norm}.{name}"][inputs]
            weight = f"{reader.layer}.weight"
            if refit is None:
                state[weight] = state[weight][outputs][:, inputs]
                continue
            found = refit.layer(reader.layer, inputs, outputs)
            state |= {f"{reader.layer}.{name}": value for name, value in found.items()}
        return state

    def network(self, matrices: Booleans, refit: ChannelRefit | None = None) -> DenseNet:
        """A stand-alone network with these connections, in evaluation mode.

        Args:
            matrices: Live connections, (blocks, nodes, nodes).
            refit: See `inherited`.
        """
        network = self.like(matrices)
        state = {
            name: value.detach().clone() for name, value in self.inherited(matrices, refit).items()
        }
        network.load_state_dict(state, assign=True)
        for parameter in network.parameters():
            parameter.requires_grad = True
        return network.eval()

    def masked(self, matrices: Booleans) -> DenseNet:
        """The full network with zeros in place of dead connections, for comparison.

        Scale and shift of the batch norms in front are 0, so that ReLU gives zeros.
        """
        network = copy.deepcopy(self.parent)
        with torch.no_grad():
            for reader in self.readers(matrices):
                norm: Any = network.get_submodule(reader.norm)
                layer: Any = network.get_submodule(reader.layer)
                for values, kept in (
                    (norm.weight, reader.inputs),
                    (norm.bias, reader.inputs),
                    (layer.weight, reader.outputs),
                ):
                    mask = torch.zeros(len(values), dtype=torch.bool)
                    mask[kept] = True
                    values[~mask] = 0
        return network


def strengths(parent: DenseNet) -> NDArray[np.float64]:
    """The strength of each connection of a network: the mean absolute value of its weights.

    Returns:
        (blocks, nodes, nodes), 0 where there can be no connection.
    """
    found = np.zeros(parent.connections.shape)
    readers = iter(SharedWeights(parent).readers(parent.connections))
    entering = parent.entering
    for block, matrix in enumerate(parent.connections):
        nodes = nodes_of(matrix)
        owners = np.repeat(np.arange(nodes - 1), [entering] + [parent.growth] * (nodes - 2))
        for node in range(1, nodes):
            reader = next(readers)
            weight: Any = parent.get_submodule(reader.layer).weight
            # Of a 1×1 convolution or the classifier: (outputs, channels) and axes of length 1.
            channels = weight.detach().abs().mean(dim=0).flatten().double().cpu().numpy()
            own = owners[reader.inputs.numpy()]
            sums = np.bincount(own, channels, minlength=nodes)
            found[block, :nodes, node] = sums / np.maximum(np.bincount(own, minlength=nodes), 1)
        entering = len(reader.inputs) // COMPRESSION
    return found


class RandomPaths(nn.Module):
    """Shared weights in training: every batch goes through a network with other connections.

    So each weight learns to be useful with any set of other weights. A network that inherits the
    weights afterwards needs batch-norm statistics of its own; the parent needs new ones too.

    Args:
        parent: The network with all connections; it is trained in place.
        seed: The seed of the connections.
    """

    FULL = 0.25
    """The share of batches that go through all connections: the parent is a candidate too."""

    def __init__(self, parent: DenseNet, seed: int) -> None:
        super().__init__()
        self.shared = SharedWeights(parent)
        self.parent = parent
        self.generator = np.random.default_rng(seed)

    def forward(self, images: Tensor) -> Tensor:
        """(n, channels, height, width) -> (n, classes)."""
        codec, generator = self.shared.codec, self.generator
        kept = 1.0 if generator.random() < self.FULL else 1 - generator.random()
        matrices = codec.matrices(codec.random(1, generator, kept)[0])
        network = self.shared.like(matrices)
        return functional_call(network, self.shared.inherited(matrices), (images,))  # type: ignore[no-any-return]
