"""Networks of a user's own: described, saved, and built again where their module is trusted."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import fx, nn
from torch.nn.utils import prune

from pymoo_prune import PruneError, load_network, save_network
from pymoo_prune.data import Packed, Packing
from pymoo_prune.errors import UntrustedCode
from pymoo_prune.networks import (
    OwnInputs,
    PackedInputs,
    SlimNetwork,
    build_network,
    copied,
    described,
    is_own,
    spec_of,
    spec_within,
    trace,
)
from pymoo_prune.networks.own import _BUILT
from pymoo_prune.networks.trust import VARIABLE
from pymoo_prune.problem import own_network
from tests.support.own_data import Own

SOURCE = """
import os
from os import system
from pathlib import Path
import torch
from torch import nn

Path("executed").touch()

class Wide(nn.Module):
    def __init__(self, width, activation="relu"):
        super().__init__()
        self.one, self.two = nn.Linear(6, width), nn.Linear(width, 3)
        self.activation = activation

    def forward(self, rows):
        return self.two(getattr(torch, self.activation)(self.one(rows)))

def small():
    return Wide(5)

def of_width(width):
    return Wide(width)

def fails():
    raise RuntimeError("the disk is full")

ready = Wide(5)
text = "no network"
"""


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A user's module, imported; a description from a stranger may name it as well."""
    (tmp_path / "users_own.py").write_text(SOURCE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv(VARIABLE, "")
    import importlib

    yield importlib.import_module("users_own")
    sys.modules.pop("users_own", None)


def forget() -> None:
    """As in another process, in which nothing is imported or trusted."""
    sys.modules.pop("users_own", None)
    os.environ[VARIABLE] = ""
    Path("executed").unlink(missing_ok=True)


def saved(network: nn.Module, folder: Path) -> Path:
    return save_network(network, folder, about={})


def narrow(network: nn.Module) -> nn.Module:
    """The network without two of its hidden units."""
    layers: Any = dict(network.named_modules())
    one, two = nn.Linear(6, 3), nn.Linear(3, 3)
    keep = [0, 2, 4]
    one.weight.data, one.bias.data = layers["one"].weight[keep], layers["one"].bias[keep]
    two.weight.data, two.bias.data = layers["two"].weight[:, keep], layers["two"].bias
    return SlimNetwork.of(network, trace(network), {"one": one, "two": two}, [], (6,), {})


def test_a_described_network_comes_back_in_another_process(module: Any, tmp_path: Path) -> None:
    network = described(module.Wide(7, "tanh"), module.Wide, width=7, activation="tanh")
    folder = saved(network.eval(), tmp_path / "network")
    spec = json.loads((folder / "network.json").read_text())
    assert spec["network"] == "users_own:Wide"
    assert spec["arguments"] == {"width": 7, "activation": "tanh"}
    forget()
    with pytest.raises(UntrustedCode, match="names code outside of pymoo-prune: users_own"):
        load_network(folder)
    assert not Path("executed").exists()
    os.environ[VARIABLE] = "users_own"
    again = load_network(folder)
    rows = torch.rand(4, 6)
    assert torch.equal(again(rows), network(rows))


def test_a_pruned_network_comes_back_with_the_users_class(module: Any, tmp_path: Path) -> None:
    whole = described(module.of_width(5), module.of_width, width=5)
    small = narrow(whole).eval()
    folder = saved(small, tmp_path / "network")
    forget()
    # What is given takes the place of what the folder names, and nothing is imported.
    rows = torch.rand(4, 6)
    for given in (module.Wide, module.of_width, module.Wide(5)):
        assert torch.equal(load_network(folder, given)(rows), small(rows))
    assert not Path("executed").exists()
    with pytest.raises(PruneError, match=r"layer 'one' has channels \[6, 2\], and cannot have"):
        load_network(folder, module.Wide(2))
    with pytest.raises(PruneError, match="cannot build its network with the arguments"):
        load_network(folder, Own)
    with pytest.raises(PruneError, match=r"is a str; it must be a torch\.nn\.Module"):
        load_network(folder, lambda width: "text")  # type: ignore[arg-type, return-value]


def test_weights_of_another_shape_are_refused_by_name(module: Any, tmp_path: Path) -> None:
    folder = saved(described(module.small(), module.small), tmp_path / "network")
    with pytest.raises(PruneError, match="do not fit the network that was given"):
        load_network(folder, module.Wide(4))
    assert load_network(folder, module.small).get_parameter("one.weight").shape == (5, 6)


def test_what_does_not_describe_a_network_is_refused(module: Any) -> None:
    network = module.Wide(5)
    with pytest.raises(PruneError, match=r"one.weight is \(5, 6\) in the one, and \(4, 6\)"):
        described(network, module.Wide, width=4)
    with pytest.raises(PruneError, match=r"one\.weight is .* in the one, and missing in the"):
        described(network, "torch.nn:Linear", in_features=6, out_features=5)
    with pytest.raises(PruneError, match="cannot be imported by a name"):
        described(network, lambda: module.Wide(5))
    with pytest.raises(PruneError, match="must be plain values as in JSON"):
        described(network, module.Wide, width=torch.tensor(5))
    with pytest.raises(PruneError, match="'users_own:missing' cannot be imported"):
        described(network, "users_own:missing")
    with pytest.raises(PruneError, match="cannot build its network: RuntimeError: the disk is"):
        described(network, module.fails)
    with pytest.raises(PruneError, match="'users_own:text' is a str; it must be"):
        described(network, "users_own:text")
    assert spec_of(network) is None  # it is not changed


def test_only_networks_are_called_with_arguments_that_a_folder_chooses(module: Any) -> None:
    touch = {"command": "touch was-executed"}
    # Imported, but named by nobody.
    assert build_network({"network": "users_own:Wide", "arguments": {"width": 2}})
    assert build_network({"network": "users_own:small", "arguments": {}})
    for name in ("users_own:of_width", "os:system", "os:popen"):
        with pytest.raises(UntrustedCode):
            build_network({"network": name, "arguments": touch})
    # The user trusts the module, and not what it imports.
    os.environ[VARIABLE] = "users_own"
    for name in ("users_own:system", "users_own:os.system", "users_own:os.popen"):
        with pytest.raises(UntrustedCode, match="name it there"):
            build_network({"network": name, "arguments": touch})
    assert build_network({"network": "users_own:of_width", "arguments": {"width": 2}})
    assert not Path("was-executed").exists()


def test_a_named_network_remembers_its_name(module: Any, tmp_path: Path) -> None:
    for name in ("small", "ready"):
        network = own_network(f"users_own:{name}")
        spec = {"network": f"users_own:{name}", "arguments": {}}
        assert spec_of(network) == spec
        again = load_network(saved(network, tmp_path / name))
        assert all(map(torch.equal, network.state_dict().values(), again.state_dict().values()))
    assert spec_of(module.ready) is None  # the user's own object stays as it is
    again.get_parameter("one.weight").data.zero_()
    assert _BUILT["users_own:ready"][1].get_parameter("one.weight").abs().sum() > 0
    with pytest.raises(
        PruneError, match="must be a function without arguments, but it has a missing a required"
    ):
        own_network("users_own:Wide")


def test_a_graph_module_keeps_its_description_in_copies(module: Any) -> None:
    import copy

    graph = fx.symbolic_trace(module.Wide(5))
    network = described(graph, module.small)
    assert spec_of(copy.deepcopy(network)) == {"network": "users_own:small", "arguments": {}}


PACKING = Packing((Packed((2,), None), Packed((4,), None)))


@pytest.mark.parametrize("wrap", [PackedInputs.of, OwnInputs.of])
def test_a_network_with_other_inputs_is_the_users(
    module: Any, tmp_path: Path, wrap: Callable[..., nn.Module]
) -> None:
    network = wrap(own_network("users_own:ready"), PACKING)
    spec = spec_of(network)
    assert spec is not None
    assert is_own(spec)
    folder = saved(network, tmp_path / "network")
    forget()
    with pytest.raises(UntrustedCode, match="names code outside of pymoo-prune: users_own"):
        load_network(folder)
    assert not Path("executed").exists()
    given = load_network(folder, module.ready)
    os.environ[VARIABLE] = "users_own"
    for loaded in (given, load_network(folder)):
        assert {weight.device.type for weight in loaded.parameters()} == {"cpu"}
        for name, weight in loaded.state_dict().items():
            assert torch.equal(weight, network.state_dict()[name])
        # So it can be saved once more.
        assert load_network(saved(loaded, tmp_path / "again")).state_dict().keys() == (
            network.state_dict().keys()
        )


def test_arguments_of_a_users_function_are_no_specs() -> None:
    inner = {"network": "feed-forward", "arguments": {}}
    spec = {"network": "mine:Net", "arguments": {"parent": inner, "network": inner}}
    assert spec_within(spec) is None
    assert is_own(spec)
    assert spec_within({"network": "slim", "arguments": {"parent": spec}}) == spec


def test_a_network_that_was_counted_first_has_weights(module: Any) -> None:
    spec = {"network": "users_own:small", "arguments": {}}
    with torch.device("meta"):
        build_network(spec)
    assert {weight.device.type for weight in build_network(spec).parameters()} == {"cpu"}


@pytest.mark.slow  # torch.compile takes seconds to import
def test_copies_are_of_networks_within_wrappers(module: Any) -> None:
    network = module.small()
    compiled: Any = torch.compile(network, backend="eager")
    for wrapped in (compiled, nn.DataParallel(network), nn.DataParallel(compiled)):
        found = copied(wrapped)
        assert type(found) is module.Wide
        assert found is not network
        assert torch.equal(found.one.weight, network.one.weight)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda layer: prune.l1_unstructured(layer, "weight", 0.5),
            r"\(L1Unstructured\): .* with torch\.nn\.utils\.prune\.remove\(layer, 'weight'\)",
        ),
        (
            nn.utils.parametrizations.weight_norm,
            r"\(a parametrization\): .*parametrize\.remove_parametrizations\(layer, 'weight'\)",
        ),
        (nn.utils.spectral_norm, r"\(SpectralNorm\): .*utils\.remove_spectral_norm\(layer\)"),
    ],
)
def test_weights_that_are_computed_are_refused(
    module: Any, change: Callable[[nn.Module], object], message: str
) -> None:
    network = module.small()
    change(network.two)
    with pytest.raises(PruneError, match=f"layer 'two' computes its weights from others {message}"):
        copied(network)
