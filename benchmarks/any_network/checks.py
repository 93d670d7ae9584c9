"""What is checked of a network: its filters and weights can be pruned, and numbers are right."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from time import perf_counter
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from pymoo_prune.errors import PruneError
from pymoo_prune.measuring import count_macs, count_parameters, count_work
from pymoo_prune.networks import unpack_attention
from pymoo_prune.pruning import MagnitudeOrder, PrunableFilters
from pymoo_prune.training import seeded

TOLERANCE = 1e-5
"""The largest difference of outputs, relative to the largest output."""
LEAST = 2
"""Small networks that are compared with masked ones, however long that takes."""


def made(build: Callable[[], nn.Module], seed: int = 0) -> nn.Module:
    """A network in evaluation mode, with random numbers also where it begins with constants.

    Scales of 1e-6, class tokens of zeros and statistics of new batch norms would hide mistakes.
    """
    with seeded(seed, torch.device("cpu")), torch.no_grad():
        network = build().eval()
        for name, tensor in [*network.named_parameters(), *network.named_buffers()]:
            if name.endswith("running_var"):
                tensor.uniform_(0.5, 1.5)
            elif _is_constant(name, tensor):
                tensor.add_(0.3 * torch.randn(tensor.shape))
    return network


def _is_constant(name: str, tensor: Tensor) -> bool:
    learned = isinstance(tensor, nn.Parameter) or name.endswith("running_mean")
    return learned and len(tensor.unique()) == 1


def inputs(network: nn.Module, shape: Sequence[int], n: int = 2) -> Tensor:
    """Random inputs, (n, *shape); whole numbers up to some hundreds where words are embedded."""
    found = torch.randn(n, *shape, generator=torch.Generator().manual_seed(1))
    if any(isinstance(module, nn.Embedding) for module in network.modules()):
        return (100 * found).abs().round()
    return found


def checked(check: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """What a check found, or why it could not go on, under "refused", and its seconds."""
    began = perf_counter()
    try:
        found = check()
    except PruneError as error:
        found = {"refused": str(error)}
    except Exception as error:  # noqa: BLE001 - a network that breaks the analysis is a finding
        found = {"refused": f"broke down, {type(error).__name__}: {error}"}
    return found | {"seconds": round(perf_counter() - began, 2)}


def check_weights(
    network: nn.Module, shape: Sequence[int], candidates: int
) -> dict[str, int | float]:
    """Prunes random numbers of each layer's weights, and counts what is left.

    Args:
        network: A network in evaluation mode; it is not changed.
        shape: One input.
        candidates: Random candidates.

    Raises:
        PruneError: The network cannot be pruned, or a number is wrong.
    """
    whole = unpack_attention(network, inputs(network, shape))
    began = perf_counter()
    order = MagnitudeOrder(whole, shape)
    seconds = perf_counter() - began
    positions = {layer.name: layer.positions for layer in count_work(whole, shape).layers}
    sizes = {name: whole.get_parameter(f"{name}.weight").numel() for name in positions}
    constant = torch_macs(whole, shape) - sum(n * positions[name] for name, n in sizes.items())
    others = count_parameters(whole) - sum(weight.numel() for weight in order.weights)
    shares = np.random.default_rng(0).uniform(0, 1, (candidates, len(order)))
    shares[0] = 0
    counts = (shares * order.counts).astype(np.int64)
    for row, parameters, macs in zip(counts, *order.complexity(counts), strict=True):
        left = [
            int(order.weight(place, pruned).count_nonzero())
            for place, pruned in enumerate(row.tolist())
        ]
        counted = sum(n * positions[name] for n, name in zip(left, order.names, strict=True))
        _same("parameters", parameters, others + sum(left))
        _same("MACs", macs, constant + counted)
    return {"analysis": round(seconds, 2), "layers": len(order), "counted": candidates}


def check_filters(
    network: nn.Module, shape: Sequence[int], candidates: int, limit: float
) -> dict[str, int | float]:
    """Prunes random filters and branches, counts what is left, and compares outputs.

    Args:
        network: A network in evaluation mode; it is not changed.
        shape: One input.
        candidates: Random candidates; parameters and MACs of all of them are counted.
        limit: Seconds for outputs: as many small networks as it is enough for are compared with
            masked ones, in double precision.

    Raises:
        PruneError: The network cannot be pruned, or a number is wrong.
    """
    network = unpack_attention(network, inputs(network, shape))  # as problems do
    began = perf_counter()
    filters = PrunableFilters(network, shape)
    seconds = perf_counter() - began
    X = random_filters(filters, candidates)
    sizes = filters.complexity(X)
    _same("MACs", sizes[1][0], torch_macs(network, shape))
    for x, parameters, macs in zip(X, *sizes, strict=True):
        small = filters.network(x).to("meta")  # where nothing is computed
        _same("parameters", parameters, count_parameters(small))
        _same("MACs", macs, count_macs(small, shape))
    images = inputs(network, shape).double()
    largest, compared, began = 0.0, 0, perf_counter()
    for x in X:
        largest = max(largest, difference(filters, x, images))
        compared += 1
        if compared >= LEAST and perf_counter() - began > limit:
            break
    if not largest <= TOLERANCE:
        msg = f"small networks give other outputs than masked ones: {largest:.1e} of the largest"
        raise PruneError(msg)
    return {
        "analysis": round(seconds, 2),
        "groups": len(filters.genes.sizes),
        "filters": filters.genes.n_filters,
        "branches": filters.genes.n_pieces,
        "counted": len(X),
        "compared": compared,
        "difference": largest,
        "smallest": round(float(sizes[1].min() / sizes[1][0]), 4),
    }


def random_filters(filters: PrunableFilters, n: int) -> Any:
    """Chromosomes with everything, and with many and few filters and branches, (n, n_var)."""
    generator, genes = np.random.default_rng(0), filters.genes
    X = generator.random((n, genes.n_var)) < generator.uniform(0.05, 1, (n, 1))
    pieces = generator.random((n, genes.n_pieces)) < generator.uniform(0, 1, (n, 1))
    X[:, genes.n_filters :] = pieces
    X[0] = True
    return filters.repaired(X)


@torch.no_grad()
def difference(filters: PrunableFilters, x: Any, images: Tensor) -> float:
    """How far a small network's outputs are from the masked network's, relative to the largest."""
    small = filters.comparison.of(filters.network(x))
    images = images.to(filters.comparison.dtype)
    expected = filters.masked(x).outputs(images.clone())["output"]
    found = small(images.clone())
    if found.shape != expected.shape:
        msg = f"a small network gives {tuple(found.shape)}, a masked one {tuple(expected.shape)}"
        raise PruneError(msg)
    scale = max(1e-9, float(expected.abs().max()))
    return float((found - expected).abs().max()) / scale


def torch_macs(network: nn.Module, shape: Sequence[int]) -> int:
    """Half of the FLOPs that torch's own counter counts, with attention as matrix products."""
    fast = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(value=False)
    counter = FlopCounterMode(display=False)
    kernels = torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH)
    try:
        with torch.no_grad(), kernels, counter:
            network(torch.zeros(1, *shape, device=next(network.parameters()).device))
    finally:
        torch.backends.mha.set_fastpath_enabled(value=fast)
    return counter.get_total_flops() // 2


def _same(what: str, closed: float, counted: int) -> None:
    if closed != counted:
        msg = f"wrong numbers: a candidate should have {closed:,.0f} {what}, and has {counted:,}"
        raise PruneError(msg)
