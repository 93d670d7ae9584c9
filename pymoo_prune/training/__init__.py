"""Training: parents, candidates and finished networks.

- `recipes`: the settings of a training
- `loop`: gradient steps, with a recipe and a seed
- `early_stopping`: trainings that end when they no longer get better
- `distillation`: learning from labels and from the parent's outputs
- `lessons`: learning from labels where there are some, else from the parent alone
- `parents`: networks to prune, trained here or given
"""

from pymoo_prune.training.distillation import Distillation
from pymoo_prune.training.early_stopping import Stopping
from pymoo_prune.training.lessons import Lessons
from pymoo_prune.training.loop import fit, seeded, takes_channels_last, to_channels_last, trained
from pymoo_prune.training.parents import (
    check_can_train,
    check_parent,
    digest_of,
    train_parent,
)
from pymoo_prune.training.recipes import Recipe

__all__ = [
    "Distillation", "Lessons", "Recipe", "Stopping", "check_can_train", "check_parent", "digest_of",
    "fit", "seeded", "takes_channels_last", "to_channels_last", "train_parent", "trained",
]  # fmt: skip
