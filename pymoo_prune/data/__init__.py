"""Data sets in three parts: one to train on, one to search with, one to report on.

- `splits`: what a data set is: images and labels in three parts
- `loading`: data sets by name, from arrays, from files of arrays and from folders of images
- `files`: readers of the file formats
- `batches`: the images that a search measures its candidates on
"""

from pymoo_prune.data.batches import SearchBatches, balanced
from pymoo_prune.data.loading import (
    DATA_SETS,
    data_from_arrays,
    data_from_folder,
    data_from_npz,
    load_data,
)
from pymoo_prune.data.splits import Data, Split

__all__ = [
    "DATA_SETS", "Data", "SearchBatches", "Split", "balanced", "data_from_arrays",
    "data_from_folder", "data_from_npz", "load_data",
]  # fmt: skip
