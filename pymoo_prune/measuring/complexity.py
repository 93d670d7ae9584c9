"""Counts parameters and multiply-accumulates (MACs), exactly, for one network or for many at once.

MACs are those of convolutions, linear layers and products without weights, such as attention's, for
one image. FLOPs are twice as many.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from pymoo_prune.chromosomes import Booleans, Counts, nodes_of
from pymoo_prune.errors import PruneError
from pymoo_prune.measuring.products import PRUNABLE, Pass, Product, multiplied


def dense_complexity(inputs: int, widths: Counts, classes: int) -> tuple[Counts, Counts]:
    """Parameters and MACs of feed-forward networks.

    Args:
        inputs: Values of one flattened image.
        widths: Neurons in each hidden layer, (n, layers).
        classes: Outputs.

    Returns:
        Parameters (weights and biases) and MACs, (n,) each.
    """
    n = len(widths)
    sizes = np.column_stack(
        [np.full(n, inputs), np.asarray(widths, dtype=np.int64), np.full(n, classes)]
    )
    macs = (sizes[:, :-1] * sizes[:, 1:]).sum(axis=1)
    return macs + sizes[:, 1:].sum(axis=1), macs


def dense_net_complexity(
    matrices: Booleans,
    *,
    growth: int,
    stem: int,
    channels: int,
    classes: int,
    size: tuple[int, int],
    large: bool = False,
) -> tuple[Counts, Counts]:
    """Parameters and MACs of DenseNet-BC with these connections, in closed form.

    Args:
        matrices: Live connections, (n, blocks, nodes, nodes).
        growth: k, the channels that each layer adds.
        stem: Channels of the first convolution.
        channels: Channels of an image.
        classes: Outputs.
        size: Height and width of an image.
        large: Whether the first layers are those for large images.

    Returns:
        Parameters (weights, biases, scales and shifts of batch norms) and MACs, (n,) each.
    """
    n, blocks = matrices.shape[:2]
    kernel = (49 if large else 9) * channels * stem
    size = _halved(size) if large else size
    macs = np.full(n, kernel * size[0] * size[1])
    parameters = np.full(n, kernel + 2 * stem * large)  # the batch norm of the large ones
    size = _halved(size) if large else size
    k, pixels = growth, size[0] * size[1]
    inputs = np.full(n, stem)
    for block in range(blocks):
        nodes = nodes_of(matrices[0, block]) if n else matrices.shape[-1]
        live = matrices[:, block, :nodes, :nodes].astype(np.int64)
        # The channels that each node reads: a_j for the layers, t for the output of the block.
        read = live[:, 0, 1:] * inputs[:, None] + k * live[:, 1:-1, 1:].sum(axis=1)
        layers, leaving = read[:, :-1], read[:, -1]
        # Batch norm and 1×1 convolution to 4k channels, batch norm and 3×3 convolution to k.
        parameters += (layers * (4 * k + 2) + 8 * k + 36 * k * k).sum(axis=1)
        macs += (layers * 4 * k + 36 * k * k).sum(axis=1) * pixels
        parameters += 2 * leaving  # the batch norm of the transition, or before the classifier
        if block < blocks - 1:
            inputs = leaving // 2
            parameters += leaving * inputs
            macs += leaving * inputs * pixels
            size = size[0] // 2, size[1] // 2
            pixels = size[0] * size[1]
    return parameters + classes * (leaving + 1), macs + classes * leaving


def _halved(size: tuple[int, int]) -> tuple[int, int]:
    """What a convolution or pooling with stride 2 leaves, where it pads."""
    return (size[0] + 1) // 2, (size[1] + 1) // 2


def count_parameters(network: nn.Module) -> int:
    """The number of a network's parameters, zeros included."""
    return sum(parameter.numel() for parameter in network.parameters())


@dataclass(frozen=True)
class LayerShape:
    """A layer whose weights can be pruned.

    Attributes:
        name: The module's path in its network.
        weights: The number of its weights, without biases.
        positions: Multiply-accumulates of each weight for one image: 1 in a linear layer on a flat
            vector; the number of output pixels in a convolution.
    """

    name: str
    weights: int
    positions: int


