"""Alphabets: what each layer of a network may become, and networks put together from that.

- `letters`: a letter, with its kept share, pattern and bits, and the letters of each layer
- `steps`: how a letter is made: choose, refit, round, fit the scales again
- `removals`: what is lost with each weight, if the others are refitted
- `feedback`: rounding in which weights to come make up for the errors
- `halves`: numbers in sixteen bits
- `input_grids`: what layers round their inputs to
- `grids`: weights on grids, found again
- `coding`: weights as bits, in the cheapest of several codings
- `entropy`: one of them, in which frequent weights take less than a bit
- `container`: compressed networks as one file
- `database`: the letters of each layer, made once
- `lettered`: networks that are put together from letters
- `choices`: which letters are worth having, and the cheapest choice of them
- `energy`: energy by a table
- `straight_through`: gradient steps with the letters held fixed
"""

from pymoo_prune.pruning.alphabets.choices import cheapest, cheapest_within, undominated
from pymoo_prune.pruning.alphabets.container import (
    COMPRESSED,
    can_be_compressed,
    compressed,
    decompressed,
    other_bytes,
)
from pymoo_prune.pruning.alphabets.database import Database, Facts
from pymoo_prune.pruning.alphabets.energy import EnergyTable
from pymoo_prune.pruning.alphabets.lettered import Lettered, with_halves
from pymoo_prune.pruning.alphabets.letters import (
    DEFAULT_LETTERS,
    FLOAT_BITS,
    Blocks,
    Filters,
    Letter,
    NOfM,
    Pattern,
    Single,
    letters_of_layers,
    parse_letters,
)
from pymoo_prune.pruning.alphabets.steps import (
    DEFAULT_STEPS,
    STEPS,
    Step,
    Treatment,
    check_steps,
    parse_steps,
)
from pymoo_prune.pruning.alphabets.straight_through import with_grids

__all__ = [
    "COMPRESSED", "DEFAULT_LETTERS", "DEFAULT_STEPS", "FLOAT_BITS", "STEPS", "Blocks", "Database",
    "EnergyTable", "Facts", "Filters", "Letter", "Lettered", "NOfM", "Pattern", "Single", "Step",
    "Treatment", "can_be_compressed", "cheapest", "cheapest_within", "check_steps", "compressed",
    "decompressed", "letters_of_layers", "other_bytes", "parse_letters", "parse_steps",
    "undominated", "with_grids", "with_halves",
]  # fmt: skip
