"""Evolutionary neural-network pruning as pymoo problems."""

from pymoo_prune.data import Data, Split, data_from_arrays, data_from_folder, load_data
from pymoo_prune.errors import DataError, PruneError, ReplayError, StoreError
from pymoo_prune.export import load_network, save_network
from pymoo_prune.finish import Series
from pymoo_prune.front import Front, Member
from pymoo_prune.networks import named_network
from pymoo_prune.objectives import (
    Constraint,
    Measurements,
    PrunedWeightsPerAccuracyDrop,
    Quantity,
    WeightedSum,
)
from pymoo_prune.problem import Baseline, Preset, PruningProblem
from pymoo_prune.registry import find_problem
from pymoo_prune.run import Run
from pymoo_prune.search import Budget, StoredEvaluator
from pymoo_prune.settings import Settings
from pymoo_prune.stopwatch import LatencyScheme
from pymoo_prune.store import Store
from pymoo_prune.training import Recipe

__all__ = [
    "Baseline",
    "Budget",
    "Constraint",
    "Data",
    "DataError",
    "Front",
    "LatencyScheme",
    "Measurements",
    "Member",
    "Preset",
    "PruneError",
    "PrunedWeightsPerAccuracyDrop",
    "PruningProblem",
    "Quantity",
    "Recipe",
    "ReplayError",
    "Run",
    "Series",
    "Settings",
    "Split",
    "Store",
    "StoreError",
    "StoredEvaluator",
    "WeightedSum",
    "data_from_arrays",
    "data_from_folder",
    "find_problem",
    "load_data",
    "load_network",
    "named_network",
    "save_network",
]