@dataclass(frozen=True)
class Work:
    """The multiply-accumulates of a network for one image, by layers and other products.

    Attributes:
        layers: See `prunable_layers`.
        products: All other products: those of attention, whose factors both depend on the image,
            and those with weights that belong to no layer.
        faults: Reasons why pruning the layers would go wrong; empty if it works.
    """

    layers: Sequence[LayerShape]
    products: Sequence[Product]
    faults: Sequence[str]

    @property
    def constant(self) -> int:
        """The MACs of the products, which stay when layers are pruned."""
        return sum(product.macs for product in self.products)

    @property
    def macs(self) -> int:
        """All MACs: those that torch's own counter of FLOPs counts, times two."""
        return layer_macs(self.layers) + self.constant

    def check(self) -> None:
        """Refuses a network with weights or MACs that its layers do not account for.

        Raises:
            PruneError: Weights are used outside of convolutions and linear layers, or a layer
                computes something else. The error names the module and the operator.
        """
        if self.faults:
            raise PruneError(self.faults[0])


def count_work(network: nn.Module, shape: Sequence[int]) -> Work:
    """Counts the MACs of any network twice: by the layers' calls, and operator by operator.

    The network runs on one image of zeros, in evaluation mode, on the device of its parameters. So
    counting a network on "meta" computes nothing.

    Args:
        network: Any module; it is not changed.
        shape: One image, (channels, height, width).
    """
    found = multiplied(network, shape)
    owners: dict[Tensor, dict[str, nn.Module]] = {}
    for name, layer in network.named_modules():
        if isinstance(layer, PRUNABLE):
            owners.setdefault(layer.weight, {})[name] = layer
    layers = []
    for weight, group in owners.items():
        positions = sum(found.positions[layer] for layer in group.values())
        layers.append(LayerShape(next(iter(group)), weight.numel(), positions))
    return Work(layers, found.products, _faults(network, found))


def _faults(network: nn.Module, found: Pass) -> list[str]:
    """Products with weights of no layer, and layers whose operators are not what they should be."""
    faults = [
        f"in {_place(product)}, a {product.kind}, the operator {product.operator!r} multiplies "
        f"by {', '.join(product.weights)}: weights that belong to no convolution or linear layer. "
        "They would not be pruned; write the product with nn.Linear or a convolution"
        for product in found.products
        if product.weights
    ]
    for name, layer in network.named_modules():
        if not isinstance(layer, PRUNABLE):
            continue
        macs, counted = layer.weight.numel() * found.positions[layer], found.inside[layer]
        # Some devices have operators that are not counted; torch's own layers need no count.
        if counted > macs or (counted < macs and type(layer) not in PRUNABLE):
            faults.append(
                f"layer {name!r}, a {type(layer).__name__}, makes {counted:,} multiplications for "
                f"an image, but its weights account for {macs:,}: its class computes something "
                "else. It cannot be pruned; write what it computes with modules of its own"
            )
    return faults


def _place(product: Product) -> str:
    return repr(product.module) if product.module else "the network"


def prunable_layers(network: nn.Module, shape: Sequence[int]) -> list[LayerShape]:
    """The convolutions and linear layers of any network, in the order of `named_modules`.

    Args:
        network: Any module; see `count_work`.
        shape: One image, (channels, height, width).

    Returns:
        The layers. A shared weight counts once, in its first layer: its positions are summed over
        all layers that share it and all their calls, and over all other uses of the whole weight.
        They are 0 if the network never uses it.
    """
    return list(count_work(network, shape).layers)


def layer_macs(layers: Iterable[LayerShape]) -> int:
    """The MACs of layers for one image."""
    return sum(layer.weights * layer.positions for layer in layers)


def count_macs(network: nn.Module, shape: Sequence[int]) -> int:
    """The MACs of any network for one image: half of the FLOPs that torch counts.

    Args:
        network: Any module; it is not changed.
        shape: One image, (channels, height, width).
    """
    return count_work(network, shape).macs


def thop_macs(network: nn.Module, shape: Sequence[int]) -> float:
    """The MACs that thop counts, for comparison with papers that quote it.

    thop adds terms for batch norms and pooling. It changes its module, so it gets a copy.

    Args:
        network: Any module.
        shape: One image, (channels, height, width).
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from thop import profile  # noqa: PLC0415 - its import is slow, and warns

        device = next(network.parameters()).device
        image = torch.zeros(1, *shape, device=device)
        macs, _ = profile(copy.deepcopy(network), inputs=(image,), verbose=False)
    return float(macs)
