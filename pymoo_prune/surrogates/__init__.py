"""Surrogates: models of measurements, which choose the children to measure.

Any engine whose mating makes independent children can have one: `prescreen(algorithm)`. The mating
then makes many children for each that is asked for. A model that has learnt from all evaluations so
far predicts their measurements, and the engine gets the most promising children. It measures and
keeps them like all others.

- `prescreening`: puts a model between an engine and its mating
- `models`: models of one quantity
- `evaluated`: the measured candidates from which models learn
"""

from typing import TYPE_CHECKING

from pymoo_prune.lazy import lazily

if TYPE_CHECKING:
    from pymoo_prune.surrogates.models import (
        DEFAULT_MODEL,
        MODELS,
        Model,
        Standardised,
        model_factory,
    )
    from pymoo_prune.surrogates.prescreening import (
        Prescreened,
        check_batches,
        no_free_mating,
        prescreen,
    )
else:
    __getattr__, __dir__ = lazily(__name__)

__all__ = [
    "DEFAULT_MODEL", "MODELS", "Model", "Prescreened", "Standardised", "check_batches",
    "model_factory", "no_free_mating", "prescreen",
]  # fmt: skip
