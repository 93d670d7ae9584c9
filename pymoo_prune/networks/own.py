"""Networks of a user's own: named, built again by that name, and described for saving.

A description of such a network names the function or class that builds it,
`{"network": "package.module:name", "arguments": {...}}`. `build_network` imports it only where the
user trusts the module; see `trust`.
"""

from __future__ import annotations

import copy
import difflib
import importlib
import json
import re
import sys
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import torch
from torch import fx, nn

from pymoo_prune.errors import PruneError, UntrustedCode, in_users_code
from pymoo_prune.networks.copies import copied
from pymoo_prune.networks.trust import check_trust, is_trusted, module_of, trust

Builder: TypeAlias = nn.Module | Callable[..., nn.Module]
"""A network, of which copies are taken, or a function or class that makes one."""

ORIGIN = "pymoo_prune_spec"
"""The attribute of a user's network that says how it is built again."""
PRESERVED = "_user_preserved_attributes"
"""torch.fx copies those attributes of a `GraphModule` that its `meta` has under this name."""

_BUILT: dict[str, tuple[Any, nn.Module]] = {}
"""Networks that functions without arguments made: some of these functions train for minutes."""


NAMED = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*(\.[^\W\d]\w*)*")
"""Names of modules and of what is in them."""


def load_named(name: str) -> Any:
    """The object called "package.module:Name"; the current folder is searched too.

    Args:
        name: Module and name.
    """
    if NAMED.fullmatch(name) is None:
        msg = f"{name!r} must read 'package.module:Name'"
        raise PruneError(msg)
    # As `python -m` does: a user's own module often lies in the current folder.
    if "" not in sys.path:
        sys.path.insert(0, "")
    module, _, path = name.partition(":")
    with in_users_code(f"{name!r} cannot be imported"):
        found: Any = importlib.import_module(module)
    for part in path.split("."):
        if not hasattr(found, part):
            nearest = difflib.get_close_matches(part, dir(found), n=1)
            hint = f". Did you mean {nearest[0]!r}?" if nearest else ""
            msg = f"{name!r} cannot be imported: there is no {part!r} in {module}{hint}"
            raise PruneError(msg)
        found = getattr(found, part)
    return found


def described(network: nn.Module, built_by: Builder | str, /, **arguments: Any) -> nn.Module:
    """A copy of a network that can be saved and loaded again, and so can what is pruned of it.

    Args:
        network: The network; it is not changed.
        built_by: The function or class that builds a network of its shape, in a module that can be
            imported, or its name, "package.module:name".
        arguments: Its arguments, plain values as in JSON.

    Raises:
        PruneError: No name leads to `built_by`, or it builds a network with other weights' names or
            shapes.
    """
    name = built_by if isinstance(built_by, str) else name_of(built_by)
    if name is None:
        msg = (
            f"{built_by!r} cannot be imported by a name: write it at the top level of a module of "
            "yours, neither in a script nor in a notebook"
        )
        raise PruneError(msg)
    try:
        spec = {"network": name, "arguments": json.loads(json.dumps(arguments))}
    except TypeError as error:
        msg = f"the arguments of {name} must be plain values as in JSON: {error}"
        raise PruneError(msg) from error
    trust([str(module_of(name))])
    with torch.random.fork_rng(devices=[]):
        again = build_own(name, spec["arguments"])
    network = copied(network)
    if (difference := difference_of(network, again)) is not None:
        msg = f"{name} builds another network than the one that it is to describe: {difference}"
        raise PruneError(msg)
    return with_origin(network, spec)


def with_origin(network: nn.Module, spec: Mapping[str, Any]) -> nn.Module:
    """The network itself, which now knows how it is built again.

    Args:
        network: The network; one with a `spec` of its own stays as it is.
        spec: As `build_network` takes it.
    """
    if getattr(network, "spec", None) is None:
        setattr(network, ORIGIN, dict(spec))
        if isinstance(network, fx.GraphModule):
            network.meta[PRESERVED] = {**network.meta.get(PRESERVED, {}), ORIGIN: dict(spec)}
    return network


def name_of(builder: Builder) -> str | None:
    """The name "package.module:name" that leads to a function or class; None if there is none."""
    module, name = getattr(builder, "__module__", None), getattr(builder, "__qualname__", None)
    if module in (None, "__main__") or name is None:
        return None
    found: Any = sys.modules.get(module)
    for part in name.split("."):
        found = getattr(found, part, None)
    return f"{module}:{name}" if found is builder else None


def build_own(name: str, arguments: Mapping[str, Any]) -> nn.Module:
    """The network that a description names, with weights that do not matter.

    Args:
        name: "package.module:name" of a network, or of a function or class that makes one.
        arguments: Of the function or class.

    Raises:
        UntrustedCode: The user did not say that the module may be imported.
        PruneError: There is no such function, or it makes no network.
    """
    check_trust([name], "the description of a network")
    found = load_named(name)
    if arguments:
        _check_call(name, found)
        return made(found, arguments, name)
    if name not in _BUILT or _BUILT[name][0] is not found:
        with torch.device("cpu"):  # one that is built to be counted alone would have no weights
            _BUILT[name] = found, made(found, {}, name)
    return copy.deepcopy(_BUILT[name][1])


def made(builder: Any, arguments: Mapping[str, Any], name: str) -> nn.Module:
    """The network that a function or class makes, or a copy of a network.

    Args:
        builder: The network, function or class.
        arguments: Of the function or class.
        name: What errors call it.
    """
    found = builder
    if isinstance(found, nn.Module):
        return copied(found)
    if callable(found):
        try:
            found = found(**arguments)
        except Exception as error:  # a user's function may raise anything
            about = f"{type(error).__name__}: {error}"
            given = f" with the arguments {sorted(arguments)}" if arguments else ""
            msg = f"{name} cannot build its network{given}: {about}"
            raise PruneError(msg) from error
    if not isinstance(found, nn.Module):
        msg = (
            f"network {name!r} is a {type(found).__name__}; it must be a torch.nn.Module, or a "
            "function or class that makes one"
        )
        raise PruneError(msg)
    return found


def difference_of(network: nn.Module, other: nn.Module) -> str | None:
    """The first difference of two networks in their weights' names and shapes; None if none.

    Args:
        network: What is wanted.
        other: What there is.
    """
    wanted = {name: tuple(value.shape) for name, value in network.state_dict().items()}
    found = {name: tuple(value.shape) for name, value in other.state_dict().items()}
    for name in dict.fromkeys((*wanted, *found)):
        if wanted.get(name) != found.get(name):
            there, built = wanted.get(name, "missing"), found.get(name, "missing")
            return f"{name} is {there} in the one, and {built} in the other"
    return None


def _check_call(name: str, found: Any) -> None:
    """Refuses a call with arguments that a description chooses, where it may be any function.

    Modules import functions of others, and modules that are imported anyway have functions that
    start programs.
    """
    module = str(module_of(name))
    home = str(getattr(found, "__module__", None))
    if home.partition(".")[0] != module.partition(".")[0]:
        msg = f"{name} is defined in {home}: name it there, or give load_network(folder, network=)"
        raise UntrustedCode(msg)
    kind = isinstance(found, type) and issubclass(found, nn.Module)
    if not kind and not is_trusted(module):
        msg = (
            f"the description of a network calls {name} with arguments. It is not called unless "
            "you trust it: look at it, and add --trust (in Python: load_network(folder, network=))"
        )
        raise UntrustedCode(msg)
