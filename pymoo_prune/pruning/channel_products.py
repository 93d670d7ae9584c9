"""How products of two tensors that depend on the image, attention above all, pass channels on.

Each product of two matrices is a head: it lives or dies as a whole, with everything that it reads.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor, fx, nn
from torch.nn import functional

from pymoo_prune.networks import attend
from pymoo_prune.pruning.channel_calls import MATRIX_PRODUCTS, argument, calls, heads_of
from pymoo_prune.pruning.channel_labels import along, compressed
from pymoo_prune.pruning.channel_rules import ChannelRules, Maps, always


class ProductRules(ChannelRules):
    """The rules of products beside those of other calls.

    Attributes:
        products: The nodes of the products.
    """

    def __init__(self) -> None:
        super().__init__()
        self.products: list[str] = []

    def rule(self, node: fx.Node, module: nn.Module | None) -> Callable[..., Maps] | None:
        """The rule by which a node labels its result; None where it is not known."""
        if calls(node, *MATRIX_PRODUCTS):
            return self._multiplied
        if calls(node, functional.scaled_dot_product_attention):
            return self._attention
        return self._heads if calls(node, attend) else super().rule(node, module)

    def _multiplied(self, node: fx.Node, module: Any, result: Tensor, *_: Any) -> Maps:
        """Each product of two matrices, a head, is there or not."""
        del module
        self.products.append(node.name)
        sources = node.all_input_nodes
        shapes = [self.shapes[one.name] for one in sources]
        if len(sources) != 2 or any(len(shape) < 3 for shape in shapes):
            for one in sources:
                self.fix(self.maps[one.name])
            return always(result)
        heads = [self.unite_along(self.maps[one.name], last_two(self.maps[one.name]))
                 for one in sources]  # fmt: skip
        return self.joined(
            [(labels, (*shape[:-2], *result.shape[-2:]))
             for labels, shape in zip(heads, shapes, strict=True)],
            result.ndim,
        )  # fmt: skip

    def _attention(self, node: fx.Node, module: Any, result: Tensor, values: Any) -> Maps:
        """Attention: each head is there or not; heads that share keys and values go together."""
        del module
        self.products.append(node.name)
        names = ("query", "key", "value", "attn_mask")
        given = [argument(node, place, name) for place, name in enumerate(names)]
        query, key, value = (self.unite_along(self.maps[one.name], last_two(self.maps[one.name]))
                             for one in given[:3])  # fmt: skip
        axis = result.ndim - 3
        heads = self.shapes[given[0].name][axis]
        pairs = [(query, self.shapes[given[0].name])]
        for labels, one in ((key, given[1]), (value, given[2])):
            shape = list(self.shapes[one.name])
            if argument(node, 7, "enable_gqa", False) and shape[axis] != heads:
                each = heads // shape[axis]
                if labels.shape[axis] > 1:
                    labels = labels.repeat_interleave(each, dim=axis)  # noqa: PLW2901
                shape[axis] = heads
            pairs.append((labels, shape))
        found = self.joined(
            [(labels, (*shape[:-2], *result.shape[-2:])) for labels, shape in pairs], result.ndim
        )
        if isinstance(given[3], fx.Node) and self.has(given[3]):
            mask, shape = self.maps[given[3].name], self.shapes[given[3].name]
            places = (*found.shape[:-2], *shape[-2:])
            self.joined([(found, (*result.shape[:-2], *shape[-2:])), (mask, shape)], len(places))
        del values
        return found

    def _heads(self, node: fx.Node, module: Any, result: Any, *_: Any) -> Maps:
        """The same where heads lie side by side in the last axis."""
        del module
        self.products.append(node.name)
        count, found = heads_of(node), []
        for one in node.args[:3]:
            labels = self.full(one)  # type: ignore[arg-type]
            labels = compressed(labels.unflatten(-1, (count, -1)))
            found.append(self.unite_along(labels, [*range(labels.ndim - 2), labels.ndim - 1]))
        for one in node.all_input_nodes:
            if one not in node.args[:3]:
                self.fix(self.maps.get(one.name))
        for other in found[1:]:
            self.sets.unite(found[0].numpy(), other.numpy())
        mixed, shares = result
        each = mixed.shape[-1] // count
        heads = max(found, key=Tensor.numel).flatten()
        wide = heads.repeat_interleave(each) if len(heads) > 1 else heads
        weights = None if shares is None else along(shares.ndim - 3, shares.ndim, heads.numpy())
        return along(mixed.ndim - 1, mixed.ndim, wide.numpy()), weights


def last_two(labels: Tensor) -> range:
    """The last two axes."""
    return range(labels.ndim - 2, labels.ndim)
