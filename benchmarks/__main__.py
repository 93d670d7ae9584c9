"""`python -m benchmarks` lists the benchmarks; `python -m benchmarks NAME [--quick]` runs one."""

from __future__ import annotations

import argparse
import sys

from benchmarks.catalogue import MODULES, described
from benchmarks.readme import write_readme
from pymoo_prune.errors import PruneError, unknown_name


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks")
    parser.add_argument("name", nargs="?", help="which one; none lists them")
    parser.add_argument("--quick", action="store_true", help="a reduced size, under a minute")
    parser.add_argument(
        "--only",
        metavar="ROWS",
        help="rows of a long one, joined by commas; 'none' only shows those that are there",
    )
    parser.add_argument(
        "--readme", action="store_true", help="write the figures into benchmarks/README.md"
    )
    options = parser.parse_args()
    try:
        if options.readme:
            write_readme()
        elif options.name is None:
            for name in MODULES:
                print(f"{name:<30} {described(name).summary}")
        else:
            _run(options.name, quick=options.quick, only=options.only)
    except PruneError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def _run(name: str, *, quick: bool, only: str | None) -> None:
    # The list above needs no torch, and this import brings it.
    from benchmarks.harness import run_benchmark  # noqa: PLC0415

    if name not in MODULES:
        raise unknown_name("benchmark", name, MODULES)
    run_benchmark(name, quick=quick, only=only)


if __name__ == "__main__":
    sys.exit(main())
