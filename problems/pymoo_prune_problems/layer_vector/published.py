"""The figures of the layer-vector paper: Tables I to III."""

from __future__ import annotations

from dataclasses import dataclass

from pymoo_prune.problem import Published

RESNETS = ("resnet-20", "resnet-56", "resnet-110")
VIDEO = "r2plus1d-18"

TABLE_1 = {  # CIFAR-10: sparsity %, search cost, accuracy %, runtime s; iterations 0 to 3
    "resnet-20": ((0, 0, 92.23, 0), (55.01, 2, 90.93, 80), (74.06, 5, 90.36, 144),
                  (81.98, 9, 90.44, 371)),
    "resnet-56": ((0, 0, 93.51, 0), (55.96, 2, 93.16, 208), (75.08, 5, 92.20, 303),
                  (82.94, 9, 91.59, 914)),
    "resnet-110": ((0, 0, 93.42, 0), (56.18, 2, 93.27, 330), (75.32, 5, 92.23, 501),
                   (83.17, 9, 91.82, 1442)),
    VIDEO: ((0, 0, 96.85, 0), (74.61, 1, 96.68, 179), (93.07, 3, 97.01, 521),
            (97.92, 6, 95.52, 1054)),
}  # fmt: skip
"""Tables I and III: the last is on EgoGesture. Table II has the same rows, chosen by accuracy."""

PUBLISHED: Published = {
    "cifar10": {
        "Tang et al., ResNet-20 (Table I)": {
            "sparsity": (0.5501, 0.7406, 0.8198),
            "test_accuracy": (0.9093, 0.9036, 0.9044),
        }
    }
}
"""What reports show beside a front."""

TABLE_2 = {  # CIFAR-100, the same columns
    "resnet-56": ((0, 0, 69.66, 0), None, (74.06, 8, 67.72, 366), None),
    "resnet-110": ((0, 0, 71.48, 0), None, (74.18, 8, 69.60, 571), None),
}
"""Rows of Table II that no other table has. Their sparsity is that of two iterations."""

PARAMETERS = {
    "cifar10": {"resnet-20": 269_722, "resnet-56": 853_018, "resnet-110": 1_727_962},
    "cifar100": {"resnet-56": 858_868, "resnet-110": 1_733_812},
}
"""Table II's column; `VIDEO_PARAMETERS` is its last row."""
VIDEO_PARAMETERS = 31_305_255

BEFORE_RETRAINING = {VIDEO: 93.07}
"""Table III's last row: accuracy % after the first pruning, without retraining."""

STATE_OF_THE_ART_PEPE = 1.0
"""Eq. 12: 20 % of the parameters go in each iteration, and 20 epochs follow."""

ACCEPTABLE_DROP = 2.0
"""Points that a network may lose where its PEPE is stated (section II.C, Table I)."""


@dataclass(frozen=True)
class PublishedRow:
    """What the paper has of one network after one iteration; None where it says nothing.

    Attributes:
        parameters: Parameters of the whole network.
        sparsity: In percent, eq. 2.
        epochs: Search cost, eq. 3.
        accuracy: In percent.
        drop: Points lost, eq. 1.
        before_retraining: Accuracy in percent after pruning alone.
        runtime: Seconds.
        pepe: Eq. 4.
    """

    parameters: int | None = None
    sparsity: float | None = None
    epochs: float | None = None
    accuracy: float | None = None
    drop: float | None = None
    before_retraining: float | None = None
    runtime: float | None = None
    pepe: float | None = None


def published_row(network: str, data: str, number: int) -> PublishedRow:
    """The paper's figures: of CIFAR-100, else of CIFAR-10 or EgoGesture.

    Args:
        network: The network's name.
        data: The data set's name.
        number: The iteration; 0 is the parent.
    """
    rows = TABLE_2.get(network) if data == "cifar100" else TABLE_1.get(network)
    row = rows[number] if rows and number < len(rows) else None
    if rows is None or row is None:
        return PublishedRow()
    sparsity, epochs, accuracy, runtime = row
    # The gestures have networks of their own; other data sets stand beside CIFAR-10.
    counts = PARAMETERS["cifar100" if data == "cifar100" else "cifar10"]
    if number == 0:
        parameters = VIDEO_PARAMETERS if network == VIDEO else counts[network]
        return PublishedRow(parameters, sparsity, epochs, accuracy, 0)
    return PublishedRow(
        None,
        sparsity,
        epochs,
        accuracy,
        round(rows[0][2] - accuracy, 2),
        BEFORE_RETRAINING.get(network) if number == 1 else None,
        runtime,
        round(sparsity / epochs + 1e-9, 2),  # 27.505 is printed as 27.51
    )
