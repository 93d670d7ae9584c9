"""What engines search over: arrays of genes, and the meaning of the genes. numpy only.

- `archives`: files of arrays, opened only if what they claim to hold fits their size
- `arrays`: types of arrays, named for what the arrays hold
- `genome`: digests of chromosomes, seeds from digests, and networks as chromosomes
- `filters`: genes for filters and branches, and which of them are inherited together
- `connections`: genes for the connections in dense blocks
"""

from pymoo_prune.chromosomes.archives import check_archive, opened_arrays
from pymoo_prune.chromosomes.arrays import Array, Booleans, Counts, FloatArray, Floats, Integers
from pymoo_prune.chromosomes.connections import (
    Connections,
    check_matrices,
    check_share,
    fully_connected,
    nodes_of,
)
from pymoo_prune.chromosomes.filters import FilterGenes, check_strengths
from pymoo_prune.chromosomes.genome import (
    WeightGenome,
    as_column,
    candidate_seed,
    digests,
    hash_bytes,
    pack,
    unpack,
)

__all__ = [
    "Array", "Booleans", "Connections", "Counts", "FilterGenes", "FloatArray", "Floats",
    "Integers", "WeightGenome", "as_column", "candidate_seed", "check_archive", "check_matrices",
    "check_share", "check_strengths", "digests", "fully_connected", "hash_bytes", "nodes_of",
    "opened_arrays", "pack", "unpack",
]  # fmt: skip
