"""Builds networks from their specs: the kinds of networks register here, each under a name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from torch import nn

from pymoo_prune.errors import PruneError, unknown_name
from pymoo_prune.networks.attention import has_unpacked_attention, unpack_attention

Kind = TypeVar("Kind", bound=type[nn.Module])

ATTENTION, UNPACKED = "attention", "unpacked"
"""The word of a description, and its value, for attention that has linear layers."""
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
        spec: `{"network": NAME, "arguments": {...}}`, as `export` writes it; see `spec_of`.
    """
    name = str(spec.get("network"))
    if name not in NETWORKS:
        raise unknown_name("network", name, NETWORKS)
    try:
        network = NETWORKS[name](**spec["arguments"])
    except (KeyError, TypeError) as error:
        msg = f"the spec of network {name!r} does not fit: {error}"
        raise PruneError(msg) from error
    return with_attention_of(network, spec)


def spec_of(network: nn.Module) -> dict[str, Any] | None:
    """A network's spec, and whether its attention was unpacked; None if it has no spec."""
    spec = getattr(network, "spec", None)
    return {**spec, **attention_of(network)} if isinstance(spec, dict) else None


def attention_of(network: nn.Module) -> dict[str, str]:
    """The part of a description that says that attention was unpacked; empty if it was not."""
    return {ATTENTION: UNPACKED} if has_unpacked_attention(network) else {}


def with_attention_of(network: nn.Module, description: Mapping[str, Any]) -> nn.Module:
    """A network with attention as a description says.

    Args:
        network: The network; it is not changed.
        description: A spec, or what `attention_of` gives.
    """
    attention = description.get(ATTENTION)
    if attention not in (None, UNPACKED):
        raise unknown_name("attention", str(attention), [UNPACKED])
    return network if attention is None else unpack_attention(network)
