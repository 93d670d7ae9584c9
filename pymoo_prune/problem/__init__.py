"""Problems: the parts that an author writes, and what a search does with them.

Your own problem extends `PruningProblem`. Read `contract` before writing one.

- `contract`: what every problem defines
- `facets`: what only some problems define, an object each
- `presets`: settings under one name
- `pruning_problem`: the base class: measures in chunks, checks, scores
- `latencies`: latencies of candidates, where they are asked for
- `additions`: quantities that a user adds by name
- `unlabelled`: what searches measure in place of the accuracy
- `names`: names that quantities must have, and cannot have
- `racing`: tells good and bad candidates apart with few images
- `registry`: problems by name
- `arguments`: the arguments of a problem's constructor, checked
- `option_texts`: options as NAME=VALUE
- `shapes`: the shapes of options, settings and what JSON files hold
"""

from pymoo_prune.networks import EVERYTHING, check_trust, load_named, module_of, trust
from pymoo_prune.problem.additions import extended
from pymoo_prune.problem.contract import Contract
from pymoo_prune.problem.facets import (
    CHUNK,
    Approximation,
    Baseline,
    Illustration,
    Portions,
    Preview,
    Published,
    Rivals,
    Timing,
)
from pymoo_prune.problem.option_texts import assignments
from pymoo_prune.problem.presets import Preset
from pymoo_prune.problem.pruning_problem import PruningProblem
from pymoo_prune.problem.racing import Racing
from pymoo_prune.problem.registry import (
    REPRODUCTIONS,
    USERS_CHOICE,
    build_problem,
    called,
    check_options,
    default_objectives,
    find_problem,
    find_reproduction,
    own_network,
    preset_of,
    registered,
)
from pymoo_prune.problem.shapes import QuantityShape, check_format, check_shape, suits
from pymoo_prune.problem.unlabelled import accuracies_of, drop_of, objectives_on, quantity_of

__all__ = [
    "CHUNK", "EVERYTHING", "REPRODUCTIONS", "USERS_CHOICE", "Approximation", "Baseline", "Contract",
    "Illustration", "Portions", "Preset", "Preview", "PruningProblem", "Published", "QuantityShape",
    "Racing", "Rivals", "Timing", "accuracies_of", "assignments", "build_problem", "called",
    "check_format", "check_options", "check_shape", "check_trust", "default_objectives", "drop_of",
    "extended", "find_problem", "find_reproduction", "load_named", "module_of", "objectives_on",
    "own_network", "preset_of", "quantity_of", "registered", "suits", "trust",
]  # fmt: skip
