"""The instances whose candidates are measured when they are asked for."""

from __future__ import annotations

from pymoo_prune.suite.costs import MACS, NARROW, PARAMETERS, SIMILARITY
from pymoo_prune.suite.definition import ERROR, Cost, Definition, Live
from pymoo_prune.suite.genes import Bits, Reals, Whole

MLP_DIGITS = Live("ecomp", "mlp-digits", "digits")
MLP_FASHION = Live("ecomp", "mlp-fashion", "fashion-mnist", {"search_images": 1_000})
RESNET_20 = {"search_images": 200, "recovery_images": 64, "recovery": "batch-norm"}
SLOW = 500
"""Evaluations where a candidate takes more than ten milliseconds."""
DEEP = Live(
    "layer-vector",
    "deep-digits",
    "digits",
    {"levels": 32, "search_images": 479, "recovery": "refit"},
    "levels",
)
ROOMY_ERROR = Cost("accuracy", "error", 0.5)

MEASURED_LIVE = (
    Definition(
        "mlp-digits-neurons",
        "Which of the 512 hidden neurons of a feed-forward network live; the rest is refitted.",
        Bits((256, 256)),
        (ERROR, NARROW),
        MLP_DIGITS,
    ),
    Definition(
        "mlp-digits-neurons-similar",
        "Which of the 512 hidden neurons live; images are to lie as the whole network has "
        "them (EComp's similarity).",
        Bits((256, 256)),
        (ERROR, NARROW, SIMILARITY),
        MLP_DIGITS,
    ),
    Definition(
        "mlp-digits-neurons-five",
        "Which of the 512 hidden neurons live, for five objectives.",
        Bits((256, 256)),
        (ERROR, SIMILARITY, NARROW, PARAMETERS, MACS),
        MLP_DIGITS,
    ),
    Definition(
        "mlp-fashion-neurons",
        "Which of the 512 hidden neurons live, on pictures of clothes.",
        Bits((256, 256)),
        (ERROR, NARROW),
        MLP_FASHION,
    ),
    Definition(
        "mlp-fashion-neurons-noisy",
        "Which of the 512 hidden neurons live, on pictures of clothes; each generation is "
        "measured on 200 other images.",
        Bits((256, 256)),
        (ERROR, NARROW),
        Live(
            "ecomp", "mlp-fashion", "fashion-mnist", {"search_images": 2_000, "batch_size": 200}
        ),
        noisy=True,
    ),
    Definition(
        "wide-digits-neurons",
        "Which of 2,000 neurons in one hidden layer live; nothing is repaired.",
        Bits((2000,)),
        (ERROR, NARROW),
        Live("ecomp", "wide-digits", "digits", {"recovery": "none"}),
    ),
    Definition(
        "deep-digits-levels",
        "How many weights each of nine layers loses: one of 32 levels each, refitted.",
        Whole((32,) * 9),
        (ROOMY_ERROR, PARAMETERS),
        DEEP,
    ),
    Definition(
        "deep-digits-levels-seeded",
        "How many weights each of nine layers loses; the first population has the networks "
        "that need no search.",
        Whole((32,) * 9),
        (ROOMY_ERROR, PARAMETERS),
        DEEP,
        seeded=True,
    ),
    Definition(
        "deep-digits-levels-bounded",
        "How many weights each of nine layers loses, for parameters and MACs, where the "
        "accuracy may fall by five points.",
        Whole((32,) * 9),
        (PARAMETERS, MACS),
        DEEP,
        constraints=("accuracy_drop<=0.05",),
    ),
    Definition(
        "deep-digits-thresholds",
        "Below which size the weights of each of nine layers go: a common threshold, and a factor "
        "for each layer; nothing is repaired.",
        Reals((0.0, *(-2.0,) * 9), (6.64, *(2.0,) * 9)),
        (ROOMY_ERROR, PARAMETERS),
        Live(
            "layer-vector", "deep-digits", "digits",
            {"encoding": "thresholds", "search_images": 479, "recovery": "none"},
        ),
    ),
    Definition(
        "four-layers-fashion-thresholds",
        "A common threshold, and a factor for each of four layers, on pictures of clothes.",
        Reals((0.0, *(-2.0,) * 4), (6.64, *(2.0,) * 4)),
        (ROOMY_ERROR, PARAMETERS),
        Live(
            "layer-vector", "four-layers-fashion", "fashion-mnist",
            {"encoding": "thresholds", "search_images": 1_000, "recovery": "none"},
        ),
    ),
    Definition(
        "resnet20-digits-levels",
        "How many weights each of the twenty layers of a ResNet-20 loses: one of 32 levels each, "
        "with batch norms calibrated.",
        Whole((32,) * 20),
        (ERROR, PARAMETERS),
        Live("layer-vector", "resnet-20-digits", "digits", {"levels": 32, **RESNET_20}, "levels"),
        most=SLOW,
    ),
    Definition(
        "resnet20-digits-thresholds",
        "A common threshold and a factor for each of the twenty layers; batch norms calibrated.",
        Reals((0.0, *(-2.0,) * 20), (6.64, *(2.0,) * 20)),
        (ERROR, PARAMETERS),
        Live(
            "layer-vector", "resnet-20-digits", "digits",
            {"encoding": "thresholds", **RESNET_20},
        ),
        most=SLOW,
    ),
    Definition(
        "simplecnn-digits-filters",
        "Which of the 352 filters of a SimpleCNN live; batch norms calibrated.",
        Bits((32, 64, 128, 128)),
        (ERROR, PARAMETERS, MACS),
        Live(
            "distilled-filters", "simple-cnn-digits", "digits",
            {"recovery": "batch-norm", "search_images": 300, "recovery_images": 128},
        ),
        most=SLOW,
    ),
)  # fmt: skip
"""All of them."""
