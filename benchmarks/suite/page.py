"""Renews the tables of the suite's page, docs/suite.md: `python -m benchmarks.suite.page`."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.catalogue import RESULTS, ROOT
from benchmarks.readme import put
from pymoo_prune.suite import Definition, suite
from pymoo_prune.suite.contents import index
from pymoo_prune.suite.genes import Bits, Genes, Whole

PAGE = ROOT / "docs" / "suite.md"
ENGINES = RESULTS / "suite-discriminates.json"
"""What engines reached on the instances."""
WRITTEN_OUT = 10_000_000
"""Numbers of candidates below this are written out."""


def renewed(text: str) -> str:
    """The page with both tables made again; the text around them stays."""
    engines = json.loads(ENGINES.read_text(encoding="utf-8")) if ENGINES.is_file() else None
    return _put(_put(text, "instances", instances()), "engines", engine_shares(engines))


def _put(text: str, place: str, content: str) -> str:
    begin, end = f"<!-- {place}: begin -->", f"<!-- {place}: end -->"
    return put(text, begin, end, content)


def instances() -> str:
    """The table of all instances, and a sentence on each."""
    facts = index()["instances"]
    head = ("name", "genes", "objectives", "constraints", "kind", "candidates", "front", "ms")
    rows = [_instance(one, facts.get(one.name, {})) for one in suite()]
    sentences = "\n".join(f"- `{one.name}`: {one.what}" for one in suite())
    return f"{_table(head, rows)}\n\n{sentences}"


def _instance(one: Definition, facts: Mapping[str, Any]) -> Iterable[str]:
    yield f"`{one.name}`"
    yield _genes(one.genes)
    yield ", ".join(f"`{cost.name}`" for cost in one.costs)
    yield ", ".join(f"`{bound}`" for bound in one.constraints)
    words = {"noisy": one.noisy, "seeded": one.seeded}
    yield ", ".join(["table" if one.table else "live", *[word for word in words if words[word]]])
    yield _candidates(one.genes)
    yield f"{facts['front']}, {'true' if facts['true'] else 'best known'}" if facts else "not yet"
    yield "" if one.table else f"{facts['milliseconds']:.3g}" if "milliseconds" in facts else "?"


def _genes(genes: Genes) -> str:
    if isinstance(genes, Whole):
        least, most = min(genes.choices), max(genes.choices)
        values = f"{least}" if least == most else f"{least} to {most}"
        return f"{genes.n_var} × {values} values"
    return f"{genes.n_var:,} {genes.kind}"


def _candidates(genes: Genes) -> str:
    if not isinstance(genes, Whole | Bits):
        return "a continuum"
    number = math.prod(genes.choices) if isinstance(genes, Whole) else 2**genes.n_var
    return f"{number:,}" if number < WRITTEN_OUT else f"about 10^{round(math.log10(number))}"


def engine_shares(found: Mapping[str, Any] | None) -> str:
    """The table of what engines reached.

    Args:
        found: The contents of the file of results; None where it does not exist yet.
    """
    if found is None:
        return "No engine is measured yet."
    kept: Mapping[str, Any] = found["instances"]
    engines = list(dict.fromkeys(name for one in kept.values() for name in one["shares"]))
    rows = []
    for name, one in kept.items():
        shares = {engine: f"{np.mean(each):.3f}" for engine, each in one["shares"].items()}
        ahead = ", ".join(one["ahead_of_random"]) or "none"
        middle = [shares.get(engine, "") for engine in engines]
        unsearched = "" if one["unsearched"] is None else f"{one['unsearched']:.3f}"
        last = (unsearched, ahead, one["best"] or "none")
        rows.append((f"`{name}`", f"{one['budget']:,}", *middle, *last))
    head = ("instance", "budget", *engines, "no search", "ahead of random", "best")
    return _table(head, rows)


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    head = list(head)
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def main(page: Path = PAGE) -> None:
    """Writes the page."""
    page.write_text(renewed(page.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
