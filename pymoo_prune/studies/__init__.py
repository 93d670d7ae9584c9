"""Methods over many problems: what each run asked for, side by side.

- `tasks`: the results of one problem
"""

from pymoo_prune.studies.tasks import Course, Task

__all__ = ["Course", "Task"]
