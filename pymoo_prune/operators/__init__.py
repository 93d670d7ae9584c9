"""Sampling, crossover, mutation, selection and survival for pruning chromosomes (numpy only)."""

from pymoo_prune.operators.count_mutation import CountMutation, KeepShareMutation
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
    FilterMutation,
    MatrixBitFlip,
    WeightScaling,
)
from pymoo_prune.operators.sampling import Candidates, RandomMating, around, uniform_counts
from pymoo_prune.operators.selection import SeededTournament, SoftmaxRoulette, TruncationSelection
from pymoo_prune.operators.survival import (
    Elitism,
    Generational,
    OpenRanges,
    PacedAPD,
    Remeasured,
    ShortArchives,
)

__all__ = [
    "BalancedMaskMutation", "BlockCrossover", "Candidates", "CountMutation",
    "CutPointWeightCrossover", "DigestDuplicates", "Elitism", "FilterMutation", "Generational",
    "KeepShareMutation", "MatrixBitFlip", "OpenRanges", "PacedAPD", "QuadrantMatrixCrossover",
    "RandomMating", "Remeasured", "SeededTournament", "ShortArchives", "SoftmaxRoulette",
    "TruncationSelection", "UniformMaskCrossover", "UniformVectorCrossover", "WeightScaling",
    "around", "uniform_counts",
]  # fmt: skip
