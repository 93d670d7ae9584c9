"""Training by gradient steps: a parent from scratch, or a pruned network after the cut."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Literal, TypeVar

import torch
from torch import nn
from torch.nn import functional

from pymoo_prune.data import Split
from pymoo_prune.errors import PruneError, unknown_name

Network = TypeVar("Network", bound=nn.Module)


def trained(
    network: Network,
    split: Split,
    *,
    images: int,
    batch_size: int = 100,
    learning_rate: float = 1e-3,
    schedule: Literal["constant", "linear"] = "constant",
    seed: int = 0,
    progress: Callable[[float], None] | None = None,
) -> Network:
    """A copy of a network after Adam steps on cross-entropy.

    Args:
        network: Where training starts; it is not changed.
        split: Training images.
        images: How many images to show, counted with repetition: two epochs of 10,000 are 20,000.
            An epoch is a fresh permutation; the last batch of an epoch may be smaller.
        batch_size: Images a step.
        learning_rate: Of Adam, at the start.
        schedule: "constant", or "linear": the rate falls to 0 at the end, which keeps more of a
            network that was good already.
        seed: Of the order of the images.
        progress: Called now and then with the share that is done.

    Returns:
        The trained copy, in evaluation mode.
    """
    if images < 0 or batch_size < 1:
        msg = (
            "images must be at least 0 and batch_size at least 1, but they are "
            f"{images} and {batch_size}"
        )
        raise PruneError(msg)
    if schedule not in ("constant", "linear"):
        raise unknown_name("schedule", schedule, ["constant", "linear"])
    result = copy.deepcopy(network).train()
    optimizer = torch.optim.Adam(result.parameters(), lr=learning_rate, fused=True)
    order = torch.Generator().manual_seed(seed)
    seen = 0
    while seen < images:
        epoch = torch.randperm(len(split), generator=order)[: images - seen]
        for step, rows in enumerate(epoch.split(batch_size)):
            index = rows.to(split.images.device)
            if schedule == "linear":
                optimizer.param_groups[0]["lr"] = learning_rate * (1 - seen / images)
            loss = functional.cross_entropy(result(split.images[index]), split.labels[index])
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            seen += len(rows)
            if progress is not None and step % 20 == 0:
                progress(seen / images)
    optimizer.zero_grad(set_to_none=True)  # the result carries no gradients around
    return result.eval()
