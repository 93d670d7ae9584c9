"""The choice of repairs, from the cheapest to the most expensive."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass

from pymoo_prune.errors import PruneError, shown

RUNGS = ("refit", "batch-norm", "steps")
MOST_STEPS = 1_000_000
"""The most gradient steps of a candidate."""


@dataclass(frozen=True)
class Recovery:
    """The repairs that a candidate gets, the cheapest first.

    Attributes:
        refit: Whether the remaining weights are solved for, in closed form, to give what the parent
            gives.
        batch_norm: Whether batch-norm statistics are taken again, with the remaining weights.
        steps: The number of gradient steps after that.
    """

    refit: bool = False
    batch_norm: bool = False
    steps: int = 0

    @classmethod
    def parse(cls, text: str, *, rungs: Collection[str] = RUNGS) -> Recovery:
        """Reads "none", or rungs joined by a plus: "refit", "refit+batch-norm", "refit+steps:20".

        Args:
            text: The text to read.
            rungs: The rungs that a problem offers.
        """
        match = re.fullmatch(r"(refit)?\+?(batch-norm)?\+?(?:steps:(\d+))?", text, re.ASCII)
        found = cls()
        if match is not None:
            if len(digits := match[3] or "0") > len(str(MOST_STEPS)) or int(digits) > MOST_STEPS:
                msg = (
                    f"recovery {shown(text)} has more than {MOST_STEPS:,} gradient steps: each "
                    "candidate of a search takes them"
                )
                raise PruneError(msg)
            found = cls(match[1] is not None, match[2] is not None, int(digits))
        wanted = {"refit": found.refit, "batch-norm": found.batch_norm, "steps": found.steps > 0}
        if str(found) != text or any(wanted[rung] for rung in RUNGS if rung not in rungs):
            known = [f"'{rung}:K'" if rung == "steps" else f"'{rung}'" for rung in rungs]
            msg = (
                f"recovery {shown(text)} is not known; there are 'none', or {', '.join(known)} "
                "joined by a plus in this order, with K gradient steps"
            )
            raise PruneError(msg)
        return found

    def __str__(self) -> str:
        rungs = ["refit"] * self.refit + ["batch-norm"] * self.batch_norm
        return "+".join(rungs + [f"steps:{self.steps}"] * (self.steps > 0)) or "none"
