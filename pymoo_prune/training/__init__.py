"""Training: parents, candidates and finished networks.

- `recipes`: the settings of a training
- `loop`: gradient steps, with a recipe and a seed
- `early_stopping`: trainings that end when they no longer get better
- `distillation`: learning from labels and from the parent's outputs
- `parents`: networks to prune, trained here or given
"""

from pymoo_prune.training.distillation import Distillation
from pymoo_prune.training.early_stopping import Stopping
from pymoo_prune.training.loop import fit, seeded, to_channels_last, trained
from pymoo_prune.training.parents import check_parent, digest_of, train_parent
from pymoo_prune.training.recipes import Recipe

__all__ = [
    "Distillation", "Recipe", "Stopping", "check_parent", "digest_of", "fit", "seeded",
    "to_channels_last", "train_parent", "trained",
]  # fmt: skip
