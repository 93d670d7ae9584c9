"""Sampling, crossover, mutation, selection and survival for pruning chromosomes (numpy only)."""

from pymoo_prune.operators.crossover import (
    BlockCrossover,
    CutPointWeightCrossover,
    QuadrantMatrixCrossover,
    UniformMaskCrossover,
    UniformVectorCrossover,
)
from pymoo_prune.operators.duplicates import DigestDuplicates
from pymoo_prune.operators.mutation import (
    BalancedMaskMutation,
    CountMutation,
    FilterMutation,
    KeepShareMutation,
    MatrixBitFlip,
    WeightScaling,
)
from pymoo_prune.operators.sampling import Candidates, RandomMating, around, uniform_counts
from pymoo_prune.operators.selection import SoftmaxRoulette, TruncationSelection
from pymoo_prune.operators.survival import Elitism, Generational, Remeasured

__all__ = [
    "BalancedMaskMutation",
    "BlockCrossover",
    "Candidates",
    "CountMutation",
    "CutPointWeightCrossover",
    "DigestDuplicates",
    "Elitism",
    "FilterMutation",
    "Generational",
    "KeepShareMutation",
    "MatrixBitFlip",
    "QuadrantMatrixCrossover",
    "RandomMating",
    "Remeasured",
    "SoftmaxRoulette",
    "TruncationSelection",
    "UniformMaskCrossover",
    "UniformVectorCrossover",
    "WeightScaling",
    "around",
    "uniform_counts",
]
