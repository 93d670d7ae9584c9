"""Small data sets that are no images, and networks for them."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from sklearn.datasets import load_diabetes, load_wine
from torch import Tensor, nn

from pymoo_prune.data import Data, Metric, data_from_inputs
from pymoo_prune.training import Recipe, seeded, train_parent

QUICK = Recipe(learning_rate=5e-3, batch_size=32)


def mean_absolute(outputs: Tensor, labels: Tensor) -> Tensor:
    """The mean absolute error."""
    return (outputs - labels).abs().mean()


MAE = Metric(mean_absolute, "lower", "mae", "mean absolute error")


def not_a_number(outputs: Tensor, labels: Tensor) -> float:
    """A metric that fails."""
    return float("nan")


BROKEN = Metric(not_a_number, "lower", "broken")


def diabetes(**more: Any) -> Data:
    """A table with a real number for each row."""
    X, y = load_diabetes(return_X_y=True)
    return data_from_inputs(X / X.std(0), (y - y.mean()) / y.std(), name="diabetes", **more)


def diabetes_by_mae() -> Data:
    """The same, judged by the mean absolute error."""
    return diabetes(metric=MAE)


def wine() -> Data:
    """A table with three classes."""
    X, y = load_wine(return_X_y=True)
    return data_from_inputs((X - X.mean(0)) / X.std(0), y, name="wine")


def waves(n: int = 240) -> tuple[np.ndarray, np.ndarray]:
    """Time series (n, 2, 32) of three frequencies, and which one each has."""
    generator = np.random.default_rng(0)
    labels = np.arange(n) % 3
    time = np.linspace(0, 2 * np.pi, 32)
    phases = generator.uniform(0, 6, (n, 2, 1))
    series = np.sin(time * (1 + 2 * labels[:, None, None]) + phases)
    return (series + 0.3 * generator.normal(size=series.shape)).astype(np.float32), labels


def series() -> Data:
    """These time series."""
    return data_from_inputs(*waves(), name="waves")


def sentences(n: int = 240) -> tuple[np.ndarray, np.ndarray]:
    """Ids of tokens (n, 12), and whether the token 7 is among the first half."""
    generator = np.random.default_rng(1)
    tokens = generator.integers(0, 20, (n, 12))
    tokens[::2, 3] = 7
    return tokens, (tokens[:, :6] == 7).any(axis=1).astype(int)


def tokens() -> Data:
    """These tokens."""
    return data_from_inputs(*sentences(), name="tokens")


def two_inputs() -> Data:
    """A time series and two numbers beside it, (n, 2, 32) and (n, 2)."""
    inputs, labels = waves()
    beside = np.random.default_rng(2).normal(size=(len(inputs), 2))
    return data_from_inputs((inputs, beside), labels, name="two inputs")


def several_labels() -> Data:
    """A table with three labels that are there or not."""
    generator = np.random.default_rng(3)
    X = generator.normal(size=(240, 8))
    labels = X @ generator.normal(size=(8, 3)) > 0
    return data_from_inputs(X, labels, name="several labels")


class Series(nn.Module):
    """A small network of one-dimensional convolutions."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.norm = nn.Conv1d(2, 8, 5, padding=2), nn.BatchNorm1d(8)
        self.second = nn.Conv1d(8, 12, 3, padding=1)
        self.out = nn.Linear(12, 3)

    def forward(self, inputs: Tensor) -> Tensor:
        """(n, 2, 32) -> (n, 3)."""
        hidden = self.second(self.norm(self.first(inputs)).relu()).relu()
        outputs: Tensor = self.out(hidden.mean(2))
        return outputs


class Tokens(nn.Module):
    """Embeddings, a convolution over them, and two classes."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(20, 6)
        self.convolution, self.out = nn.Conv1d(6, 10, 3, padding=1), nn.Linear(10, 2)

    def forward(self, ids: Tensor) -> Tensor:
        """(n, 12) -> (n, 2)."""
        hidden = self.convolution(self.embedding(ids).transpose(1, 2)).relu()
        outputs: Tensor = self.out(hidden.amax(2))
        return outputs


class TwoInputs(nn.Module):
    """Convolutions over a series, and numbers beside it."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.out = nn.Conv1d(2, 8, 5, padding=2), nn.Linear(10, 3)

    def forward(self, series: Tensor, beside: Tensor) -> Tensor:
        """(n, 2, 32) and (n, 2) -> (n, 3)."""
        hidden = self.first(series).relu().amax(2)
        outputs: Tensor = self.out(torch.cat([hidden, beside], dim=1))
        return outputs


def table(inputs: int, outputs: int) -> nn.Module:
    """A network for tables."""
    return nn.Sequential(nn.Linear(inputs, 24), nn.ReLU(), nn.Linear(24, 16), nn.ReLU(),
                         nn.Linear(16, outputs))  # fmt: skip


def fresh(make: Any, *arguments: int) -> nn.Module:
    """A network with the same random weights each time."""
    with seeded(0, torch.device("cpu")):
        network: nn.Module = make(*arguments)
    return network


def trained_on(data: Data, network: nn.Module, epochs: float = 12) -> nn.Module:
    """A network trained on some data, as a user has it."""
    return train_parent(data, network, epochs, recipe=QUICK)


def regressor() -> nn.Module:
    """A trained network for `diabetes`."""
    return trained_on(diabetes(), fresh(table, 10, 1))
