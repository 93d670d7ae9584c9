from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from pymoo_prune import Data, Front, Run, StoreError, find_problem, load_network, save_network
from pymoo_prune.cli import main
from pymoo_prune.errors import PruneError
from pymoo_prune.measuring import Anatomies, Layer, anatomy, count_macs
from pymoo_prune.measuring.anatomies import kept
from pymoo_prune.networks import named_network
from pymoo_prune.runs.files import LAYERS_FILE
from tests.support.older_folders import without_digests
from tests.support.tiny_problem import Pixels, ecomp_run, pixels_run

SHAPE = (3, 8, 8)


class Mixed(nn.Module):
    """A network with a layer of each kind; one is used twice, one never."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 6, 3, padding=1, bias=False)
        self.grouped = nn.Conv2d(6, 6, (1, 3), padding=(0, 1), groups=3)
        self.up = nn.ConvTranspose2d(6, 6, 2, stride=2)
        self.unused = nn.Linear(2, 2)
        self.twice = nn.Linear(6, 6)
        self.head = nn.Linear(6, 10)

    def forward(self, images: Tensor) -> Tensor:
        hidden = self.up(self.grouped(self.conv(images))).mean((2, 3))
        return self.head(self.twice(self.twice(hidden)))


def test_every_kind_of_layer() -> None:
    network = Mixed()
    with torch.no_grad():
        network.conv.weight[0] = 0
        network.twice.weight[0, 0] = 0
    assert anatomy(network, SHAPE) == [
        Layer("conv", "Conv2d 3×3", 3, 6, 162, 135, 135 * 64),
        Layer("grouped", "Conv2d 1×3, 3 groups", 6, 6, 36, 36, 36 * 64),
        Layer("up", "ConvTranspose2d 2×2", 6, 6, 144, 144, 144 * 64),
        Layer("unused", "Linear", 2, 2, 4, 4, 0),
        Layer("twice", "Linear", 6, 6, 36, 35, 2 * 35),
        Layer("head", "Linear", 6, 10, 60, 60, 60),
    ]


def test_a_weight_that_two_layers_share_counts_once_with_the_macs_of_both() -> None:
    network = nn.Sequential(nn.Flatten(), nn.Linear(192, 192), nn.ReLU(), nn.Linear(192, 192))
    network[3].weight = network[1].weight
    (layer,) = anatomy(network, SHAPE)
    assert layer == Layer("1", "Linear", 192, 192, 192**2, 192**2, 2 * 192**2)


def test_the_network_is_left_as_it_was() -> None:
    network = Mixed().train()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    anatomy(network, SHAPE)
    assert network.training
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())
    assert not any(module._forward_hooks for module in network.modules())


@pytest.mark.parametrize("name", ["resnet-8", "simple-cnn", "densenet-bc-40"])
def test_macs_are_those_of_the_whole_network(name: str) -> None:
    with torch.device("meta"):
        network = named_network(name, channels=1, classes=10, size=(32, 32))
    network.to_empty(device="cpu")
    for parameter in network.parameters():
        nn.init.ones_(parameter)
    found = anatomy(network, (1, 32, 32))
    assert sum(layer.macs for layer in found) == count_macs(network, (1, 32, 32))
    assert len(found) == len({layer.name for layer in found})


def layers(**left: int) -> list[Layer]:
    return [Layer(name, "Linear", 10, 10, 100, n, n) for name, n in left.items()]


def test_shares_are_of_the_parents_layers() -> None:
    parent = layers(a=100, b=100, c=50)
    slim = [replace(layers(a=30)[0], weights=30), *layers(c=50, new=7)]
    assert kept(parent, slim) == {"a": 0.3, "b": 0.0, "c": 0.5}
    larger = [replace(layers(a=0)[0], weights=400, left=400)]
    assert kept(parent, larger)["a"] == 1.0


def test_anatomies_come_back_as_they_were() -> None:
    whole = Anatomies(layers(a=100, b=100), [layers(a=10, b=0), layers(b=3)])
    again = Anatomies.from_json(whole.to_json())
    assert again == whole
    assert again.kept(1) == {"a": 0.0, "b": 0.03}
    orphans = Anatomies.from_json(Anatomies(None, [layers(a=1)]).to_json())
    assert orphans.parent is None
    assert orphans.kept(0) is None


def test_networks_without_a_layer_of_the_parents_are_not_compared() -> None:
    assert Anatomies(layers(a=100), [layers(other=1)]).kept(0) is None


@pytest.mark.parametrize(
    "change",
    [
        {"format": 2},
        {"parent": 3},
        {"networks": None},
        {"networks": [[["a", "Linear", 1, 1, 1, 1]]]},
        {"networks": [[["a", "Linear", 1, 1, 1, 1, -1]]]},
        {"networks": [[["a", "Linear", 1, 1, 1, 1, 0.5]]]},
        {"networks": [[["a", "Linear", 1, 1, 1, 1, True]]]},
        {"networks": [[[1, "Linear", 1, 1, 1, 1, 1]]]},
    ],
)
def test_what_is_no_anatomy_is_refused(change: dict[str, object]) -> None:
    values = json.loads(Anatomies(layers(a=1), [layers(a=1)]).to_json())
    with pytest.raises((PruneError, TypeError)):
        Anatomies.from_json(json.dumps({**values, **change}))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("problem", "options"),
    [
        ("ecomp", {"parent_widths": [16, 16], "parent_images": 600}),
        ("layer-vector", {"network": "resnet-8", "parent_epochs": 0.1}),
        ("dense-connectivity", {"depth": 16, "growth": 4, "parent_epochs": 0.1}),
        ("distilled-filters", {"parent_epochs": 0.1}),
    ],
)
def test_layers_have_the_names_that_they_have_in_the_parent(
    digits: Data, problem: str, options: dict[str, object]
) -> None:
    searched = find_problem(problem)(digits, **options)
    X = searched.random(3, np.random.default_rng(0))
    parent = searched.parent
    assert parent is not None
    whole = anatomy(parent, digits.shape)
    for row, x in enumerate(X):
        network = searched.network(x)
        found = anatomy(network, digits.shape)
        assert {layer.name for layer in found} <= {layer.name for layer in whole}
        # Weights that are zero, because single weights were pruned, are not counted.
        single = problem == "layer-vector"
        macs = sum(layer.macs for layer in found) if single else count_macs(network, digits.shape)
        assert macs == searched.measure(X)["macs"][row]
        shares = kept(whole, found)
        assert 0 < sum(shares.values()) < len(whole)


@pytest.mark.slow
def test_names_stay_where_a_slimmed_network_is_pruned_again(digits: Data, tmp_path: Path) -> None:
    cls, generator = find_problem("distilled-filters"), np.random.default_rng(0)
    first = cls(digits, parent_epochs=0.1)
    parent = first.parent
    assert parent is not None
    names = {layer.name for layer in anatomy(parent, digits.shape)}
    save_network(first.network(first.random(1, generator)[0]), tmp_path, about={})
    second = cls(digits, parent=load_network(tmp_path))
    for network in (second.parent, second.network(second.random(1, generator)[0])):
        assert network is not None
        assert {layer.name for layer in anatomy(network, digits.shape)} == names


# In fronts and in run folders.


def test_a_front_knows_its_layers_once_it_is_finished(digits: Data) -> None:
    problem = Pixels(digits)
    X = problem.random(4, np.random.default_rng(0))
    front = Front.from_candidates(problem, X, problem.measured(X))
    assert front.layers is None
    finished = front.finish()
    assert finished.layers == [anatomy(problem.network(x), digits.shape) for x in finished.X]
    assert front.layers is None


@pytest.mark.slow
def test_a_run_keeps_the_layers_of_its_parent_and_its_front(tmp_path: Path) -> None:
    assert main(ecomp_run(tmp_path / "run")) == 0
    run = Run.open(tmp_path / "run")
    found = run.layers()
    (front, *_), _ = run.results()
    assert found is not None
    assert found.parent is not None
    assert [layer.weights for layer in found.parent] == [64 * 16, 16 * 16, 16 * 10]
    for network, macs in zip(found.networks, front.columns["macs"], strict=True):
        assert [layer.name for layer in network] == ["1", "3", "5"]
        assert sum(layer.weights for layer in network) == macs
        assert all(0 < layer.macs == layer.left <= layer.weights for layer in network)


@pytest.mark.slow
def test_a_problem_without_a_parent_network_has_layers_all_the_same(tmp_path: Path) -> None:
    assert main(pixels_run(tmp_path / "run")) == 0
    run = Run.open(tmp_path / "run")
    found = run.layers()
    (front, *_), _ = run.results()
    assert found is not None
    assert found.parent is None
    assert [network[0].left for network in found.networks] == front.columns["macs"].tolist()


@pytest.mark.slow
def test_layers_that_are_missing_or_damaged(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(pixels_run(tmp_path / "run")) == 0
    run = Run.open(without_digests(tmp_path / "run"))
    path = run.folder / LAYERS_FILE
    whole = path.read_bytes()
    path.unlink()
    assert run.layers() is None  # older folders have no such file
    assert run.complete
    few = json.dumps({**json.loads(whole), "networks": []}).encode()
    messages = ("cannot be read", "must be object", "0 networks")
    for damaged, message in zip((b"{", b"[1]", few), messages, strict=True):
        path.write_bytes(damaged)
        with pytest.raises(StoreError, match=rf"layers\.json.*{message}.*resume.* again"):
            run.layers()
        assert not run.complete
        assert main(["report", str(run.folder)]) == 2
        assert message in capsys.readouterr().err
    assert main(["resume", str(run.folder)]) == 0
    assert path.read_bytes() == whole
