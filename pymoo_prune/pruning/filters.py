"""Filters and branches of any network: chromosomes that choose them, and the small networks."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, fx, nn
from torch.nn.modules.conv import _ConvTransposeNd

from pymoo_prune.chromosomes import Array, Booleans, Floats
from pymoo_prune.errors import PruneError
from pymoo_prune.machine import exact
from pymoo_prune.measuring import count_macs, count_parameters, count_work
from pymoo_prune.networks import (
    RESIZABLE,
    SlimNetwork,
    narrowed,
    part_of,
    parts,
    sliced,
    without_branches,
)
from pymoo_prune.pruning.channel_flow import ChannelFlow
from pymoo_prune.pruning.channel_labels import ALWAYS, ChannelLayer, varying
from pymoo_prune.pruning.channel_sizes import SizeRewriter
from pymoo_prune.pruning.filter_groups import filter_groups, genes_of, mean_weights
from pymoo_prune.pruning.liveness import CandidateSizes, Liveness
from pymoo_prune.pruning.multiples import MultipleOf, group_steps
from pymoo_prune.pruning.verification import (
    EXACT,
    MaskedNetwork,
    check_graph,
    check_small,
    comparison_for,
)
from pymoo_prune.recovery import ChannelRefit, understood


class PrunableFilters:
    """The filters and branches of a network that can be pruned.

    There is a gene for each channel, which lives or dies in all the layers that give it, and then a
    gene for each branch that can be dropped whole. For the network at hand it is verified that a
    small network gives what the whole one gives with its channels masked.

    Args:
        network: Any network whose channels can be followed; it is left as it was.
        shape: One image, (channels, height, width).
        multiple_of: Each group keeps a multiple of this number of filters, or all of them; a
            mapping has a number for each kind of group (`KINDS`).
        images: Two images that small networks are checked with; None makes some.

    Attributes:
        genes: The meaning of the genes of a chromosome.
        flow: The layers and the labels of their channels.
        group_layers: The first layer that gives each group of filters, by path.
        strengths: The mean absolute weight behind each gene, (n_var,).
        all_macs: Multiply-accumulates of the whole network.
        comparison: How small networks are compared with the whole one.
    """

    def __init__(
        self,
        network: nn.Module,
        shape: Sequence[int],
        multiple_of: MultipleOf = 1,
        *,
        images: Tensor | None = None,
    ) -> None:
        self.whole, self.shape = network, tuple(shape)
        self.flow = ChannelFlow(network, shape)
        flow = self.flow
        if flow.count == 0:
            unknown = f": it has {', '.join(flow.kept)}" if flow.kept else ""
            msg = f"a {type(network).__name__} has no filters that could be pruned{unknown}"
            raise PruneError(msg)
        groups = filter_groups(flow)
        self.group_layers = [flow.layers[flow.givers[labels[0]][0]].name for labels in groups]
        genes = genes_of(flow, self.group_layers, [len(labels) for labels in groups])
        self.genes = replace(genes, steps=group_steps(flow, multiple_of))
        self._liveness = Liveness(flow, self.genes)
        self._sizes, self._rewriter = CandidateSizes(self._liveness), SizeRewriter(flow)
        everything = np.ones((1, self.genes.n_var), dtype=bool)
        self.all_macs = float(self.complexity(everything)[1][0])
        self._check_macs()
        self.strengths = mean_weights(flow)
        self.comparison = EXACT  # `verify` may find that this network cannot
        self.verify(images=images)

    def _check_macs(self) -> None:
        """Refuses a network of which torch counts other MACs than its layers and products have."""
        count_work(self.whole, self.shape).check()
        graph = self.flow.graph  # without what is computed for nothing
        counted = count_macs(fx.GraphModule(parts(self.whole, graph), graph), self.shape)
        if round(self.all_macs) != counted:
            msg = (
                f"filters of this network cannot be pruned: its layers make {self.all_macs:,.0f} "
                f"multiply-accumulates for an image, but torch counts {counted:,}"
            )
            raise PruneError(msg)

    # What is left of the network.

    def alive(self, X: Array) -> Booleans:
        """Whether each label lives, (..., labels + 1), as `Liveness.alive` tells it."""
        return self._liveness.alive(X)

    def present(self, X: Array) -> Booleans:
        """Whether each layer is there, (..., layers)."""
        return self._liveness.present(X)

    def complexity(self, X: Array) -> tuple[Floats, Floats]:
        """Parameters and multiply-accumulates of the small networks, exactly, (n,) each.

        Args:
            X: Chromosomes, (n, n_var), none of them with an empty group.
        """
        return self._sizes.complexity(X)

    def filter_costs(self) -> tuple[Floats, Floats]:
        """The shares of all parameters and of all MACs that go with one filter of each group."""
        X = np.ones((1 + len(self.genes.sizes), self.genes.n_var), dtype=bool)
        X[np.arange(1, len(X)), self.genes.starts] = False
        parameters, macs = (1 - found[1:] / found[0] for found in self.complexity(X))
        return parameters, macs

    def repaired(self, X: Array) -> Booleans:
        """Chromosomes without empty layers, whose groups have a number that they may keep.

        An empty layer gets its strongest filter back; see `FilterGenes.repaired`.
        """
        return self.genes.repaired(X, self.strengths)

    def widths(self, x: Array) -> dict[str, int]:
        """The channels that each convolution and linear layer gives, without layers that are gone.

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
            refit: Solves for the weights of layers that lost inputs; None leaves the parent's.
        """
        alive, present = self.alive(x), self.present(x)
        modules = dict(self.whole.named_modules())
        layers: dict[str, nn.Module | Tensor] = {}
        for layer, there in zip(self.flow.layers, present.tolist(), strict=True):
            module = modules.get(layer.name)
            if there and module is None and (layer.outputs != ALWAYS).any():
                layers[layer.name] = self._small_tensor(layer, alive)
            elif there and isinstance(module, RESIZABLE) and layer.name not in layers:
                layers[layer.name] = self._small(layer, module, alive, refit)
        dropped = self._liveness.dropped(x)
        graph = without_branches(self.flow.graph, dropped)
        rewritten = self._rewriter.rewritten(alive)
        return SlimNetwork.of(self.whole, graph, layers, dropped, self.shape, rewritten)

    def _small_tensor(self, layer: ChannelLayer, alive: Booleans) -> Tensor:
        labels = self.flow.channels[layer.node]
        (axis,) = varying(labels) or (0,)
        whole = parts(self.whole, self.flow.graph)[layer.name]
        return part_of(whole, axis, np.flatnonzero(alive[labels.flatten().numpy()]))

    def _small(
        self, layer: ChannelLayer, module: nn.Module, alive: Booleans, refit: ChannelRefit | None
    ) -> nn.Module:
        if isinstance(module, _ConvTransposeNd):
            return copy.deepcopy(module)
        outputs = np.flatnonzero(alive[layer.outputs])
        if layer.inputs is None:
            return sliced(module, None, outputs)
        inputs = np.flatnonzero(alive[layer.inputs])
        if refit is None or layer.name not in refit.grams or len(inputs) == len(layer.inputs):
            return sliced(module, inputs, outputs)
        device = next(module.parameters()).device
        where = [torch.from_numpy(index).to(device) for index in (inputs, outputs)]
        return narrowed(module, refit.layer(layer.name, *where))

    def refittable(self) -> list[str]:
        """Layers whose weights can be refitted when they read fewer channels."""
        return [
            layer.name
            for layer in self.flow.layers
            if layer.inputs is not None
            and layer.groups == 1
            and (layer.inputs != ALWAYS).any()
            and understood(self.whole.get_submodule(layer.name))
        ]

    # Choices without a search.

    def counts(self, shares: Floats) -> NDArray[np.int64]:
        """The filters of each group that these shares of it keep, (..., groups); at least one.

        They are numbers that groups may keep.
        """
        sizes = np.array(self.genes.sizes)
        counts: NDArray[np.int64] = np.maximum(np.rint(shares * sizes), 1).astype(np.int64)
        return self.genes.fitted(counts)

    def uniform(self, shares: Floats) -> Booleans:
        """Chromosomes with one share of every group: the filters with the largest weights.

        Args:
            shares: The share of each chromosome, (n,).

        Returns:
            Chromosomes, (n, n_var), with all branches.
        """
        genes = self.genes
        ranks = genes.ranks(-self.strengths[: genes.n_filters])
        kept = ranks < self.counts(shares[:, None])[:, genes.filter_groups]
        return self.with_branches(kept)

    def overall(self, shares: Floats) -> Booleans:
        """Chromosomes of the network's filters with the largest weights relative to their group.

        Args:
            shares: Shares of all filters, (n,).

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
        """The members of a family with the nearest sizes, measured as ratios.

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

    # Verification.

    def verify(self, seed: int = 0, images: Tensor | None = None) -> None:
        """Checks that small networks give what the whole one gives with masks.

        Args:
            seed: The seed of the channels that go.
            images: Two images; None makes some from the seed.

        Raises:
            PruneError: They do not; the error names the layer.
        """
        # Without multiples, so that groups of any size lose a filter.
        genes, generator = replace(self.genes, steps=()), np.random.default_rng(seed)
        X = generator.random((2, genes.n_var)) < [[0.5], [0.8]]
        device = next(self.whole.parameters()).device
        if images is None:
            images = torch.from_numpy(generator.standard_normal((2, *self.shape)))
        images = images.to(device, torch.float64)
        # The first candidate has all layers, and each group that can loses a filter: every layer
        # is tested.
        genes.pieces(X)[0] = True
        genes.filters(X)[0] &= genes.ranks(self.strengths[: genes.n_filters]) > 0
        with exact(device):
            self.comparison = comparison_for(self.whole, self.flow.graph, images)
            check_graph(self.whole, self.flow.graph, images, self.comparison)
            for x in genes.repaired(X, self.strengths):
                self._verify(x, images)

    def _verify(self, x: Array, images: Tensor) -> None:
        check_small(self.network(x), self.masked(x), images[:1])

    def masked(self, x: Array) -> MaskedNetwork:
        """The whole network with masks, as slow as the parent: small networks must equal it."""
        return MaskedNetwork(self.whole, self._liveness, x, self.comparison)
