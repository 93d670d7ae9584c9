"""The default of an option, which the command line shows."""

from __future__ import annotations

AT_LENGTH = 10
"""A ticket is retrained with this multiple of the images of the front's networks."""
