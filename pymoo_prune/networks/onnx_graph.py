"""Networks from ONNX files: torch modules with layers that can be pruned.

Layers come from onnx2torch. What stands between them (sums, joins, reshapes, padding) becomes
plain functions of torch, so that channels can be followed through the network.
"""

from __future__ import annotations

import base64
import binascii
import math
import re
import zlib
from typing import Any

from torch import Tensor, fx, nn

from pymoo_prune.errors import PruneError
from pymoo_prune.networks.building import buildable
from pymoo_prune.networks.onnx_calls import CALLS, PASSED_ON, Call

FLOAT = 1
"""ONNX's number for float32."""
KEPT = 16
"""Numbers of at most so many values stay in a description: some of them say how to compute."""
BYTES = 4


@buildable("onnx")
class OnnxParent(nn.Module):
    """A network that an ONNX file describes, with weights that are still to be loaded.

    Args:
        graph: What `described_graph` gives.
    """

    def __init__(self, graph: str) -> None:
        super().__init__()
        self.graph = graph
        self.network = converted(_model_of(graph))

    @classmethod
    def of(cls, model: Any) -> OnnxParent:
        """The network of a model, with its weights.

        Args:
            model: A `ModelProto` with one input and one output.
        """
        network = cls.__new__(cls)
        nn.Module.__init__(network)
        network.graph, network.network = described_graph(model), converted(model)
        return network.eval()

    @property
    def spec(self) -> dict[str, Any]:
        """The spec with which `build_network` makes a network of this shape."""
        return {"network": "onnx", "arguments": {"graph": self.graph}}

    def forward(self, images: Tensor) -> Tensor:
        """The file's input -> its output."""
        outputs: Tensor = self.network(images)
        return outputs


def described_graph(model: Any) -> str:
    """A model without its weights and without what it says of its origin, as text.

    Args:
        model: A `ModelProto`; it is not changed.
    """
    bare = type(model)()
    bare.CopyFrom(model)
    for field in ("doc_string", "producer_name", "producer_version", "metadata_props"):
        bare.ClearField(field)
    graph = bare.graph
    for field in ("doc_string", "metadata_props"):
        graph.ClearField(field)
    values = (*graph.input, *graph.output, *graph.value_info)
    for part in (*graph.node, *graph.initializer, *values):
        for field in ("doc_string", "metadata_props"):
            part.ClearField(field)
    for tensor in graph.initializer:
        if tensor.data_type == FLOAT and math.prod(tensor.dims) > KEPT:
            for field in ("raw_data", "float_data"):
                tensor.ClearField(field)
    return base64.b64encode(zlib.compress(bare.SerializeToString(), 9)).decode()


def _model_of(graph: str) -> Any:
    """The model of a description, with zeros for weights."""
    onnx = _package("onnx")
    damages = _package("google.protobuf.message").DecodeError, zlib.error, binascii.Error
    try:
        model = onnx.load_from_string(zlib.decompress(base64.b64decode(graph, validate=True)))
    except (TypeError, ValueError, *damages) as error:
        msg = f"the description of an ONNX network is damaged: {error}"
        raise PruneError(msg) from error
    for tensor in model.graph.initializer:
        if tensor.data_type == FLOAT and math.prod(tensor.dims) > KEPT:
            tensor.raw_data = bytes(BYTES * math.prod(tensor.dims))
    return model


def _package(name: str) -> Any:
    """A module of a package that is needed for ONNX files alone."""
    import importlib  # noqa: PLC0415 - beside what it imports

    try:
        return importlib.import_module(name)
    except ImportError as error:
        msg = (
            f"a network from an ONNX file needs {name.partition('.')[0]}: "
            "pip install 'pymoo-prune[onnx-parent]'"
        )
        raise PruneError(msg) from error


