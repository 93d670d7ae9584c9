"""Four papers' methods as pymoo problems, and what becomes of each layer."""

from pymoo_prune_problems.dense_connectivity import DenseConnectivity
from pymoo_prune_problems.distilled_filters import DistilledFilters
from pymoo_prune_problems.ecomp import EComp
from pymoo_prune_problems.layer_alphabet import LayerAlphabet
from pymoo_prune_problems.layer_vector import LayerVector

__all__ = ["DenseConnectivity", "DistilledFilters", "EComp", "LayerAlphabet", "LayerVector"]
