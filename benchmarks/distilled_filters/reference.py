"""A candidate measured the plain way; ours is compared with it."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from pymoo_prune import Split
from pymoo_prune.chromosomes import Array
from pymoo_prune.pruning import PrunableFilters
from pymoo_prune.recovery import calibrate
from pymoo_prune.training import Recipe


def cut(filters: PrunableFilters, x: Array, teacher: nn.Module, image: Tensor) -> nn.Module:
    """A copy of the teacher without some filters: torch-pruning finds what depends on them.

    Args:
        filters: Says which layers give each gene; all groups of this network have one layer.
        x: The chromosome.
        teacher: The whole network.
        image: One image, for torch-pruning to trace the network with.
    """
    import torch_pruning as tp  # noqa: PLC0415 - of the development extra, and slow to import

    network: Any = copy.deepcopy(teacher)
    graph = tp.DependencyGraph().build_dependency(network, example_inputs=image)
    for layer, start, size in zip(
        filters.group_layers, filters.genes.starts, filters.genes.sizes, strict=True
    ):
        gone = [k for k in range(size) if not x[start + k]]
        module = network.get_submodule(layer)
        prune = (
            tp.prune_linear_out_channels
            if isinstance(module, nn.Linear)
            else tp.prune_conv_out_channels
        )
        if gone:
            graph.get_pruning_group(module, prune, idxs=gone).prune()
    return network.eval()  # type: ignore[no-any-return]


def recovered(
    network: nn.Module,
    teacher: nn.Module,
    train: Split,
    calibration: Tensor,
    *,
    steps: int,
    recipe: Recipe,
    alpha: float,
    temperature: float,
    seed: int,
) -> nn.Module:
    """Batch norms calibrated, then steps of distillation; the teacher runs in every step."""
    calibrate(network, calibration)
    network.train()
    optimizer = torch.optim.Adam(network.parameters(), lr=recipe.learning_rate)
    order = torch.randperm(len(train), generator=torch.Generator().manual_seed(seed))
    for step, rows in enumerate(order[: steps * recipe.batch_size].split(recipe.batch_size)):
        optimizer.param_groups[0]["lr"] = recipe.learning_rate * (1 - step / steps)
        with torch.no_grad():
            wanted = teacher(train.images[rows])
        outputs = network(train.images[rows])
        soft = functional.kl_div(
            functional.log_softmax(outputs / temperature, dim=1),
            functional.softmax(wanted / temperature, dim=1),
            reduction="batchmean",
        )
        hard = functional.cross_entropy(outputs, train.known_labels[rows])
        optimizer.zero_grad()
        (alpha * hard + (1 - alpha) * temperature**2 * soft).backward()
        optimizer.step()
    return network.eval()
