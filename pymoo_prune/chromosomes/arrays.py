"""Types of arrays, named for what the arrays hold; all rooms take them from here."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
"""Chromosomes, or an array of any other type."""
Booleans = NDArray[np.bool_]
"""Which genes, filters or connections are live."""
Counts = NDArray[np.int64]
"""Numbers of weights, filters and the like, for example in each layer."""
Integers = NDArray[np.int64]
"""Indices and ranks."""
Floats = NDArray[np.float64]
"""Strengths and shares."""
FloatArray = NDArray[np.float32]
"""Weights and biases."""
