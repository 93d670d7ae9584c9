"""Data sets in three parts: one to train on, one to search with, one to report on.

- `splits`: what a data set is: images and labels in three parts
- `tasks`, `metrics`: what labels mean, and what says how good outputs are
- `inputs`, `packing`: inputs that are no images; several inputs in one table
- `parts`: arrays cut into three parts
- `names`: the names of data sets
- `checks`: what is no data is refused
- `loading`: data sets by name, from arrays, from files of arrays and from folders of images
- `files`: readers of the file formats
- `batches`: the images that a search measures its candidates on, and those of trainings
"""

from typing import TYPE_CHECKING

from pymoo_prune.lazy import lazily

if TYPE_CHECKING:
    from pymoo_prune.data.batches import SearchBatches, balanced, in_batches
    from pymoo_prune.data.inputs import data_from_dataset, data_from_inputs
    from pymoo_prune.data.loading import (
        data_from_arrays,
        data_from_folder,
        data_from_npz,
        load_data,
    )
    from pymoo_prune.data.metrics import R2, UNKNOWN, Metric
    from pymoo_prune.data.names import DATA_SETS
    from pymoo_prune.data.packing import Packed, Packing
    from pymoo_prune.data.splits import Data, Split
    from pymoo_prune.data.tasks import CLASSES, TASKS, Task
else:
    __getattr__, __dir__ = lazily(__name__)

__all__ = [
    "CLASSES", "DATA_SETS", "R2", "TASKS", "UNKNOWN", "Data", "Metric", "Packed", "Packing",
    "SearchBatches", "Split", "Task", "balanced", "data_from_arrays", "data_from_dataset",
    "data_from_folder", "data_from_inputs", "data_from_npz", "in_batches", "load_data",
]  # fmt: skip
