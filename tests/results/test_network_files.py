from __future__ import annotations

import json
import pickle
from pathlib import Path

import pytest
import torch
from torch import nn

from pymoo_prune import Data, PruneError, StoreError, load_network, save_network
from pymoo_prune.networks import CifarResNet, FeedForward
from pymoo_prune.results import is_exported
from pymoo_prune.runs.carrying import check_export_folder
from pymoo_prune.training import to_channels_last
from tests.support.tiny_problem import full_disk


@pytest.fixture
def folder(tmp_path: Path, parent: FeedForward) -> Path:
    return save_network(parent, tmp_path / "a" / "network", about={"measurements": {"macs": 5.0}})


def test_a_network_comes_back(folder: Path, parent: FeedForward, digits: Data) -> None:
    assert {file.name for file in folder.iterdir()} == {"network.pt", "network.json"}
    network = load_network(folder)
    images = digits.test.images[:50]
    assert not network.training
    with torch.no_grad():
        assert torch.equal(network(images), parent(images))
    network.get_parameter("1.weight").data.zero_()
    assert parent.linear_layers[0].weight.abs().sum() > 0


@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_the_description_rebuilds_it_without_the_weights(tmp_path: Path, activation: str) -> None:
    network = FeedForward(6, [5, 4, 3], 2, activation)
    save_network(network, tmp_path / "n", about={"made_by": {"run": "x"}})
    spec = json.loads((tmp_path / "n" / "network.json").read_text())
    assert spec["made_by"] == {"run": "x"}
    rebuilt = FeedForward(**spec["arguments"])
    assert str(rebuilt) == str(network)


def test_the_weights_are_a_plain_state_dict(folder: Path, parent: FeedForward) -> None:
    weights = torch.load(folder / "network.pt", weights_only=True)
    assert weights.keys() == parent.state_dict().keys()
    assert all(torch.equal(weights[name], value) for name, value in parent.state_dict().items())


def test_saving_again_replaces_the_old_one(folder: Path) -> None:
    save_network(FeedForward(6, [5], 2), folder, about={})
    assert load_network(folder).get_parameter("1.weight").shape == (5, 6)


def test_a_network_without_a_spec_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PruneError, match="a Linear cannot be exported: it has no `spec`"):
        save_network(nn.Linear(2, 2), tmp_path / "n", about={})
    assert not (tmp_path / "n").exists()


class Evil:
    def __reduce__(self) -> tuple[object, tuple[str, str]]:
        return (open, ("was-executed", "w"))


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("network.pt", None, "network.pt is missing"),
        ("network.json", None, "network.json is missing"),
        ("network.pt", b"", "damaged"),
        ("network.pt", b"garbage" * 100, "damaged"),
        ("network.pt", pickle.dumps(Evil(), protocol=2), "damaged"),
        ("network.json", b"{", "damaged"),
        ("network.json", b"\xff\xfe\x00", "damaged"),
        ("network.json", b"[]", "damaged"),
        ("network.json", b"{}", "unknown network 'None'"),
        ("network.json", b'{"network": "feed-foward"}', "Did you mean 'feed-forward'"),
        ("network.json", b'{"network": "feed-forward"}', "does not fit"),
        (
            "network.json",
            b'{"network": "feed-forward", "memory_format": "channels_lost"}',
            "unknown memory format 'channels_lost'; .* Did you mean 'channels_last'",
        ),
        (
            "network.json",
            b'{"network": "feed-forward", "arguments": {"inputs": 64, "widths": [3], "classes": 4}}',  # noqa: E501
            "damaged",
        ),
    ],
)
def test_damaged_exports_are_refused(
    folder: Path,
    file: str,
    content: bytes | None,
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    if content is None:
        (folder / file).unlink()
    else:
        (folder / file).write_bytes(content)
    with pytest.raises(PruneError, match=message) as caught:
        load_network(folder)
    if content is None or "damaged" in message:
        assert str(folder) in str(caught.value)
    assert not (tmp_path / "was-executed").exists()


def test_weights_cut_short_are_refused(folder: Path) -> None:
    content = (folder / "network.pt").read_bytes()
    (folder / "network.pt").write_bytes(content[: len(content) // 2])
    with pytest.raises(PruneError, match="damaged"):
        load_network(folder)


def test_a_full_disk_is_a_plain_os_error_and_keeps_the_old_one(
    folder: Path, parent: FeedForward
) -> None:
    with full_disk(2_000), pytest.raises(OSError, match="File too large"):
        save_network(FeedForward(64, [24, 16], 10), folder, about={})
    assert {file.name for file in folder.iterdir()} == {"network.pt", "network.json"}
    again = load_network(folder).state_dict()
    assert all(torch.equal(again[name], value) for name, value in parent.state_dict().items())


def weights_of(network: nn.Module) -> list[nn.Parameter]:
    return [weight for weight in network.parameters() if weight.ndim == 4]


def residual() -> CifarResNet:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return CifarResNet(8, 1, 10).eval()


@pytest.mark.parametrize("last", [False, True])
def test_weights_keep_their_layout_in_memory(tmp_path: Path, digits: Data, last: bool) -> None:
    network = to_channels_last(residual()) if last else residual()
    strides = [weight.stride() for weight in network.parameters()]
    save_network(network, tmp_path, about={})
    spec = json.loads((tmp_path / "network.json").read_text())
    assert spec["memory_format"] == ("channels_last" if last else "contiguous")
    again = load_network(tmp_path)
    assert [weight.stride() for weight in again.parameters()] == strides
    assert [weight.stride() for weight in network.parameters()] == strides
    images = digits.test.images[:16]
    with torch.no_grad():
        assert torch.equal(again(images), network(images))
    # An older export does not say it.
    del spec["memory_format"], spec["digests"]
    (tmp_path / "network.json").write_text(json.dumps(spec))
    assert all(weight.is_contiguous() for weight in weights_of(load_network(tmp_path)))


def test_weights_with_both_layouts_are_contiguous_afterwards(tmp_path: Path) -> None:
    network = residual()
    first = network.stages[0][0].conv1.weight
    first.data = first.data.to(memory_format=torch.channels_last)
    save_network(network, tmp_path, about={})
    assert all(weight.is_contiguous() for weight in weights_of(load_network(tmp_path)))


def test_what_is_an_exported_network(folder: Path, tmp_path: Path) -> None:
    assert is_exported(folder)
    for name, content in (("network.json", b"{"), ("network.json", b"[]"), ("network.pt", None)):
        whole = (folder / name).read_bytes()
        if content is None:
            (folder / name).unlink()
        else:
            (folder / name).write_bytes(content)
        assert not is_exported(folder)
        (folder / name).write_bytes(whole)
    assert not is_exported(tmp_path)
    assert not is_exported(tmp_path / "none")


@pytest.fixture
def run(tmp_path: Path, parent: FeedForward) -> Path:
    """A folder with things that an export must not destroy."""
    run = tmp_path / "run"
    save_network(parent, run / "parent", about={})
    save_network(parent, run / "ticket", about={})
    (run / "ticket" / "ticket.md").touch()
    (run / "run.json").touch()
    (run / "file").touch()
    (tmp_path / "link").symlink_to(run / "parent")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "network.pt").write_bytes(b"mine")
    return run


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("run/parent", "is the parent of the run in .*run, which needs it; give another --output"),
        ("run/ticket/../parent", "is the parent of the run"),
        ("link", "link is the parent of the run"),
        ("run/ticket", "is a winning ticket, whose page would be of another network"),
        ("run/file", "is a file"),
        ("run", "is there already, and is no exported network; give another --output"),
        ("mine", "is there already, and is no exported network"),
    ],
)
def test_an_export_does_not_replace_something_else(run: Path, name: str, message: str) -> None:
    with pytest.raises(StoreError, match=message):
        check_export_folder(run.parent / name)


