"""Networks for 1×8×8 images with ten classes: attention of all kinds, and what may stand beside."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

WIDTH, HEADS, CLASSES = 16, 4, 10


class Rows(nn.Module):
    """Reads an image row by row, mixes the rows, and classifies their mean."""

    def __init__(self, mixer: nn.Module) -> None:
        super().__init__()
        self.embed, self.out = nn.Linear(8, WIDTH), nn.Linear(WIDTH, CLASSES)
        self.place = nn.Parameter(0.1 * torch.randn(1, 8, WIDTH))
        self.mixer = mixer

    def forward(self, images: Tensor) -> Tensor:
        rows = self.embed(images.flatten(1, 2)) + self.place
        return self.out(self.mixer(rows).mean(dim=1))


class Explicit(nn.Module):
    """Self-attention with a linear layer for each projection."""

    def __init__(self) -> None:
        super().__init__()
        self.query, self.key, self.value, self.join = (nn.Linear(WIDTH, WIDTH) for _ in range(4))

    def forward(self, rows: Tensor) -> Tensor:
        q, k, v = (
            layer(rows).unflatten(2, (HEADS, -1)).transpose(1, 2)
            for layer in (self.query, self.key, self.value)
        )
        shares = (q @ k.mT / (WIDTH / HEADS) ** 0.5).softmax(dim=-1)
        return self.join((shares @ v).transpose(1, 2).flatten(2))


class Fused(Explicit):
    """The same with torch's function."""

    def forward(self, rows: Tensor) -> Tensor:
        q, k, v = (
            layer(rows).unflatten(2, (HEADS, -1)).transpose(1, 2)
            for layer in (self.query, self.key, self.value)
        )
        mixed = functional.scaled_dot_product_attention(q, k, v)
        return self.join(mixed.transpose(1, 2).flatten(2))


class Einsum(Explicit):
    """The same with einsum."""

    def forward(self, rows: Tensor) -> Tensor:
        q, k, v = (
            layer(rows).unflatten(2, (HEADS, -1)) for layer in (self.query, self.key, self.value)
        )
        shares = torch.einsum("nqhd,nkhd->nhqk", q, k).softmax(dim=-1)
        return self.join(torch.einsum("nhqk,nkhd->nqhd", shares, v).flatten(2))


class Cross(nn.Module):
    """Learned queries look at the rows: keys and values have widths of their own."""

    def __init__(self) -> None:
        super().__init__()
        self.queries = nn.Parameter(torch.randn(1, 3, WIDTH))
        self.keys, self.values = nn.Linear(WIDTH, 6), nn.Linear(WIDTH, 12)
        self.attention = nn.MultiheadAttention(WIDTH, 2, kdim=6, vdim=12, batch_first=True)

    def forward(self, rows: Tensor) -> Tensor:
        queries = self.queries.expand(len(rows), -1, -1)
        mixed: Tensor = self.attention(queries, self.keys(rows), self.values(rows))[0]
        return mixed


class Borrowed(Explicit):
    """Takes the weights of its layers, and never calls them."""

    def forward(self, rows: Tensor) -> Tensor:
        q, k, v = (
            functional.linear(rows, layer.weight, layer.bias)
            for layer in (self.query, self.key, self.value)
        )
        return functional.linear((q @ k.mT).softmax(dim=-1) @ v, self.join.weight)


class Excited(nn.Module):
    """Squeeze and excitation."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(1, 8, 3, padding=1)
        self.squeeze, self.excite = nn.Linear(8, 2), nn.Linear(2, 8)
        self.out = nn.Linear(8, CLASSES)

    def forward(self, images: Tensor) -> Tensor:
        found = self.first(images)
        scale = self.excite(self.squeeze(found.mean(dim=(2, 3))).relu()).sigmoid()
        return self.out((found * scale[:, :, None, None]).mean(dim=(2, 3)))


def encoder(**options: Any) -> nn.Module:
    layer = nn.TransformerEncoderLayer(WIDTH, HEADS, 32, batch_first=True, **options)
    return nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)


def head(channels: int) -> list[nn.Module]:
    return [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, CLASSES)]


NETWORKS: dict[str, Callable[[], nn.Module]] = {
    "explicit": lambda: Rows(nn.Sequential(Explicit(), nn.LayerNorm(WIDTH), Explicit())),
    "fused": lambda: Rows(Fused()),
    "einsum": lambda: Rows(Einsum()),
    "borrowed": lambda: Rows(Borrowed()),
    "encoder": lambda: Rows(encoder(norm_first=True, activation="gelu")),
    "encoder, norms last": lambda: Rows(encoder()),
    "cross": lambda: Rows(Cross()),
    "group norm": lambda: nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1), nn.GroupNorm(2, 8), nn.ReLU(), nn.Conv2d(8, 8, 3), *head(8)
    ),
    "squeeze and excitation": Excited,
    "depthwise": lambda: nn.Sequential(
        nn.Conv2d(1, 8, 1), nn.Conv2d(8, 8, 3, groups=8, padding=1), nn.Hardswish(), *head(8)
    ),
    "mlp": lambda: nn.Sequential(nn.Flatten(), nn.Linear(64, 20), nn.ReLU(), nn.Linear(20, 10)),
    "one dimension": lambda: nn.Sequential(
        nn.Flatten(2), nn.Conv1d(1, 4, 5, stride=2), nn.ReLU(), nn.ConvTranspose1d(4, 2, 3),
        nn.Flatten(), nn.LazyLinear(CLASSES),
    ),
}  # fmt: skip
PACKED = ("encoder", "encoder, norms last", "cross")
"""The names of those with `nn.MultiheadAttention`."""


def built(name: str) -> nn.Module:
    """A network with random weights, the same every time, in evaluation mode."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = NETWORKS[name]().eval()
        with torch.no_grad():
            network(torch.zeros(1, 1, 8, 8))  # lazy layers learn their widths
    return network
