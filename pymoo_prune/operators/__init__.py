"""Sampling, crossover, mutation, selection and survival for pruning chromosomes (numpy only)."""

from pymoo_prune.operators.crossover import CutPointWeightCrossover, UniformMaskCrossover
from pymoo_prune.operators.duplicates import DigestDuplicates
from pymoo_prune.operators.mutation import BalancedMaskMutation, WeightScaling
from pymoo_prune.operators.sampling import Candidates, RandomMating
from pymoo_prune.operators.selection import SoftmaxRoulette
from pymoo_prune.operators.survival import Generational, Remeasured

__all__ = [
    "BalancedMaskMutation",
    "Candidates",
    "CutPointWeightCrossover",
    "DigestDuplicates",
    "Generational",
    "RandomMating",
    "Remeasured",
    "SoftmaxRoulette",
    "UniformMaskCrossover",
    "WeightScaling",
]
