"""Layers whose inputs are rounded to whole numbers of few bits, times a step.

Each convolution and linear layer gets a buffer with its grid, and rounds its inputs before it is
run. The layer itself stays the same module, so that graphs, copies and exports see it as before.
"""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn

from pymoo_prune.networks.modes import evaluating

GRID = "input_grid"
"""The buffer of a layer, (3,): step, lowest and highest whole number; step 0 rounds nothing."""


def round_inputs(network: nn.Module) -> nn.Module:
    """A copy of a network whose layers can round their inputs; until they get a grid, none does.

    Args:
        network: It is not changed.

    Returns:
        The copy; the network itself if its layers can already.
    """
    if has_rounded_inputs(network):
        return network
    found = copy.deepcopy(network)
    for layer in _layers(found):
        device = next(layer.parameters()).device
        layer.register_buffer(GRID, torch.zeros(3, device=device))
        layer.register_forward_pre_hook(_rounded_first)
    return found


def plain_inputs(network: nn.Module) -> nn.Module:
    """A copy of a network whose layers take their inputs as they are.

    Args:
        network: It is not changed.

    Returns:
        The copy; the network itself if its layers do so already.
    """
    if not has_rounded_inputs(network):
        return network
    found = copy.deepcopy(network)
    for layer in _layers(found):
        layer._buffers.pop(GRID, None)  # noqa: SLF001 - as `del` does, which needs it to be there
        hooks = layer._forward_pre_hooks  # noqa: SLF001 - copies have no handles to remove them by
        for number in [n for n, hook in hooks.items() if hook is _rounded_first]:
            del hooks[number]
    return found


def has_rounded_inputs(network: nn.Module) -> bool:
    """Whether the layers of a network can round their inputs."""
    return any(GRID in module._buffers for module in network.modules())  # noqa: SLF001


def to_grid(inputs: Tensor, grid: Tensor) -> Tensor:
    """Inputs rounded to a grid; gradients pass where they lie within its range.

    Args:
        inputs: Real numbers of any shape.
        grid: Step, lowest and highest whole number, (3,).
    """
    step, lowest, highest = grid.unbind()
    limits = _limits(grid)
    if limits is not None and limits[0] == limits[1]:
        return inputs  # a grid of zeros
    safe = torch.where(step > 0, step, 1.0)
    whole = (inputs * (1 / safe)).round_()
    if limits is not None:
        found = whole.clamp_(*limits).mul_(safe)
    else:
        whole = torch.minimum(torch.maximum(whole, lowest), highest)
        found = torch.where(step > 0, whole * safe, inputs)
    if not (torch.is_grad_enabled() and inputs.requires_grad):
        return found
    within = torch.minimum(torch.maximum(inputs, lowest * safe), highest * safe)
    within = torch.where(step > 0, within, inputs)
    return found.detach() + (within - within.detach())


def _limits(grid: Tensor) -> tuple[float, float] | None:
    """The least and the greatest whole number, with which a processor is quicker.

    None where a look at them is impossible, because they are those of several candidates or of a
    graph that is written, or where it would hold up a GPU.
    """
    if grid.device.type != "cpu" or torch.compiler.is_compiling():
        return None
    try:
        _, lowest, highest = grid.tolist()
    except RuntimeError:  # those of several candidates at once
        return None
    return lowest, highest


def called_layers(network: nn.Module, images: Tensor) -> set[str]:
    """The paths of layers that are run; of others a network takes the weights alone.

    Args:
        network: Any network.
        images: A few.
    """
    found: set[str] = set()
    modules = {path: one for path, one in network.named_modules() if isinstance(one, _KINDS)}
    hooks = [
        module.register_forward_pre_hook(
            lambda _module, arguments, path=path: found.update([path] * bool(arguments))
        )
        for path, module in modules.items()
    ]
    try:
        with torch.no_grad(), evaluating(network):
            network(images)
    finally:
        for hook in hooks:
            hook.remove()
    return found


_KINDS = (nn.Linear, nn.modules.conv._ConvNd)  # noqa: SLF001 - the base of all convolutions


def _layers(network: nn.Module) -> list[Any]:
    return [module for module in network.modules() if isinstance(module, _KINDS)]


def _rounded_first(layer: nn.Module, arguments: tuple[Any, ...]) -> tuple[Any, ...]:
    if not arguments:  # given by name; `called_layers` leaves such layers out
        return arguments
    return (to_grid(arguments[0], getattr(layer, GRID)), *arguments[1:])
