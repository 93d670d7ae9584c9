"""Networks for other runtimes: as ONNX, checked against torch, and with eight bits."""

from __future__ import annotations

import contextlib
import copy
import io
import warnings
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from pymoo_prune.data import Data, Packing, Split, balanced
from pymoo_prune.errors import PruneError
from pymoo_prune.files import writing
from pymoo_prune.measuring import goodness_of
from pymoo_prune.networks import OwnInputs, PackedInputs, own_inputs, plain_inputs
from pymoo_prune.results.onnx_report import INT8, ONNX, OnnxFile, OnnxReport
from pymoo_prune.results.quantization import quantized

INPUT, OUTPUT = "images", "outputs"
PACKAGES = ("onnx", "onnxscript", "onnxruntime")
TOLERANCE = 1e-4
"""Outputs may differ from torch's by this share of the largest output, or of 1 if that is more."""
ROUNDED_TOLERANCE = 0.1
"""The same for networks that round the inputs of layers: the last bits of an input decide which
whole number it becomes."""
COMPARED = 512
"""Outputs are compared on at most this many validation images."""
CALIBRATION = 256
"""Ranges of activations in eight bits are taken from at most this many validation images."""
BATCH_SIZE = 64


class OnnxNetwork(nn.Module):
    """A network that onnxruntime computes, on the processor.

    It takes as many threads as torch has at its first batch; so does a copy, at its own.

    Args:
        model: The content of an ONNX file that `export_onnx` wrote.
        packing: How its inputs lie in the table that this module takes; None where the file takes
            the same as this module.
    """

    def __init__(self, model: bytes, packing: Packing | None = None) -> None:
        super().__init__()
        check_onnx()
        self.model, self.packing = model, packing
        self.session: Any = None

    def forward(self, images: Tensor) -> Tensor:
        """(n, channels, height, width) -> (n, classes)."""
        if self.session is None:
            self.session = self._open()
        inputs = {INPUT: images.numpy()}
        if self.packing is not None:
            parts = zip(input_names(self.packing), self.packing.unpacked(images), strict=True)
            inputs = {name: part.numpy() for name, part in parts}
        (outputs,) = self.session.run([OUTPUT], inputs)
        return torch.from_numpy(outputs)

    def _open(self) -> Any:
        import onnxruntime  # noqa: PLC0415 - optional

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        options.log_severity_level = 3  # errors
        return onnxruntime.InferenceSession(self.model, options, providers=["CPUExecutionProvider"])

    def __getstate__(self) -> dict[str, Any]:
        # A session cannot be copied.
        return {**self.__dict__, "session": None}


def input_names(packing: Packing) -> list[str]:
    """The names of several inputs in an ONNX file."""
    return [f"input_{place}" for place in range(len(packing.parts))]


def check_onnx(packages: Sequence[str] = PACKAGES, extra: str = "onnx") -> None:
    """Refuses where a package that ONNX needs is not installed.

    Args:
        packages: What is needed.
        extra: The extra that installs it.
    """
    missing = [name for name in packages if find_spec(name) is None]
    if missing:
        msg = (
            f"ONNX needs packages that are not here: {', '.join(missing)}; "
            f"pip install 'pymoo-prune[{extra}]'"
        )
        raise PruneError(msg)


def export_onnx(
    network: nn.Module, data: Data, folder: Path | str, *, int8: bool = False
) -> OnnxReport:
    """Writes `network.onnx`, and checks that onnxruntime computes with it what torch computes.

    Args:
        network: A network for the data set's inputs; it is not changed. It may take several of
            them one by one, or as the search has them.
        data: Outputs are compared on its validation images.
        folder: Made if it is not there; files of another network are replaced.
        int8: Whether to write `network.int8.onnx` too: weights and activations with eight bits,
            and ranges of activations taken from validation images.

    Raises:
        PruneError: A package is missing, the network cannot be exported, or outputs differ by more
            than `TOLERANCE` allows; then there is no file.
    """
    folder, data = Path(folder), data.to("cpu")
    if int8 and data.packing is not None:
        msg = (
            "files with eight bits are written of networks with one input of real numbers, but "
            f"those of {data.name} take ids or several inputs"
        )
        raise PruneError(msg)
    for name in (ONNX, INT8):  # of another network
        (folder / name).unlink(missing_ok=True)
    whole, ours, theirs = _checked(network, data)
    folder.mkdir(parents=True, exist_ok=True)
    float32 = _written(whole, ours, theirs, data, folder / ONNX)
    if not int8:
        return OnnxReport(len(ours), float32)
    calibration = data.validation.subset(balanced(data.validation.groups, CALIBRATION, 0))
    # Such a file rounds all inputs itself.
    plain = plain_inputs(network)
    source = whole if plain is network else onnx_network(plain, data)
    small = OnnxNetwork(quantized(source.model, calibration.images))
    theirs = _outputs(small, _compared(data))
    return OnnxReport(len(ours), float32, _written(small, ours, theirs, data, folder / INT8))


def onnx_network(network: nn.Module, data: Data) -> OnnxNetwork:
    """A network under onnxruntime, where it computes what torch computes.

    Args:
        network: A classifier of the data set's images; it is not changed.
        data: Outputs are compared on its validation images.

    Raises:
        PruneError: As `export_onnx`.
    """
    return _checked(network, data.to("cpu"))[0]


