"""All instances of the suite."""

from __future__ import annotations

from collections.abc import Mapping

from pymoo_prune.suite.definition import Definition
from pymoo_prune.suite.measured_live import MEASURED_LIVE
from pymoo_prune.suite.tabular import TABULAR

DEFINITIONS: Mapping[str, Definition] = {one.name: one for one in (*TABULAR, *MEASURED_LIVE)}
"""All instances by name."""

_TABLES = tuple(one.name for one in TABULAR)
GROUPS: Mapping[str, tuple[str, ...]] = {
    "all": tuple(DEFINITIONS),
    "tabular": _TABLES,
    "live": tuple(one.name for one in MEASURED_LIVE),
    "quick": (
        "resnet8-digits-levels",
        "simplecnn-digits-widths",
        "three-layers-digits-widths",
        "two-layers-digits-neurons",
    ),
}
"""Names of instances by group; "quick" has one of each kind, all tabular."""
