"""Tables I to III in small, with the paper's networks.

ResNet-20, ResNet-56, ResNet-110 and R(2+1)D-18 at a budget for two cores, beside global magnitude
pruning.

Target: the paper's 81.98, with hours of search

Found at c22f568: the ResNet-20 has 65.6 % accuracy then, and global magnitude pruning keeps 78.5 %
there. Global magnitude pruning is ahead in every row of the ResNets.
"""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from typing import Any

import torch

from benchmarks.harness import Outcome
from benchmarks.layer_vector.setting import data
from pymoo_prune import PruneError
from pymoo_prune_problems.layer_vector import HEAD, SMALL, one_network, table_rows


def run(quick: bool) -> Outcome:
    """The figure is the sparsity that ResNet-20 reaches after three iterations."""
    names = ["resnet-20"] if quick else list(SMALL.parent_epochs)
    data()
    found: dict[str, list[dict[str, Any]]] = {}
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        jobs = {pool.submit(one, name): name for name in names[::-1]}  # the longest first
        try:
            for job in as_completed(jobs):
                found[jobs[job]] = job.result()
                print(f"{jobs[job]} is done ({len(found)} of {len(jobs)})", flush=True)
        except PruneError:
            # Stop at once: the others take hours.
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    rendered = [(name, HEAD, table_rows(name, [found[name]], data().name)) for name in names]
    return Outcome(
        100 * found["resnet-20"][-1]["sparsity"],
        "% of ResNet-20's parameters gone after three iterations",
        rendered,
        {"rows": found, "threads": "two processes of one", "scale": repr(SMALL)},
    )


def one(name: str) -> list[dict[str, Any]]:
    torch.set_num_threads(1)
    return one_network(data(), name, SMALL)
