"""Multi-head attention with a linear layer for each projection, so that these can be pruned.

`nn.MultiheadAttention` keeps the weights of queries, keys and values in one matrix, and calls no
layer. Here it is unpacked: each projection is an `nn.Linear`, and the outputs stay the same.
"""

from __future__ import annotations

import copy
import math
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.nn import functional

from pymoo_prune.errors import PruneError
from pymoo_prune.networks.modes import evaluating

PROJECTIONS = ("query", "key", "value")


class Attention(nn.Module):
    """Multi-head attention, as `nn.MultiheadAttention` computes it, made of linear layers.

    Args:
        width: Values of a query, and of an output.
        heads: Heads, a divisor of the width.
        key_width: Values of a key; None for the width.
        value_width: Values of a value; None for the width.
        bias: Whether projections add biases.
        dropout: The share of attention that training drops.
        batch_first: Whether tensors are (n, length, width), or (length, n, width).

    Attributes:
        unpacked: Whether it was an `nn.MultiheadAttention` before.
    """

    # torch's transformer layers look here before they bypass this module with kernels of their own:
    # it has no packed weights.
    in_proj_bias = None
    _qkv_same_embed_dim = False

    def __init__(
        self,
        width: int,
        heads: int,
        *,
        key_width: int | None = None,
        value_width: int | None = None,
        bias: bool = True,
        dropout: float = 0.0,
        batch_first: bool = True,
    ) -> None:
        super().__init__()
        if width < 1 or heads < 1 or width % heads:
            msg = f"heads must divide the width of attention, but they are {heads} and {width}"
            raise PruneError(msg)
        self.embed_dim, self.num_heads, self.dropout = width, heads, dropout
        self.batch_first, self.unpacked = batch_first, False
        self.query = nn.Linear(width, width, bias)
        self.key = nn.Linear(key_width or width, width, bias)
        self.value = nn.Linear(value_width or width, width, bias)
        self.out = nn.Linear(width, width, bias)

    @classmethod
    def of(cls, packed: nn.MultiheadAttention, path: str) -> Attention:
        """The same attention, in the same mode, with copies of the weights.

        Args:
            packed: torch's module; it is not changed.
            path: Its path, which errors name.
        """
        if extras := _extras(packed):
            msg = (
                f"attention {path!r} has {' and '.join(extras)}, with which it cannot be unpacked "
                "for pruning"
            )
            raise PruneError(msg)
        with torch.device("meta"):
            found = cls(
                packed.embed_dim, packed.num_heads, key_width=packed.kdim, value_width=packed.vdim,
                bias=packed.in_proj_bias is not None, dropout=packed.dropout,
                batch_first=packed.batch_first,
            )  # fmt: skip
        found.unpacked = True
        learns = any(parameter.requires_grad for parameter in packed.parameters())
        for name, tensors in _projections(packed).items():
            for kind, tensor in zip(("weight", "bias"), tensors, strict=True):
                if tensor is not None:
                    new = nn.Parameter(tensor.detach().clone(), requires_grad=learns)
                    setattr(getattr(found, name), kind, new)
        return found.train(packed.training)

    def extra_repr(self) -> str:
        """What the layers do not show."""
        return f"heads={self.num_heads}, dropout={self.dropout}, batch_first={self.batch_first}"

    def forward(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        key_padding_mask: Tensor | None = None,
        need_weights: bool = True,
        attn_mask: Tensor | None = None,
        average_attn_weights: bool = True,
        is_causal: bool = False,
    ) -> tuple[Tensor, Tensor | None]:
        """See `nn.MultiheadAttention.forward`."""
        mixed, shares = attend(
            self.query(query), self.key(key), self.value(value), self.num_heads, self.batch_first,
            key_padding_mask, attn_mask, need_weights, is_causal,
            self.dropout if self.training else 0.0,
        )  # fmt: skip
        if need_weights and average_attn_weights:
            shares = shares.mean(dim=-3)
        return self.out(mixed), shares


