"""The names of data sets."""

from __future__ import annotations

DATA_SETS = {
    "digits": "handwritten digits, 1,797 grey 8×8 images, 10 classes (comes with scikit-learn)",
    "fashion-mnist": "Zalando's clothes, 70,000 grey 28×28 images, 10 classes",
    "mnist": "handwritten digits, 70,000 grey 28×28 images, 10 classes",
    "cifar10": "photographs, 60,000 colour 32×32 images, 10 classes",
    "cifar100": "photographs, 60,000 colour 32×32 images, 100 classes",
}
