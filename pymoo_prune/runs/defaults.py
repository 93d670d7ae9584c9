"""The defaults of options, which the command line shows."""

from __future__ import annotations

AT_LENGTH = 10
"""A ticket is retrained with this multiple of the images of the front's networks."""
KEEP_NETWORKS = 64
"""A run's folder keeps at most this many megabytes of finished networks."""