def test_an_export_may_replace_another(run: Path, parent: FeedForward) -> None:
    check_export_folder(run / "network-3")
    (run / "network-3").mkdir()
    check_export_folder(run / "network-3")
    save_network(parent, run / "network-3", about={})
    check_export_folder(run / "network-3")
    # Of no run.
    check_export_folder(save_network(parent, run.parent / "elsewhere" / "parent", about={}))


# Digests.


def flipped(path: Path, place: int) -> None:
    """Turns a byte of a file around."""
    content = bytearray(path.read_bytes())
    content[place] ^= 0x55
    path.write_bytes(content)


def test_a_flipped_byte_in_the_weights_is_an_error(folder: Path, parent: FeedForward) -> None:
    content = (folder / "network.pt").read_bytes()
    weight = parent.state_dict()["1.weight"].numpy().tobytes()
    flipped(folder / "network.pt", content.index(weight) + 1)
    with pytest.raises(PruneError, match=r"damaged: network\.pt is not the file that was written"):
        load_network(folder)


def test_a_changed_description_is_an_error(folder: Path) -> None:
    spec = json.loads((folder / "network.json").read_text())
    spec["arguments"]["activation"] = "tanh"
    (folder / "network.json").write_text(json.dumps(spec))
    with pytest.raises(PruneError, match=r"network\.json is not the file .* restore it from a cop"):
        load_network(folder)


def test_weights_beside_an_older_description_are_an_error(folder: Path) -> None:
    """As a process leaves it that is killed between the two files."""
    older = (folder / "network.json").read_bytes()
    save_network(FeedForward(64, [24, 16], 10), folder, about={})
    (folder / "network.json").write_bytes(older)
    with pytest.raises(PruneError, match="is not the file that was written with the other"):
        load_network(folder)


def test_exports_without_digests_are_loaded(folder: Path, parent: FeedForward) -> None:
    spec = json.loads((folder / "network.json").read_text())
    del spec["digests"]
    (folder / "network.json").write_text(json.dumps(spec))
    again = load_network(folder).state_dict()
    assert all(torch.equal(again[name], value) for name, value in parent.state_dict().items())


def test_a_new_folder_appears_when_it_is_whole(
    tmp_path: Path, parent: FeedForward, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("pymoo_prune.results.network_files.write_text", stop)
        with pytest.raises(KeyboardInterrupt):
            save_network(parent, tmp_path / "new", about={})
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "new").mkdir()
    save_network(parent, tmp_path / "new", about={})
    assert is_exported(tmp_path / "new")
    assert [path.name for path in tmp_path.iterdir()] == ["new"]
