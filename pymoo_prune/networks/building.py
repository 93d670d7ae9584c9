"""Builds networks from their specs: the kinds of networks register here, each under a name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from torch import nn

from pymoo_prune.errors import PruneError, unknown_name

Kind = TypeVar("Kind", bound=type[nn.Module])

NETWORKS: dict[str, Callable[..., nn.Module]] = {}
"""Kinds of networks by the name that specs and saved networks have for them."""


def buildable(name: str) -> Callable[[Kind], Kind]:
    """Registers a class of networks, so that `build_network` finds it.

    Args:
        name: What the specs of its networks say.
    """

    def register(kind: Kind) -> Kind:
        NETWORKS[name] = kind
        return kind

    return register


def build_network(spec: Mapping[str, Any]) -> nn.Module:
    """A network with fresh weights, from its spec.

    Args:
        spec: `{"network": NAME, "arguments": {...}}`, as `export` writes it.
    """
    name = str(spec.get("network"))
    if name not in NETWORKS:
        raise unknown_name("network", name, NETWORKS)
    try:
        return NETWORKS[name](**spec["arguments"])
    except (KeyError, TypeError) as error:
        msg = f"the spec of network {name!r} does not fit: {error}"
        raise PruneError(msg) from error
