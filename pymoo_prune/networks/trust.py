"""Trust in modules that a folder names: a folder from a stranger executes nothing.

A run's folder names the problem, engine, network and quantities that it was made with. Some of
them may be a user's own, "package.module:name". Names that come from a folder are imported only
where their module is imported already, or where the user trusts it: by naming it on the command
line or in Python, or with `--trust`.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable

from pymoo_prune.errors import UntrustedCode

VARIABLE = "PYMOO_PRUNE_TRUST"
"""The environment variable with trusted modules, which child processes inherit; * trusts all."""
EVERYTHING = "*"


def trust(modules: Iterable[str]) -> None:
    """Trusts modules that folders name, in this process and in those that it starts.

    Args:
        modules: Names of modules, or `EVERYTHING`.
    """
    os.environ[VARIABLE] = ",".join(sorted({*_trusted(), *modules}))


def module_of(name: str) -> str | None:
    """The module in "package.module:name" or "NAME=package.module:name"; None for other names."""
    module, colon, _ = name.rpartition("=")[2].partition(":")
    return module if colon else None


def is_trusted(module: str) -> bool:
    """Whether the user trusts a module by name.

    Args:
        module: The module's name.
    """
    return not {module, EVERYTHING}.isdisjoint(_trusted())


def check_trust(names: Iterable[str], folder: object) -> None:
    """Raises an error if a folder names a module that is neither imported nor trusted.

    Args:
        names: The names in the folder.
        folder: The folder.
    """
    allowed = _trusted()
    modules = dict.fromkeys(module for name in names if (module := module_of(name)))
    unknown = [module for module in modules if module not in allowed and module not in sys.modules]
    if unknown and EVERYTHING not in allowed:
        msg = (
            f"{folder} names code outside of pymoo-prune: {', '.join(unknown)}. It is not imported "
            "unless you trust it: look at it, and add --trust (in Python: import it first)"
        )
        raise UntrustedCode(msg)


def _trusted() -> set[str]:
    return {name for name in os.environ.get(VARIABLE, "").split(",") if name}
