"""Filters and branches of any network: which can go, what is left, and how large that is."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from itertools import groupby
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, fx, nn

from pymoo_prune.chromosomes import Array, Booleans, FilterGenes, Floats
from pymoo_prune.errors import PruneError
from pymoo_prune.measuring import count_parameters
from pymoo_prune.networks import (
    JOINS,
    Branch,
    SlimNetwork,
    evaluating,
    narrowed,
    operands,
    sliced,
    without_branches,
)
from pymoo_prune.pruning.channel_flow import ALWAYS, ChannelFlow, ChannelLayer, Labels, repeats
from pymoo_prune.recovery import ChannelRefit, understood

CONTAINERS = (nn.Sequential, nn.ModuleList, nn.ModuleDict)
TOLERANCE = 1e-9
"""How far small and masked networks may differ in double precision, relative to their outputs."""


class PrunableFilters:
    """The filters of a network that may go, and its branches.

    A gene is a channel that lives or dies as one, in all the layers that give it; then there is a
    gene for each branch that can be dropped whole. That a small network gives what the whole one
    does with its channels masked is verified here, on the network at hand.

    Args:
        network: Any network whose channels can be followed; it is left as it was.
        shape: One image, (channels, height, width).

    Attributes:
        genes: What the genes of a chromosome mean.
        flow: Layers and the labels of their channels.
    """

    def __init__(self, network: nn.Module, shape: Sequence[int]) -> None:
        self.whole, self.shape = network, tuple(shape)
        self.flow = ChannelFlow(network, shape)
        flow = self.flow
        if flow.count == 0:
            msg = f"a {type(network).__name__} has no filters that could be pruned"
            raise PruneError(msg)
        groups = [list(labels) for _, labels in groupby(range(flow.count), flow.givers.__getitem__)]
        self.group_layers = [flow.layers[flow.givers[labels[0]][0]].name for labels in groups]
        blocks = _Blocks(network, [layer.name for layer in flow.layers])
        by_node = {layer.node: layer.name for layer in flow.layers}
        self.genes = FilterGenes(
            sizes=tuple(len(labels) for labels in groups),
            blocks=tuple(blocks[name] for name in self.group_layers),
            piece_blocks=tuple(
                blocks[next(name for node, name in by_node.items() if node in piece.nodes)]
                for piece in flow.pieces
            ),
            alternatives=tuple(flow.alternatives),
        )
        self._tabulate()
        self.strengths = self._l1_norms()
        self.verify()

    def _tabulate(self) -> None:
        """How often each layer reads and gives each label, for whole populations at once."""
        flow, layers = self.flow, self.flow.layers
        self._reads = np.stack(
            [repeats(_given(layer.inputs, layer.outputs), flow.count) for layer in layers], axis=1
        )
        self._gives = np.stack([repeats(layer.outputs, flow.count) for layer in layers], axis=1)
        taps = np.array([layer.taps for layer in layers], dtype=np.float64)
        self._positions = np.array([layer.positions for layer in layers], dtype=np.float64)
        self._vectors = np.array([layer.vectors for layer in layers], dtype=np.float64)
        self._own = np.array([layer.inputs is None for layer in layers])  # each reads its own
        self._taps = taps
        # Layers that give a label, others than those that pass it on.
        self._givers = ((self._gives[:-1] > 0) & ~self._own).T.astype(np.float32)
        self._nodes = {node: place for place, node in enumerate(flow.graph.nodes)}
        names = {node.name: place for node, place in self._nodes.items()}
        self._layer_nodes = [names[layer.node] for layer in layers]
        self._piece_nodes = [names[piece.branch[0]] for piece in flow.pieces]
        everything = np.ones((1, self.genes.n_var), dtype=bool)
        self.all_macs = float(self.complexity(everything)[1][0])

    # What is left of the network.

    def alive(self, X: Array) -> Booleans:
        """Whether each label lives: its filter does, and so does what it is in.

        Args:
            X: Chromosomes, (..., n_var).

        Returns:
            (..., labels + 1); the last is for channels that nobody can take away.
        """
        with np.errstate(invalid="ignore"):  # some BLAS cry wolf, over ones and zeros too
            given = self.present(X).astype(np.float32) @ self._givers > 0
        always = np.ones((*given.shape[:-1], 1), dtype=bool)
        return np.concatenate([self.genes.filters(X) & given, always], axis=-1)

    def present(self, X: Array) -> Booleans:
        """Whether each layer is there, (..., layers)."""
        return self._needed(X)[..., self._layer_nodes]

    def _needed(self, X: Array) -> Booleans:
        """Whether the output depends on each node of the graph, (..., nodes)."""
        pieces = np.moveaxis(self.genes.pieces(X), -1, 0)
        there = {piece.branch: gene for piece, gene in zip(self.flow.pieces, pieces, strict=True)}
        needed = np.zeros((len(self._nodes), *pieces.shape[1:]), dtype=bool)
        needed[-1] = True  # the output
        for node, place in reversed(self._nodes.items()):
            for operand, source in enumerate(operands(node) or node.all_input_nodes):
                live = there.get((node.name, operand), True)
                needed[self._nodes[source]] |= needed[place] & live
        return np.moveaxis(needed, 0, -1)

    def complexity(self, X: Array) -> tuple[Floats, Floats]:
        """Parameters and multiply-accumulates, for a whole population at once.

        Args:
            X: Chromosomes, (n, n_var), none of them with an empty group.

        Returns:
            Two arrays (n,): those of the small networks, exactly.
        """
        alive = self.alive(X).astype(np.float64)
        present = self.present(X)
        with np.errstate(invalid="ignore"):  # as in `alive`
            read, given = alive @ self._reads, alive @ self._gives
        weights = np.where(self._own, given, read * given) * self._taps * present
        vectors = given * self._vectors * present
        return weights.sum(axis=1) + vectors.sum(axis=1), (weights * self._positions).sum(axis=1)

    def filter_costs(self) -> tuple[Floats, Floats]:
        """Shares of all parameters and of all MACs that go with one filter of each group."""
        X = np.ones((1 + len(self.genes.sizes), self.genes.n_var), dtype=bool)
        X[np.arange(1, len(X)), self.genes.starts] = False
        parameters, macs = (1 - found[1:] / found[0] for found in self.complexity(X))
        return parameters, macs

    def repaired(self, X: Array) -> Booleans:
        """Chromosomes in which no layer is empty: its strongest filter comes back."""
        return self.genes.repaired(X, self.strengths)

    def widths(self, x: Array) -> dict[str, int]:
        """Channels that each convolution and linear layer gives; those that are gone are left out.

        Args:
            x: One chromosome, (n_var,).
        """
        alive, present = self.alive(x), self.present(x)
        return {
            layer.name: int(alive[layer.outputs].sum())
            for layer, there in zip(self.flow.layers, present.tolist(), strict=True)
            if there and layer.taps
        }

    def network(self, x: Array, refit: ChannelRefit | None = None) -> SlimNetwork:
        """The small network, with the parent's weights.

        Args:
            x: One chromosome, (n_var,), in which no group is empty.
            refit: Changes the weights of layers that lost inputs; None leaves them.
        """
        alive, present = self.alive(x), self.present(x)
        modules = dict(self.whole.named_modules())
        layers = {
            layer.name: self._small(layer, modules[layer.name], alive, refit)
            for layer, there in zip(self.flow.layers, present.tolist(), strict=True)
            if there
        }
        dropped = self._dropped(x)
        graph = without_branches(self.flow.graph, dropped)
        return SlimNetwork.of(self.whole, graph, layers, dropped)

    def _small(
        self, layer: ChannelLayer, module: nn.Module, alive: Booleans, refit: ChannelRefit | None
    ) -> nn.Module:
        outputs = np.flatnonzero(alive[layer.outputs])
        if layer.inputs is None:
            return sliced(module, None, outputs)
        inputs = np.flatnonzero(alive[layer.inputs])
        if refit is None or layer.name not in refit.layers or len(inputs) == len(layer.inputs):
            return sliced(module, inputs, outputs)
        device = next(module.parameters()).device
        where = [torch.from_numpy(index).to(device) for index in (inputs, outputs)]
        return narrowed(module, refit.layer(layer.name, *where))

    def _dropped(self, x: Array) -> list[Branch]:
        """Branches that are gone, but for those within others that are gone."""
        dead = ~self.genes.pieces(x) & self._needed(x)[self._piece_nodes]
        return [self.flow.pieces[place].branch for place in np.flatnonzero(dead)]

    def refittable(self) -> list[str]:
        """Layers whose weights can be refitted when they read fewer channels."""
        return [
            layer.name
            for layer in self.flow.layers
            if layer.inputs is not None
            and (layer.inputs != ALWAYS).any()
            and understood(self.whole.get_submodule(layer.name))
        ]

    # Simple choices.

    def counts(self, shares: Floats) -> NDArray[np.int64]:
        """Filters of each group at these shares of it, (..., groups); at least one."""
        sizes = np.array(self.genes.sizes)
        counts: NDArray[np.int64] = np.maximum(np.rint(shares * sizes), 1).astype(np.int64)
        return counts

    def uniform(self, shares: Floats) -> Booleans:
        """The same share of every group, the filters with the largest weights.

        Args:
            shares: (n,).

        Returns:
            Chromosomes, (n, n_var), with all branches.
        """
        genes = self.genes
        ranks = genes.ranks(-self.strengths[: genes.n_filters])
        kept = ranks < self.counts(shares[:, None])[:, genes.filter_groups]
        return self.with_branches(kept)

    def overall(self, shares: Floats) -> Booleans:
        """The filters with the largest weights of the whole network, each relative to its group.

        Args:
            shares: Of all filters, (n,).

        Returns:
            Chromosomes, (n, n_var), with all branches; a group keeps at least one filter.
        """
        genes = self.genes
        strengths = self.strengths[: genes.n_filters]
        means = np.add.reduceat(strengths, genes.starts) / genes.sizes
        relative = strengths / np.maximum(means, np.finfo(float).tiny)[genes.filter_groups]
        ranks = np.argsort(np.argsort(-relative, kind="stable"))
        return self.repaired(self.with_branches(ranks < np.rint(shares[:, None] * len(ranks))))

    def with_branches(self, filters: Booleans) -> Booleans:
        """Chromosomes with these filters, (n, n_filters), and all branches, (n, n_var)."""
        branches = np.ones((len(filters), self.genes.n_pieces), dtype=bool)
        return np.hstack([filters, branches])

    def nearest(self, family: Booleans, sizes: Floats) -> NDArray[np.int64]:
        """Which of a family have sizes nearest to those wanted, as ratios.

        Args:
            family: Chromosomes, (m, n_var).
            sizes: Shares of the whole network's parameters, (n,).

        Returns:
            Places in the family, (n,).
        """
        found = self.complexity(family)[0] / count_parameters(self.whole)
        distance = np.abs(np.log(found) - np.log(sizes)[:, None])
        places: NDArray[np.int64] = distance.argmin(axis=1)
        return places

    # That it is right.

    def verify(self, seed: int = 0) -> None:
        """Small networks give what the whole one gives with masks, or an error names the layer.

        Args:
            seed: Of the channels that go, and of two images.
        """
        genes, generator = self.genes, np.random.default_rng(seed)
        X = generator.random((2, genes.n_var)) < [[0.5], [0.8]]
        device = next(self.whole.parameters()).device
        images = torch.from_numpy(generator.standard_normal((2, *self.shape))).to(device)
        self._verify_graph(images)
        # The first has all layers, and each group that can loses a filter: all is put to the test.
        genes.pieces(X)[0] = True
        genes.filters(X)[0] &= genes.ranks(self.strengths[: genes.n_filters]) > 0
        for x in self.repaired(X):
            self._verify(x, images)

    def _verify_graph(self, images: Tensor) -> None:
        network = copy.deepcopy(self.whole).double().eval()
        with torch.no_grad():
            found = fx.GraphModule(network, self.flow.graph)(images.clone())
            if not _alike(network(images.clone()), found):
                msg = (
                    "filters of this network cannot be pruned: torch.fx makes something else of "
                    "it, perhaps because it works in place (x += y) on what is read again"
                )
                raise PruneError(msg)

    def _verify(self, x: Array, images: Tensor) -> None:
        noted: dict[str, Tensor] = {}
        small, masked = self.network(x).double(), self.masked(x)
        for name in small.widths:
            small.network.get_submodule(name).register_forward_hook(
                lambda _module, _inputs, output, name=name: noted.update({name: output.clone()})
            )
        with evaluating(small), torch.no_grad():
            wanted = masked.outputs(images)
            try:
                outputs = small(images.clone())
            except (RuntimeError, ValueError, IndexError, TypeError) as error:
                msg = f"the network with fewer filters cannot be run: {error}"
                raise PruneError(msg) from error
        alive = self.alive(x)
        for layer in self.flow.layers:
            if layer.name in noted:
                there = np.flatnonzero(alive[layer.outputs])
                _compare(f"layer {layer.name!r}", wanted[layer.node][:, there], noted[layer.name])
        _compare("the network", wanted["output"], outputs)

    def masked(self, x: Array) -> MaskedNetwork:
        """The whole network with masks, as slow as the parent: what small ones are checked with."""
        return MaskedNetwork(self, x)

    # How important filters are.

    def _l1_norms(self) -> Floats:
        """Of each gene, the mean size of the weights that make it; pieces have that of theirs."""
        flow, modules = self.flow, dict(self.whole.named_modules())
        sums, counts = np.zeros(flow.count + 1), np.zeros(flow.count + 1)
        sizes = np.full(len(flow.layers), np.nan)
        for place, layer in enumerate(flow.layers):
            if layer.inputs is None:
                continue
            weight: Any = modules[layer.name].weight
            norms = weight.detach().abs().flatten(1).mean(dim=1).double().cpu().numpy()
            np.add.at(sums, layer.outputs, norms)
            np.add.at(counts, layer.outputs, 1)
            sizes[place] = norms.mean()
        pieces = [
            np.nanmean([size for size, layer in zip(sizes, flow.layers, strict=True)
                        if layer.node in piece.nodes])
            for piece in flow.pieces
        ]  # fmt: skip
        return np.append(sums[:-1] / counts[:-1], pieces)


class MaskedNetwork(fx.Interpreter):
    """The whole network, in double precision, with zeros wherever a channel is gone.

    It is in evaluation mode.

    Args:
        filters: Of the network.
        x: One chromosome.
    """

    def __init__(self, filters: PrunableFilters, x: Array) -> None:
        flow = filters.flow
        network = copy.deepcopy(filters.whole).double().eval()
        super().__init__(fx.GraphModule(network, flow.graph))
        self.extra_traceback = False
        self.channels, self.alive = flow.channels, filters.alive(x)
        dead = ~filters.genes.pieces(x)
        self.dropped = [p.branch for p, gone in zip(flow.pieces, dead, strict=True) if gone]
        self.noted: dict[str, Tensor] = {}

    def outputs(self, images: Tensor) -> dict[str, Tensor]:
        """What each node gives, by its name."""
        self.noted["output"] = self.run(images)
        return self.noted

    def run_node(self, n: fx.Node) -> Any:
        """What a node gives, with zeros where channels are gone."""
        gone = [place for name, place in self.dropped if name == n.name]
        result = self._without(n, gone) if gone else super().run_node(n)
        if isinstance(result, Tensor) and n.name in self.channels:
            mask = torch.from_numpy(self.alive[self.channels[n.name]]).to(result.device)
            # Not by a product: 0 / 0 of dead channels is dead, too.
            result = result.where(mask.reshape(1, -1, *[1] * (result.ndim - 2)), 0)
            self.noted[n.name] = result.clone()  # what follows may overwrite it
        return result

    def _without(self, node: fx.Node, gone: Sequence[int]) -> Tensor:
        """A sum or a concatenation of operands of which some are zeros."""
        parts = [
            torch.zeros_like(self.env[part]) if place in gone else self.env[part]
            for place, part in enumerate(operands(node))
        ]
        return torch.cat(parts, dim=1) if node.target in JOINS else parts[0] + parts[1]


class _Blocks:
    """Numbers the blocks of a network: its largest modules that are no mere containers."""

    def __init__(self, network: nn.Module, layers: Sequence[str]) -> None:
        self.modules = dict(network.named_modules())
        self.layers = layers
        self.numbers: dict[str, int] = {}

    def __getitem__(self, layer: str) -> int:
        return self.numbers.setdefault(self._path(layer), len(self.numbers))

    def _path(self, layer: str) -> str:
        parts = layer.split(".")
        for length in range(1, len(parts)):
            path = ".".join(parts[:length])
            everything = all(name.startswith(f"{path}.") for name in self.layers)
            if not everything and not isinstance(self.modules[path], CONTAINERS):
                return path
        return layer


def _alike(expected: Tensor, found: Tensor) -> bool:
    if expected.shape != found.shape:
        return False
    scale = max(1.0, float(expected.abs().max()))
    return torch.allclose(expected, found, rtol=0, atol=TOLERANCE * scale)


def _compare(what: str, expected: Tensor, found: Tensor) -> None:
    """Refuses a small network of which a part does not give what it should."""
    if not _alike(expected, found):
        msg = (
            f"filters of this network cannot be pruned: without them, {what} does not give what "
            "it gives when they are masked"
        )
        raise PruneError(msg)


def _given(inputs: Labels | None, outputs: Labels) -> NDArray[np.int64]:
    return outputs if inputs is None else inputs