def converted(model: Any) -> fx.GraphModule:
    """A model as a torch module.

    Args:
        model: A `ModelProto` with one input and one output.

    Raises:
        PruneError: Some of its operators cannot be converted; all of them are named.
    """
    _package("onnx2torch")
    graph = _package("onnx2torch.onnx_graph").OnnxGraph(
        _package("onnx2torch.utils.safe_shape_inference").safe_shape_inference(model).graph
    )
    versions = {one.domain: one.version for one in model.opset_import}
    unknown = {
        node.operation_type
        for node in graph.nodes.values()
        if not _is_plain(node) and _converter(node, versions.get(node.domain, 1)) is None
    }
    if unknown:
        msg = (
            f"onnx2torch cannot convert these operators of the ONNX network: "
            f"{', '.join(sorted(unknown))}"
        )
        raise PruneError(msg)
    return _Conversion(graph, versions).run()


def _is_plain(node: Any) -> bool:
    return not node.domain and (node.operation_type in CALLS or node.operation_type in PASSED_ON)


def _converter(node: Any, version: int) -> Any:
    """onnx2torch's converter for a node, or for the same operator in an older version.

    Newer versions mostly take more types of numbers. What else they do shows when outputs are
    compared.
    """
    find = _package("onnx2torch.node_converters").get_converter
    for older in range(version, 0, -1):
        try:
            return find(operation_type=node.operation_type, version=older, domain=node.domain)
        except NotImplementedError:
            continue
    return None


class _Conversion:
    """One conversion: nodes are added in the file's order, which is that of the computation."""

    def __init__(self, graph: Any, versions: dict[str, int]) -> None:
        self.source, self.versions = graph, versions
        self.graph, self.root = fx.Graph(), nn.Module()
        self.call = Call(self.graph, self.root)
        self.call.constants.update(
            {name: tensor.to_torch() for name, tensor in graph.initializers.items()}
        )
        self.call.shapes.update({name: _shape_of(info) for name, info in graph.value_info.items()})

    def run(self) -> fx.GraphModule:
        names = [name for name in self.source.input_values if name not in self.call.constants]
        self.call.values[names[0]] = self.graph.placeholder("images")
        for node in self.source.nodes.values():
            try:
                self._add(node)
            except Exception as error:  # onnx2torch raises anything
                reason = str(error).splitlines()[0] if str(error) else type(error).__name__
                msg = (
                    f"operator {node.operation_type} (node {node.name!r}) of the ONNX network "
                    f"cannot be converted: {reason}"
                )
                raise PruneError(msg) from error
        self.graph.output(self.call.value(self.source.output_values[0]))
        module = fx.GraphModule(self.root, self.graph)
        module.graph.eliminate_dead_code()
        module.recompile()
        return module.eval()

    def _add(self, node: Any) -> None:
        if not node.domain:
            if node.operation_type in PASSED_ON:
                self.call.values[node.output_values[0]] = self.call.value(node.input_values[0])
                return
            plain = CALLS.get(node.operation_type)
            result = None if plain is None else plain(self.call, node)
            if result is not None:
                results = result if isinstance(result, tuple) else (result,)
                self.call.values.update(zip(node.output_values, results, strict=False))
                return
        self._add_module(node)

    def _add_module(self, node: Any) -> None:
        """Adds what onnx2torch makes of a node."""
        converter = _converter(node, self.versions.get(node.domain, 1))
        if converter is None:
            msg = "onnx2torch cannot convert it with these inputs"
            raise PruneError(msg)
        module, mapping = converter(node, self.source)
        inputs = [self.call.value(name) if name else None for name in mapping.inputs]
        while inputs and inputs[-1] is None:
            inputs.pop()
        result = self.call.module(_name_of(node, self.call), module, *inputs)
        outputs = node.output_values
        for place, name in enumerate(outputs):
            single = len([one for one in outputs if one]) == 1
            self.call.values[name] = result if single else self.call.item(result, place)


def _name_of(node: Any, call: Call) -> str:
    """A layer's name: that of its weights without their ending, or the node's own."""
    for value in node.input_values[1:2]:
        if value in call.constants and (found := re.fullmatch(r"(.+)[._]weight", value)):
            return found[1]
    return str(node.name or node.operation_type)


def _shape_of(info: Any) -> list[int | None] | None:
    """A value's shape, with None for sizes that are not fixed; None where nothing is known."""
    kind = info.type.tensor_type
    if not kind.HasField("shape"):
        return None
    return [dim.dim_value if dim.HasField("dim_value") else None for dim in kind.shape.dim]
