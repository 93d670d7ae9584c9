"""Executors measure candidates: here, in processes of this machine, or on many machines.

- `base`: the contract of executors, and the one without workers
- `dispatch`: hands chunks to workers, and replaces workers that die, leave or hang
- `job`: the candidates of one measurement: waiting, with a worker, done or failed
- `staff`: a worker, as the driver sees it
- `work`: the worker's side: unpacks a problem, measures chunks
- `parcel`: a problem, packed so that it can be sent
- `processes`: workers that are processes of this machine
- `interrupts`: Ctrl-C while processes start or end
- `cluster`, `joining`: workers on many machines, through Ray
"""

from pymoo_prune.executors.base import Executor, InProcess
from pymoo_prune.executors.cluster import Ray
from pymoo_prune.executors.dispatch import Dispatcher
from pymoo_prune.executors.interrupts import interrupts_blocked
from pymoo_prune.executors.parcel import pack, unpack
from pymoo_prune.executors.processes import Processes
from pymoo_prune.executors.staff import Worker
from pymoo_prune.executors.work import Answer, Done, Ready

__all__ = [
    "Answer", "Dispatcher", "Done", "Executor", "InProcess", "Processes", "Ray", "Ready",
    "Worker", "interrupts_blocked", "pack", "unpack",
]  # fmt: skip
