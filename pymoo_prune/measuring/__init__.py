"""Measures networks: how accurate, large, fast, similar and robust they are.

- `accuracies`: the share of images that a network classifies correctly, or another metric
- `complexity`: parameters and multiply-accumulates, exactly
- `products`: matrix products, operator by operator
- `anatomies`: weights and MACs layer by layer
- `defaults`: the batch sizes for latencies
- `latency`: how long networks take, side by side
- `known_latencies`: latencies that were measured before, in memory and in a file
- `stopwatch`: latencies of candidates beside their parent, each measured once
- `outputs`: what outputs are compared with, and how far they are from the parent's
- `perturbations`: accuracy on images with noise, blur, low contrast or occlusion
- `similarity`: how differently two networks arrange the same images (EComp)
- `stacks`: several candidates run as one program, as many as memory allows
"""

from typing import TYPE_CHECKING

from pymoo_prune.lazy import lazily

if TYPE_CHECKING:
    from pymoo_prune.measuring.accuracies import accuracy, goodness_of
    from pymoo_prune.measuring.anatomies import Anatomies, Layer, anatomy
    from pymoo_prune.measuring.complexity import (
        LayerShape,
        Work,
        count_macs,
        count_parameters,
        count_work,
        dense_complexity,
        dense_net_complexity,
        layer_macs,
        prunable_layers,
        thop_macs,
    )
    from pymoo_prune.measuring.defaults import BATCH_SIZES
    from pymoo_prune.measuring.known_latencies import KnownLatencies
    from pymoo_prune.measuring.latency import Latency, latencies
    from pymoo_prune.measuring.outputs import Expected, goodness
    from pymoo_prune.measuring.perturbations import PERTURBATIONS, STRENGTHS, perturbed, robustness
    from pymoo_prune.measuring.products import counting
    from pymoo_prune.measuring.similarity import (
        Affinities,
        affinities,
        affinity_divergence,
        squared_distances,
    )
    from pymoo_prune.measuring.stacks import Memory, Stacks, is_about_memory, stack_size
    from pymoo_prune.measuring.stopwatch import (
        LATENCY,
        MILLISECONDS,
        LatencyScheme,
        Stopwatch,
        conditions,
    )
else:
    __getattr__, __dir__ = lazily(__name__)

__all__ = [
    "BATCH_SIZES", "LATENCY", "MILLISECONDS", "PERTURBATIONS", "STRENGTHS", "Affinities",
    "Anatomies", "Expected", "KnownLatencies", "Latency", "LatencyScheme", "Layer", "LayerShape",
    "Memory", "Stacks", "Stopwatch", "Work", "accuracy", "affinities", "affinity_divergence",
    "anatomy", "conditions", "count_macs", "count_parameters", "count_work", "counting",
    "dense_complexity", "dense_net_complexity", "goodness", "goodness_of", "is_about_memory",
    "latencies", "layer_macs", "perturbed", "prunable_layers", "robustness", "squared_distances",
    "stack_size", "thop_macs",
]  # fmt: skip
