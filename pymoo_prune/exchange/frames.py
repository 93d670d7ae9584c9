"""Tables for pandas."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from pymoo_prune.exchange.columns import genes, measured, measured_names
from pymoo_prune.exchange.packages import needed
from pymoo_prune.objectives import Values

if TYPE_CHECKING:
    import pandas as pd

    from pymoo_prune.exchange.evaluations import Evaluations


def frame_of(runs: Sequence[Evaluations]) -> pd.DataFrame:
    """A row for each evaluation of all runs.

    Chromosomes are text ("0110") where they are booleans, lists where they are numbers, and None
    where they were not kept.

    Args:
        runs: The runs, of one problem or of several.
    """
    pandas = needed("pandas")
    names = measured_names(runs)
    frames = [
        pandas.DataFrame(
            {
                "problem": run.problem,
                "method": run.method,
                "seed": run.seed,
                "number": np.arange(len(run)),
                "generation": run.generation,
                "chromosome": pandas.Series(
                    [None] * len(run) if run.X is None else genes(run.X), dtype=object
                ),
                **measured(run, names),
                "feasible": run.feasible,
                "failed": run.failed,
                "failure": pandas.Series(list(run.failures), dtype=object),
            }
        )
        for run in runs
    ]
    return pandas.concat(frames, ignore_index=True)


def networks_frame(columns: Mapping[str, Values]) -> pd.DataFrame:
    """A row for each network, named by its number.

    Args:
        columns: What is known of the networks, (n,) each.
    """
    pandas = needed("pandas")
    return pandas.DataFrame(dict(columns)).rename_axis("network")
