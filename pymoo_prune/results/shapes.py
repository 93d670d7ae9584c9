"""The shape of the file that describes an exported network."""

from __future__ import annotations

from typing import Any, TypedDict


class NetworkShape(TypedDict, total=False):
    """`network.json`; `save_weights` leaves out how the network is built."""

    network: str
    arguments: dict[str, Any]
    attention: str
    inputs: str
    memory_format: str
    digests: dict[str, str]
