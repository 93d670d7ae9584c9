"""Where candidates are measured: here, in processes of this machine, or on many machines."""

from pymoo_prune.executors.base import Executor, InProcess
from pymoo_prune.executors.cluster import Ray
from pymoo_prune.executors.dispatch import Dispatcher
from pymoo_prune.executors.parcel import pack, unpack
from pymoo_prune.executors.processes import Processes
from pymoo_prune.executors.staff import Worker
from pymoo_prune.executors.work import Answer, Done, Ready

__all__ = [
    "Answer", "Dispatcher", "Done", "Executor", "InProcess", "Processes", "Ray", "Ready",
    "Worker", "pack", "unpack",
]  # fmt: skip