def _checked(network: nn.Module, data: Data) -> tuple[OnnxNetwork, Tensor, Tensor]:
    """The network under onnxruntime, and outputs of torch and of onnxruntime, (n, classes) each."""
    check_onnx()
    images = _compared(data)
    # Weights in torch's usual layout: the file knows no other.
    network = copy.deepcopy(network).cpu().to(memory_format=torch.contiguous_format).eval()
    problem = f"a {type(network).__name__} cannot be exported as ONNX"
    try:
        network = _of_table(network, data.packing, images[:2])
        ours = _outputs(network, images)
        result = OnnxNetwork(_converted(network, data), data.packing)
        theirs = _outputs(result, images)
    except Exception as error:  # a network may hold anything, and exporters raise anything
        cause = error.__cause__ or error
        reason = str(cause).strip() or type(cause).__name__
        msg = f"{problem}: {reason.splitlines()[0]}"
        raise PruneError(msg) from error
    difference = float((ours - theirs).abs().max())
    tolerance = TOLERANCE if plain_inputs(network) is network else ROUNDED_TOLERANCE
    limit = tolerance * max(1.0, float(ours.abs().max()))
    if not difference <= limit:  # NaN is refused too
        msg = (
            f"{problem}: on {len(images)} validation images, onnxruntime's outputs differ from "
            f"torch's by up to {difference:.2g}, but at most {limit:.2g} is tolerated; "
            "carry it away without ONNX"
        )
        raise PruneError(msg)
    return result, ours, theirs


def _of_table(network: nn.Module, packing: Packing | None, some: Tensor) -> nn.Module:
    """A network of the table in which several inputs lie, also where it takes them one by one."""
    if packing is None or isinstance(network, PackedInputs):
        return network
    if isinstance(network, OwnInputs):
        return network.network
    try:
        _outputs(network, some)
    except Exception:  # noqa: BLE001 - it takes no table, which a network may say in any way
        return PackedInputs.of(network, packing)
    return network


def _converted(network: nn.Module, data: Data) -> bytes:
    """The content of an ONNX file, for batches of any size; it takes the user's own inputs."""
    batch = {0: torch.export.Dim("batch")}
    # A batch of one would be taken for a constant.
    inputs, names = [torch.zeros(2, *data.shape)], [INPUT]
    shapes: tuple[Any, ...] = (batch,)
    if data.packing is not None:
        network = own_inputs(network, data.packing)
        inputs = data.packing.unpacked(torch.zeros(2, *data.shape))
        every = (batch,) * len(inputs)
        shapes = (every,) if isinstance(network, OwnInputs) else every
        names = input_names(data.packing)
    chatter = io.StringIO()  # where it fails, torch prints half of the graph
    with (
        contextlib.redirect_stdout(chatter),
        contextlib.redirect_stderr(chatter),
        warnings.catch_warnings(),
    ):
        # Several inputs share the axis of the batch, as they should.
        warnings.filterwarnings("ignore", ".*The axis name: batch will not be used")
        program = torch.onnx.export(
            network,
            tuple(inputs),
            dynamo=True,
            verbose=False,
            input_names=names,
            output_names=[OUTPUT],
            dynamic_shapes=shapes,
        )
    model: Any = program.model_proto  # type: ignore[union-attr]
    _forget_origin(model)
    content: bytes = model.SerializeToString()
    return content


def _forget_origin(model: Any) -> None:
    """Removes the exporter's notes for its authors, such as paths on this machine."""
    graph = model.graph
    parts = (graph.node, graph.value_info, graph.initializer, graph.input, graph.output)
    for part in (graph, *(part for several in parts for part in several)):
        del part.metadata_props[:]


def _written(
    network: OnnxNetwork, ours: Tensor, theirs: Tensor, data: Data, path: Path
) -> OnnxFile:
    """Writes the file, and measures the network in it."""
    with writing(path) as part:
        part.write_bytes(network.model)
    return OnnxFile(
        path,
        size=len(network.model),
        difference=float((ours - theirs).abs().max()),
        agreement=_agreement(ours, theirs) if data.task.name == "classes" else None,
        accuracy=_accuracy(network, data.validation),
        test_accuracy=_accuracy(network, data.test),
        metric=None if data.task.metric is None else data.task.judge,
    )


def _accuracy(network: nn.Module, split: Split) -> float | None:
    return None if split.labels is None else goodness_of(network, split)


def _agreement(ours: Tensor, theirs: Tensor) -> float:
    return float((ours.argmax(dim=1) == theirs.argmax(dim=1)).double().mean())


def _compared(data: Data) -> Tensor:
    """The images that outputs are compared on, as many of each class."""
    return data.validation.subset(balanced(data.validation.groups, COMPARED, 0)).images


@torch.inference_mode()
def _outputs(network: nn.Module, images: Tensor) -> Tensor:
    # The first image alone: batches of any size must work.
    batches = [images[:1], *(batch for batch in images[1:].split(BATCH_SIZE) if len(batch))]
    return torch.cat([network(batch) for batch in batches])
