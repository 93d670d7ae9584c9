"""What engines search over: arrays of genes, and what the genes mean. numpy only.

- `genome`: digests of chromosomes, seeds from digests, and networks as chromosomes
- `filters`: which bit is which filter, and which bits a crossover keeps together
- `connections`: matrices of dense connections, as genes
"""

from pymoo_prune.chromosomes.connections import (
    Booleans,
    Connections,
    check_matrices,
    check_share,
    fully_connected,
)
from pymoo_prune.chromosomes.filters import FilterGenes, Floats, Integers, check_strengths
from pymoo_prune.chromosomes.genome import (
    Array,
    FloatArray,
    WeightGenome,
    as_column,
    candidate_seed,
    digests,
    hash_bytes,
    pack,
    unpack,
)

__all__ = [
    "Array", "Booleans", "Connections", "FilterGenes", "FloatArray", "Floats", "Integers",
    "WeightGenome", "as_column", "candidate_seed", "check_matrices", "check_share",
    "check_strengths", "digests", "fully_connected", "hash_bytes", "pack", "unpack",
]  # fmt: skip
