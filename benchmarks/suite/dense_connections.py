"""Every DenseNet of a small space, trained from scratch with two seeds: a table.

The space is one dense block of 4 layers: 10 free connections, 1,024 networks, on scikit-learn's
handwritten digits. Row r of the table is the chromosome whose bits are r, and gene 0 is the most
significant bit: row 1 has only the last gene live, row 512 only gene 0.

    python -m benchmarks.suite.dense_connections --output dense.npz [--rows A:B]

Finished rows go to `dense.npz.part`, a line each. A program that was stopped goes on there.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor
from torch.nn import functional

from benchmarks.suite.lean_dense_net import Stack, windows
from pymoo_prune.chromosomes import Booleans, Connections
from pymoo_prune.data import Data, Split, load_data
from pymoo_prune.files import write_text, writing
from pymoo_prune.machine import on_threads, processor
from pymoo_prune.measuring import count_macs, count_parameters
from pymoo_prune.networks import DenseNet

SPACE = Connections(layers=4, blocks=1)
SEEDS = (0, 1)


@dataclass(frozen=True)
class Settings:
    """How each network of the table is built and trained: Adam, with a one-cycle rate.

    Attributes:
        growth: Channels that each layer adds.
        stem: Channels of the first convolution.
        steps: Gradient steps.
        batch_size: Images in a step.
        learning_rate: The highest learning rate.
        rising: The share of the steps in which the learning rate rises from 0; then it falls to 0.
    """

    growth: int = 4
    stem: int = 8
    steps: int = 128
    batch_size: int = 32
    learning_rate: float = 0.05
    rising: float = 0.25


TABLE = Settings()
"""The settings of the table."""


@dataclass(frozen=True)
class Row:
    """What is known about a network; the lists have a number for each seed.

    Attributes:
        row: Its row in the table.
        validation_right: Validation images that it classifies correctly.
        test_right: Test images that it classifies correctly.
        parameters: Its parameters.
        macs: Its multiply-accumulates for one image.
        connections: Its live free connections.
        diverged: Seeds whose training ended with numbers that are not finite.
        seconds: Processor time of its trainings.
    """

    row: int
    validation_right: list[int]
    test_right: list[int]
    parameters: int
    macs: int
    connections: int
    diverged: int
    seconds: float


@cache
def digits() -> Data:
    """The data set of the table."""
    return load_data("digits")


@cache
def training_windows() -> Tensor:
    """The windows of all training images, (9, height, width, images)."""
    return windows(digits().train.images)


def genes_of(row: int) -> Booleans:
    """A row's chromosome, (n_var,): the bits of its number, the most significant one first."""
    places = np.arange(SPACE.n_var)[::-1]
    return (row >> places & 1).astype(bool)


