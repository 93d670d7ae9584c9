"""The layers and channels that live in a candidate, and the size of the candidate."""

from __future__ import annotations

import numpy as np

from pymoo_prune.chromosomes import Array, Booleans, FilterGenes, Floats
from pymoo_prune.networks import Branch, operands
from pymoo_prune.pruning.channel_flow import ChannelFlow
from pymoo_prune.pruning.channel_labels import repeats


class Liveness:
    """Tells from chromosomes which layers and channels live.

    Args:
        flow: The network's labels.
        genes: The meaning of the genes of a chromosome.
    """

    def __init__(self, flow: ChannelFlow, genes: FilterGenes) -> None:
        self.flow, self.genes = flow, genes
        # For each layer the labels that it gives and does not merely pass on.
        self._givers = np.stack(
            [
                (repeats(layer.outputs, flow.count)[:-1] > 0) & (layer.inputs is not None)
                for layer in flow.layers
            ]
        ).astype(np.float32)
        self._nodes = {node: place for place, node in enumerate(flow.graph.nodes)}
        names = {node.name: place for node, place in self._nodes.items()}
        self._layer_nodes = [names[layer.node] for layer in flow.layers]
        self._piece_nodes = [names[piece.branch[0]] for piece in flow.pieces]

    def alive(self, X: Array) -> Booleans:
        """Whether each label lives: its filter does, and a layer that gives it is there.

        Args:
            X: Chromosomes, (..., n_var).

        Returns:
            (..., labels + 1); the last is for channels that no gene can remove.
        """
        with np.errstate(invalid="ignore"):  # false alarms of some BLAS, over ones and zeros too
            given = self.present(X).astype(np.float32) @ self._givers > 0
        always = np.ones((*given.shape[:-1], 1), dtype=bool)
        return np.concatenate([self.genes.filters(X) & given, always], axis=-1)

    def present(self, X: Array) -> Booleans:
        """Whether each layer is there, (..., layers)."""
        return self.needed(X)[..., self._layer_nodes]

    def dropped(self, x: Array) -> list[Branch]:
        """Branches that are gone, without those inside other branches that are gone."""
        dead = ~self.genes.pieces(x) & self.needed(x)[self._piece_nodes]
        return [self.flow.pieces[place].branch for place in np.flatnonzero(dead)]

    def needed(self, X: Array) -> Booleans:
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


class CandidateSizes:
    """Counts parameters and multiply-accumulates of whole populations at once.

    Args:
        liveness: Tells which layers and channels live.
    """

    def __init__(self, liveness: Liveness) -> None:
        self._liveness = liveness
        count, layers = liveness.flow.count, liveness.flow.layers
        # How often each layer reads and gives each label.
        reads = [layer.outputs if layer.inputs is None else layer.inputs for layer in layers]
        self._reads = np.stack([repeats(labels, count) for labels in reads], axis=1)
        self._gives = np.stack([repeats(layer.outputs, count) for layer in layers], axis=1)
        self._taps = np.array([layer.taps for layer in layers], dtype=np.float64)
        self._positions = np.array([layer.positions for layer in layers], dtype=np.float64)
        self._vectors = np.array([layer.vectors for layer in layers], dtype=np.float64)
        self._own = np.array([layer.inputs is None for layer in layers])  # each reads its own
        self._groups = np.array([layer.groups for layer in layers], dtype=np.float64)
        # The MACs of products behind each label.
        names = {node.name: place for place, node in enumerate(liveness.flow.graph.nodes)}
        products = liveness.flow.products
        self._product_nodes = [names[product.node] for product in products]
        self._product_macs = np.zeros((count + 1, len(products)))
        for place, product in enumerate(products):
            self._product_macs[product.labels, place] = product.macs

    def complexity(self, X: Array) -> tuple[Floats, Floats]:
        """Parameters and multiply-accumulates of the small networks, exactly, (n,) each.

        Args:
            X: Chromosomes, (n, n_var), none of them with an empty group.
        """
        alive = self._liveness.alive(X).astype(np.float64)
        present = self._liveness.present(X)
        with np.errstate(invalid="ignore"):  # as in `alive`
            read, given = alive @ self._reads, alive @ self._gives
            products = alive @ self._product_macs
        weights = np.where(self._own, given, read * given / self._groups) * self._taps * present
        vectors = given * self._vectors * present
        products = products * self._liveness.needed(X)[:, self._product_nodes]
        macs = (weights * self._positions).sum(axis=1) + products.sum(axis=1)
        return weights.sum(axis=1) + vectors.sum(axis=1), macs
