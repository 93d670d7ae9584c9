"""The command line: `pymoo-prune COMMAND`.

- `program`: puts the commands together; handles errors and Ctrl-C
- `parsers`, `result_parsers`, `options`: the commands' parsers, and the options that several
  commands have; without torch, so that help appears at once
- `arguments`: the settings that the options of a search make
- `workers`: where candidates are measured
- `runs`: the commands `run` and `resume`
- `showing`: the options of reports, and how to go on after a stop
- `comparisons`: the command `compare`
- `studies`: what `compare`, `resume` and `report` do over many problems
- `results`: the commands `report`, `cite`, `export` and `ticket`
- `data`: the command `data`
- `catalogue`: the commands `list`, `networks` and `reproduce`
- `suite`: the command `suite`; without torch, except where networks are measured
- `__main__`: makes `python -m pymoo_prune.cli` the same program
"""

from pymoo_prune.cli.program import main

__all__ = ["main"]
