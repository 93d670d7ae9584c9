"""Methods over many problems: what each run asked for, side by side.

- `tasks`: the results of one problem
- `progress`: the hypervolume of one run over its evaluations
- `over_time`: first hits of targets, running times, and what was reached within a budget
- `ranks`: mean ranks over problems, and their tests
- `standings`: all numbers of a study
- `attainments`: where two methods differ
- `words`, `tables`, `numbers`, `pictures`, `report`: shows them
- `page`, `profile_figure`: pages for a browser. Import them where they are needed: they bring
  Bokeh, which takes its time
"""

from pymoo_prune.studies.attainments import attainment_difference
from pymoo_prune.studies.over_time import GAPS, Hits, OverTime
from pymoo_prune.studies.pictures import draw_reached
from pymoo_prune.studies.ranks import Friedman, Ranks, SignedRanks
from pymoo_prune.studies.report import StudyReport
from pymoo_prune.studies.standings import Cell, Standings
from pymoo_prune.studies.tasks import Course, Task

__all__ = [
    "GAPS", "Cell", "Course", "Friedman", "Hits", "OverTime", "Ranks", "SignedRanks", "Standings",
    "StudyReport", "Task", "attainment_difference", "draw_reached",
]  # fmt: skip
