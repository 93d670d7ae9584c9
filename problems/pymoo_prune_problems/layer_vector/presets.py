"""The presets of the layer vector."""

from __future__ import annotations

from collections.abc import Mapping

from pymoo_prune.objectives import PrunedWeightsPerAccuracyDrop
from pymoo_prune.problem import Preset
from pymoo_prune_problems.layer_vector.rules import RuleGuidedGA

PRESETS: Mapping[str, Preset] = {
    "quick": Preset(
        "walks over levels of counts, nearest to the parent; refit and batch norms",
        {"network": "resnet-8", "parent_epochs": 15},
        algorithm="levels",
        objectives=("divergence", "sparsity"),
        pop_size=40,
        generations=20,
        finish_images=2_000,
    ),
    "paper": Preset(
        "the paper's GA: two runs of an hour, the second guided by the rules of the first",
        {"recovery": "none", "search_images": 5_000, "parent_epochs": 182},
        algorithm="own",
        pop_size=RuleGuidedGA.POPULATION,
        generations=None,
        seconds=RuleGuidedGA.RUNS * RuleGuidedGA.RUN_SECONDS,
        objectives=PrunedWeightsPerAccuracyDrop(),
        finish_images=50_000,  # one epoch; section III.D has 1 to 4
    ),
}
