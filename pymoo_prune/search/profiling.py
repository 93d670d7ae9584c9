"""A profile of a search: torch's own trace of its first generations."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Self

import torch
from torch.profiler import ProfilerActivity, profile

from pymoo_prune.files import write_text, writing
from pymoo_prune.search.searching import Step

TRACE, OPERATORS = "profile.json", "profile.txt"
GENERATIONS = 2
"""The first measures a whole population and prepares what is needed; the second is typical."""
ROWS = 10


class Profile:
    """Writes a trace and a table of the most expensive operators; a context around a search.

    Args:
        folder: Where `profile.json`, for Perfetto or chrome://tracing, and `profile.txt` go.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        activities = [ProfilerActivity.CPU]
        if torch.cuda.is_available():
            activities.append(ProfilerActivity.CUDA)
        self._profiler: Any = profile(activities=activities, acc_events=True)
        self._works = False

    def __enter__(self) -> Self:
        self._profiler.start()
        self._works = True
        return self

    def __call__(self, step: Step) -> None:
        """Called after each generation."""
        if step.generation >= GENERATIONS:
            self._end()

    def __exit__(self, *_: object) -> None:
        self._end()

    def _end(self) -> None:
        if not self._works:
            return
        self._works = False
        self._profiler.stop()
        with writing(self.folder / TRACE) as path:
            self._profiler.export_chrome_trace(str(path))
        on_gpu = torch.cuda.is_available()
        table = self._profiler.key_averages().table(
            sort_by="self_cuda_time_total" if on_gpu else "self_cpu_time_total",
            row_limit=ROWS,
            max_name_column_width=40,
        )
        write_text(self.folder / OPERATORS, f"{table}\n")
