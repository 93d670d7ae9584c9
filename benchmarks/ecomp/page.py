"""Renews the tables and pictures of EComp's page, docs/ecomp.md: `python -m benchmarks.ecomp.page`.

They are made from the results of `ecomp-faithful`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from benchmarks.catalogue import RESULTS, ROOT
from benchmarks.ecomp.faithful import (
    CONSISTENCY_HEAD,
    HEAD,
    PARENT_HEAD,
    SIGNIFICANT,
    comparison_row,
    consistency_row,
    parent_rows,
)
from benchmarks.ecomp.figures import CURVES, draw_curves, draw_winners, our_runs
from benchmarks.readme import put
from pymoo_prune.tables import markdown_table

PAGE = ROOT / "docs" / "ecomp.md"
IMAGES = ROOT / "docs" / "images"
RECORD = RESULTS / "ecomp-faithful.json"


def record() -> dict[str, Any]:
    """The file of results."""
    found: dict[str, Any] = json.loads(RECORD.read_text(encoding="utf-8"))
    return found


def renewed(text: str, results: Mapping[str, Any]) -> str:
    """The page with its three tables made again; the text around them stays.

    Args:
        text: The page.
        results: The file of results.
    """
    tables = {
        "faithful": comparisons(results),
        "parents": markdown_table(PARENT_HEAD, parent_rows(results["parents"])),
        "consistency": markdown_table(
            CONSISTENCY_HEAD, list(map(consistency_row, results["consistency"]))
        ),
    }
    for place, content in tables.items():
        text = put(text, f"<!-- {place}: begin -->", f"<!-- {place}: end -->", content)
    return text


def comparisons(results: Mapping[str, Any]) -> str:
    """How many figures differ, and the table of all."""
    found = results["comparisons"]
    differing = sum(one["p"] <= SIGNIFICANT for one in found)
    parents = len({*next(iter(results["ours"].values()))["parents"].split()})
    sentence = (
        f"{differing} of {len(found)} differ at p ≤ .01, with {results['runs']} runs of each "
        f"weighting over {parents} parents, on FashionMNIST."
    )
    return f"{sentence}\n\n{markdown_table(HEAD, list(map(comparison_row, found)))}"


def main() -> None:
    """Renews the page, and draws Figures 2 to 5."""
    results = record()
    ours = our_runs(results)
    for figure in CURVES:
        draw_curves(IMAGES / f"ecomp-figure-{figure}.png", figure, ours)
    draw_winners(IMAGES / "ecomp-figure-5.png", results, ours)
    PAGE.write_text(renewed(PAGE.read_text(encoding="utf-8"), results), encoding="utf-8")


if __name__ == "__main__":
    main()
