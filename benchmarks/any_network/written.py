"""Networks as people write them: twelve small ones, each with something that many others lack."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional

from pymoo_prune.networks import CifarResNet, MlpMixer

CLASSES, WORDS = 10, 500


def patches(width: int) -> nn.Sequential:
    """A convolution that makes a row of patches of an image's 4×4 pixels, (n, width, patches)."""
    return nn.Sequential(nn.Conv2d(3, width, 4, stride=4), nn.Flatten(2))


class GroupNormResNet(nn.Module):
    """Residual blocks with group norms in place of batch norms."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 16, 3, padding=1), nn.GroupNorm(4, 16), nn.ReLU())
        self.blocks = nn.Sequential(
            NormalisedBlock(16, 16, 1), NormalisedBlock(16, 32, 2), NormalisedBlock(32, 32, 1)
        )
        self.head = nn.Linear(32, CLASSES)

    def forward(self, images: Tensor) -> Tensor:
        """(n, 3, height, width) -> (n, classes)."""
        return self.head(self.blocks(self.stem(images)).mean((2, 3)))  # type: ignore[no-any-return]


class NormalisedBlock(nn.Module):
    """Two convolutions, each with a group norm, and a projection past them."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.norm1 = nn.GroupNorm(8, outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.norm2 = nn.GroupNorm(8, outputs)
        self.shortcut: nn.Module = nn.Identity()
        if stride > 1 or inputs != outputs:
            self.shortcut = nn.Conv2d(inputs, outputs, 1, stride)

    def forward(self, x: Tensor) -> Tensor:
        """(n, inputs, height, width) -> (n, outputs, ...)."""
        y = functional.relu(self.norm1(self.conv1(x)))
        return functional.relu(self.norm2(self.conv2(y)) + self.shortcut(x))


class EncoderClassifier(nn.Module):
    """torch's own transformer encoder, a class token and learned positions."""

    def __init__(self, width: int = 48) -> None:
        super().__init__()
        self.patches = patches(width)
        self.token = nn.Parameter(torch.zeros(1, 1, width))
        self.positions = nn.Parameter(0.02 * torch.randn(1, 17, width))
        layer = nn.TransformerEncoderLayer(width, 4, 96, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, 3)
        self.head = nn.Linear(width, CLASSES)

    def forward(self, images: Tensor) -> Tensor:
        """(n, 3, 16, 16) -> (n, classes)."""
        x = self.patches(images).transpose(1, 2)
        x = torch.cat([self.token.expand(x.shape[0], -1, -1), x], dim=1) + self.positions
        return self.head(self.encoder(x)[:, 0])  # type: ignore[no-any-return]


class PackedAttentionBlock(nn.Module):
    """`nn.MultiheadAttention` and two linear layers, normalised first."""

    def __init__(self, width: int, heads: int, hidden: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention = nn.MultiheadAttention(width, heads, batch_first=True)
        self.mlp = nn.Sequential(nn.Linear(width, hidden), nn.GELU(), nn.Linear(hidden, width))

    def forward(self, x: Tensor) -> Tensor:
        """(n, patches, width) -> the same shape."""
        y = self.norm1(x)
        x = x + self.attention(y, y, y)[0]
        return x + self.mlp(self.norm2(x))  # type: ignore[no-any-return]


class PackedAttentionTransformer(nn.Module):
    """A vision transformer of `nn.MultiheadAttention`, whose patches' mean is classified."""

    def __init__(self, width: int = 48) -> None:
        super().__init__()
        self.patches = patches(width)
        self.positions = nn.Parameter(0.02 * torch.randn(16, width))
        self.blocks = nn.ModuleList(PackedAttentionBlock(width, 6, 96) for _ in range(3))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, CLASSES)

    def forward(self, images: Tensor) -> Tensor:
        """(n, 3, 16, 16) -> (n, classes)."""
        x = self.patches(images).permute(0, 2, 1) + self.positions
        for block in self.blocks:
            x = block(x)
        return self.head(self.norm(x).mean(1))  # type: ignore[no-any-return]


