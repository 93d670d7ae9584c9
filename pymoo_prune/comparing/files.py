"""The names of the files in a comparison's folder, besides those of every report."""

from __future__ import annotations

RUNS_FOLDER = "runs"
SHARED_FILE = "results.json"
"""The common results of all runs, written when all are done."""
NOTHING_FILE = "nothing.txt"
"""In the folder of a run that found no network: the reason."""

INDICATORS_TABLE = "runs.csv"
TIMES_TABLE = "times.csv"
"""Working seconds, which are never the same twice; no other file of a comparison has any."""
FRONTS_PICTURE = "fronts"
CURVES_PICTURE = "hypervolume"
ATTAINMENT_PICTURE = "attainment"
PARALLEL_PICTURE = "parallel"
"""Pictures are named without an ending: each is written with several."""
