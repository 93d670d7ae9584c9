"""One network of a front."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from torch import nn

from pymoo_prune.chromosomes import Array
from pymoo_prune.networks import own_inputs

if TYPE_CHECKING:
    from pymoo_prune.results.front import Front


@dataclass(frozen=True)
class Member:
    """One network of a front.

    Attributes:
        front: The front.
        place: Its row in the front, which is also its name.
    """

    front: Front
    place: int

    @property
    def values(self) -> dict[str, float]:
        """All that is known of it, by name."""
        return {name: float(column[self.place]) for name, column in self.front.columns.items()}

    @property
    def x(self) -> Array:
        """Its chromosome, (n_var,)."""
        x: Array = self.front.X[self.place]
        return x

    @property
    def why(self) -> str:
        """Why `Front.pick` suggests it; empty where it suggests another one."""
        suggested = self.front.suggestion
        return suggested.reason if suggested.place == self.place else ""

    def network(self, *, finish_images: int = 0) -> nn.Module:
        """The small network, stand-alone; it takes the inputs that the parent took.

        Args:
            finish_images: Training images for retraining; the same number gives the same weights
                again. They are read where the run keeps them.
        """
        found = self.packed_network(finish_images)
        kept = self.front.finished is not None and self.front.finished.finishing.images
        packing = None if kept == finish_images else self.front.problem.data_set.packing
        return own_inputs(found, packing)

    def packed_network(self, finish_images: int = 0) -> nn.Module:
        """The same network as the search has it: it takes the inputs of `Split.images`.

        Args:
            finish_images: See `network`.
        """
        kept = self.front.finished
        if kept is not None and kept.finishing.images == finish_images:
            return kept.network(self.place).to(self.front.device)
        problem = self.front.problem
        network = problem.network(self.x)
        if finish_images:
            seed = self.front.seeds[self.place]
            network = problem.finished(network, images=finish_images, seed=seed)
        return network

    def __str__(self) -> str:
        quantities = self.front.quantities
        parts = [f"{quantities[n].label} {quantities[n].format(v)}" for n, v in self.values.items()]
        return f"network {self.place}: " + ", ".join(parts)

    __repr__ = __str__  # what a notebook shows
