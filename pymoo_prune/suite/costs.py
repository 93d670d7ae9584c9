"""The objectives of the suite's instances, besides the error."""

from __future__ import annotations

from pymoo_prune.suite.definition import Cost

PARAMETERS = Cost("parameters", "log", 0.0)
MACS = Cost("macs", "log", 0.0)
SMALLER = Cost("parameters", "share", 1.0)
WIDTH = Cost("width", "share", 1.0)
NARROW = Cost("width", "log", 0.0)
SIMILARITY = Cost("similarity_loss", "plain", 3.0)
DIVERGENCE = Cost("divergence", "plain", 0.3)
# All letters of these instances are far smaller than floats.
BYTES = Cost("bytes", "log", -0.8)
BIT_OPERATIONS = Cost("bit_operations", "log", -0.8)
