"""`python -m benchmarks` lists the benchmarks; `python -m benchmarks NAME [--quick]` runs one."""

from __future__ import annotations

import argparse
import sys

from benchmarks.harness import BENCHMARKS, run_benchmark
from pymoo_prune.errors import PruneError, unknown_name


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks")
    parser.add_argument("name", nargs="?", help="which one; none lists them")
    parser.add_argument("--quick", action="store_true", help="a reduced size, under a minute")
    options = parser.parse_args()
    if options.name is None:
        for name, benchmark in BENCHMARKS.items():
            print(f"{name:<20} {benchmark.description}")
        return 0
    try:
        if options.name not in BENCHMARKS:
            raise unknown_name("benchmark", options.name, BENCHMARKS)
        run_benchmark(options.name, quick=options.quick)
    except PruneError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
