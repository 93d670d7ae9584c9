"""Specs within specs: what a network was pruned from, and whether that is code of the user's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pymoo_prune.networks.trust import module_of


def spec_within(spec: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The spec in a spec: of what a network was pruned from, or of one with other inputs.

    Args:
        spec: As `build_network` takes it.
    """
    arguments = spec.get("arguments")
    if not isinstance(arguments, Mapping) or module_of(str(spec.get("network"))) is not None:
        return None  # a user's own function may have arguments of any name
    found = (arguments.get(name) for name in ("parent", "network"))
    return next((one for one in found if isinstance(one, Mapping)), None)


def innermost(spec: Mapping[str, Any]) -> Mapping[str, Any]:
    """The spec of the network that another one was made from, or the spec itself.

    Args:
        spec: As `build_network` takes it.
    """
    while (inner := spec_within(spec)) is not None:
        spec = inner
    return spec


def is_own(spec: Mapping[str, Any]) -> bool:
    """Whether a spec names code of the user's, by "package.module:name".

    Args:
        spec: As `build_network` takes it.
    """
    return module_of(str(innermost(spec).get("network"))) is not None
