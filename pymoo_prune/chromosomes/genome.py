"""Digests that identify chromosomes, and chromosomes that carry the weights of a whole network.

pymoo keeps a population's chromosomes as the rows of one array. Masks and counts are flat rows of
numbers. A genome with weights, whose shapes differ, is a single object in a row of length one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pymoo_prune.chromosomes.arrays import Array, FloatArray

DIGEST_SIZE = 16


def hash_bytes(*parts: bytes) -> bytes:
    """One digest of several byte strings; each has its length before it, so boundaries count."""
    state = hashlib.blake2b(digest_size=DIGEST_SIZE)
    for part in parts:
        state.update(len(part).to_bytes(8, "little"))
        state.update(part)
    return state.digest()


@dataclass(frozen=True, eq=False)
class WeightGenome:
    """The weights of a feed-forward network, as a chromosome.

    A genome never changes: an operator copies an array of a parent before it writes to it.

    Attributes:
        weights: A matrix for each layer, (outputs, inputs), float32.
        biases: A vector for each layer, (outputs,), float32.
        digest: Identifies the genome. For a genome made from arrays it is a hash of their content.
            For a child it is a hash of its parents' digests and of what the operator did to them:
            it identifies the child as well, and takes microseconds, where hashing a megabyte takes
            a millisecond. A child of equal parents is the parent.
    """

    weights: tuple[FloatArray, ...]
    biases: tuple[FloatArray, ...]
    digest: bytes

    @classmethod
    def from_content(
        cls, weights: Sequence[FloatArray], biases: Sequence[FloatArray]
    ) -> WeightGenome:
        """A genome whose digest is a hash of its weights and biases."""
        arrays = [np.ascontiguousarray(a, dtype=np.float32) for a in (*weights, *biases)]
        parts = [bytes(str(a.shape), "ascii") + a.tobytes() for a in arrays]
        return cls(tuple(arrays[: len(weights)]), tuple(arrays[len(weights) :]), hash_bytes(*parts))

    @property
    def widths(self) -> tuple[int, ...]:
        """Neurons in each hidden layer."""
        return tuple(len(bias) for bias in self.biases[:-1])

    def __deepcopy__(self, memo: dict[int, Any]) -> WeightGenome:
        """The genome itself: pymoo deep-copies algorithms, and a genome never changes."""
        return self


def as_column(genomes: Sequence[WeightGenome]) -> Array:
    """Genomes as an (n, 1) object array, which is how pymoo takes objects."""
    column = np.empty((len(genomes), 1), dtype=object)
    for row, genome in enumerate(genomes):
        column[row, 0] = genome
    return column


def digests(X: Array) -> list[bytes]:
    """The digest of every chromosome.

    Args:
        X: Chromosomes, (n, n_var): numbers, or genomes, which have a `digest`.

    Returns:
        n digests of 16 bytes; equal for equal chromosomes.
    """
    if X.dtype == object:
        return [hash_bytes(*(genome.digest for genome in row)) for row in X]
    # Packed bits are an eighth of the bytes. The type is hashed too, so that 1 differs from True.
    rows = np.packbits(X, axis=1) if X.dtype == bool else np.ascontiguousarray(X)
    head = f"{X.dtype.str}{X.shape[1]}".encode("ascii")
    return [hash_bytes(head, row.tobytes()) for row in rows]


def pack(X: Array) -> dict[str, Any]:
    """Converts chromosomes to plain arrays, which can be read without running any code."""
    if X.dtype != object:
        return {"X": X}
    arrays = {"genomes": np.array([len(X)])}
    for row, genome in enumerate(X[:, 0]):
        arrays[f"digest {row}"] = np.frombuffer(genome.digest, dtype=np.uint8)
        for layer, (weight, bias) in enumerate(zip(genome.weights, genome.biases, strict=True)):
            arrays[f"weight {row} {layer}"], arrays[f"bias {row} {layer}"] = weight, bias
    return arrays


def unpack(arrays: Mapping[str, Array]) -> Array:
    """Converts the arrays that `pack` made back to chromosomes."""
    if "X" in arrays:
        return arrays["X"]
    genomes = []
    for row in range(int(arrays["genomes"][0])):
        layers = sum(name.startswith(f"bias {row} ") for name in arrays)
        genomes.append(
            WeightGenome(
                tuple(arrays[f"weight {row} {layer}"] for layer in range(layers)),
                tuple(arrays[f"bias {row} {layer}"] for layer in range(layers)),
                arrays[f"digest {row}"].tobytes(),
            )
        )
    return as_column(genomes)


def candidate_seed(seed: int, digest: bytes) -> int:
    """A candidate's torch seed, from the run's seed and the chromosome alone, in any order."""
    return int.from_bytes(hash_bytes(seed.to_bytes(8, "little", signed=True), digest)[:7], "little")
