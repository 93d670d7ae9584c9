"""ONNX files as networks to prune."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from pymoo_prune import PruneError, load_network, load_onnx, save_network
from pymoo_prune.cli import main
from pymoo_prune.measuring import count_work
from pymoo_prune.networks import OnnxParent, build_network, named_network, spec_of
from pymoo_prune.pruning import PrunableFilters
from pymoo_prune.results import onnx_parents
from tests.support.small_networks import mixed

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnx2torch", reason="onnx2torch is not installed")
pytest.importorskip("onnxruntime")
pytest.importorskip("onnxscript")

from onnx import TensorProto, helper  # noqa: E402 - it may be missing


def of_zoo(name: str) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return mixed(named_network(name, channels=1, classes=10, size=(8, 8))).eval()


def written(network: nn.Module, path: Path, *, dynamic: bool = True) -> Path:
    """The network as torch's own exporter writes it."""
    torch.onnx.export(
        network,
        (torch.zeros(2 if dynamic else 1, 1, 8, 8),),
        path,
        dynamo=True,
        verbose=False,
        dynamic_shapes=({0: torch.export.Dim("batch")},) if dynamic else None,
    )
    return path


@pytest.mark.slow
@pytest.mark.parametrize("name", ["resnet-8", "simple-cnn", "densenet-bc-40", "small-vit"])
def test_a_network_comes_back_from_its_file(name: str, tmp_path: Path) -> None:
    network = of_zoo(name)
    again = load_onnx(written(network, tmp_path / "network.onnx"))
    images = torch.rand(5, 1, 8, 8)
    assert torch.allclose(again(images), network(images), atol=1e-5)
    assert count_work(again, (1, 8, 8)).macs == count_work(network, (1, 8, 8)).macs
    # Saved without its file, and built again from its description.
    loaded = load_network(save_network(again, tmp_path / "saved", about={}))
    assert torch.equal(loaded(images), again(images))
    assert str(tmp_path) not in (tmp_path / "saved" / "network.json").read_text()
    assert (tmp_path / "saved" / "network.json").stat().st_size < 20_000
    copied = copy.deepcopy(again)
    assert spec_of(copied) == spec_of(again)


@pytest.mark.slow
def test_filters_of_a_file_are_pruned(tmp_path: Path) -> None:
    network = load_onnx(written(of_zoo("simple-cnn"), tmp_path / "network.onnx"))
    filters = PrunableFilters(network, (1, 8, 8))
    X = filters.repaired(np.random.default_rng(0).random((1, filters.genes.n_var)) < 0.5)
    images = torch.rand(3, 1, 8, 8)
    small = filters.network(X[0]).eval()
    assert torch.allclose(
        small(images), filters.masked(X[0]).run(images.double()).float(), atol=1e-5
    )
    again = load_network(save_network(small, tmp_path / "small", about={}))
    assert torch.equal(again(images), small(images))


@pytest.mark.slow
def test_the_command_line_prunes_a_file_and_writes_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    written(of_zoo("resnet-8"), Path("network.onnx"))
    search = ["run", "layer-vector", "--parent", "network.onnx", "--objectives", "divergence"]
    search += ["sparsity", "--generations", "2", "--pop-size", "6", "--finish", "0"]
    assert main([*search, "--threads", "1", "--output", "run"]) == 0
    Path("network.onnx").unlink()
    assert main(["export", "run", "--pick", "0", "--format", "onnx"]) == 0
    small = load_network("run/network-0")
    images = torch.rand(3, 1, 8, 8)
    assert json.loads(Path("run/network-0/network.json").read_text())["network"] == "onnx"
    again = load_onnx("run/network-0/network.onnx")
    assert torch.allclose(again(images), small(images), atol=1e-5)
    zeros = [sum(int((w == 0).sum()) for w in n.parameters() if w.ndim > 1) for n in (small, again)]
    assert zeros[0] == zeros[1] > 0
    assert main([*search, "--network", "a:b", "--parent", "x.onnx", "--output", "other"]) == 2