def untrained(genes: ArrayLike, seed: int, settings: Settings = TABLE) -> DenseNet:
    """A network with the weights that its training starts from.

    Args:
        genes: A chromosome, (n_var,) booleans.
        seed: With the network's shape it gives the weights.
        settings: How it is built.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return DenseNet(
            SPACE.matrices(np.asarray(genes)),
            growth=settings.growth,
            channels=digits().channels,
            classes=digits().classes,
            stem=settings.stem,
        )


def batches(seed: int, settings: Settings) -> Tensor:
    """The places of each step's images, (steps, batch_size): the same for all networks."""
    generator = torch.Generator().manual_seed(seed)
    images, count = settings.steps * settings.batch_size, len(digits().train)
    epochs = [torch.randperm(count, generator=generator) for _ in range(-(-images // count))]
    return torch.cat(epochs)[:images].view(settings.steps, settings.batch_size)


def trained_networks(genes: ArrayLike, settings: Settings = TABLE) -> list[DenseNet]:
    """A network after its training with each of `SEEDS`, in evaluation mode.

    Args:
        genes: A chromosome, (n_var,) booleans.
        settings: How it is built and trained.
    """
    networks = [untrained(genes, seed, settings) for seed in SEEDS]
    stack = Stack(networks)
    optimizer = torch.optim.Adam(stack.parameters, lr=settings.learning_rate, fused=True)
    rows = torch.stack([batches(seed, settings) for seed in SEEDS], dim=1)
    seen, labels = training_windows(), digits().train.known_labels
    for step, places in enumerate(rows, start=1):
        done = step / (len(rows) + 1)
        factor = min(done / settings.rising, (1 - done) / (1 - settings.rising))
        optimizer.param_groups[0]["lr"] = settings.learning_rate * factor
        found = stack.outputs(torch.stack([seen[..., few] for few in places]))
        # Summed over the networks: each has the gradients of its own mean.
        loss = functional.cross_entropy(found.flatten(0, 1), labels[places.flatten()]) * len(SEEDS)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    stack.store()
    return [network.eval() for network in networks]


def trained_network(genes: ArrayLike, seed: int, settings: Settings = TABLE) -> DenseNet:
    """A network after its training, in evaluation mode; it is trained with all seeds.

    Args:
        genes: A chromosome, (n_var,) booleans.
        seed: One of `SEEDS`: that of its weights and of the order of images.
        settings: How it is built and trained.
    """
    return trained_networks(genes, settings)[SEEDS.index(seed)]


@torch.no_grad()
def right(network: DenseNet, split: Split) -> int:
    """The number of images that a network classifies correctly."""
    return int((network(split.images).argmax(dim=1) == split.known_labels).sum())


def measured(genes: ArrayLike, seed: int, settings: Settings = TABLE) -> tuple[int, int]:
    """The validation and the test images that a network, trained again, classifies correctly.

    Args:
        genes: A chromosome, (n_var,) booleans.
        seed: One of `SEEDS`.
        settings: How it is built and trained.
    """
    network = trained_network(genes, seed, settings)
    return right(network, digits().validation), right(network, digits().test)


def finite(network: DenseNet) -> bool:
    """Whether no number of a network is infinite or NaN."""
    return all(bool(values.isfinite().all()) for values in network.state_dict().values())


def measured_row(row: int, settings: Settings = TABLE) -> Row:
    """A row of the table."""
    began, genes = time.process_time(), genes_of(row)
    networks = trained_networks(genes, settings)
    return Row(
        row=row,
        validation_right=[right(network, digits().validation) for network in networks],
        test_right=[right(network, digits().test) for network in networks],
        parameters=count_parameters(networks[0]),
        macs=count_macs(networks[0], digits().shape),
        connections=int(genes.sum()),
        diverged=sum(not finite(network) for network in networks),
        seconds=round(time.process_time() - began, 3),
    )


def finished_rows(part: Path, settings: Settings) -> dict[int, Row]:
    """The rows in a part file, by number; the first line must be of the same settings.

    A line that was cut off by a kill is removed from the file.
    """
    head = json.dumps(asdict(settings))
    text = part.read_text(encoding="utf-8") if part.exists() else ""
    whole = text[: text.rfind("\n") + 1]
    first, *lines = whole.splitlines() or [head]
    if first != head:
        msg = f"{part} was made with {first}, but the settings are {head}; remove it first"
        raise ValueError(msg)
    write_text(part, "\n".join([head, *lines, ""]))
    rows = [Row(**json.loads(line)) for line in lines]
    return {row.row: row for row in rows}


def make_table(output: Path, numbers: Sequence[int], settings: Settings = TABLE) -> None:
    """Makes the table, or goes on with it, and writes it.

    Args:
        output: The npz file; finished rows are beside it, in a file that ends with `.part`.
        numbers: The rows to make, all or some.
        settings: How networks are built and trained.
    """
    part = output.with_name(f"{output.name}.part")
    rows = finished_rows(part, settings)
    with on_threads(1), part.open("a", encoding="utf-8") as file:
        for number in numbers:
            if number not in rows:
                rows[number] = measured_row(number, settings)
                file.write(json.dumps(asdict(rows[number])) + "\n")
                file.flush()
    write_table(output, [rows[number] for number in numbers], settings)


def write_table(output: Path, rows: Sequence[Row], settings: Settings) -> None:
    """Writes rows as one npz file: arrays, and a text `about` that says how they were made."""
    about = {
        "space": {"layers": SPACE.layers, "blocks": SPACE.blocks, "genes": SPACE.n_var},
        "rows": [rows[0].row, rows[-1].row + 1],
        "order": "row r is the chromosome whose bits are r; gene 0 is the most significant bit",
        "data": {"name": digits().name, "digest": digits().digest},
        "images": [len(digits().train), len(digits().validation), len(digits().test)],
        "recipe": {"optimizer": "adam", "schedule": "one-cycle", **asdict(settings)},
        "seeds": list(SEEDS),
        "seeding": "the seed gives the order of images, and with the shape the weights",
        "diverged": sum(row.diverged for row in rows),
        "torch": torch.__version__,
        "numpy": np.__version__,
        "processor": processor(),
        "threads": 1,
        "seconds": round(sum(row.seconds for row in rows), 1),
        "date": datetime.now(UTC).date().isoformat(),
    }
    with writing(output) as path:
        np.savez_compressed(
            path,
            validation_right=np.array([row.validation_right for row in rows], dtype=np.uint16),
            test_right=np.array([row.test_right for row in rows], dtype=np.uint16),
            parameters=np.array([row.parameters for row in rows], dtype=np.int64),
            macs=np.array([row.macs for row in rows], dtype=np.int64),
            connections=np.array([row.connections for row in rows], dtype=np.int64),
            about=np.array(json.dumps(about)),
        )


def rows_of(text: str) -> range:
    """A range of rows, as `A:B` names it."""
    first, _, end = text.partition(":")
    found = range(2**SPACE.n_var)[int(first or 0) : int(end) if end else None]
    if not found:
        msg = f"--rows must be A:B with rows from 0 to {2**SPACE.n_var}, but it is {text!r}"
        raise argparse.ArgumentTypeError(msg)
    return found


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description="Trains every DenseNet of a small space.")
    parser.add_argument("--output", type=Path, required=True, help="the npz file to write")
    parser.add_argument("--rows", type=rows_of, default=rows_of(":"), help="A:B, all if not given")
    arguments = parser.parse_args()
    make_table(arguments.output, arguments.rows)


if __name__ == "__main__":
    main()
