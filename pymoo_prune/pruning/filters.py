"""Filters and branches of any network: which can go, what is left, and how large that is."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, fx, nn

from pymoo_prune.complexity import count_parameters
from pymoo_prune.errors import PruneError
from pymoo_prune.filter_genes import Booleans, FilterGenes, Floats
from pymoo_prune.genome import Array
from pymoo_prune.networks.modes import evaluating
from pymoo_prune.networks.slim import SlimNetwork, narrowed, sliced, without_branches
from pymoo_prune.pruning.channel_flow import (
    ALWAYS,
    ChannelFlow,
    ChannelLayer,
    Labels,
    repeats,
)
from pymoo_prune.recovery import ChannelRefit
from pymoo_prune.recovery.moments import understood

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
        self.network_, self.shape = network, tuple(shape)
        self.flow = ChannelFlow(network, shape)
        flow = self.flow
        if flow.count == 0:
            msg = f"a {type(network).__name__} has no filters that could be pruned"
            raise PruneError(msg)
        starts = np.flatnonzero(np.diff(flow.owner, prepend=-1))
        self.group_layers = [flow.layers[owner].name for owner in flow.owner[starts].tolist()]
        blocks = _Blocks(network, [layer.name for layer in flow.layers])
        by_node = {layer.node: layer.name for layer in flow.layers}
        self.genes = FilterGenes(
            sizes=tuple(np.diff(starts, append=flow.count).tolist()),
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
        # Which pieces a layer belongs to, and a label: all of its layers are in the piece.
        self._layer_pieces = np.array(
            [[layer.node in piece.nodes for piece in flow.pieces] for layer in layers], dtype=bool
        ).reshape(len(layers), len(flow.pieces))
        self._label_pieces = np.ones((flow.count + 1, len(flow.pieces)), dtype=bool)
        for layer, pieces in zip(layers, self._layer_pieces, strict=True):
            if layer.inputs is not None:
                self._label_pieces[layer.outputs] &= pieces
        self._label_pieces[ALWAYS] = False
        everything = np.ones((1, self.genes.n_var), dtype=bool)
        self._others = 0.0  # parameters that belong to no layer with channels
        counted, self.all_macs = (float(value[0]) for value in self.complexity(everything))
        self._others = count_parameters(self.network_) - counted

    # What is left of the network.

    def alive(self, X: Array) -> Booleans:
        """Whether each label lives: its filter does, and so does what it is in.

        Args:
            X: Chromosomes, (..., n_var).

        Returns:
            (..., labels + 1); the last is for channels that nobody can take away.
        """
        filters, pieces = self.genes.filters(X), self.genes.pieces(X)
        always = np.ones((*filters.shape[:-1], 1), dtype=bool)
        found = np.concatenate([filters, always], axis=-1)
        for piece in range(self.genes.n_pieces):
            found[..., self._label_pieces[:, piece]] &= pieces[..., [piece]]
        return found

    def present(self, X: Array) -> Booleans:
        """Whether each layer is there, (..., layers)."""
        dropped = ~self.genes.pieces(X)
        gone: Booleans = (dropped[..., None, :] & self._layer_pieces).any(axis=-1)
        return ~gone

    def complexity(self, X: Array) -> tuple[Floats, Floats]:
        """Parameters and multiply-accumulates, for a whole population at once.

        Args:
            X: Chromosomes, (n, n_var), none of them with an empty group.

        Returns:
            Two arrays (n,): those of the small networks, exactly.
        """
        alive = self.alive(X).astype(np.float64)
        present = self.present(X)
        read, given = alive @ self._reads, alive @ self._gives
        weights = np.where(self._own, given, read * given) * self._taps * present
        vectors = given * self._vectors * present
        parameters = weights.sum(axis=1) + vectors.sum(axis=1) + self._others
        return parameters, (weights * self._positions).sum(axis=1)

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
        modules = dict(self.network_.named_modules())
        layers = {
            layer.name: self._small(layer, modules[layer.name], alive, refit)
            for layer, there in zip(self.flow.layers, present.tolist(), strict=True)
            if there
        }
        return SlimNetwork.of(self.network_, self._graph(x), layers, self._dropped(x))

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

    def _dropped(self, x: Array) -> list[tuple[str, int]]:
        """Branches that are gone, but for those within others that are gone."""
        dead = np.flatnonzero(~self.genes.pieces(x)).tolist()
        gone = [self.flow.pieces[place] for place in dead]
        return [
            piece.branch
            for piece in gone
            if not any(piece.branch[0] in other.nodes for other in gone)
        ]

    def _graph(self, x: Array) -> fx.Graph:
        return without_branches(self.flow.graph, self._dropped(x))

    def refittable(self) -> list[str]:
        """Layers whose weights can be refitted when they read fewer channels."""
        return [
            layer.name
            for layer in self.flow.layers
            if layer.inputs is not None
            and (layer.inputs != ALWAYS).any()
            and understood(self.network_.get_submodule(layer.name))
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
        found = self.complexity(family)[0] / count_parameters(self.network_)
        distance = np.abs(np.log(found) - np.log(sizes)[:, None])
        places: NDArray[np.int64] = distance.argmin(axis=1)
        return places

    # That it is right.

    def verify(self, seed: int = 0) -> None:
        """Small networks give what the whole one gives with masks, or an error names the layer.

        Args:
            seed: Of the channels that go, and of two images.
        """
        generator = np.random.default_rng(seed)
        X = generator.random((2, self.genes.n_var)) < [[0.5], [0.8]]
        images = torch.from_numpy(generator.standard_normal((2, *self.shape)))
        for x in self.repaired(X):
            self._verify(x, images)

    def _verify(self, x: Array, images: Tensor) -> None:
        like = next(self.network_.parameters())
        images = images.to(like.device, torch.float64)
        small = self.network(x).double()
        with evaluating(self.network_), evaluating(small), torch.no_grad():
            wanted = self.masked(x).outputs(images)
            noted: dict[str, Tensor] = {}
            for name in small.widths:
                small.network.get_submodule(name).register_forward_hook(
                    lambda _module, _inputs, output, name=name: noted.update({name: output.clone()})
                )
            try:
                small(images)
            except RuntimeError as error:
                msg = f"the network with fewer filters cannot be run: {error}"
                raise PruneError(msg) from error
        alive = self.alive(x)
        for layer in self.flow.layers:
            if layer.name not in noted:
                continue
            there = torch.from_numpy(np.flatnonzero(alive[layer.outputs])).to(like.device)
            expected, found = wanted[layer.node][:, there], noted[layer.name]
            scale = max(1.0, float(expected.abs().max()))
            if expected.shape != found.shape or not torch.allclose(
                expected, found, rtol=0, atol=TOLERANCE * scale
            ):
                msg = (
                    "filters of this network cannot be pruned: without them, layer "
                    f"{layer.name!r} does not give what it gives when they are masked"
                )
                raise PruneError(msg)

    def masked(self, x: Array) -> MaskedNetwork:
        """The whole network with masks, as slow as the parent: what small ones are checked with."""
        return MaskedNetwork(self, x)

    # How important filters are.

    def _l1_norms(self) -> Floats:
        """Of each gene, the mean size of the weights that make it; pieces have that of theirs."""
        flow, modules = self.flow, dict(self.network_.named_modules())
        sums, counts = np.zeros(flow.count + 1), np.zeros(flow.count + 1)
        sizes = np.zeros(len(flow.layers))
        for place, layer in enumerate(flow.layers):
            if layer.inputs is None:
                continue
            weight: Any = modules[layer.name].weight
            norms = weight.detach().abs().flatten(1).mean(dim=1).cpu().numpy()
            np.add.at(sums, layer.outputs, norms)
            np.add.at(counts, layer.outputs, 1)
            sizes[place] = norms.mean()
        pieces = [sizes[own & (sizes > 0)].mean() for own in self._layer_pieces.T]
        return np.append(sums[:-1] / counts[:-1], pieces)


class MaskedNetwork(fx.Interpreter):
    """The whole network, in double precision, with zeros wherever a channel is gone.

    Args:
        filters: Of the network.
        x: One chromosome.
    """

    def __init__(self, filters: PrunableFilters, x: Array) -> None:
        flow = filters.flow
        network = copy.deepcopy(filters.network_).double()
        super().__init__(fx.GraphModule(network, flow.graph), garbage_collect_values=False)
        self.extra_traceback = False
        self.channels, self.alive = flow.channels, filters.alive(x)
        dead = ~filters.genes.pieces(x)
        self.dropped = [p.branch for p, gone in zip(flow.pieces, dead, strict=True) if gone]
        self.noted: dict[str, Tensor] = {}

    def outputs(self, images: Tensor) -> dict[str, Tensor]:
        """What each node gives."""
        self.run(images)
        return self.noted

    def run_node(self, n: fx.Node) -> Any:
        """What a node gives, with zeros where channels are gone."""
        gone = [place for name, place in self.dropped if name == n.name]
        result = self._without(n, gone) if gone else super().run_node(n)
        if isinstance(result, Tensor) and n.name in self.channels:
            mask = torch.from_numpy(self.alive[self.channels[n.name]]).to(result.device)
            result = result * mask.reshape(1, -1, *[1] * (result.ndim - 2))
            self.noted[n.name] = result.clone()  # what follows may overwrite it
        return result

    def _without(self, node: fx.Node, gone: Sequence[int]) -> Tensor:
        """A sum or a concatenation of operands of which some are zeros."""
        values: Any = self.map_nodes_to_values(node.args, node)
        joined = isinstance(values[0], (list, tuple))
        parts = [
            torch.zeros_like(part) if place in gone else part
            for place, part in enumerate(values[0] if joined else values)
        ]
        return torch.cat(parts, dim=1) if joined else parts[0] + parts[1]


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


def _given(inputs: Labels | None, outputs: Labels) -> NDArray[np.int64]:
    return outputs if inputs is None else inputs