def attend(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    heads: int,
    batch_first: bool,
    key_padding_mask: Tensor | None,
    attn_mask: Tensor | None,
    need_weights: bool,
    is_causal: bool,
    dropout: float,
) -> tuple[Tensor, Tensor | Any]:
    """Attention after the projections; graphs of networks call it as one function.

    Args:
        query: Projected queries, (n, length, width), (length, n, width) or (length, width).
        key: Projected keys.
        value: Projected values.
        heads: The number of heads.
        batch_first: Whether the batch is the first axis.
        key_padding_mask: See `nn.MultiheadAttention.forward`, also for the rest.
        attn_mask: Places that do not see each other, or what is added.
        need_weights: Whether the second result is wanted.
        is_causal: Whether the mask hides all later places.
        dropout: The share of attention that is dropped.

    Returns:
        Mixed values, of the queries' shape, and each head's attention, (n, heads, length, keys) or
        None.
    """
    if is_causal and attn_mask is None:
        msg = "is_causal needs the attn_mask that it is a hint about"
        raise RuntimeError(msg)
    turned = query.dim() == 3 and not batch_first
    q, k, v = (
        (part.transpose(0, 1) if turned else part).unflatten(-1, (heads, -1)).transpose(-2, -3)
        for part in (query, key, value)
    )
    causal = is_causal and key_padding_mask is None and not need_weights
    mask = None if causal else _mask(q, heads, key_padding_mask, attn_mask)
    shares = None
    if need_weights:
        scores = q * math.sqrt(1.0 / q.shape[-1]) @ k.mT
        shares = (scores if mask is None else scores + mask).softmax(dim=-1)
        shares = functional.dropout(shares, dropout) if dropout else shares
        mixed = shares @ v
    else:
        mixed = functional.scaled_dot_product_attention(
            q, k, v, attn_mask=mask, dropout_p=dropout, is_causal=causal
        )
    mixed = mixed.transpose(-2, -3).flatten(-2)
    return mixed.transpose(0, 1) if turned else mixed, shares


fx.wrap("attend")


def _mask(
    query: Tensor, heads: int, key_padding_mask: Tensor | None, attn_mask: Tensor | None
) -> Tensor | None:
    """What is added to scores: -inf for places that are not seen; None for nothing."""
    found = None if attn_mask is None else _added(attn_mask, query.dtype)
    if found is not None and found.dim() == 3:
        found = found.unflatten(0, (-1, heads)) if query.dim() == 4 else found
    if key_padding_mask is None:
        return found
    hidden = _added(key_padding_mask, query.dtype)[..., None, None, :]
    return hidden if found is None else found + hidden


def _added(mask: Tensor, dtype: torch.dtype) -> Tensor:
    """A mask as numbers to add; true is -inf."""
    if mask.dtype == torch.bool:
        return torch.zeros_like(mask, dtype=dtype).masked_fill_(mask, -math.inf)
    return mask.to(dtype)


def _projections(packed: nn.MultiheadAttention) -> dict[str, tuple[Tensor, Tensor | None]]:
    """The weight and bias of each linear layer."""
    whole = packed.in_proj_weight
    apart = packed.q_proj_weight, packed.k_proj_weight, packed.v_proj_weight
    weights = apart if whole is None else whole.chunk(3)
    bias = packed.in_proj_bias
    biases = [None] * 3 if bias is None else bias.chunk(3)
    pairs = dict(zip(PROJECTIONS, zip(weights, biases, strict=True), strict=True))
    return {**pairs, "out": (packed.out_proj.weight, packed.out_proj.bias)}


def _extras(packed: nn.MultiheadAttention) -> list[str]:
    """Parts of torch's attention that this one lacks."""
    found = [name for name in ("bias_k", "bias_v") if getattr(packed, name) is not None]
    return [*found, *(["add_zero_attn"] if packed.add_zero_attn else [])]


def unpack_attention(network: nn.Module, images: Tensor | None = None) -> nn.Module:
    """A copy of a network whose `nn.MultiheadAttention` modules are `Attention`.

    Args:
        network: Any module; it is not changed.
        images: A few, for which the copy must give the same outputs.

    Returns:
        The copy; the network itself if it has no such module.

    Raises:
        PruneError: A module has extra biases or zeros, or the network uses parts of it.
    """
    if not any(type(module) is nn.MultiheadAttention for module in network.modules()):
        return network
    found = copy.deepcopy(network)
    made: dict[nn.Module, Attention] = {}  # a shared module stays shared
    for path, module in list(found.named_modules(remove_duplicate=False)):
        if type(module) is nn.MultiheadAttention and path:
            if module not in made:
                made[module] = Attention.of(module, path)
            above, _, name = path.rpartition(".")
            setattr(found.get_submodule(above), name, made[module])
        elif isinstance(module, nn.TransformerEncoder):
            module.use_nested_tensor = False  # only torch's kernels can read nested tensors
    if images is not None:
        _check(network, found, images)
    return found


def _check(network: nn.Module, unpacked: nn.Module, images: Tensor) -> None:
    """Raises an error where unpacked attention gives other outputs."""
    with evaluating(network), evaluating(unpacked), torch.no_grad():
        expected = network(images)
        reason = "its outputs change"
        try:
            outputs = unpacked(images)
            near = 1e-4 * float(expected.abs().max())
            if torch.allclose(outputs, expected, rtol=1e-3, atol=near, equal_nan=True):
                return
        except Exception as error:  # noqa: BLE001 - a network may use any part of torch's module
            reason = str(error)
    msg = (
        f"the attention of a {type(network).__name__} cannot be unpacked for pruning: {reason}; "
        "write it with nn.Linear for queries, keys and values"
    )
    raise PruneError(msg)


def has_unpacked_attention(network: nn.Module) -> bool:
    """Whether a network has attention that was unpacked."""
    return any(isinstance(one, Attention) and one.unpacked for one in network.modules())
