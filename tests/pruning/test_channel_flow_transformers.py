"""Heads, hidden units and blocks of transformers, however their attention is written."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from pymoo_prune.errors import PruneError
from pymoo_prune.networks import build_network, named_network, unpack_attention
from pymoo_prune.pruning import PrunableFilters
from tests.pruning.test_channel_flow_moves import check

CLASSES, SHAPE = 5, (3, 8, 8)
WIDTH, HEADS, HIDDEN = 16, 4, 24


class Attention(nn.Module):
    """One way to write attention, (n, length, width) -> the same."""

    def __init__(self, run: Callable[[Any, Tensor], Tensor], **layers: nn.Module) -> None:
        super().__init__()
        self.run = run
        for name, layer in layers.items():
            setattr(self, name, layer)
        self.out = nn.Linear(WIDTH, WIDTH)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.run(self, x))  # type: ignore[no-any-return]


class Transformer(nn.Module):
    """Patches, a class token, places, and two blocks."""

    def __init__(self, attention: Callable[[], nn.Module], norm: Callable[[], nn.Module]) -> None:
        super().__init__()
        self.embed = nn.Conv2d(3, WIDTH, 2, stride=2)
        self.token = nn.Parameter(torch.randn(1, 1, WIDTH))
        self.places = nn.Parameter(torch.randn(1, 17, WIDTH))
        self.attentions = nn.ModuleList(attention() for _ in range(2))
        self.norms = nn.ModuleList(norm() for _ in range(5))
        self.hidden = nn.ModuleList(nn.Linear(WIDTH, HIDDEN) for _ in range(2))
        self.back = nn.ModuleList(nn.Linear(HIDDEN, WIDTH) for _ in range(2))
        self.head = nn.Linear(WIDTH, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        x = self.embed(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.token.expand(x.shape[0], -1, -1), x], dim=1) + self.places
        for block in range(2):
            x = x + self.attentions[block](self.norms[2 * block](x))
            read = self.norms[2 * block + 1](x)
            x = x + self.back[block](functional.gelu(self.hidden[block](read)))
        return self.head(self.norms[4](x)[:, 0])  # type: ignore[no-any-return]


class RootMeanSquare(nn.Module):
    """A norm as people write it."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.rand(WIDTH))

    def forward(self, x: Tensor) -> Tensor:
        return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6) * self.scale


def linear(outputs: int = WIDTH) -> nn.Module:
    return nn.Linear(WIDTH, outputs)


def apart(net: Any, x: Tensor) -> Tensor:
    n, length, _ = x.shape
    q, k, v = (layer(x).view(n, length, HEADS, -1).transpose(1, 2)
               for layer in (net.query, net.key, net.value))  # fmt: skip
    shares = (q @ k.transpose(-2, -1) / q.shape[-1] ** 0.5).softmax(-1)
    return (shares @ v).transpose(1, 2).reshape(n, length, WIDTH)


