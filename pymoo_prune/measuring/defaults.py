"""The default of an option, which the command line shows."""

from __future__ import annotations

BATCH_SIZES = (1, 64)
"""One image alone, and many images at once."""
