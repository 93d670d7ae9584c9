"""What is known of an instance without measuring anything: its network, space and front."""

from __future__ import annotations

import io
import json
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from pymoo_prune.suite.contents import holds, index, read
from pymoo_prune.suite.definition import Definition
from pymoo_prune.suite.genes import Bits, Reals, Whole
from pymoo_prune.suite.known import Known

UNTRAINED = (".running_mean", ".running_var", ".num_batches_tracked")
"""How the names of arrays end that training does not change."""


class Facts:
    """What is known of an instance.

    Args:
        definition: The instance.

    Attributes:
        about: What is known of the parent: `spec`, `data`, accuracies, recipe, versions; empty
            where the suite has no parent.
        parameters: The parent's parameters; None where the suite has no parent.
    """

    def __init__(self, definition: Definition) -> None:
        self.definition = definition
        self.about: Mapping[str, Any] = {}
        self.parameters: int | None = None
        if definition.live is not None:
            self.about, self.parameters = parent_facts(definition.live.parent)

    @property
    def genes(self) -> str:
        """The genes in a few words, such as "8 × 5 levels"."""
        genes = self.definition.genes
        if isinstance(genes, Bits):
            return f"{genes.n_var} bits"
        if not isinstance(genes, Whole):
            return f"{genes.n_var} reals"
        least, most = min(genes.choices), max(genes.choices)
        values = f"{most}" if least == most else f"{least}–{most}"
        live = self.definition.live
        kind = live.genes if live is not None and live.genes != "own" else "values"
        return f"{genes.n_var} × {values} {kind}"

    @property
    def candidates(self) -> int | None:
        """The number of candidates; None where genes are real numbers."""
        genes = self.definition.genes
        if isinstance(genes, Reals):
            return None
        return math.prod(int(high) + 1 for high in genes.xu)

    @property
    def network(self) -> str:
        """The parent in a few words."""
        if not self.about:
            return "networks trained from scratch"
        spec = self.about["spec"]
        given = spec.get("arguments", {})
        if spec["network"] == "feed-forward":
            layers = (given["inputs"], *given["widths"], given["classes"])
            return f"feed-forward, {'–'.join(map(str, layers))}"
        depth = f"-{given['depth']}" if "depth" in given else ""
        return f"{spec['network']}{depth}"

    @property
    def known(self) -> Known | None:
        """The known front; None where there is none yet."""
        name = self.definition.name
        return Known.of(name) if holds(f"fronts/{name}.npz") else None

    @property
    def recorded(self) -> Mapping[str, Any]:
        """What the index says of the instance."""
        return index()["instances"].get(self.definition.name, {})  # type: ignore[no-any-return]

    @property
    def front_size(self) -> int | None:
        """Points of the known front; None where there is none yet."""
        if "front" in self.recorded:
            return int(self.recorded["front"])
        known = self.known
        return None if known is None else len(known.F)


def parent_facts(name: str) -> tuple[dict[str, Any], int]:
    """What is known of a network of the suite, and its parameters; without torch.

    Args:
        name: Its name, such as "resnet-8-digits".
    """
    with np.load(io.BytesIO(read(f"parents/{name}.npz")), allow_pickle=False) as arrays:
        names = [key for key in arrays.files if key != "about" and not key.endswith(UNTRAINED)]
        about = json.loads(str(arrays["about"]))
        return about, sum(arrays[key].size for key in names)