class TextClassifier(nn.Module):
    """An embedding of words, convolutions over their sequence, and the largest values of each."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(WORDS, 48)
        self.convolutions = nn.ModuleList(nn.Conv1d(48, 32, k, padding=k // 2) for k in (3, 5, 7))
        self.mixed = nn.Conv1d(96, 64, 1)
        self.norm = nn.BatchNorm1d(64)
        self.head = nn.Linear(64, 4)

    def forward(self, words: Tensor) -> Tensor:
        """(n, length), whole numbers of any type -> (n, 4)."""
        x = self.embedding(words.long().clamp(0, WORDS - 1)).transpose(1, 2)
        x = torch.cat([convolution(x).relu() for convolution in self.convolutions], dim=1)
        x = functional.relu(self.norm(self.mixed(x)))
        return self.head(x.amax(dim=2))  # type: ignore[no-any-return]


class PixelShuffleNet(nn.Module):
    """Down by pixel unshuffling, up by pixel shuffling, as in super-resolution."""

    def __init__(self) -> None:
        super().__init__()
        self.down = nn.PixelUnshuffle(2)
        self.first = nn.Conv2d(12, 32, 3, padding=1)
        self.wide = nn.Conv2d(32, 64, 3, padding=1)
        self.up = nn.PixelShuffle(2)
        self.last = nn.Conv2d(16, 24, 3, padding=1)
        self.head = nn.Linear(24, CLASSES)

    def forward(self, images: Tensor) -> Tensor:
        """(n, 3, height, width), both even -> (n, classes)."""
        x = functional.leaky_relu(self.first(self.down(images)), 0.1)
        x = functional.leaky_relu(self.last(self.up(self.wide(x))), 0.1)
        return self.head(functional.adaptive_avg_pool2d(x, 1).flatten(1))  # type: ignore[no-any-return]


class ChannelShuffleBlock(nn.Module):
    """Grouped 1×1 convolutions with a channel shuffle between them (ShuffleNet)."""

    def __init__(self, width: int, groups: int) -> None:
        super().__init__()
        self.groups = groups
        self.squeeze = nn.Conv2d(width, width // 2, 1, groups=groups, bias=False)
        self.norm1 = nn.BatchNorm2d(width // 2)
        self.depthwise = nn.Conv2d(width // 2, width // 2, 3, 1, 1, groups=width // 2, bias=False)
        self.norm2 = nn.BatchNorm2d(width // 2)
        self.expand = nn.Conv2d(width // 2, width, 1, groups=groups, bias=False)
        self.norm3 = nn.BatchNorm2d(width)

    def forward(self, x: Tensor) -> Tensor:
        """(n, width, height, width) -> the same shape."""
        y = functional.relu(self.norm1(self.squeeze(x)))
        n, channels, height, width = y.shape
        y = y.view(n, self.groups, channels // self.groups, height, width)
        y = y.transpose(1, 2).contiguous().view(n, channels, height, width)
        y = self.norm3(self.expand(self.norm2(self.depthwise(y))))
        return functional.relu(x + y)


class ChannelShuffleNet(nn.Module):
    """A stem and blocks of grouped convolutions."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 48, 3, 2, 1, bias=False), nn.BatchNorm2d(48))
        self.blocks = nn.Sequential(*(ChannelShuffleBlock(48, 4) for _ in range(3)))
        self.head = nn.Linear(48, CLASSES)

    def forward(self, images: Tensor) -> Tensor:
        """(n, 3, height, width) -> (n, classes)."""
        return self.head(self.blocks(self.stem(images).relu()).mean([2, 3]))  # type: ignore[no-any-return]


class SplitUNet(nn.Module):
    """Down and up again, with channels joined across, and halves that go apart on the way."""

    def __init__(self) -> None:
        super().__init__()
        self.down1, self.down2 = nn.Conv2d(3, 16, 3, padding=1), nn.Conv2d(16, 32, 3, padding=1)
        self.beside = nn.Conv2d(16, 16, 3, padding=1)
        self.bottom = nn.Conv2d(32, 32, 3, padding=1)
        self.up = nn.ConvTranspose2d(32, 16, 2, stride=2)
        self.joined = nn.Conv2d(32, 16, 3, padding=1)
        self.head = nn.Conv2d(16, CLASSES, 1)

    def forward(self, images: Tensor) -> Tensor:
        """(n, 3, height, width), both even -> (n, classes)."""
        first = functional.relu(self.down1(images))
        x = functional.relu(self.down2(functional.max_pool2d(first, 2)))
        left, right = torch.split(x, [16, 16], dim=1)
        x = torch.cat((functional.relu(self.beside(left)), right), dim=1)
        x = self.up(functional.relu(self.bottom(x)))
        x = functional.relu(self.joined(torch.cat([x, first], 1)))
        return self.head(x).mean(dim=(2, 3))  # type: ignore[no-any-return]


class GatedMLP(nn.Module):
    """Linear layers whose halves gate each other (GLU), for tables of features."""

    def __init__(self, features: int = 20, width: int = 64) -> None:
        super().__init__()
        self.first = nn.Linear(features, width)
        self.wide = nn.ModuleList(nn.Linear(width, 2 * width) for _ in range(2))
        self.back = nn.ModuleList(nn.Linear(width, width) for _ in range(2))
        self.head = nn.Linear(width, CLASSES)

    def forward(self, features: Tensor) -> Tensor:
        """(n, features) -> (n, classes)."""
        x = self.first(features)
        for wide, back in zip(self.wide, self.back, strict=True):
            values, gates = wide(x).chunk(2, dim=-1)
            x = x + back(values * torch.sigmoid(gates))
        return self.head(functional.silu(x))  # type: ignore[no-any-return]


