from __future__ import annotations

import copy
import io
import json
import logging
import re
import sys
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from pymoo_prune import Data, PruneError, Run, load_network
from pymoo_prune.cli import main
from pymoo_prune.data import Split, balanced
from pymoo_prune.machine import processor
from pymoo_prune.measuring import accuracy, latencies
from pymoo_prune.networks import DenseNet, FeedForward, VideoResNet, named_network
from pymoo_prune.pruning import PrunableFilters
from pymoo_prune.results import Member, OnnxNetwork, OnnxReport, carry, export_onnx, onnx_network
from pymoo_prune.results.quantization import quantized
from pymoo_prune.training import to_channels_last
from tests.support.small_networks import CLASSES, SHAPE, mixed
from tests.support.tiny_problem import ecomp_run

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")
pytest.importorskip("onnxscript")

ROOT = Path(__file__).resolve().parents[2]


def noise(shape: tuple[int, ...], classes: int, n: int = 20) -> Data:
    """Random images, without a pattern."""
    generator = torch.Generator().manual_seed(0)
    splits = [
        Split(torch.randn(n, *shape, generator=generator), torch.arange(n) % classes)
        for _ in range(3)
    ]
    return Data("noise", *splits, classes)


def in_onnxruntime(path: Path, images: Tensor) -> np.ndarray:
    """Outputs of a file as any user of onnxruntime computes them."""
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return session.run(["outputs"], {"images": images.numpy()})[0]


def of_zoo(name: str) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return mixed(named_network(name, channels=1, classes=10, size=(8, 8)))


def slim(network: nn.Module, shape: tuple[int, int, int]) -> nn.Module:
    """A quarter of the channels and half of the branches."""
    filters = PrunableFilters(network, shape)
    generator, genes = np.random.default_rng(0), filters.genes
    X = generator.random((1, genes.n_var)) < 0.25
    X[:, genes.n_filters :] = generator.random((1, genes.n_pieces)) < 0.5
    found = filters.network(filters.repaired(X)[0])
    assert found.dropped
    return found


