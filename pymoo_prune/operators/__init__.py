"""Sampling, crossover, mutation, selection and survival for pruning chromosomes. numpy only.

- `sampling`: the first population, and random search
- `crossover`: how two parents become children, for every kind of chromosome
- `mutation`: how weights, masks, matrices and filters mutate
- `count_mutation`: how layer-pruning vectors mutate
- `letter_mutation`: how the letters of layers mutate
- `ladders`: levels in order, and moves on them that keep a bound on the size
- `level_walks`: walks below bounds on the size, which switch levels
- `scored_flips`: sampling and variation of masks by the scores of their genes
- `selection`: which candidates become parents
- `survival`: which candidates live on
- `duplicates`: removes candidates that are already there
- `counts`: checks of layer-pruning vectors, for operators on them
- `masks`: repairs empty layers of keep-masks, and groups of filters with a step
- `rates`: checks of chances
"""

from typing import TYPE_CHECKING

from pymoo_prune.lazy import lazily

if TYPE_CHECKING:
    from pymoo_prune.operators.count_mutation import CountMutation, KeepShareMutation
    from pymoo_prune.operators.crossover import (
        BlockCrossover,
        CutPointWeightCrossover,
        QuadrantMatrixCrossover,
        UniformMaskCrossover,
        UniformVectorCrossover,
    )
    from pymoo_prune.operators.duplicates import DigestDuplicates
    from pymoo_prune.operators.ladders import Ladders, Moves
    from pymoo_prune.operators.letter_mutation import LetterMutation
    from pymoo_prune.operators.level_walks import BestWithinBounds, LevelSwitch, Walks
    from pymoo_prune.operators.masks import FilterRepair
    from pymoo_prune.operators.mutation import (
        BalancedMaskMutation,
        FilterMutation,
        MatrixBitFlip,
        WeightScaling,
    )
    from pymoo_prune.operators.sampling import Candidates, RandomMating, around, uniform_counts
    from pymoo_prune.operators.scored_flips import ScoredFlips, Scores
    from pymoo_prune.operators.selection import (
        SeededTournament,
        SoftmaxRoulette,
        TruncationSelection,
    )
    from pymoo_prune.operators.survival import (
        Elitism,
        Generational,
        OpenRanges,
        PacedAPD,
        Remeasured,
        ShortArchives,
    )
else:
    __getattr__, __dir__ = lazily(__name__)

__all__ = [
    "BalancedMaskMutation", "BestWithinBounds", "BlockCrossover", "Candidates", "CountMutation",
    "CutPointWeightCrossover", "DigestDuplicates", "Elitism", "FilterMutation", "FilterRepair",
    "Generational", "KeepShareMutation", "Ladders", "LetterMutation", "LevelSwitch",
    "MatrixBitFlip", "Moves", "OpenRanges", "PacedAPD", "QuadrantMatrixCrossover", "RandomMating",
    "Remeasured", "ScoredFlips", "Scores", "SeededTournament", "ShortArchives", "SoftmaxRoulette",
    "TruncationSelection", "UniformMaskCrossover", "UniformVectorCrossover", "Walks",
    "WeightScaling", "around", "uniform_counts",
]  # fmt: skip
