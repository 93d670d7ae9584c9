"""Attention with a linear layer for each projection gives what torch's packed attention gives."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from pymoo_prune.errors import PruneError
from pymoo_prune.networks import (
    Attention,
    build_network,
    changes_of,
    spec_of,
    unpack_attention,
)
from pymoo_prune.networks.building import NETWORKS, with_changes_of
from tests.support.attention_networks import PACKED, Rows, built

WIDTH, HEADS, N, LENGTH, KEYS = 12, 3, 2, 5, 4


def packed(**options: Any) -> nn.MultiheadAttention:
    torch.manual_seed(0)
    module = nn.MultiheadAttention(WIDTH, HEADS, **options).double().eval()
    for parameter in module.parameters():  # biases are 0 at first
        nn.init.normal_(parameter, std=0.3)
    return module


def inputs(module: nn.MultiheadAttention, *, batched: bool = True) -> list[Tensor]:
    shapes = [(LENGTH, WIDTH), (KEYS, module.kdim), (KEYS, module.vdim)]
    if not batched:
        return [torch.randn(shape).double() for shape in shapes]
    found = [torch.randn(N, *shape).double() for shape in shapes]
    return found if module.batch_first else [one.transpose(0, 1) for one in found]


def both(module: nn.MultiheadAttention, *tensors: Tensor, **options: Any) -> Attention:
    """Compares outputs and attention; returns the unpacked module."""
    found = Attention.of(module, "here")
    expected, shares = module(*tensors, **options)
    outputs, own = found(*tensors, **options)
    torch.testing.assert_close(outputs, expected, atol=1e-6, rtol=0)
    assert (own is None) == (shares is None)
    if shares is not None:
        torch.testing.assert_close(own, shares, atol=1e-6, rtol=0)
    return found


def causal() -> Tensor:
    return torch.ones(LENGTH, KEYS, dtype=torch.bool).triu(1)


MASKS = {
    "nothing": {},
    "boolean": {"attn_mask": causal()},
    "added": {"attn_mask": torch.linspace(-2, 2, LENGTH * KEYS).view(LENGTH, KEYS).double()},
    "heads": {"attn_mask": torch.linspace(-2, 2, N * HEADS * LENGTH * KEYS).double().view(
        N * HEADS, LENGTH, KEYS)},
    "padding": {"key_padding_mask": torch.tensor([[False] * 4, [False, False, True, True]])},
    "both": {
        "attn_mask": causal(),
        "key_padding_mask": torch.tensor([[False] * 4, [False, True, False, True]]),
    },
    "causal": {"attn_mask": causal(), "is_causal": True},
}  # fmt: skip


@pytest.mark.parametrize("options", [
    {}, {"batch_first": True}, {"bias": False, "batch_first": True}, {"kdim": 6, "vdim": 10},
    {"kdim": 6, "batch_first": True, "bias": False},
])  # fmt: skip
@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize("need_weights", [True, False])
def test_outputs_are_those_of_torch(options: dict[str, Any], mask: str, need_weights: bool) -> None:
    module = packed(**options)
    both(module, *inputs(module), need_weights=need_weights, **MASKS[mask])


@pytest.mark.parametrize("options", [{}, {"batch_first": True}])
def test_outputs_without_a_batch_are_those_of_torch(options: dict[str, Any]) -> None:
    module = packed(**options)
    tensors = inputs(module, batched=False)
    heads = torch.randn(HEADS, LENGTH, KEYS).double()
    for extra in ({}, {"attn_mask": causal()}, {"attn_mask": heads}):
        both(module, *tensors, average_attn_weights=False, **extra)
    both(module, *tensors, key_padding_mask=torch.tensor([False, True, False, False]))


def test_dropout_acts_in_training_alone() -> None:
    module = packed(dropout=0.4, batch_first=True)
    tensors = inputs(module)
    for training in (True, False):
        for need_weights in (True, False):
            found, results = Attention.of(module.train(training), "here"), []
            assert found.training is training
            for one in (module, found):
                torch.manual_seed(3)
                results.append(one(*tensors, need_weights=need_weights)[0])
            torch.testing.assert_close(*results, atol=1e-6, rtol=0)


def test_gradients_and_frozen_weights_stay_as_they_were() -> None:
    module = packed()
    found = Attention.of(module, "here")
    found(*inputs(module))[0].square().sum().backward()
    assert all(parameter.grad is not None for parameter in found.parameters())
    frozen = Attention.of(module.requires_grad_(requires_grad=False), "here")
    assert not any(parameter.requires_grad for parameter in frozen.parameters())
    assert found.query.weight.dtype == torch.float64
    assert sum(p.numel() for p in found.parameters()) == sum(p.numel() for p in module.parameters())


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"add_bias_kv": True}, "attention 'body.0' has bias_k and bias_v,"),
        ({"add_zero_attn": True}, "attention 'body.0' has add_zero_attn,"),
    ],
)
def test_what_cannot_be_unpacked_is_refused_by_name(options: dict[str, Any], words: str) -> None:
    network = nn.Module()
    network.body = nn.Sequential(nn.MultiheadAttention(WIDTH, HEADS, **options))
    with pytest.raises(PruneError, match=words):
        unpack_attention(network)


def test_a_causal_hint_needs_its_mask() -> None:
    module = packed()
    for one in (module, Attention.of(module, "here")):
        with pytest.raises(RuntimeError, match="attn_mask"):
            one(*inputs(module), is_causal=True)


@pytest.mark.parametrize("heads", [0, 5])
def test_heads_divide_the_width(heads: int) -> None:
    with pytest.raises(PruneError, match="heads must divide"):
        Attention(12, heads)


# Whole networks.


@pytest.mark.parametrize("name", PACKED)
@pytest.mark.parametrize("training", [False, True])
def test_a_network_gives_the_same(name: str, training: bool) -> None:
    network = built(name).train(training)
    for module in network.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
        elif isinstance(module, nn.MultiheadAttention):
            module.dropout = 0.0
    before = copy.deepcopy(network.state_dict())
    images = torch.randn(3, 1, 8, 8)
    found = unpack_attention(network, images)
    torch.testing.assert_close(found(images), network(images))
    with torch.no_grad():  # torch would use its own kernels here
        torch.testing.assert_close(found(images), network(images))
    assert not any(isinstance(module, nn.MultiheadAttention) for module in found.modules())
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert unpack_attention(found) is found


def transformer(**options: Any) -> nn.Transformer:
    torch.manual_seed(0)
    return nn.Transformer(WIDTH, HEADS, 2, 2, 20, dropout=0.0, **options).eval()


@pytest.mark.filterwarnings("ignore:enable_nested_tensor is True")
@pytest.mark.parametrize("batch_first", [True, False])
def test_encoders_and_decoders_with_masks_give_the_same(batch_first: bool) -> None:
    network = transformer(batch_first=batch_first)
    found = unpack_attention(network)
    source, target = torch.randn(N, KEYS, WIDTH), torch.randn(N, LENGTH, WIDTH)
    if not batch_first:
        source, target = source.transpose(0, 1), target.transpose(0, 1)
    padding = torch.tensor([[False] * 4, [False, False, True, True]])
    later = nn.Transformer.generate_square_subsequent_mask(LENGTH)
    options = {
        "tgt_mask": later, "src_key_padding_mask": padding, "memory_key_padding_mask": padding,
    }  # fmt: skip
    seen = padding if batch_first else padding.T
    for grads in (True, False):
        with torch.set_grad_enabled(grads):
            expected, outputs = network(source, target, **options), found(source, target, **options)
            torch.testing.assert_close(outputs, expected, atol=1e-5, rtol=1e-4)
            # Where it uses nested tensors, torch's encoder gives zeros for padding.
            states = [
                one.encoder(source, src_key_padding_mask=padding)[~seen] for one in (network, found)
            ]
            torch.testing.assert_close(*states, atol=1e-5, rtol=1e-4)


def test_torchvisions_transformer_gives_the_same() -> None:
    from torchvision.models.vision_transformer import VisionTransformer

    torch.manual_seed(0)
    network = VisionTransformer(8, 2, 2, 4, 16, 32, num_classes=10).eval()
    nn.init.normal_(network.heads.head.weight)
    images = torch.randn(2, 3, 8, 8)
    torch.testing.assert_close(unpack_attention(network, images)(images), network(images))


def test_shared_attention_stays_shared() -> None:
    mixed = nn.Module()
    mixed.first = mixed.second = nn.MultiheadAttention(WIDTH, HEADS)
    found: Any = unpack_attention(mixed)
    assert found.first is found.second
    assert isinstance(found.first, Attention)


class Looks(nn.Module):
    """Reads the packed weights."""

    def __init__(self) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(16, 2, batch_first=True)

    def forward(self, rows: Tensor) -> Tensor:
        found: Tensor = self.attention(rows, rows, rows)[0]
        return found * self.attention.in_proj_weight.std()


class Turned(Looks):
    """Does something else where there is no packed weight."""

    def forward(self, rows: Tensor) -> Tensor:
        found: Tensor = self.attention(rows, rows, rows)[0]
        return found if self.attention.in_proj_bias is None else -found


@pytest.mark.parametrize(
    ("mixer", "words"), [(Looks, "in_proj_weight"), (Turned, "outputs change")]
)
def test_networks_that_use_the_packed_weights_are_refused(
    mixer: type[nn.Module], words: str
) -> None:
    with pytest.raises(PruneError, match=f"attention of a Rows cannot be unpacked .*{words}"):
        unpack_attention(Rows(mixer()), torch.randn(2, 1, 8, 8))


# Descriptions.


class Described(Rows):
    def __init__(self, width: int = 16) -> None:
        super().__init__(nn.TransformerEncoderLayer(width, 4, 32, batch_first=True))

    @property
    def spec(self) -> dict[str, Any]:
        return {"network": "described", "arguments": {"width": 16}}


def test_a_description_says_that_attention_is_unpacked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(NETWORKS, "described", Described)
    network = Described().eval()
    assert spec_of(network) == network.spec
    assert changes_of(network) == {}
    found = unpack_attention(network)
    spec = spec_of(found)
    assert spec == {**network.spec, "attention": "unpacked"}
    again = build_network(spec)
    again.load_state_dict(found.state_dict())
    images = torch.randn(2, 1, 8, 8)
    torch.testing.assert_close(again.eval()(images), network(images))
    assert spec_of(nn.Linear(2, 2)) is None
    assert with_changes_of(network, {}) is network
    with pytest.raises(PruneError, match="attention 'other'"):
        with_changes_of(network, {"attention": "other"})
