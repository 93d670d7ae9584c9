"""The command line: `program` puts commands together, the modules beside it carry them out."""

from pymoo_prune.cli.program import main

__all__ = ["main"]
