"""Training: parents, candidates and finished networks.

- `loop`: gradient steps, with a recipe and a seed
- `early_stopping`: when to stop
- `distillation`: learning from the whole network
- `parents`: parents that are trained once and kept
"""

from pymoo_prune.training.distillation import Distillation
from pymoo_prune.training.early_stopping import Stopping
from pymoo_prune.training.loop import Recipe, fit, seeded, to_channels_last, trained
from pymoo_prune.training.parents import check_parent, digest_of, train_parent

__all__ = [
    "Distillation", "Recipe", "Stopping", "check_parent", "digest_of", "fit", "seeded",
    "to_channels_last", "train_parent", "trained",
]  # fmt: skip
