"""Spaces of which all candidates are measured: their genes, and how they are measured at once."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmarks.suite.dense_connections import SPACE, digits
from benchmarks.suite.enumeration import Enumeration
from pymoo_prune.data import Split, balanced
from pymoo_prune.suite.definition import Definition
from pymoo_prune.suite.genes import Bits, Whole
from pymoo_prune.suite.live import Measuring

Genes = NDArray[np.int64]
Columns = Mapping[str, NDArray[Any]]
TEST_IMAGES = 4_000
"""Test images of a table, at most; as many of each class."""


class Space:
    """All candidates of an instance that can be measured live.

    Args:
        definition: The instance.
        extras: Quantities, besides accuracy and sizes, that the table keeps.
    """

    def __init__(self, definition: Definition, extras: Sequence[str] = ()) -> None:
        if definition.live is None:
            raise TypeError(f"{definition.name} cannot be measured live")
        self.measuring = Measuring(definition.live)
        self.problem: Any = self.measuring.problem
        self.extras = tuple(extras)
        genes = definition.genes
        if isinstance(genes, Whole):
            self.choices = genes.choices
        elif isinstance(genes, Bits):
            self.choices = (2,) * genes.n_var
        else:
            raise TypeError("real numbers cannot be enumerated")
        self.bits = isinstance(genes, Bits)
        test = self.problem.data_set.test
        rows = balanced(test.known_labels, TEST_IMAGES, 0)
        self.splits = {"validation": self.validation, "test": test.subset(rows)}
        self.about: dict[str, Any] = {
            "instance": definition.name,
            "images": {name: len(split) for name, split in self.splits.items()},
            "parent": dict(self.measuring.parent),
        }

    @property
    def validation(self) -> Split:
        """The images that candidates are measured on."""
        return self.problem.search_images  # type: ignore[no-any-return]

    def typed(self, genes: Genes) -> NDArray[Any]:
        """Genes as the problem takes them."""
        return genes.astype(bool) if self.bits else genes

    def counted(self, genes: Genes) -> Columns:
        """Right answers on validation and test images, and the extras, (n,) each."""
        genes = self.typed(genes)
        found = self.measuring.measured(genes)
        validation = np.rint(found["accuracy"] * len(self.splits["validation"]))
        return {
            "right_validation": validation.astype(np.uint16),
            "right_test": self.tested(self.measuring.chromosomes(genes)),
            **{name: found[name].astype(np.float32) for name in self.extras},
        }

    def tested(self, X: NDArray[Any]) -> NDArray[np.uint16]:
        """Right answers on the test images, of the problem's chromosomes."""
        return np.array([right(self.problem.network(x), self.splits["test"]) for x in X], np.uint16)

    def sizes(self, genes: Genes) -> Columns:
        """Sizes, which need no measurement."""
        found = self.sized(self.measuring.chromosomes(self.typed(genes)))
        return {name: found[name] for name in self.kept_sizes}

    kept_sizes: tuple[str, ...] = ("parameters", "macs")

    def sized(self, X: NDArray[Any]) -> Mapping[str, NDArray[Any]]:
        """The sizes of the problem's chromosomes."""
        return self.problem.preview.sizes(X)  # type: ignore[no-any-return]


def right(network: torch.nn.Module, split: Split) -> int:
    """Right answers of a network."""
    with torch.no_grad():
        return int((network(split.images).argmax(dim=1) == split.known_labels).sum())


class Levels(Space):
    """How many weights each layer loses, at a few levels: prefixes of layers are shared."""

    def __init__(self, definition: Definition, batch: int | None = None) -> None:
        super().__init__(definition)
        self.enumeration = Enumeration(
            self.problem.assembly, self.places(), list(self.splits.values()), batch
        )

    def places(self) -> NDArray[Any]:
        """What the assembly takes for each gene value, (values, layers)."""
        return self.problem.levels.pruned  # type: ignore[no-any-return]

    @property
    def validation(self) -> Split:
        """The images that candidates are measured on."""
        return self.problem.search_images.split  # type: ignore[no-any-return]

    def counted(self, genes: Genes) -> Columns:
        """Right answers on validation and test images."""
        rows = [self.row(self.enumeration.outputs(row)) for row in genes]
        return {name: np.array([row[name] for row in rows]) for name in rows[0]}

    def row(self, outputs: Sequence[Tensor]) -> dict[str, Any]:
        """What is kept of a candidate.

        Args:
            outputs: Its outputs on each split.
        """
        validation, test = self.enumeration.right(outputs)
        return {"right_validation": np.uint16(validation), "right_test": np.uint16(test)}