def packed(net: Any, x: Tensor) -> Tensor:
    n, length, width = x.shape
    qkv = net.qkv(x).reshape(n, length, 3, HEADS, width // HEADS).permute(2, 0, 3, 1, 4)
    q, k, v = qkv.unbind(0)
    mixed = functional.scaled_dot_product_attention(net.first(q), net.second(k), v)
    return mixed.transpose(1, 2).reshape(n, length, width)


def chunked(net: Any, x: Tensor) -> Tensor:
    q, k, v = net.qkv(x).chunk(3, dim=-1)
    q, k, v = (part.unflatten(-1, (HEADS, -1)).transpose(1, 2) for part in (q, k, v))
    mixed = functional.scaled_dot_product_attention(q, k, v, is_causal=True)
    return mixed.transpose(1, 2).flatten(2)


def grouped(net: Any, x: Tensor) -> Tensor:
    q = net.query(x).unflatten(-1, (HEADS, -1)).transpose(1, 2)
    k, v = (layer(x).unflatten(-1, (2, -1)).transpose(1, 2) for layer in (net.key, net.value))
    mixed = functional.scaled_dot_product_attention(q, k, v, enable_gqa=True)
    return mixed.transpose(1, 2).flatten(2)


def repeated(net: Any, x: Tensor) -> Tensor:
    q = net.query(x).unflatten(-1, (HEADS, -1)).transpose(1, 2)
    k, v = (layer(x).unflatten(-1, (2, -1)).transpose(1, 2).repeat_interleave(2, dim=1)
            for layer in (net.key, net.value))  # fmt: skip
    return ((q @ k.mT).softmax(-1) @ v).transpose(1, 2).flatten(2)


def biased(net: Any, x: Tensor) -> Tensor:
    q, k, v = (layer(x).unflatten(-1, (HEADS, -1)).transpose(1, 2)
               for layer in (net.query, net.key, net.value))  # fmt: skip
    bias = net.table.weight[net.index].permute(2, 0, 1)
    return ((q @ k.mT + bias).softmax(-1) @ v).transpose(1, 2).flatten(2)


def of_places() -> nn.Module:
    """Attention with a bias for each distance of places, and each head."""
    net = Attention(biased, query=linear(), key=linear(), value=linear(),
                    table=nn.Embedding(33, HEADS))  # fmt: skip
    places = torch.arange(17)
    net.register_buffer("index", places[:, None] - places + 16)
    return net


class Packed(nn.Module):
    def __init__(self, **options: Any) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(WIDTH, HEADS, batch_first=True, **options)

    def forward(self, x: Tensor) -> Tensor:
        return self.attention(x, x, x, need_weights=False)[0]  # type: ignore[no-any-return]


# How attention is written, and the heads (or groups of them) that it has.
WAYS: dict[str, tuple[Callable[[], nn.Module], int]] = {
    "apart": (lambda: Attention(apart, query=linear(), key=linear(), value=linear()), HEADS),
    "packed, with norms of a head": (
        lambda: Attention(packed, qkv=linear(3 * WIDTH), first=nn.LayerNorm(WIDTH // HEADS),
                          second=nn.LayerNorm(WIDTH // HEADS)),
        HEADS,
    ),
    "chunks": (lambda: Attention(chunked, qkv=linear(3 * WIDTH)), HEADS),
    "grouped keys": (
        lambda: Attention(grouped, query=linear(), key=linear(8), value=linear(8)), 2
    ),
    "repeated keys": (
        lambda: Attention(repeated, query=linear(), key=linear(8), value=linear(8)), 2
    ),
    "MultiheadAttention": (Packed, HEADS),
}  # fmt: skip
NORMS: dict[str, Callable[[], nn.Module]] = {
    "layer norm": lambda: nn.LayerNorm(WIDTH), "RMS norm": lambda: nn.RMSNorm(WIDTH),
    "own norm": RootMeanSquare,
}  # fmt: skip


@pytest.mark.parametrize(
    ("way", "norm"),
    [*((way, "layer norm") for way in WAYS), ("apart", "RMS norm"), ("apart", "own norm")],
)
def test_heads_and_hidden_units(way: str, norm: str) -> None:
    attention, heads = WAYS[way]
    torch.manual_seed(0)
    network = unpack_attention(Transformer(attention, NORMS[norm]).eval())
    filters = PrunableFilters(network, SHAPE)
    assert filters.genes.sizes == (heads, HIDDEN, heads, HIDDEN)
    assert [piece.name.split(".")[0] for piece in filters.flow.pieces] == [
        "attentions", "hidden", "attentions", "hidden",
    ]  # fmt: skip
    check(filters, candidates=4)


def test_biases_of_places_follow_their_heads() -> None:
    filters = PrunableFilters(Transformer(of_places, NORMS["layer norm"]).eval(), SHAPE)
    assert filters.genes.sizes == (HEADS, HIDDEN, HEADS, HIDDEN)
    check(filters, candidates=3)


@pytest.mark.parametrize("first", [False, True])
def test_encoders_of_torch(first: bool) -> None:
    layer = nn.TransformerEncoderLayer(
        WIDTH, HEADS, HIDDEN, batch_first=True, norm_first=first, dropout=0.3
    )

    class Encoder(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embed = nn.Conv2d(3, WIDTH, 2, stride=2)
            self.encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
            self.head = nn.Linear(WIDTH, CLASSES)

        def forward(self, x: Tensor) -> Tensor:
            x = self.embed(x).flatten(2).transpose(1, 2)
            return self.head(self.encoder(x).mean(1))  # type: ignore[no-any-return]

    torch.manual_seed(0)
    filters = PrunableFilters(unpack_attention(Encoder().eval()), SHAPE)
    assert filters.genes.sizes == (HEADS, HIDDEN, HEADS, HIDDEN)
    assert filters.genes.n_pieces == 4
    check(filters, candidates=3)


def test_windows_that_are_shifted() -> None:
    models = pytest.importorskip("torchvision.models.swin_transformer")
    torch.manual_seed(0)
    network = models.SwinTransformer(
        patch_size=[2, 2], embed_dim=12, depths=[2, 2], num_heads=[3, 6], window_size=[4, 4],
        mlp_ratio=2.0, num_classes=CLASSES,
    ).eval()  # fmt: skip
    filters = PrunableFilters(network, (3, 24, 24))  # windows are filled up with zeros
    assert filters.genes.sizes == (3, 24, 3, 24, 6, 48, 6, 48)
    assert filters.genes.n_pieces == 8
    check(filters, candidates=3)
    # A head takes its biases of places with it.
    x = np.ones(filters.genes.n_var, dtype=bool)
    x[0] = False
    table = "features.1.0.attn.relative_position_bias_table"
    assert filters.network(x).tensors[table] == [49, 2]


def test_networks_of_timm() -> None:
    timm = pytest.importorskip("timm")
    torch.manual_seed(0)
    network = timm.create_model(
        "vit_tiny_patch16_224", img_size=32, depth=2, embed_dim=24, num_heads=3, num_classes=CLASSES
    ).eval()
    filters = PrunableFilters(network, (3, 32, 32))
    assert filters.genes.sizes == (3, 96, 3, 96)
    check(filters, candidates=3)


def test_what_is_left_is_saved_and_loaded() -> None:
    network = named_network("small-vit", channels=1, classes=10, size=(8, 8)).eval()
    filters = PrunableFilters(network, (1, 8, 8))
    generator = np.random.default_rng(3)
    x = filters.repaired(generator.random((1, filters.genes.n_var)) < 0.6)[0]
    small = filters.network(x)
    assert small.spec is not None
    again = build_network(small.spec).eval()
    again.load_state_dict(small.state_dict())
    images = torch.rand(3, 1, 8, 8)
    with torch.no_grad():
        assert torch.equal(again(images), small(images))
    assert small.rewritten  # heads are written out in the code


@pytest.mark.parametrize("change", [[], None, ["sizes", [[99, 3]]], ["other", 1]])
def test_broken_rewritings_are_refused(change: Any) -> None:
    network = named_network("small-vit", channels=1, classes=10, size=(8, 8)).eval()
    filters = PrunableFilters(network, (1, 8, 8))
    spec: Any = filters.network(filters.uniform(np.array([0.5]))[0]).spec
    spec["arguments"]["rewritten"] = {"attend": change}
    with pytest.raises(PruneError, match=r"does not fit|cannot be rewritten"):
        build_network(spec)


def test_training_goes_on_in_a_small_network() -> None:
    network = named_network("small-vit", channels=1, classes=10, size=(8, 8)).train()
    filters = PrunableFilters(network, (1, 8, 8))
    x = filters.uniform(np.array([0.5]))[0]
    small = filters.network(x).train()
    loss = functional.cross_entropy(small(torch.rand(4, 1, 8, 8)), torch.arange(4))
    loss.backward()
    assert all(parameter.grad is not None for parameter in small.parameters())