def model(
    nodes: list[Any],
    *,
    inputs: tuple[tuple[str, list[Any]], ...] = (("images", ["batch", 1, 4, 4]),),
    outputs: tuple[str, ...] = ("outputs",),
    kind: int = TensorProto.FLOAT,
    constants: tuple[Any, ...] = (),
) -> Any:
    """A model by hand."""
    graph = helper.make_graph(
        nodes,
        "graph",
        [helper.make_tensor_value_info(name, kind, shape) for name, shape in inputs],
        [helper.make_tensor_value_info(name, kind, ["batch", "values"]) for name in outputs],
        [onnx.numpy_helper.from_array(value, name) for name, value in constants],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def flat(**options: Any) -> Any:
    return model([helper.make_node("Flatten", ["images"], ["outputs"])], **options)


REFUSED: dict[str, tuple[Callable[[], Any], str]] = {
    "two inputs": (
        lambda: model(
            [
                helper.make_node("Add", ["images", "masks"], ["sum"]),
                helper.make_node("Flatten", ["sum"], ["outputs"]),
            ],
            inputs=(("images", ["batch", 1, 4, 4]), ("masks", ["batch", 1, 4, 4])),
        ),
        r"has 2 inputs \(images, masks\), but a network to prune has one; onnx.utils.extract",
    ),
    "two outputs": (
        lambda: model(
            [
                helper.make_node("Flatten", ["images"], ["outputs"]),
                helper.make_node("Relu", ["outputs"], ["more"]),
            ],
            outputs=("outputs", "more"),
        ),
        r"has 2 outputs \(outputs, more\)",
    ),
    "sizes that change": (
        lambda: flat(inputs=(("images", ["batch", 1, "height", "width"]),)),
        r"sizes \(batch, 1, height, width\), but all except the first must be fixed: python -m",
    ),
    "another type": (lambda: flat(kind=TensorProto.DOUBLE), "must be float32, but has ONNX's type"),
    "unknown operators": (
        lambda: model(
            [
                helper.make_node("Hardmax", ["images"], ["chosen"]),
                helper.make_node("Shrink", ["chosen"], ["shrunk"]),
                helper.make_node("Flatten", ["shrunk"], ["outputs"]),
            ]
        ),
        "onnx2torch cannot convert these operators of the ONNX network: Hardmax, Shrink",
    ),
    "a batch of one": (
        lambda: model(
            [helper.make_node("Reshape", ["images", "shape"], ["outputs"])],
            inputs=(("images", [1, 1, 4, 4]),),
            constants=(("shape", np.array([1, 2, 8])),),
        ),
        "cannot be computed by torch: .*; it has batches of 1: export it with a dynamic batch",
    ),
}


@pytest.mark.parametrize("case", list(REFUSED))
def test_what_cannot_be_pruned_is_refused_by_name(case: str, tmp_path: Path) -> None:
    make, message = REFUSED[case]
    onnx.save(make(), tmp_path / "network.onnx")
    with pytest.raises(PruneError, match=message) as error:
        load_onnx(tmp_path / "network.onnx")
    assert str(tmp_path / "network.onnx") in str(error.value)


def test_damaged_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "network.onnx"
    with pytest.raises(PruneError, match=r"there is no ONNX file .*network\.onnx"):
        load_onnx(path)
    onnx.save(flat(), path)
    whole = path.read_bytes()
    for content in (b"", b"garbage" * 50, whole[: len(whole) // 2]):
        path.write_bytes(content)
        with pytest.raises(PruneError, match=r"network\.onnx holds no whole ONNX network: "):
            load_onnx(path)
    with pytest.raises(PruneError, match="description of an ONNX network is damaged"):
        build_network({"network": "onnx", "arguments": {"graph": "bm90IGE="}})


def test_a_conversion_that_gives_something_else_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    onnx.save(flat(), tmp_path / "network.onnx")
    assert load_onnx(tmp_path / "network.onnx")(torch.ones(3, 1, 4, 4)).shape == (3, 16)
    monkeypatch.setattr(OnnxParent, "forward", lambda self, images: 1.01 * images.flatten(1))
    with pytest.raises(PruneError, match=r"differ from onnxruntime's by up to 0\.01, but at most"):
        load_onnx(tmp_path / "network.onnx")


def test_names_in_a_file_choose_no_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    evil = 'x"), open("was-executed", "w"), ("'
    nodes = [
        helper.make_node("Relu", [evil + "in"], [evil], name=evil),
        helper.make_node("Flatten", [evil], [evil + "out"], name="0 " + evil),
    ]
    onnx.save(
        model(nodes, inputs=((evil + "in", ["batch", 1, 4, 4]),), outputs=(evil + "out",)),
        "network.onnx",
    )
    network: Any = load_onnx("network.onnx")
    build_network(spec_of(network) or {})
    assert evil not in network.network.code
    assert not Path("was-executed").exists()


def test_missing_packages_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnx_parents, "PARENT_PACKAGES", ("onnx", "onnx3torch"))
    with pytest.raises(PruneError, match=r"onnx3torch; pip install 'pymoo-prune\[onnx-parent\]'"):
        load_onnx(tmp_path / "network.onnx")
