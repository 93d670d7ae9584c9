"""Evaluations a second of each problem: one core, a GPU one by one, and a GPU with stacks.

The same candidates of three problems are measured in turns, also with half the bits, and must come
out the same. Without a GPU the processor stands in for it: the comparison of numbers is made, the
speeds say nothing of a GPU, and the last line says so. The share of the roofline is the layers'
multiplications a second, over those of a matrix product on the same device. The figure is a
geometric mean over the problems.

Target: above 1 on a GPU
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch
from scipy.stats import kendalltau

from benchmarks.harness import Outcome, median_seconds
from benchmarks.kept import kept_parent
from benchmarks.layer_vector import setting as layer_vector_setting
from pymoo_prune import Data, PruningProblem, load_data
from pymoo_prune.chromosomes import Array
from pymoo_prune.inference import Precision
from pymoo_prune_problems import DenseConnectivity, EComp, LayerVector
from pymoo_prune_problems.ecomp import train_feed_forward

Make = Callable[[Data, int], PruningProblem]
"""A problem, on a device, that measures so many candidates together."""
PRODUCT = 4_096
"""Rows and columns of the matrices whose product is the roof on a GPU."""


def run(quick: bool) -> Outcome:
    """The figure is the geometric mean of the stacks' gains over one by one, on the device."""
    torch.set_num_threads(1)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    there = device.type == "cuda"
    name = torch.cuda.get_device_name() if there else "this processor, for want of a GPU"
    data = load_data("digits") if quick or not there else load_data("fashion-mnist")
    results = {
        problem: measured(make, data, device, candidates, quick=quick)
        for problem, (make, candidates) in problems(data, quick=quick).items()
    }
    roof = product_rate(device, PRODUCT if there else 512)
    gains = [one["together"] / one["one_by_one"] for one in results.values()]
    lines: dict[str, Callable[[dict[str, Any]], str]] = {
        "one core, a second": lambda one: f"{one['core']:,.3g}",
        "one by one": lambda one: f"{one['one_by_one']:,.3g}",
        "in stacks": lambda one: f"{one['together']:,.3g}",
        "stacks over one by one": lambda one: f"{one['together'] / one['one_by_one']:.2f}",
        "stacks over a core": lambda one: f"{one['together'] / one['core']:.1f}",
        "of the roof, %": lambda one: f"{100 * one['rate'] / roof:.2g}",
        "Kendall's tau to a core": lambda one: f"{one['tau']:.3f}",
        "largest change, points": lambda one: f"{100 * one['largest_change']:.2f}",
    }
    rows = [(line, *(text(one) for one in results.values())) for line, text in lines.items()]
    return Outcome(
        float(np.exp(np.mean(np.log(gains)))),
        f"times as fast stacked as one by one, on {name}",
        [(f"evaluations on {name}; {data.name}", ("", *results), rows)],
        {"device": name, "gpu": there, "roof_flops": roof, "problems": results, "threads": 1},
    )


def problems(data: Data, *, quick: bool) -> dict[str, tuple[Make, int]]:
    """How each problem is made, and how many candidates of it are measured.

    EComp's masks with refit; layer vectors with refit and batch norms; dense connections from
    scratch, an epoch each.
    """
    small = data.name == "digits"
    feed_forward = kept_parent(
        f"device-mlp-{data.name}",
        lambda: train_feed_forward(data, EComp.PARENT_WIDTHS, EComp.PARENT_IMAGES),
    )
    resnet = (
        kept_parent(
            "device-resnet-8-digits",
            lambda: LayerVector(data, network="resnet-8", parent_epochs=15).parent,
        )
        if small
        else layer_vector_setting.parent()
    )

    def ecomp(data: Data, together: int) -> PruningProblem:
        return EComp(data, parent=feed_forward, together=together)

    def layers(data: Data, together: int) -> PruningProblem:
        return LayerVector(data, parent=resnet, together=together)

    def half(data: Data, together: int) -> PruningProblem:
        # One core measures in float32: what half the bits are compared with.
        precision: Precision = "bfloat16" if together > 1 else "float32"
        return LayerVector(data, parent=resnet, together=together, precision=precision)

    def dense(data: Data, together: int) -> PruningProblem:
        return DenseConnectivity(
            data,
            depth=10 if small else 40,
            growth=4 if small else 12,
            weights="scratch",
            train_images=200 if small else 10_000,
            together=together,
        )

    n = 8 if quick else 64
    return {
        "EComp": (ecomp, 4 * n),
        "layers": (layers, n),
        "layers, bfloat16": (half, n),
        "dense": (dense, 4 if quick else 16),
    }


def measured(
    make: Make, data: Data, device: torch.device, candidates: int, *, quick: bool
) -> dict[str, Any]:
    """Evaluations a second in three ways, and how much the results differ."""
    ways = {
        "core": make(data, 1),
        "one_by_one": make(data.to(device), 1),
        "together": make(data.to(device), min(candidates, 64)),
    }
    first = ways["core"]
    sampling = first.operators()["sampling"]
    X: Array = sampling(first, candidates, random_state=np.random.default_rng(0)).get("X")
    found = {name: problem.measured(X) for name, problem in ways.items()}
    rates = {
        name: candidates
        / median_seconds(partial(problem.measured, X), repeats=1 if quick else 5, warm_up=0)
        for name, problem in ways.items()
    }
    accuracies = [found[name]["accuracy"] for name in ("core", "together")]
    images = len(getattr(first, "search", first.data_set.validation))
    flops = 2 * images * float(found["core"]["macs"].mean())
    return {
        **rates,
        "candidates": candidates,
        "rate": rates["together"] * flops,
        "tau": float(kendalltau(*accuracies).statistic),
        "largest_change": float(np.abs(np.subtract(*accuracies)).max()),
    }


def product_rate(device: torch.device, size: int) -> float:
    """Multiplications and additions a second of a large matrix product in float32."""
    one = torch.rand(size, size, device=device)
    out = torch.empty_like(one)

    def product() -> None:
        torch.mm(one, one, out=out)
        float(out[0, 0])  # waits for the GPU

    return 2 * size**3 / median_seconds(product, repeats=5, warm_up=2)
