"""The types of arrays that several rooms use, each with the name for what it holds. numpy only."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
"""Chromosomes, or anything else."""
Booleans = NDArray[np.bool_]
"""What lives and what does not: genes, filters, connections."""
Counts = NDArray[np.int64]
"""How many there are, for example of weights in each layer."""
Integers = NDArray[np.int64]
"""Indices and ranks."""
Floats = NDArray[np.float64]
"""Strengths and shares."""
FloatArray = NDArray[np.float32]
"""Weights and biases."""
