"""Layers that are never called: another module uses their weights directly."""

from __future__ import annotations

import torch

from pymoo_prune.data import Split
from pymoo_prune.recovery import WeightRefit
from tests.support.attention_networks import built


def test_layers_that_are_never_called_are_masked() -> None:
    network, images = built("borrowed"), torch.randn(20, 1, 8, 8)
    split = Split(images, torch.zeros(20, dtype=torch.int64))
    refit = WeightRefit(network, ["embed", "mixer.query"], split, centred=False)
    weights = {name: refit.layers[name].weight.detach() for name in refit.layers}
    masks = {name: weight.abs() > weight.abs().median() for name, weight in weights.items()}
    found = {name: refit.weight(name, masks[name]) for name in weights}
    assert torch.equal(found["mixer.query"], weights["mixer.query"] * masks["mixer.query"])
    assert not torch.equal(found["embed"], weights["embed"] * masks["embed"])
    assert 0 < refit.loss("mixer.query", found["mixer.query"]) < 0.5
