"""Evolutionary neural-network pruning as pymoo problems.

What most programs need can be imported from here. The rooms, from the bottom up:

- `errors`, `lazy`, `files`, `machine`, `tables`: loose modules that all rooms use
- `chromosomes`, `data`, `objectives`: candidates, images, and what a search is after
- `networks`, `operators`, `inference`: networks, crossover and mutation, fast forward passes
- `measuring`, `recovery`, `training`: what networks are worth, repair, gradient steps
- `pruning`, `problem`: what can be cut out of networks; problems, which the papers extend
- `executors`, `surrogates`, `engines`: where candidates are measured; models; pymoo's algorithms
- `plots`, `page`, `search`, `results`: pictures, interactive pages, one search, what it leaves
- `suite`, `exchange`: fixed problems with known fronts; results in formats that others read
- `runs`, `comparing`: one run in its folder, and many side by side
- `standings`, `studies`: results over many problems, and the runs behind them in one folder
- `cli`: the command line
- `testing`: checks of a problem of one's own
"""

from typing import TYPE_CHECKING

from pymoo_prune.lazy import lazily

if TYPE_CHECKING:
    from pymoo_prune.data import (
        Data,
        Metric,
        Split,
        data_from_arrays,
        data_from_dataset,
        data_from_folder,
        data_from_inputs,
        load_data,
    )
    from pymoo_prune.errors import DataError, PruneError, ReplayError, StoreError
    from pymoo_prune.measuring import LatencyScheme
    from pymoo_prune.networks import named_network
    from pymoo_prune.objectives import (
        Constraint,
        Measurements,
        PrunedWeightsPerAccuracyDrop,
        Quantity,
        Series,
        WeightedSum,
    )
    from pymoo_prune.problem import Baseline, Preset, PruningProblem, find_problem
    from pymoo_prune.results import Front, Member, load_network, load_onnx, save_network
    from pymoo_prune.runs import Run, Settings, prune
    from pymoo_prune.search import Budget, Store, StoredEvaluator
    from pymoo_prune.training import Recipe
else:
    __getattr__, __dir__ = lazily(__name__)

__all__ = [
    "Baseline", "Budget", "Constraint", "Data", "DataError", "Front", "LatencyScheme",
    "Measurements", "Member", "Metric", "Preset", "PruneError", "PrunedWeightsPerAccuracyDrop",
    "PruningProblem", "Quantity", "Recipe", "ReplayError", "Run", "Series", "Settings", "Split",
    "Store", "StoreError", "StoredEvaluator", "WeightedSum", "data_from_arrays",
    "data_from_dataset", "data_from_folder", "data_from_inputs", "find_problem", "load_data",
    "load_network", "load_onnx", "named_network", "prune", "save_network",
]  # fmt: skip