def video() -> nn.Module:
    """The first stage of R(2+1)D: the others are made of the same layers."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = VideoResNet(3, CLASSES, frames=2)
        resnet: Any = network.resnet
        resnet.layer2 = resnet.layer3 = resnet.layer4 = nn.Identity()
        resnet.fc = nn.Linear(64, CLASSES)
    return mixed(network)


def dense() -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return mixed(DenseNet.of_depth(10, 4, 1, 10))


GREY = (1, 8, 8)
NETWORKS: dict[str, tuple[Callable[[], nn.Module], tuple[int, int, int]]] = {
    "simple-cnn": (lambda: of_zoo("simple-cnn"), GREY),
    "resnet-20": (lambda: to_channels_last(of_zoo("resnet-20")), GREY),
    "densenet-bc": (dense, GREY),
    "slim resnet-18": (lambda: slim(of_zoo("resnet-18"), GREY), GREY),
    "slim googlenet": (lambda: slim(of_zoo("googlenet"), GREY), GREY),
    "r2plus1d": (video, SHAPE),
}


@pytest.mark.slow
@pytest.mark.usefixtures("untouched_global_generators")
@pytest.mark.parametrize("name", NETWORKS)
def test_onnxruntime_computes_what_torch_computes(
    name: str,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    build, shape = NETWORKS[name]
    int8 = name == "densenet-bc"  # its batch norms come before convolutions, and stay
    network, classes = build(), 10 if shape == GREY else CLASSES
    network.train()
    next(network.children()).eval()
    modes = [module.training for module in network.modules()]
    before = {key: value.clone() for key, value in network.state_dict().items()}
    strides = [value.stride() for value in network.parameters()]
    capfd.readouterr()

    data = noise(shape, classes)
    report = export_onnx(network, data, tmp_path / "n", int8=int8)

    assert capfd.readouterr() == ("", "")
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert [module.training for module in network.modules()] == modes
    assert [value.stride() for value in network.parameters()] == strides
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())
    assert len(list((tmp_path / "n").iterdir())) == 1 + int8
    assert report.float32.path == tmp_path / "n" / "network.onnx"
    assert (report.images, report.int8 is not None) == (20, int8)
    assert report.float32.difference < 1e-3
    network.eval()
    for n in (1, 7):
        images = data.test.images[:n]
        with torch.no_grad():
            expected = network(images)
        found = in_onnxruntime(report.float32.path, images)
        assert found.shape == (n, classes)
        assert np.abs(found - expected.numpy()).max() <= 1e-4 * max(1, expected.abs().max())


@dataclass(frozen=True)
class Exported:
    report: OnnxReport
    printed: tuple[str, str]


@pytest.fixture(scope="module")
def exported(
    parent: FeedForward, digits: Data, tmp_path_factory: pytest.TempPathFactory
) -> Exported:
    """An export that tests must not change."""
    folder, printed = tmp_path_factory.mktemp("int8"), (io.StringIO(), io.StringIO())
    with redirect_stdout(printed[0]), redirect_stderr(printed[1]):
        report = export_onnx(parent, digits, folder, int8=True)
    return Exported(report, (printed[0].getvalue(), printed[1].getvalue()))


@pytest.mark.slow
def test_the_file_tells_nothing_about_the_machine_and_takes_any_batch(
    exported: Exported, parent: FeedForward, digits: Data
) -> None:
    path = exported.report.float32.path
    for text in (str(ROOT), sys.prefix, "site-packages", ".py"):
        assert text.encode() not in path.read_bytes(), text
    model = onnx.load(path)
    onnx.checker.check_model(model, full_check=True)
    shapes = {
        value.name: [d.dim_value or d.dim_param for d in value.type.tensor_type.shape.dim]
        for value in (*model.graph.input, *model.graph.output)
    }
    assert shapes == {"images": ["batch", *GREY], "outputs": ["batch", 10]}
    assert onnx_network(parent, digits).model == path.read_bytes()  # the same each time


def plain(path: Path, split: Split) -> float:
    """Accuracy, by numpy."""
    return float(np.mean(in_onnxruntime(path, split.images).argmax(1) == split.labels.numpy()))


def test_what_files_are_worth(exported: Exported, parent: FeedForward, digits: Data) -> None:
    report = exported.report
    assert exported.printed == ("", "")
    assert report.int8 is not None
    assert report.images == len(digits.validation)
    names = {path.name for path in report.float32.path.parent.iterdir()}
    assert names == {"network.onnx", "network.int8.onnx"}
    with torch.no_grad():
        expected = parent(digits.validation.images).numpy()
    for file in report.files:
        found = in_onnxruntime(file.path, digits.validation.images)
        assert file.size == file.path.stat().st_size
        assert file.difference == pytest.approx(np.abs(found - expected).max(), rel=0.01, abs=1e-5)
        assert file.agreement == np.mean(found.argmax(1) == expected.argmax(1))
        assert file.accuracy == plain(file.path, digits.validation)
        assert file.test_accuracy == plain(file.path, digits.test)
    whole, few = report.float32, report.int8
    assert whole.difference < 1e-4 < few.difference
    assert whole.agreement == 1
    assert few.agreement > 0.95
    assert whole.test_accuracy == accuracy(parent, digits.test)
    assert abs(few.test_accuracy - whole.test_accuracy) < 0.02


def test_eight_bits(exported: Exported, digits: Data) -> None:
    assert exported.report.int8 is not None
    content = exported.report.int8.path.read_bytes()
    graph = onnx.load_from_string(content).graph
    values = {value.name: value for value in graph.initializer}
    weights = [name for name in values if name.endswith("weight_quantized")]
    assert {values[name].data_type for name in weights} == {onnx.TensorProto.INT8}
    # One scale for each neuron.
    scales = [list(values[name.replace("quantized", "scale")].dims) for name in weights]
    assert sorted(scales) == [[10], [16], [24]]
    # Ranges are those over validation images.
    whole, validation = exported.report.float32.path.read_bytes(), digits.validation
    rows = balanced(validation.labels, 256, 0)
    assert quantized(whole, validation.images[rows]) == content
    assert quantized(whole, digits.test.images) != content


def times(factor: float) -> bytes:
    """A file that multiplies images of eight pixels."""
    number = onnx.helper.make_tensor("factor", onnx.TensorProto.FLOAT, [], [factor])
    nodes = [
        onnx.helper.make_node("Flatten", ["images"], ["flat"]),
        onnx.helper.make_node("Mul", ["flat", "factor"], ["outputs"]),
    ]
    images, outputs = (
        onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape)
        for name, shape in (("images", ["n", 1, 2, 4]), ("outputs", ["n", 8]))
    )
    graph = onnx.helper.make_graph(nodes, "times", [images], [outputs], [number])
    opsets = [onnx.helper.make_opsetid("", 18)]
    model = onnx.helper.make_model(graph, opset_imports=opsets, ir_version=10)
    content: bytes = model.SerializeToString()
    return content


class Times(nn.Module):
    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, images: Tensor) -> Tensor:
        return images.flatten(1) * self.factor


@pytest.mark.parametrize(
    ("size", "factor", "message"),
    [
        (300, 1 + 5e-5, None),
        (300, 1 + 3e-4, r"on 20 validation images, onnxruntime's .* differ .* by up to 0\.\d+,"),
        (1e-3, 1 + 3e-4, None),  # as much of less
        (0.1, 2, r"but at most 0\.0001 is tolerated; carry it away without ONNX"),
        (1, float("nan"), r"differ from torch's by up to nan"),
    ],
)
def test_a_file_that_computes_something_else_is_refused(
    size: float,
    factor: float,
    message: str | None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(
        "pymoo_prune.results.onnx_files._converted", lambda *_: times(size * factor)
    )
    data = noise((1, 2, 4), 8)
    for name in ("network.onnx", "network.int8.onnx"):
        (tmp_path / name).write_bytes(b"old")
    if message is None:
        report = export_onnx(Times(size), data, tmp_path)
        expected = abs(factor - 1) * size * float(data.validation.images.abs().max())
        assert report.float32.difference == pytest.approx(expected, rel=0.05)
        assert [path.name for path in tmp_path.iterdir()] == ["network.onnx"]
        return
    with pytest.raises(PruneError, match=message):
        export_onnx(Times(size), data, tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_networks_that_cannot_be_are_named_in_one_line(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    class Undecided(nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            flat = images.flatten(1)
            return flat[:, :CLASSES] if images.sum() > 0 else flat[:, -CLASSES:]

    with pytest.raises(PruneError, match="a Undecided cannot be exported as ONNX: Could") as caught:
        export_onnx(Undecided(), noise(SHAPE, CLASSES), tmp_path / "n")
    assert "\n" not in str(caught.value)
    assert capfd.readouterr() == ("", "")
    assert not (tmp_path / "n").exists()


@pytest.mark.parametrize("name", ["onnx", "onnxscript", "onnxruntime"])
def test_missing_packages_are_named(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, parent: FeedForward, digits: Data
) -> None:
    monkeypatch.setitem(sys.modules, name, None)
    message = rf"are not here: {name}; pip install 'pymoo-prune\[onnx\]'"
    with pytest.raises(PruneError, match=message):
        export_onnx(parent, digits, tmp_path / "n")
    with pytest.raises(PruneError, match=message):
        OnnxNetwork(b"")
    assert not (tmp_path / "n").exists()


def test_a_network_under_onnxruntime_is_a_network(
    exported: Exported, parent: FeedForward, digits: Data
) -> None:
    network = OnnxNetwork(exported.report.float32.path.read_bytes())
    assert accuracy(network, digits.test) == accuracy(parent, digits.test)
    images = digits.test.images[:5]
    other = copy.deepcopy(network)
    assert other.session is None
    assert torch.equal(other(images), network(images))
    assert other.session is not network.session
    last = images.contiguous(memory_format=torch.channels_last)
    assert torch.equal(network(last), network(images))


def test_sessions_have_as_many_threads_as_torch_when_they_begin(
    exported: Exported, parent: FeedForward, digits: Data
) -> None:
    network = OnnxNetwork(exported.report.float32.path.read_bytes())
    seen: list[int] = []

    class Looking(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = network

        def forward(self, images: Tensor) -> Tensor:
            outputs: Tensor = self.network(images)
            session: Any = self.network.session
            seen.append(session.get_session_options().intra_op_num_threads)
            return outputs

    network(digits.test.images[:1])
    before = network.session
    found = latencies({"torch": parent, "it": Looking()}, digits.shape, threads=2, repeats=1)
    assert set(seen) == {2}
    assert found["it"].threads == 2
    assert network.session is before  # a copy ran
    assert network.session.get_session_options().intra_op_num_threads == 1


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("onnx") / "run"
    assert main(ecomp_run(folder)) == 0
    return folder


@pytest.mark.slow
def test_the_command_writes_and_shows_all_of_it(
    finished: Path, tmp_path: Path, digits: Data, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "n"
    arguments = ["--pick", "accuracy", "--format", "onnx", "--int8", "--output", str(folder)]
    assert main(["export", str(finished), *arguments]) == 0
    names = {"network.pt", "network.json", "network.onnx", "network.int8.onnx", "network.md"}
    assert {path.name for path in folder.iterdir()} == names | {"times.json", "times.md"}

    about = json.loads((folder / "network.json").read_text())
    place = about["made_by"]["network"]
    for name, compared in about["onnx"].items():
        if name != "images":
            assert compared["size"] == (folder / name).stat().st_size
            assert compared["test_accuracy"] == plain(folder / name, digits.test)
            assert compared["accuracy"] == plain(folder / name, digits.validation)
    assert about["onnx"]["images"] == len(digits.validation)
    assert about["onnx"]["network.onnx"]["agreement"] == 1
    expected = about["measurements"]["finished_test_accuracy"]
    assert accuracy(load_network(folder), digits.test) == expected
    assert about["onnx"]["network.onnx"]["test_accuracy"] == expected
    measured = json.loads((folder / "times.json").read_text())
    assert measured["processor"] == processor()
    times = measured["networks"]
    assert list(times) == [
        *("parent, torch", "parent, onnxruntime"),
        *(f"network {place}, {runtime}" for runtime in ("torch", "onnxruntime", "int8")),
    ]
    for each in times.values():
        assert [one["batch_size"] for one in each] == [1, 64]
        assert {(one["threads"], one["device"], one["repeats"]) for one in each} == {(1, "cpu", 50)}

    out = " ".join(capsys.readouterr().out.split())
    page = (folder / "network.md").read_text()
    assert page.startswith(f"# Network {place} of EComp on digits\n")
    for text in (f"| network | {place} |", f"| run | {finished} |", "| seed | 0 |"):
        assert text in page
    assert f"| test accuracy after retraining | {100 * expected:.2f}\u00a0% |" in page
    for name in names - {"network.md"}:
        assert f"| `{name}`: " in page
        size = f"{(folder / name).stat().st_size:,} |"
        assert any(f"`{name}`" in line and line.endswith(size) for line in page.splitlines())
    for text in (f"network {place}, int8", f"on {processor()}, 1 thread.", "batch of 64"):
        assert text in (folder / "times.md").read_text()
        assert text in out
    assert f"written to {folder}; pymoo_prune.load_network('{folder}') rebuilds it" in out

    # What the page shows works.
    _, _, code = page.partition("```python\n")
    images = digits.test.images[:3]
    shown: dict[str, Any] = {"images": images.numpy()}
    exec(code.partition("```")[0], shown)  # noqa: S102
    with torch.no_grad():
        assert np.allclose(shown["network"](images), shown["outputs"], atol=1e-5)

    # Another network leaves nothing of this one.
    (folder / "notes.txt").write_text("mine")
    assert main(["export", str(finished), "--pick", "0", "--output", str(folder)]) == 0
    names = {path.name for path in folder.iterdir()}
    assert names == {"network.pt", "network.json", "notes.txt"}
    about = json.loads((folder / "network.json").read_text())
    assert not about.keys() & {"onnx", "latency"}


def test_latencies_without_onnx(
    finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "n"
    assert main(["export", str(finished), "--latency", "--output", str(folder)]) == 0
    names = {path.name for path in folder.iterdir()}
    assert names == {"network.pt", "network.json", "network.md", "times.json", "times.md"}
    about = json.loads((folder / "network.json").read_text())
    assert "onnx" not in about
    assert len(json.loads((folder / "times.json").read_text())["networks"]) == 2
    assert "(times.md)" in (folder / "network.md").read_text()
    for text in (capsys.readouterr().out, (folder / "times.md").read_text()):
        assert "parent, torch" in text
        assert "onnxruntime" not in text.partition("Images are")[0]


def winner(finished: Path) -> Member:
    from rich.console import Console

    from pymoo_prune.search import Display

    return Run.open(finished).front(Display(Console(quiet=True))).knee()


def test_latencies_in_a_table_and_without_a_parent(
    finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pymoo_prune.measuring import Latency
    from pymoo_prune.results import exporting as module

    member = winner(finished)
    seconds = iter([2e-3, 1e-3, 8e-3, 2e-3])

    def measured(networks: Any, shape: Any, *, batch_size: int, **given: Any) -> Any:
        assert given == {"threads": 3, "repeats": 4, "packing": None}
        result = {}
        for name in networks:
            median = next(seconds) * (1 if batch_size == 64 else 0.1)
            least = lower = 0.9 * median
            upper = 1.1 * median
            result[name] = Latency(median, lower, upper, least, batch_size, 3, "cpu", 4)
        return result

    monkeypatch.setattr(module, "latencies", measured)
    given: dict[str, Any] = {"about": {}, "latency": True, "threads": 3, "repeats": 4}
    network = member.network()
    both = carry(member, network, tmp_path / "n", **given)
    name = f"network {member.place}, torch"
    assert both.latency_rows() == (
        ("", "µs, batch of 1", "as fast", "ms, batch of 64", "as fast"),
        [
            ("parent, torch", "200 (IQR 40.0)", "1.00×", "8.00 (IQR 1.60)", "1.00×"),
            (name, "100 (IQR 20.0)", "2.00×", "2.00 (IQR 0.40)", "4.00×"),
        ],
    )
    assert both.markdown().splitlines()[2] == "## Files"  # nothing is known of it
    assert "medians of 4 repeats" in both.conditions()
    assert both.conditions().endswith(f"on {processor()}, 3 threads.")

    monkeypatch.setattr(member.front.problem, "parent", None)
    seconds = iter([1e-3, 1e-3])
    alone = carry(member, network, tmp_path / "n", **given)
    assert list(alone.latencies) == [name]
    assert alone.latency_rows()[1][0][2] == "1.00×"


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(["export", *arguments]) == 2
    return capsys.readouterr().err


def test_impossible_arguments_are_refused_before_anything_is_retrained(
    finished: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def never(*args: object, **given: object) -> None:
        pytest.fail("retrained")

    monkeypatch.setattr(Member, "network", never)
    run, output = str(finished), str(tmp_path / "n")
    assert "give --format onnx with --int8" in refused(capsys, run, "--int8", "--output", output)
    before = (finished / "parent" / "network.pt").read_bytes()
    error = refused(capsys, run, "--output", str(finished / "parent"))
    assert f"{finished / 'parent'} is the parent of the run in {finished}, which needs it" in error
    assert (finished / "parent" / "network.pt").read_bytes() == before
    error = refused(capsys, run, "--output", run)
    assert "is there already, and is no exported network; give another --output" in error
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    error = refused(capsys, run, "--format", "onnx", "--output", output)
    assert "not here: onnxruntime; pip install 'pymoo-prune[onnx]'" in error
    assert not (tmp_path / "n").exists()


def test_a_network_that_onnx_refuses_is_carried_for_torch(
    finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> bytes:
        raise AssertionError

    monkeypatch.setattr("pymoo_prune.results.onnx_files._converted", fails)
    member = winner(finished)
    with pytest.raises(PruneError, match="cannot be exported as ONNX: AssertionError"):
        carry(member, member.network(), tmp_path, about={"role": "winner"}, onnx=True)
    assert {path.name for path in tmp_path.iterdir()} == {"network.pt", "network.json"}
    assert load_network(tmp_path) is not None


@pytest.mark.slow
def test_what_the_page_shows_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    page = (ROOT / "docs" / "exporting.md").read_text()
    marked = re.findall(r"<!-- (\w+) -->\n```python\n(.*?)^```$", page, re.DOTALL | re.MULTILINE)
    assert {"run", "onnx"} == {mark for mark, _ in marked}
    monkeypatch.chdir(tmp_path)
    shown: dict[str, Any] = {}
    with torch.random.fork_rng(devices=[]):
        for _, code in marked:
            exec(code, shown)  # noqa: S102
    names = {path.name for path in (tmp_path / "small-network").iterdir()}
    assert names == {"network.pt", "network.json", "network.onnx", "network.int8.onnx"}
    out = capsys.readouterr().out
    assert "True\n" in out  # torch alone gives the same
    assert shown["outputs"].shape == (7, 10)
    assert "network.int8.onnx" in out
