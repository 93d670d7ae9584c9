"""Joins a Ray cluster, or says why it cannot be joined."""

from __future__ import annotations

import os
import re
import socket
import threading
from collections.abc import Callable
from importlib import import_module
from typing import Any

from pymoo_prune.errors import PruneError

CONNECTING = 15.0
"""Seconds in which a cluster must answer."""
CLIENT = "ray://"
"""The prefix of addresses for drivers outside the cluster."""

_PORTS = (
    f"HOST:PORT takes the port of 'ray start --port', mostly 6379, and {CLIENT}HOST:PORT that of "
    "its --ray-client-server-port, mostly 10001"
)
_AUTHENTICATION = "if it asks for a token, RAY_AUTH_MODE=token must be set here too"
_SETTINGS = bytes([0, 0, 0, 4, 0, 0, 0, 0, 0])
"""The first frame on a connection of HTTP/2, which gRPC speaks; the fourth byte is its kind."""
_HELLO = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + _SETTINGS
_ADDRESS = re.compile(rf"(?:{CLIENT})?(?P<host>[\w.-]+|\[[\da-fA-F:.]+\]):(?P<port>\d{{1,5}})")


def imported_ray() -> Any:
    """Imports Ray when it is needed: that takes a second, and Ray may not be installed."""
    try:
        import_module("ray.cloudpickle")
        return import_module("ray")
    except ImportError as error:
        msg = "workers on many machines need Ray; pip install 'pymoo-prune[ray]'"
        raise PruneError(msg) from error


def check_address(address: str) -> tuple[str, int]:
    """Refuses a malformed address; returns host and port."""
    match = _ADDRESS.fullmatch(address)
    if match is None or not 0 < int(match["port"]) < 1 << 16:
        msg = (
            f"the address of a Ray cluster must read HOST:PORT, such as 10.0.0.1:6379, or "
            f"{CLIENT}HOST:PORT, such as {CLIENT}10.0.0.1:10001, but it is {address!r}"
        )
        raise PruneError(msg)
    return match["host"].strip("[]"), int(match["port"])


def join_cluster(address: str, join: Callable[[], Any]) -> None:
    """Joins a cluster, or gives up soon; Ray itself would try for minutes.

    Args:
        address: The cluster's address.
        join: Joins it; may take long.
    """
    _greet(address)
    errors: list[Exception] = []

    def attempt() -> None:
        try:
            join()
        except Exception as error:  # noqa: BLE001 - reported below
            errors.append(error)

    thread = threading.Thread(target=attempt, daemon=True)
    thread.start()
    thread.join(CONNECTING)
    if thread.is_alive() or errors:
        silent = f"no answer within {CONNECTING:.0f} s; {_PORTS}; {_AUTHENTICATION}"
        why = one_line(errors[0]) if errors else silent
        msg = f"the Ray cluster at {address!r} cannot be joined: {why}"
        raise PruneError(msg)


def _greet(address: str) -> None:
    """Checks that a gRPC server listens: sends its greeting, and waits for the answer."""
    try:
        with socket.create_connection(check_address(address), timeout=CONNECTING / 3) as connection:
            if os.environ.get("RAY_USE_TLS", "0").lower() in {"1", "true"}:
                return  # the greeting would have to be encrypted
            connection.sendall(_HELLO)
            answer = connection.recv(len(_SETTINGS))
    except OSError as error:
        msg = f"there is no Ray cluster at {address!r}: {error}; {_PORTS}"
        raise PruneError(msg) from error
    if answer[3:4] != _SETTINGS[3:4]:
        msg = f"there is no Ray cluster at {address!r}, but something else; {_PORTS}"
        raise PruneError(msg)


def one_line(error: Exception) -> str:
    """An error's text, in one line."""
    return " ".join(str(error).split())
