"""The instances whose candidates are all measured: tables."""

from __future__ import annotations

from pymoo_prune.suite.costs import (
    BIT_OPERATIONS,
    BYTES,
    DIVERGENCE,
    MACS,
    NARROW,
    PARAMETERS,
    SIMILARITY,
    SMALLER,
    WIDTH,
)
from pymoo_prune.suite.definition import ERROR, Cost, Definition, Live
from pymoo_prune.suite.genes import Bits, Whole
from pymoo_prune.suite.widths import every, spaced

RESNET_8 = Live(
    "layer-vector", "resnet-8-digits", "digits", {"levels": 5, "search_images": 479}, "levels"
)
LETTERS = Live(
    "layer-alphabet",
    "resnet-8-digits",
    "digits",
    {
        "letters": "1@4,2 0.4@4 0.1@4",
        "entropy": False,
        "search_images": 479,
        "objectives": ("accuracy", "divergence", "bytes"),
    },
)
PATTERNS = Live(
    "layer-alphabet",
    "resnet-8-digits",
    "digits",
    {
        "letters": "1@8,4 2:4@4 1:4@4",
        "entropy": False,
        "skip": True,
        "search_images": 479,
        "objectives": ("accuracy", "divergence", "bytes"),
    },
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

TABULAR = (
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
        "How many weights each layer of a ResNet-8 loses, as resnet8-digits-levels; parameters and "
        "MACs do not agree on which layer is dear.",
        Whole((5,) * 8),
        (ERROR, PARAMETERS, MACS),
        RESNET_8,
        "resnet-8-digits-levels",
    ),
    Definition(
        "resnet8-digits-levels-bounded",
        "How many weights each layer of a ResNet-8 loses; at most 30 % of the MACs may be left.",
        Whole((5,) * 8),
        (ERROR, PARAMETERS),
        RESNET_8,
        "resnet-8-digits-levels",
        constraints=("macs<=30%",),
    ),
    Definition(
        "resnet8-digits-letters",
        "What each of the eight layers of a ResNet-8 becomes: all weights with 4 or 2 bits, or "
        "a part of them with 4 bits; how near to its outputs, in how many bytes.",
        Whole((4,) * 8),
        (DIVERGENCE, BYTES),
        LETTERS,
        "resnet-8-digits-letters",
    ),
    Definition(
        "resnet8-digits-letters-bits",
        "What each layer of a ResNet-8 becomes, as resnet8-digits-letters; the smaller file is not "
        "the one with fewer bit operations.",
        Whole((4,) * 8),
        (ERROR, BYTES, BIT_OPERATIONS),
        LETTERS,
        "resnet-8-digits-letters",
    ),
    Definition(
        "resnet8-digits-patterns",
        "Which pattern each layer of a ResNet-8 gets: all weights with 8 or 4 bits, or two or one "
        "of four neighbours with 4 bits; the first layer chooses its bits alone.",
        Whole((2, *(4,) * 7)),
        (Cost("divergence", "plain", 0.1), Cost("bytes", "log", -0.5)),
        PATTERNS,
        "resnet-8-digits-patterns",
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
        "How many filters each layer of a SimpleCNN keeps, for parameters and MACs at once.",
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
        "How many neurons each of three hidden layers keeps, for five objectives.",
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
        "Which of the 18 hidden neurons of a small feed-forward network live; images are to lie "
        "as the whole network has them (EComp's similarity).",
        Bits((9, 9)),
        (ERROR, WIDTH, SIMILARITY),
        TWO_LAYERS,
        "two-layers-digits-neurons",
    ),
)
"""All of them."""
