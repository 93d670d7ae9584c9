"""The page on a network that was not trained here: its code and its commands, in small."""

from __future__ import annotations

import re
import runpy
import shlex
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch

from pymoo_prune import load_network, load_onnx
from pymoo_prune.cli import main
from tests.docs.test_pages import ROOT, commands
from tests.support.tiny_problem import threads

pytest.importorskip("facenet_pytorch", reason="R-Net's weights are in facenet-pytorch")
pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

PAGE = ROOT / "docs" / "pretrained.md"
EXAMPLE = re.compile(r"<!-- example: (\S+) -->\n```python\n(.*?)^```$", re.DOTALL | re.MULTILINE)
SMALL = ["--generations", "2", "--pop-size", "4", "--finish", "100", "--set", "search_images=200"]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with the page's files."""
    for name, code in EXAMPLE.findall(PAGE.read_text()):
        (tmp_path / name).write_text(code)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    with threads(1):
        yield tmp_path
    sys.modules.pop("face_crops", None)


def shown(command: str, part: str) -> list[str]:
    """The arguments of one of the page's commands."""
    (found,) = [one for one in commands(PAGE) if one[0] == command and part in shlex.join(one)]
    return found


def test_weights_are_pruned_and_decide_alike(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main([*shown("run", "face-weights"), *SMALL]) == 0
    assert "divergence" in (folder / "runs/face-weights/report.md").read_text()
    export = ["export", "runs/face-weights", "--pick", "divergence", "--output", "weights"]
    assert main([*export, "--format", "onnx"]) == 0
    small = load_network("weights")
    images = torch.rand(4, 3, 24, 24)
    if find_spec("onnx2torch") is not None:
        with torch.no_grad():
            again = load_onnx("weights/network.onnx")(images)
            assert torch.allclose(again, small(images), atol=1e-4)
    capsys.readouterr()
    monkeypatch.setattr(sys, "argv", ["agreement.py", "weights"])
    runpy.run_path("agreement.py")
    shares = [float(share) for share in re.findall(r"([\d.]+)%", capsys.readouterr().out)]
    assert len(shares) == 3
    assert shares[0] > 90


def test_test_crops_are_others_and_show_faces_and_none(folder: Path) -> None:
    import face_crops  # type: ignore[import-not-found]

    search, _, test, _ = face_crops.data()
    assert search.shape == (3_000, 3, 24, 24)
    assert test.shape == (1_500, 3, 24, 24)
    assert not {image.tobytes() for image in search} & {image.tobytes() for image in test}
    with torch.no_grad():
        found = face_crops.faces(face_crops.network()(torch.from_numpy(test))).numpy()
    assert 0.1 < found.mean() < 0.9
    # R-Net itself says the same.
    crops = torch.from_numpy(test[np.r_[:50, -50:0]])
    with torch.no_grad():
        _, probabilities = face_crops.RNet()((crops * 255 - 127.5) * 0.0078125)
        ours = face_crops.network()(crops).softmax(dim=1)
    assert torch.allclose(ours, probabilities, atol=1e-5)


def test_filters_are_pruned_and_faster_as_onnx(folder: Path) -> None:
    assert main([*shown("run", "face-filters"), *SMALL]) == 0
    assert main([*shown("export", "face-filters"), "--pick", "macs<=60%"]) == 0
    small, page = load_network("faces"), (folder / "faces/network.md").read_text()
    assert small(torch.rand(4, 3, 24, 24)).shape == (4, 2)
    assert "onnxruntime" in page
