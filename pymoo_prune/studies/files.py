"""The names of the files in a study's folder, besides those of its report."""

from __future__ import annotations

STUDY_FILE = "study.json"
"""Problems, methods, seeds and settings; a folder with this file is a study."""
OUTSIDE_FOLDER = "outside"
"""Copies of results that were made elsewhere, a folder for each method."""
RUNS_FOLDER = "runs"
INSTANCE_FILE = "instance.json"
"""What costs depend on besides measurements: the instance's version and the unpruned network."""
FAILED_FILE = "failed.json"
"""Methods that cannot search a problem or raised an error there, and why."""
COURSES_TIMES = "courses-times.json"
"""When the files of these runs were written, and the seconds of their searches."""
COURSES_FILE = "courses.npz"
"""Costs of all runs on an instance, so that a report need not read their evaluations again."""
