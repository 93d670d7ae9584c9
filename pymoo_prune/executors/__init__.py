"""Where candidates are measured: here, in processes of this machine, or on many machines."""

from pymoo_prune.executors.base import Executor, InProcess, Part, gathered
from pymoo_prune.executors.cluster import Ray
from pymoo_prune.executors.processes import Processes

__all__ = ["Executor", "InProcess", "Part", "Processes", "Ray", "gathered"]
