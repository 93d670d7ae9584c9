"""ONNX files as networks to prune: read, converted, and compared with onnxruntime."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from pymoo_prune.errors import PruneError, check_path
from pymoo_prune.networks import OnnxParent
from pymoo_prune.results.onnx_files import TOLERANCE, check_onnx

PARENT_PACKAGES = ("onnx", "onnx2torch", "onnxruntime")
COMPARED_INPUTS = 4
"""Outputs are compared on so many random inputs."""
FLOAT = 1
"""ONNX's number for float32."""


def is_onnx(path: Path | str) -> bool:
    """Whether a path leads to an ONNX file, by its ending."""
    return Path(path).suffix.lower() == ".onnx"


def load_onnx(path: Path | str) -> nn.Module:
    """The network of an ONNX file, as a torch module whose layers can be pruned.

    It is in evaluation mode, can be saved and exported, and takes batches of any size.

    Args:
        path: The file: one input and one output, both float32, and fixed sizes but for the batch.

    Raises:
        PruneError: The file is damaged, a package is missing, some operators cannot be converted,
            or outputs for random inputs differ from onnxruntime's by more than `TOLERANCE` allows.
    """
    path = check_path("path", path)
    check_onnx(PARENT_PACKAGES, "onnx-parent")
    model = _read(path)
    shape = _shape(path, model)
    try:
        network = OnnxParent.of(model)
    except PruneError as error:
        msg = f"{path}: {error}"
        raise PruneError(msg) from error
    _compare(path, model, network, shape)
    return network


def _read(path: Path) -> Any:
    import onnx  # noqa: PLC0415 - optional

    if not path.is_file():
        msg = f"there is no ONNX file {path}"
        raise PruneError(msg)
    try:
        model = onnx.load(path)
        onnx.checker.check_model(model)
    except Exception as error:  # onnx raises errors of several packages for a damaged file
        reason = str(error).strip().splitlines()
        msg = f"{path} holds no whole ONNX network: {reason[0] if reason else type(error).__name__}"
        raise PruneError(msg) from error
    return model


def _shape(path: Path, model: Any) -> list[int]:
    """The sizes of an input; the first, of the batch, is 0 where any batch will do."""
    constants = {tensor.name for tensor in model.graph.initializer}
    inputs = [one for one in model.graph.input if one.name not in constants]
    for what, found in (("input", inputs), ("output", list(model.graph.output))):
        if len(found) != 1:
            names = ", ".join(one.name for one in found)
            msg = (
                f"{path} has {len(found)} {what}s ({names}), but a network to prune has one; "
                "onnx.utils.extract_model takes a part of a network out of its file"
            )
            raise PruneError(msg)
        if (kind := found[0].type.tensor_type.elem_type) != FLOAT:
            msg = f"{what} {found[0].name!r} of {path} must be float32, but has ONNX's type {kind}"
            raise PruneError(msg)
    dims = list(inputs[0].type.tensor_type.shape.dim)
    sizes = [dim.dim_value if dim.HasField("dim_value") else 0 for dim in dims]
    if len(sizes) < 2 or 0 in sizes[1:]:
        names = ", ".join(str(dim.dim_value or dim.dim_param or "?") for dim in dims)
        msg = (
            f"input {inputs[0].name!r} of {path} has the sizes ({names}), but all except the first "
            "must be fixed: python -m onnxruntime.tools.make_dynamic_shape_fixed --input_name "
            f"{inputs[0].name} --input_shape 1,3,24,24 OLD.onnx NEW.onnx fixes them"
        )
        raise PruneError(msg)
    return sizes


def _compare(path: Path, model: Any, network: nn.Module, shape: Sequence[int]) -> None:
    """Refuses a network that does not give what onnxruntime gives."""
    images = np.random.default_rng(0).random((COMPARED_INPUTS, *shape[1:]), dtype=np.float32)
    theirs = _by_onnxruntime(path, model, images, shape[0] or COMPARED_INPUTS)
    try:
        with torch.inference_mode():
            ours = network(torch.from_numpy(images)).numpy()
    except Exception as error:  # a converted network may fail in any way
        reason = str(error).strip().splitlines()
        msg = f"{path} cannot be computed by torch: {reason[0] if reason else type(error).__name__}"
        raise PruneError(_with_batch(msg, shape[0])) from error
    if ours.shape != theirs.shape:
        msg = f"{path} gives {theirs.shape[1:]} values an input, but as a torch module {ours.shape}"
        raise PruneError(_with_batch(msg, shape[0]))
    difference = float(np.abs(ours - theirs).max())
    limit = TOLERANCE * max(1.0, float(np.abs(theirs).max()))
    if not difference <= limit:  # NaN is refused too
        msg = (
            f"{path} cannot be pruned: as a torch module, its outputs for random inputs differ "
            f"from onnxruntime's by up to {difference:.2g}, but at most {limit:.2g} is tolerated"
        )
        raise PruneError(_with_batch(msg, shape[0]))


def _by_onnxruntime(path: Path, model: Any, images: Any, batch: int) -> Any:
    import onnxruntime  # noqa: PLC0415 - optional

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # its errors are raised as well
    options.intra_op_num_threads = 1
    try:
        session = onnxruntime.InferenceSession(
            model.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
        name = session.get_inputs()[0].name
        rows = np.concatenate([images] * batch) if batch > len(images) else images
        found = [
            session.run(None, {name: rows[start : start + batch]})[0]
            for start in range(0, len(rows) - batch + 1, batch)
        ]
    except Exception as error:  # onnxruntime has errors of its own
        reason = str(error).strip().splitlines()[0]
        msg = f"onnxruntime cannot run {path}: {reason}"
        raise PruneError(msg) from error
    return np.concatenate(found)[: len(images)]


def _with_batch(msg: str, batch: int) -> str:
    """A message, with the remedy where the file has a batch of one size."""
    if not batch:
        return msg
    return f"{msg}; it has batches of {batch}: export it with a dynamic batch"
