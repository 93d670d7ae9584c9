"""Images and labels in three parts: one to train on, one to search with, one to report on.

- `loading`: data sets by name, and the user's own arrays and folders of images
- `files`: readers of the file formats
- `batches`: the images that a search measures on
"""

from pymoo_prune.data.batches import SearchBatches, balanced
from pymoo_prune.data.loading import (
    DATA_SETS,
    Data,
    Split,
    data_from_arrays,
    data_from_folder,
    load_data,
)

__all__ = [
    "DATA_SETS", "Data", "SearchBatches", "Split", "balanced", "data_from_arrays",
    "data_from_folder", "load_data",
]  # fmt: skip