class Letters(Levels):
    """What each layer becomes, pruned and with fewer bits."""

    kept_sizes = ("parameters", "macs", "bytes", "bit_operations", "energy")

    def places(self) -> NDArray[Any]:
        """The letters of each gene value; the highest values of the shorter genes do not count."""
        last = np.array(self.choices) - 1
        if not np.array_equal(self.problem.alphabet.last, last):
            raise ValueError(f"letters are left out: {self.problem.alphabet.last} are the last")
        rows = np.minimum(np.arange(last.max() + 1)[:, None], last)
        return self.problem.alphabet.decode(rows)  # type: ignore[no-any-return]

    def row(self, outputs: Sequence[Tensor]) -> dict[str, Any]:
        """Right answers, and the divergence on the validation images."""
        expected = self.problem.search_images.expected
        found = expected.measured(outputs[0], ("divergence",))["divergence"]
        return {**super().row(outputs), "divergence": np.float32(found)}


class Neurons(Space):
    """Which hidden neurons live, or how many of each layer."""

    kept_sizes = ("parameters", "macs", "width")

    @property
    def validation(self) -> Split:
        """The images that candidates are measured on."""
        return self.problem.batches.pool  # type: ignore[no-any-return]

    def tested(self, X: NDArray[Any]) -> NDArray[np.uint16]:
        """Right answers on the test images, without building modules."""
        split = self.splits["test"]
        flat = split.images.flatten(1)
        found = []
        for x in X:
            weights, biases = self.problem.layers(x)
            predicted = passed(flat, weights, biases).argmax(dim=1)
            found.append(int((predicted == split.known_labels).sum()))
        return np.array(found, dtype=np.uint16)

    def sized(self, X: NDArray[Any]) -> Mapping[str, NDArray[Any]]:
        """Sizes by widths."""
        return self.problem._sizes(self.problem.encoding.widths(X))  # type: ignore[no-any-return]  # noqa: SLF001


@torch.no_grad()
def passed(hidden: Tensor, weights: Sequence[Tensor], biases: Sequence[Tensor]) -> Tensor:
    """Outputs of a feed-forward network with ReLU."""
    for weight, bias in zip(weights[:-1], biases[:-1], strict=True):
        hidden = torch.relu(torch.addmm(bias, hidden, weight.T))
    return torch.addmm(biases[-1], hidden, weights[-1].T)


class TrainedConnections:
    """Which connections of a DenseNet live; all networks were trained from scratch, twice.

    Args:
        path: What `dense_connections` wrote.
    """

    choices = (2,) * SPACE.n_var

    def __init__(self, path: Path) -> None:
        with np.load(path, allow_pickle=False) as arrays:
            self.arrays = {name: arrays[name] for name in arrays.files}
        data = digits()
        images = {"validation": len(data.validation), "test": len(data.test)}
        whole = {name: self.arrays[f"{name}_right"][-1].mean() / n for name, n in images.items()}
        self.about: dict[str, Any] = {
            "instance": "densenet-digits-connections",
            "images": images,
            "parent": {
                "accuracy": whole["validation"],
                "accuracy_drop": 0.0,
                "parameters": float(self.arrays["parameters"][-1]),
                "macs": float(self.arrays["macs"][-1]),
                "sparsity": 0.0,
                "connections": 1.0,
            },
            "training": json.loads(str(self.arrays["about"])),
        }

    def counted(self, genes: Genes) -> Columns:
        """Right answers of both trainings, (n, 2)."""
        rows = genes @ (1 << np.arange(SPACE.n_var)[::-1])
        return {
            f"right_{name}": self.arrays[f"{name}_right"][rows].astype(np.uint16)
            for name in ("validation", "test")
        }

    def sizes(self, genes: Genes) -> Columns:
        """Sizes of the networks, and the share of the connections that live."""
        rows = genes @ (1 << np.arange(SPACE.n_var)[::-1])
        return {
            "parameters": self.arrays["parameters"][rows].astype(float),
            "macs": self.arrays["macs"][rows].astype(float),
            "connections": self.arrays["connections"][rows] / SPACE.n_var,
        }
