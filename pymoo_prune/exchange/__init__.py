"""Evaluations of runs in the formats of the field, for other tools.

- `evaluations`: all that a run asked for
- `columns`, `frames`: the same as rows, and for pandas
- `writing`: the formats by name, and writing one of them
- `tables`: CSV and Parquet
- `ioh`, `sets`, `optuna_storage`: for IOHinspector, moocore and Optuna's dashboard
- `grouping`: runs by problem and method, and the names of their files
- `packages`: packages that only some formats need
"""

from pymoo_prune.exchange.evaluations import Evaluations
from pymoo_prune.exchange.frames import frame_of, networks_frame
from pymoo_prune.exchange.writing import FORMATS, Format, check_output, write_evaluations

__all__ = [
    "FORMATS", "Evaluations", "Format", "check_output", "frame_of", "networks_frame",
    "write_evaluations",
]  # fmt: skip
