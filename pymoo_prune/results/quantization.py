"""ONNX models with eight bits instead of thirty-two."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from torch import Tensor

BATCH_SIZE = 64


def quantized(model: bytes, images: Tensor) -> bytes:
    """The same model with weights and activations of eight bits, each channel on its own scale.

    Args:
        model: The content of an ONNX file, of a network that takes images.
        images: (n, channels, height, width); ranges of activations are taken from them.

    Returns:
        The content of an ONNX file.
    """
    # Both are optional.
    import onnx  # noqa: PLC0415
    from onnxruntime.quantization import (  # noqa: PLC0415
        CalibrationDataReader,
        QuantFormat,
        QuantType,
        quantize_static,
    )
    from onnxruntime.quantization.shape_inference import quant_pre_process  # noqa: PLC0415

    class Images(CalibrationDataReader):
        def __init__(self, name: str) -> None:
            self.name, self.batches = name, iter(images.split(BATCH_SIZE))

        def get_next(self) -> dict[str, Any] | None:
            batch = next(self.batches, None)
            return None if batch is None else {self.name: batch.numpy()}

    with TemporaryDirectory() as folder:
        whole, prepared, small = (Path(folder, name) for name in ("a.onnx", "b.onnx", "c.onnx"))
        whole.write_bytes(model)
        quant_pre_process(whole, prepared, skip_symbolic_shape=True)
        graph = onnx.load(prepared).graph
        # Batch norms that were not folded into a convolution stay in floats.
        norms = [node.name for node in graph.node if node.op_type == "BatchNormalization"]
        quantize_static(
            prepared,
            small,
            Images(graph.input[0].name),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            activation_type=QuantType.QInt8,
            weight_type=QuantType.QInt8,
            nodes_to_exclude=norms,
        )
        return small.read_bytes()