class GroupedQueries(nn.Module):
    """Attention in which four queries share keys and values (Ainslie et al., 2023)."""

    def __init__(self, width: int, heads: int, shared: int) -> None:
        super().__init__()
        self.heads, self.shared, self.size = heads, shared, width // heads
        self.q = nn.Linear(width, heads * self.size, bias=False)
        self.k = nn.Linear(width, shared * self.size, bias=False)
        self.v = nn.Linear(width, shared * self.size, bias=False)
        self.o = nn.Linear(heads * self.size, width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(n, length, width) -> the same shape."""
        n, length, _ = x.shape
        q = self.q(x).view(n, length, self.heads, self.size).transpose(1, 2)
        k = self.k(x).view(n, length, self.shared, self.size).transpose(1, 2)
        v = self.v(x).view(n, length, self.shared, self.size).transpose(1, 2)
        y = functional.scaled_dot_product_attention(q, k, v, enable_gqa=True)
        return self.o(y.transpose(1, 2).reshape(n, length, -1))  # type: ignore[no-any-return]


class GroupedQueryTransformer(nn.Module):
    """Blocks of grouped queries and two linear layers."""

    def __init__(self, width: int = 64) -> None:
        super().__init__()
        self.patches = patches(width)
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(4))
        self.attention = nn.ModuleList(GroupedQueries(width, 8, 2) for _ in range(2))
        self.mlps = nn.ModuleList(
            nn.Sequential(nn.Linear(width, 128), nn.GELU(), nn.Linear(128, width)) for _ in range(2)
        )
        self.head = nn.Linear(width, CLASSES)

    def forward(self, images: Tensor) -> Tensor:
        """(n, 3, height, width), multiples of 4 -> (n, classes)."""
        x = self.patches(images).transpose(1, 2)
        for place in range(2):
            x = x + self.attention[place](self.norms[2 * place](x))
            x = x + self.mlps[place](self.norms[2 * place + 1](x))
        return self.head(x.mean(1))  # type: ignore[no-any-return]


class RootMeanSquareBlock(nn.Module):
    """RMS norms, attention as plain products, and a gated MLP, as in language models."""

    def __init__(self, width: int, heads: int, hidden: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.RMSNorm(width), nn.RMSNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width, bias=False), nn.Linear(width, width)
        self.gate, self.up = nn.Linear(width, hidden), nn.Linear(width, hidden)
        self.down = nn.Linear(hidden, width)

    def forward(self, x: Tensor) -> Tensor:
        """(n, length, width) -> the same shape."""
        n, length, width = x.shape
        qkv = self.qkv(self.norm1(x)).reshape(n, length, 3, self.heads, width // self.heads)
        q, k, v = qkv.permute(2, 0, 3, 1, 4).unbind(0)
        scores = (q @ k.transpose(-2, -1)) * (width // self.heads) ** -0.5
        x = x + self.out((scores.softmax(dim=-1) @ v).transpose(1, 2).reshape(n, length, width))
        y = self.norm2(x)
        return x + self.down(functional.silu(self.gate(y)) * self.up(y))  # type: ignore[no-any-return]


class RootMeanSquareTransformer(nn.Module):
    """Two blocks with RMS norms."""

    def __init__(self, width: int = 48) -> None:
        super().__init__()
        self.patches = patches(width)
        self.blocks = nn.Sequential(*(RootMeanSquareBlock(width, 4, 96) for _ in range(2)))
        self.norm, self.head = nn.RMSNorm(width), nn.Linear(width, CLASSES)

    def forward(self, images: Tensor) -> Tensor:
        """(n, 3, height, width), multiples of 4 -> (n, classes)."""
        x = self.blocks(self.patches(images).transpose(1, 2))
        return self.head(self.norm(x).mean(dim=1))  # type: ignore[no-any-return]


SMALL_IMAGE = (3, 16, 16)
WRITTEN: Mapping[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "ResNet-20, zeros in shortcuts": (lambda: CifarResNet(20, 3, CLASSES), (3, 32, 32)),
    "ResNet with group norms": (GroupNormResNet, SMALL_IMAGE),
    "nn.TransformerEncoder": (EncoderClassifier, SMALL_IMAGE),
    "ViT of nn.MultiheadAttention": (PackedAttentionTransformer, SMALL_IMAGE),
    "embedding, Conv1d": (TextClassifier, (24,)),
    "pixel shuffle": (PixelShuffleNet, SMALL_IMAGE),
    "channel shuffle, groups": (ChannelShuffleNet, SMALL_IMAGE),
    "U-Net with split and cat": (SplitUNet, SMALL_IMAGE),
    "MLP with chunk (GLU)": (GatedMLP, (20,)),
    "MLP-Mixer": (lambda: MlpMixer(3, CLASSES, (16, 16), 4), SMALL_IMAGE),
    "grouped queries": (GroupedQueryTransformer, SMALL_IMAGE),
    "RMS norms, one layer for q, k, v": (RootMeanSquareTransformer, SMALL_IMAGE),
}
"""By name, each with the shape of one input."""
