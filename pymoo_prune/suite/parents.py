"""The trained networks that come with the suite, in half precision: the same on each machine."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import nn

from pymoo_prune.networks import build_network
from pymoo_prune.suite.contents import read

ABOUT = "about"
"""The array that describes the network, as JSON."""


def packed(network: nn.Module, about: Mapping[str, Any]) -> bytes:
    """A network's weights in half precision, and how to build it.

    Args:
        network: A network with a `spec`.
        about: What else is known: recipe, accuracies, versions.
    """
    arrays: dict[str, Any] = {}
    for name, value in network.state_dict().items():
        array = value.detach().cpu().numpy()
        arrays[name] = array.astype(np.float16) if array.dtype == np.float32 else array
        if not np.isfinite(arrays[name]).all():
            msg = f"{name} has values that half precision cannot hold"
            raise ValueError(msg)
    text = json.dumps({"spec": network.spec, **about})
    content = io.BytesIO()
    np.savez_compressed(content, **{ABOUT: np.array(text), **arrays})
    return content.getvalue()


def unpacked(content: bytes) -> tuple[nn.Module, dict[str, Any]]:
    """The network, in evaluation mode, and what is known of it."""
    with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
        about = json.loads(str(arrays[ABOUT]))
        state = {name: torch.from_numpy(arrays[name]) for name in arrays.files if name != ABOUT}
    with torch.random.fork_rng(devices=[]):  # building draws weights, which are then replaced
        network = build_network(about["spec"])
    network.load_state_dict(
        {n: v.float() if v.is_floating_point() else v for n, v in state.items()}
    )
    return network.eval(), about


def parent(name: str) -> tuple[nn.Module, dict[str, Any]]:
    """A network of the suite, and what is known of it.

    Args:
        name: Its name, such as "resnet-8-digits".
    """
    return unpacked(read(f"parents/{name}.npz"))
