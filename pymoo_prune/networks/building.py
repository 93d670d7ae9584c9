"""Builds networks from their specs: the kinds of networks register here, each under a name."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TypeVar

from torch import nn

from pymoo_prune.errors import PruneError, unknown_name
from pymoo_prune.networks.attention import has_unpacked_attention, unpack_attention
from pymoo_prune.networks.own import ORIGIN, Builder, build_own, made, with_origin
from pymoo_prune.networks.rounding import has_rounded_inputs, round_inputs
from pymoo_prune.networks.specs import innermost
from pymoo_prune.networks.trust import module_of

Kind = TypeVar("Kind", bound=type[nn.Module])

ATTENTION, UNPACKED = "attention", "unpacked"
"""The word of a description, and its value, for attention that has linear layers."""
INPUTS, ROUNDED = "inputs", "rounded"
"""The same for layers that can round their inputs."""
NETWORKS: dict[str, Callable[..., nn.Module]] = {}
"""Kinds of networks by the name that specs and saved networks have for them."""

_STAND_INS: ContextVar[Mapping[str, Builder] | None] = ContextVar("stand_ins", default=None)
"""What the user gives in place of what descriptions name, for a while."""


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
        spec: `{"network": NAME, "arguments": {...}}`, as `export` writes it; see `spec_of`. NAME is
            one of `NETWORKS`, or "package.module:name" of a user's own.
    """
    name = str(spec.get("network"))
    given = (_STAND_INS.get() or {}).get(name)
    if given is None and name not in NETWORKS and module_of(name) is None:
        raise unknown_name("network", name, NETWORKS)
    arguments = spec.get("arguments")
    if not isinstance(arguments, Mapping):
        msg = f"the spec of network {name!r} does not fit: it has no arguments"
        raise PruneError(msg)
    if given is not None:
        network = made(given, arguments, f"what is given for {name!r}")
        network = with_origin(network, {"network": name, "arguments": arguments})
    elif name not in NETWORKS:
        network = with_origin(build_own(name, arguments), {"network": name, "arguments": arguments})
    else:
        try:
            network = NETWORKS[name](**arguments)
        except PruneError:
            raise
        except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
            msg = f"the spec of network {name!r} does not fit: {error}"
            raise PruneError(msg) from error
    return with_changes_of(network, spec)


def build_with(spec: Mapping[str, Any], own: Builder) -> nn.Module:
    """A network from its spec, with a user's own in place of the one that it was made from.

    Args:
        spec: As `build_network` takes it; one that names no network is that of `own`.
        own: The network before it was pruned, or a function or class that makes it, which gets the
            spec's arguments.
    """
    kind = innermost(spec).get("network")
    if kind is None:
        return with_changes_of(made(own, {}, "what is given"), spec)
    with _standing_in({str(kind): own}):
        return build_network(spec)


@contextmanager
def _standing_in(given: Mapping[str, Builder]) -> Iterator[None]:
    token = _STAND_INS.set(given)
    try:
        yield
    finally:
        _STAND_INS.reset(token)


def spec_of(network: nn.Module) -> dict[str, Any] | None:
    """A network's spec, and how its layers were changed since; None if it has no spec."""
    spec = getattr(network, "spec", None)
    if spec is None:
        spec = getattr(network, ORIGIN, None)
    return {**spec, **changes_of(network)} if isinstance(spec, dict) else None


def changes_of(network: nn.Module) -> dict[str, str]:
    """What a description says of layers that were changed after a network was built."""
    attention = {ATTENTION: UNPACKED} if has_unpacked_attention(network) else {}
    return attention | ({INPUTS: ROUNDED} if has_rounded_inputs(network) else {})


def with_changes_of(network: nn.Module, description: Mapping[str, Any]) -> nn.Module:
    """A network with layers as a description says.

    Args:
        network: The network; it is not changed.
        description: A spec, or what `changes_of` gives.
    """
    for word, value, change in (
        (ATTENTION, UNPACKED, unpack_attention),
        (INPUTS, ROUNDED, round_inputs),
    ):
        wanted = description.get(word)
        if wanted not in (None, value):
            raise unknown_name(word, str(wanted), [value])
        network = network if wanted is None else change(network)
    return network
