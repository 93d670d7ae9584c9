"""All instances of the suite."""

from __future__ import annotations

from collections.abc import Mapping

from pymoo_prune.suite.definition import ERROR, Cost, Definition, Live
from pymoo_prune.suite.genes import Bits, Reals, Whole
from pymoo_prune.suite.widths import every, spaced

PARAMETERS = Cost("parameters", "log", 0.0)
MACS = Cost("macs", "log", 0.0)
SMALLER = Cost("parameters", "share", 1.0)
WIDTH = Cost("width", "share", 1.0)
NARROW = Cost("width", "log", 0.0)
SIMILARITY = Cost("similarity_loss", "plain", 3.0)

RESNET_8 = Live(
    "layer-vector", "resnet-8-digits", "digits", {"levels": 5, "search_images": 479}, "levels"
)
FOUR_LAYERS = Live(
    "layer-vector",
    "four-layers-fashion",
    "fashion-mnist",
    {"levels": 24, "search_images": 2_000, "recovery": "refit"},
    "levels",
)
FILTER_WIDTHS = (spaced(32, 10, 2), spaced(64, 13, 2), spaced(128, 15, 2), spaced(128, 15, 2))
CNN = Live(
    "distilled-filters",
    "simple-cnn-digits",
    "digits",
    {"recovery": "refit+batch-norm", "search_images": 479, "recovery_images": 512},
    "widths",
    FILTER_WIDTHS,
)
THREE_DIGITS = Live(
    "ecomp", "three-layers-digits", "digits", {}, "widths", (every(32), every(32), every(32))
)
THREE_FASHION = Live(
    "ecomp", "three-layers-fashion", "fashion-mnist", {"search_images": 2_000}, "widths",
    (every(24), every(24), every(24)),
)  # fmt: skip
TWO_LAYERS = Live("ecomp", "two-layers-digits", "digits")

_TABULAR = (
    Definition(
        "resnet8-digits-levels",
        "How many weights each of the eight layers of a ResNet-8 loses: one of five levels each, "
        "refitted, with batch norms calibrated.",
        Whole((5,) * 8),
        (ERROR, PARAMETERS),
        RESNET_8,
        "resnet-8-digits-levels",
    ),
    Definition(
        "resnet8-digits-levels-macs",
        "The same with three objectives: parameters and MACs do not agree on which layer is dear.",
        Whole((5,) * 8),
        (ERROR, PARAMETERS, MACS),
        RESNET_8,
        "resnet-8-digits-levels",
    ),
    Definition(
        "resnet8-digits-levels-bounded",
        "The same, where at most 30 % of the MACs may be left.",
        Whole((5,) * 8),
        (ERROR, PARAMETERS),
        RESNET_8,
        "resnet-8-digits-levels",
        constraints=("macs<=30%",),
    ),
    Definition(
        "four-layers-fashion-levels",
        "How many weights each layer of a feed-forward network with three hidden layers loses: "
        "one of 24 levels each, refitted.",
        Whole((24,) * 4),
        (ERROR, PARAMETERS),
        FOUR_LAYERS,
        "four-layers-fashion-levels",
    ),
    Definition(
        "simplecnn-digits-widths",
        "How many filters each layer of a SimpleCNN keeps: one of 10 to 15 widths each.",
        Whole((10, 13, 15, 15)),
        (ERROR, MACS),
        CNN,
        "simple-cnn-digits-widths",
    ),
    Definition(
        "simplecnn-digits-widths-parameters",
        "The same with three objectives: error, parameters and MACs.",
        Whole((10, 13, 15, 15)),
        (ERROR, PARAMETERS, MACS),
        CNN,
        "simple-cnn-digits-widths",
    ),
    Definition(
        "three-layers-digits-widths",
        "How many neurons each of three hidden layers keeps.",
        Whole((32,) * 3),
        (ERROR, PARAMETERS),
        THREE_DIGITS,
        "three-layers-digits-widths",
    ),
    Definition(
        "three-layers-digits-widths-five",
        "The same with five objectives: error, similarity, neurons, parameters and MACs.",
        Whole((32,) * 3),
        (ERROR, SIMILARITY, NARROW, PARAMETERS, MACS),
        THREE_DIGITS,
        "three-layers-digits-widths",
    ),
    Definition(
        "three-layers-fashion-widths",
        "How many neurons each of three hidden layers keeps.",
        Whole((24,) * 3),
        (ERROR, PARAMETERS),
        THREE_FASHION,
        "three-layers-fashion-widths",
    ),
    Definition(
        "densenet-digits-connections",
        "Which of ten connections of a dense block live; each network was trained from scratch, "
        "twice, and the mean counts.",
        Bits((10,)),
        (ERROR, SMALLER),
        None,
        "dense-net-digits-connections",
    ),
    Definition(
        "two-layers-digits-neurons",
        "Which of the 18 hidden neurons of a small feed-forward network live.",
        Bits((9, 9)),
        (ERROR, WIDTH),
        TWO_LAYERS,
        "two-layers-digits-neurons",
    ),
    Definition(
        "two-layers-digits-neurons-similar",
        "The same, and the images are to lie as the whole network has them.",
        Bits((9, 9)),
        (ERROR, WIDTH, SIMILARITY),
        TWO_LAYERS,
        "two-layers-digits-neurons",
    ),
)

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

_LIVE = (
    Definition(
        "mlp-digits-neurons",
        "Which of the 512 hidden neurons of a feed-forward network live; the rest is refitted.",
        Bits((256, 256)),
        (ERROR, NARROW),
        MLP_DIGITS,
    ),
    Definition(
        "mlp-digits-neurons-similar",
        "The same, and the images are to lie as the whole network has them (EComp's similarity).",
        Bits((256, 256)),
        (ERROR, NARROW, SIMILARITY),
        MLP_DIGITS,
    ),
    Definition(
        "mlp-digits-neurons-five",
        "The same with five objectives: error, similarity, neurons, parameters and MACs.",
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
        "The same, but each generation is measured on 200 other images.",
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
        "The same, but the first population has the networks that need no search.",
        Whole((32,) * 9),
        (ROOMY_ERROR, PARAMETERS),
        DEEP,
        seeded=True,
    ),
    Definition(
        "deep-digits-levels-bounded",
        "The same, for parameters and MACs, where the accuracy may fall by five points.",
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

DEFINITIONS: Mapping[str, Definition] = {one.name: one for one in (*_TABULAR, *_LIVE)}
"""All instances by name."""

_TABLES = tuple(one.name for one in _TABULAR)
GROUPS: Mapping[str, tuple[str, ...]] = {
    "all": tuple(DEFINITIONS),
    "tabular": _TABLES,
    "live": tuple(one.name for one in _LIVE),
    "quick": (
        "resnet8-digits-levels",
        "simplecnn-digits-widths",
        "three-layers-digits-widths",
        "two-layers-digits-neurons",
    ),
}
"""Names of instances by group; "quick" has one of each kind, all tabular."""
