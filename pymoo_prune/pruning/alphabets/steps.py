"""Steps that make a letter of a layer: choose, refit, round, fit the scales again.

A step is called with a treatment, and returns it changed. One of your own goes into `STEPS` under
a name, or into the list of steps:

    def sharper(treated: Treatment) -> Treatment:
        return treated.with_weight(treated.weight * 1.01)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

import torch
from torch import Tensor

from pymoo_prune.errors import PruneError, unknown_name
from pymoo_prune.pruning.alphabets.feedback import Factors, nearest_scale, rounded
from pymoo_prune.pruning.alphabets.halves import halved
from pymoo_prune.pruning.alphabets.letters import FLOAT_BITS, Letter, back, rows
from pymoo_prune.pruning.alphabets.removals import removal_losses
from pymoo_prune.recovery import WeightRefit

DEFAULT_STEPS = "loss+refit+feedback+scales"


@dataclass(frozen=True, eq=False)  # tensors have no single truth value for ==
class Treatment:
    """A layer on its way to a letter.

    Attributes:
        name: The layer's path.
        letter: The letter.
        parent: The parent's weights.
        refit: The parent's statistics; they lack layers that are too large or not understood.
        known: Values that all letters of the layer share, by name.
        mask: True where weights stay.
        weight: The weights that are wanted, before they are rounded.
        codes: Whole numbers, of the weight's shape; None for letters of 32 bits.
        scales: A factor for each filter, (filters,).
    """

    name: str
    letter: Letter
    parent: Tensor
    refit: WeightRefit
    known: MutableMapping[Any, Any] = field(default_factory=dict)
    mask: Tensor = field(default_factory=lambda: torch.empty(0))
    weight: Tensor = field(default_factory=lambda: torch.empty(0))
    codes: Tensor | None = None
    scales: Tensor = field(default_factory=lambda: torch.empty(0))

    @property
    def grams(self) -> list[Tensor]:
        """Mean products of the inputs with a ridge, one for each group; empty where unknown."""
        return [gram.ridged for gram in self.refit.grams.get(self.name, ())]

    @property
    def most(self) -> int:
        """The largest code."""
        return int(2 ** (self.letter.bits - 1) - 1)

    @property
    def result(self) -> Tensor:
        """The weights as they will be, float32."""
        if self.codes is None:
            return self.weight
        return scaled(self.codes, self.scales)

    def grouped(self, tensor: Tensor) -> Tensor:
        """Values of the weight's shape as (groups, filters of a group, inputs)."""
        return tensor.reshape(max(1, len(self.grams)), -1, self.parent[0].numel())

    def with_weight(self, weight: Tensor) -> Treatment:
        """The same with other weights."""
        return replace(self, weight=weight * self.mask)

    def with_codes(self, codes: Tensor, scales: Tensor) -> Treatment:
        """The same, rounded; the scales are kept in sixteen bits.

        Args:
            codes: Whole numbers, as many as there are weights.
            scales: One for each filter, as many as there are filters.
        """
        whole = codes.reshape(self.parent.shape).to(torch.int8) * self.mask
        return replace(self, codes=whole, scales=halved(scales.flatten()))


def scaled(codes: Tensor, scales: Tensor) -> Tensor:
    """Codes times the scales of their filters, float32, without any rounding."""
    return codes.float() * scales.reshape(-1, *[1] * (codes.ndim - 1))


Step: TypeAlias = Callable[[Treatment], Treatment]


def magnitude(treated: Treatment) -> Treatment:
    """The smallest weights go."""
    return _masked(treated, treated.parent.square())


def loss(treated: Treatment) -> Treatment:
    """The weights go that are missed least, when those that stay are refitted after each."""
    if not treated.grams:
        return magnitude(treated)
    if "losses" not in treated.known:
        found = [
            removal_losses(weights, gram)
            for weights, gram in zip(treated.grouped(treated.parent), treated.grams, strict=True)
        ]
        treated.known["losses"] = torch.cat(found).reshape(treated.parent.shape)
    return _masked(treated, treated.known["losses"])


def _masked(treated: Treatment, scores: Tensor) -> Treatment:
    letter, shape = treated.letter, treated.parent.shape
    found = letter.pattern.mask(rows(scores), rows(treated.parent != 0), letter.share)
    mask = back(found, shape)
    return replace(treated, mask=mask, weight=treated.parent * mask)


