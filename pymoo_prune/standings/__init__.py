"""The results of methods over many problems, as numbers, pictures and pages.

- `tasks`: the results of one problem
- `progress`: the hypervolume of one run over its evaluations
- `over_time`: first hits of targets, running times, and what was reached within a budget
- `ranks`: mean ranks over problems, and their tests
- `standings`: all numbers
- `attainments`: where two methods differ
- `words`, `tables`, `numbers`, `pictures`, `report`: shows them
- `page`, `profile_figure`: pages for a browser. Import them where they are needed: they bring
  Bokeh, which takes its time
"""

from pymoo_prune.standings.attainments import attainment_difference
from pymoo_prune.standings.over_time import GAPS, Hits, OverTime
from pymoo_prune.standings.pictures import draw_reached
from pymoo_prune.standings.ranks import Friedman, Ranks, SignedRanks
from pymoo_prune.standings.report import StudyReport
from pymoo_prune.standings.standings import Cell, Standings
from pymoo_prune.standings.tasks import PROBLEMS_FOLDER, Course, Task

__all__ = [
    "GAPS", "PROBLEMS_FOLDER", "Cell", "Course", "Friedman", "Hits", "OverTime", "Ranks",
    "SignedRanks", "Standings", "StudyReport", "Task", "attainment_difference", "draw_reached",
]  # fmt: skip
