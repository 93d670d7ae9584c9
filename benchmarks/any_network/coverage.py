"""Which networks that people bring can be pruned, by filters and by weights?

24 networks with random weights: twelve of torchvision and timm as they come, and twelve as people
write them, each with something that many others lack. Those that take images of any size get small
ones. A network goes one way if the analysis takes it and 200 random candidates are right. By
filters: parameters and MACs of the closed form equal those that are counted on the small network
itself, and its outputs equal those of the masked network within 1e-5 in double precision, for as
many candidates as twenty seconds are enough for. By weights: parameters and MACs equal the weights
that are left, counted. torch's own counter of FLOPs counts the whole networks. One thread. A
benchmark that was stopped goes on.

Target: at least 22 of 24 both ways, and swin_t analysed in 20 s
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, TypeAlias

import torch

from benchmarks.any_network.checks import check_filters, check_weights, checked, inputs, made
from benchmarks.any_network.packaged import PACKAGED
from benchmarks.any_network.written import WRITTEN
from benchmarks.harness import Outcome
from benchmarks.kept import Parts
from pymoo_prune.measuring import count_parameters

NETWORKS = {**PACKAGED, **WRITTEN}
QUICK = (
    "ResNet-20, zeros in shortcuts", "ViT of nn.MultiheadAttention", "embedding, Conv1d",
    "channel shuffle, groups", "MLP with chunk (GLU)", "MLP-Mixer",
)  # fmt: skip
SWIN = "torchvision swin_t"
CANDIDATES, LIMIT = 200, 20.0
PARTS = Parts("any-network")
Table: TypeAlias = tuple[str, Sequence[str], Sequence[Sequence[str]]]


def run(quick: bool) -> Outcome:
    """The figure is the number of networks that can be pruned both ways."""
    torch.set_num_threads(1)
    found: dict[str, dict[str, Any]] = {}
    for name in QUICK if quick else NETWORKS:
        file = "".join(letter if letter.isalnum() else "-" for letter in name)
        make = partial(one, name, 20 if quick else CANDIDATES, 1.0 if quick else LIMIT)
        found[name] = make() if quick else PARTS.of(file, make)
        print(f"{name}: {_went(found[name], 'filters')}", flush=True)
    PARTS.forget()
    return outcome(found)


def one(name: str, candidates: int, limit: float) -> dict[str, Any]:
    """What is found of a network.

    Args:
        name: One of `NETWORKS`.
        candidates: Random candidates each way.
        limit: Seconds for comparing outputs.
    """
    build, shape = NETWORKS[name]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # networks and packages warn about their own matters
        network = made(build)
        with torch.no_grad():
            network(inputs(network, shape))  # one that cannot run is a mistake of this benchmark
        return {
            "shape": list(shape),
            "parameters": count_parameters(network),
            "weights": checked(lambda: check_weights(network, shape, candidates)),
            "filters": checked(lambda: check_filters(network, shape, candidates, limit)),
        }


def outcome(found: Mapping[str, Mapping[str, Any]]) -> Outcome:
    """The tables and the record.

    Args:
        found: Each network's findings, as `one` gives them.
    """
    both = sum(
        not any("refused" in row[way] for way in ("weights", "filters")) for row in found.values()
    )
    head = ("network", "parameters", "weights", "filters", "filters and branches", "outputs", "s")
    table = [
        (
            name,
            f"{row['parameters']:,}",
            _went(row, "weights"),
            _went(row, "filters"),
            _genes(row["filters"]),
            _compared(row["filters"]),
            f"{row['filters'].get('analysis', row['filters']['seconds']):.1f}",
        )
        for name, row in found.items()
    ]
    refused = [
        (f"{name}, by {way}", row[way]["refused"])
        for name, row in found.items()
        for way in ("weights", "filters")
        if "refused" in row[way]
    ]
    swin = found.get(SWIN, {}).get("filters", {}).get("analysis")
    note = "" if swin is None else f"; swin_t at 224×224 is analysed in {swin:.1f} s"
    title = (
        "candidates counted; outputs: small networks compared with masked ones, largest "
        "difference; s: seconds of the analysis of filters"
    )
    tables: list[Table] = [(title, head, table)]
    if refused:
        tables.append(("refused", ("network", "why"), refused))
    return Outcome(
        both,
        f"of {len(found)} networks can be pruned by filters and by weights{note}",
        tables,
        {"networks": dict(found), "swin_t_seconds": swin, "threads": 1},
    )


def _went(row: Mapping[str, Any], way: str) -> str:
    return "refused" if "refused" in row[way] else f"{row[way]['counted']}"


def _genes(row: Mapping[str, Any]) -> str:
    return "–" if "refused" in row else f"{row['filters']:,} + {row['branches']}"


def _compared(row: Mapping[str, Any]) -> str:
    return "–" if "refused" in row else f"{row['compared']}, {row['difference']:.0e}"
