"""Surrogates: models of what is measured, which choose the children that are worth measuring.

Any engine that lets its mating make free children can have one: `prescreen(algorithm)`. The mating
then makes many children for each that is asked for. A model that has learnt from all evaluations so
far predicts what each would measure, and the most promising are handed on. Nothing else changes:
who is handed on is measured and kept like everybody.
"""

from pymoo_prune.surrogates.models import DEFAULT_MODEL, MODELS, Model, Standardised, model_factory
from pymoo_prune.surrogates.prescreening import Prescreened, prescreen

__all__ = [
    "DEFAULT_MODEL", "MODELS", "Model", "Prescreened", "Standardised", "model_factory",
    "prescreen",
]  # fmt: skip
