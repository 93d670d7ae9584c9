"""Checks what is in a wheel: `python check_wheel.py WHEEL`."""

from __future__ import annotations

import sys
import zipfile

NEEDED = {
    "pymoo_prune/__init__.py",
    "pymoo_prune/page/style.css",
    "pymoo_prune/data/loading.py",
    "pymoo_prune/page/table.css",
    "pymoo_prune/py.typed",
    "pymoo_prune/runs/run.py",
    "pymoo_prune_problems/__init__.py",
    "pymoo_prune_problems/py.typed",
    "pymoo_prune_problems/ecomp/problem.py",
}
PACKAGES = {"pymoo_prune", "pymoo_prune_problems"}


def main(path: str) -> int:
    """Prints what is wrong; returns the exit code."""
    with zipfile.ZipFile(path) as wheel:
        names = set(wheel.namelist())
    tops = {name.split("/", 1)[0] for name in names}
    wrong = [f"{name} is missing" for name in sorted(NEEDED - names)]
    strangers = sorted(top for top in tops - PACKAGES if not top.endswith(".dist-info"))
    wrong += [f"{top} must not be in it" for top in strangers]
    for line in wrong:
        sys.stdout.write(f"{path}: {line}\n")
    if not wrong:
        sys.stdout.write(f"{len(names)} files in {', '.join(sorted(tops))}\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