def refit(treated: Treatment) -> Treatment:
    """The weights that stay are solved for, so that the layer gives what the parent's gives."""
    solved = _kept(treated, "refit", lambda: treated.refit.weight(treated.name, treated.mask))
    return treated.with_weight(solved)


def nearest(treated: Treatment) -> Treatment:
    """Each weight is rounded alone, with the best scale for its filter."""
    if treated.letter.bits == FLOAT_BITS:
        return treated
    flat, most = treated.weight.flatten(1), treated.most
    scale = nearest_scale(flat, flat.new_ones(1, 1), most)
    scale = halved(scale)
    codes = (flat / scale.clamp(min=1e-30)[:, None]).round().clamp(-most, most)
    return treated.with_codes(codes, scale)


def feedback(treated: Treatment) -> Treatment:
    """Weights are rounded one after the other; those to come make up for the error."""
    if treated.letter.bits == FLOAT_BITS:
        return treated
    if not treated.grams:
        return nearest(treated)
    factors = _kept(treated, "factors", lambda: _factors(treated))
    found = [
        rounded(weights, factor, treated.most)
        for weights, factor in zip(treated.grouped(treated.weight), factors, strict=True)
    ]
    codes, scales = (torch.cat(each) for each in zip(*found, strict=True))
    return treated.with_codes(codes, scales)


def _factors(treated: Treatment) -> list[Factors]:
    masks = treated.grouped(treated.mask)
    return [Factors.of(gram, mask) for gram, mask in zip(treated.grams, masks, strict=True)]


def scales(treated: Treatment) -> Treatment:
    """The scale of each filter is solved for, with the codes as they are."""
    if treated.codes is None or not treated.grams:
        return treated
    codes, parents = (treated.grouped(t).double() for t in (treated.codes, treated.parent))
    seen = codes @ torch.stack(treated.grams)
    power = (seen * codes).sum(dim=2).flatten()
    best = ((seen * parents).sum(dim=2).flatten() / power.clamp(min=1e-30)).float()
    # A filter of zeros, or one that would change its sign, keeps its scale.
    good = (power > 0) & (best > 0) & best.isfinite()
    return treated.with_codes(treated.codes, torch.where(good, best, treated.scales))


def _kept(treated: Treatment, name: str, make: Callable[[], Any]) -> Any:
    """A value that letters of the same share and pattern have in common: the last one is kept."""
    key = treated.letter.share, treated.letter.pattern
    known = treated.known.get(name)
    if known is None or known[0] != key:
        known = treated.known[name] = key, make()
    return known[1]


STEPS: MutableMapping[str, Step] = {
    "magnitude": magnitude,
    "loss": loss,
    "refit": refit,
    "nearest": nearest,
    "feedback": feedback,
    "scales": scales,
}
"""Steps by name."""
CHOICES, ROUNDINGS = ("magnitude", "loss"), ("nearest", "feedback")


def parse_steps(text: str, known: Mapping[str, Step] = STEPS) -> tuple[Step, ...]:
    """Steps from their names, joined by a plus.

    Args:
        text: For example `DEFAULT_STEPS`.
        known: The steps by name.

    Raises:
        PruneError: A name is unknown, or the first step does not choose weights.
    """
    names = text.split("+")
    for name in names:
        if name not in known:
            raise unknown_name("step", name, known)
    return tuple(known[name] for name in names)


def check_steps(steps: Sequence[Step], letters: Sequence[Letter]) -> None:
    """Refuses steps that choose no weights, or round none where letters ask for it.

    Args:
        steps: In their order.
        letters: The letters that they make.
    """
    names = [next((n for n, step in STEPS.items() if step is one), "") for one in steps]
    if "" in names:
        return  # steps of the user's own may do anything
    if names[:1] == [] or names[0] not in CHOICES:
        msg = f"steps must begin with one of {', '.join(CHOICES)}, but they are {'+'.join(names)}"
        raise PruneError(msg)
    if any(one.bits < FLOAT_BITS for one in letters) and not set(names) & set(ROUNDINGS):
        msg = f"letters with few bits need a step that rounds: {' or '.join(ROUNDINGS)}"
        raise PruneError(msg)
