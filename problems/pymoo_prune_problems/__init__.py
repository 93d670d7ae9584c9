"""The papers' methods as pymoo problems."""

from pymoo_prune_problems.ecomp import EComp

__all__ = ["EComp"]
