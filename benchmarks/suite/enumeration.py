"""Measures all candidates of a space of layers: layers that candidates share run once.

Candidates come in lexicographic order. Between two of them only the last few genes differ, so the
pass of the next one starts where the first changed layer stands. Every operation is the one that
`Assembly.correct` does, on tensors of the same shape, so the results are equal to the last bit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, fx

from pymoo_prune.data import Split
from pymoo_prune.inference.form import Form, _observe
from pymoo_prune.inference.graph import source_of
from pymoo_prune.inference.parent import batch_norms
from pymoo_prune.pruning import Assembly


class RestartedPass:
    """Images on their way through a graph, kept in front of each layer with genes.

    Args:
        form: The runnable form of the network.
        batches: The images.
        layers: Paths of the layers that genes belong to, in the order of the pass.
    """

    def __init__(self, form: Form, batches: Sequence[Tensor], layers: Sequence[str]) -> None:
        if not isinstance(form.model, fx.GraphModule):
            raise TypeError("the network cannot be traced")
        self.model = form.model
        self.norms = batch_norms(form.model)
        self.nodes = list(self.model.graph.nodes)
        targets = [str(node.target) for node in self.nodes]
        self.starts = [targets.index(path) for path in layers]
        if self.starts != sorted(self.starts):
            raise ValueError(f"{list(layers)} is not the order of the pass")
        self.interpreter = fx.Interpreter(self.model)
        self.inputs = list(batches)
        self.saved: dict[int, list[dict[fx.Node, Any]]] = {0: [{} for _ in batches]}
        self.found: dict[str, tuple[Tensor, Tensor]] = {}

    @torch.no_grad()
    def run(self, layer: int, *, observing: bool = False) -> list[Tensor]:
        """The outputs of each batch.

        Args:
            layer: The first layer whose weights changed; 0 starts with the images.
            observing: Whether batch norms take their statistics, into `found`.
        """
        start = self.starts[layer] if layer else 0
        values = [dict(value) for value in self.saved[start]]
        inputs = [iter([batch]) for batch in self.inputs]
        for place in range(start, len(self.nodes)):
            node = self.nodes[place]
            if place in self.starts and place > start:
                self.saved[place] = [dict(value) for value in values]
            path, source = str(node.target), source_of(node)
            if observing and path in self.norms and source is not None:
                self.found[path] = _observe(self.norms[path], [value[source] for value in values])
            for value, images in zip(values, inputs, strict=True):
                self.interpreter.env, self.interpreter.args_iter = value, images
                value[node] = self.interpreter.run_node(node)
                for last in self.interpreter.user_to_last_uses.get(node, ()):
                    del value[last]
        return [value[self.nodes[-1]] for value in values]


class Enumeration:
    """The outputs of candidates, in any order; lexicographic order is quick.

    Args:
        assembly: Puts candidates together.
        pruned: What the assembly takes for each gene value, (values, layers).
        splits: Images with labels; of each, the right answers are counted.
        batch: Images at once; None is as many as in a live measurement.
    """

    def __init__(
        self,
        assembly: Assembly,
        pruned: NDArray[Any],
        splits: Sequence[Split],
        batch: int | None = None,
    ) -> None:
        self.assembly, self.pruned, self.splits = assembly, pruned, splits
        self.names = list(assembly.order.names)
        inference = assembly.exact
        self.inference = inference
        images = [
            [
                part
                for images in split.images.split(batch or inference.batch_size)
                for part in [inference.fast.laid_out(images)]
            ]
            for split in splits
        ]
        self.ends = np.cumsum([len(batches) for batches in images])
        self.labels = [split.known_labels for split in splits]
        self.fast = RestartedPass(inference.fast, [b for part in images for b in part], self.names)
        self.plain: RestartedPass | None = None
        self.last_norm = -1
        if assembly.recovery.batch_norm and inference.parent.norms:
            calibration = inference.prepare(assembly.images).batches
            self.plain = RestartedPass(inference.plain, calibration, self.names)
            nodes = self.plain.nodes
            norms = [i for i, node in enumerate(nodes) if str(node.target) in self.plain.norms]
            self.last_norm = sum(start < norms[-1] for start in self.plain.starts) - 1
        self.before: NDArray[Any] | None = None

    @torch.no_grad()
    def outputs(self, genes: NDArray[Any]) -> list[Tensor]:
        """The outputs of one candidate on each split.

        Args:
            genes: The gene of each layer, (layers,).
        """
        first = 0
        if self.before is not None:
            changed = np.flatnonzero(genes != self.before)
            first = int(changed[0]) if len(changed) else len(genes) - 1
        self.before = genes.copy()
        counts = self.pruned[genes, np.arange(len(genes))]
        some = range(first, len(genes))
        weights = {
            self.names[i]: self.assembly._layer(i, int(counts[i]))  # noqa: SLF001
            for i in some
        }
        parent = self.inference.parent
        statistics: Mapping[str, tuple[Tensor, Tensor]] = {}
        if self.plain is not None:
            if first <= self.last_norm:
                self.inference.plain.load(parent, weights, {})
                self.plain.run(first, observing=True)
            statistics = self.assembly._stored(self.plain.found)  # noqa: SLF001
        self.inference.fast.load(parent, weights, parent.statistics(dict(statistics)))
        outputs = self.fast.run(first)
        starts = [0, *self.ends[:-1]]
        return [torch.cat(outputs[a:b]) for a, b in zip(starts, self.ends, strict=True)]

    def right(self, outputs: Sequence[Tensor]) -> list[int]:
        """Right answers on each split.

        Args:
            outputs: A candidate's outputs on each split.
        """
        return [
            int((found.float().argmax(dim=1) == labels).sum())
            for found, labels in zip(outputs, self.labels, strict=True)
        ]
