"""A benchmark suite: pruning problems that are the same everywhere, with known fronts.

Tabular instances need numpy and pymoo alone; live ones bring torch when they are first measured.

- `catalogue`: instances by name
- `definitions`: all instances; `tabular` and `measured_live` write them down
- `tabular`: instances whose candidates are all measured
- `measured_live`: instances whose candidates are measured when they are asked for
- `definition`: what an instance is
- `costs`: the objectives
- `genes`: types, bounds, checks, random candidates, operators
- `widths`: widths of layers that instances offer
- `instance`: the pymoo problem
- `measuring`: a table, or the network itself
- `tables`: all candidates of a space, measured once
- `live`: candidates measured by a paper's problem
- `parents`: the trained networks that come with the suite
- `known`: the known fronts
- `facts`: what is known of an instance without measuring
- `candidates`: candidates in CSV files
- `improving`: candidates from elsewhere beside the known front
- `contents`: the files of the suite, and their digests
"""

from pymoo_prune.suite.candidates import candidates_csv, read_candidates
from pymoo_prune.suite.catalogue import problem, suite
from pymoo_prune.suite.definition import Cost, Definition
from pymoo_prune.suite.facts import Facts
from pymoo_prune.suite.improving import Improvement, improvement
from pymoo_prune.suite.instance import Instance
from pymoo_prune.suite.known import Known

__all__ = [
    "Cost", "Definition", "Facts", "Improvement", "Instance", "Known", "candidates_csv",
    "improvement", "problem", "read_candidates", "suite",
]  # fmt: skip
