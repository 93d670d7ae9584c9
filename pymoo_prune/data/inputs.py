"""Data sets of inputs that are no images: tables, series, ids of tokens, several inputs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import torch
from torch import Tensor

from pymoo_prune.data.checks import check_dense
from pymoo_prune.data.metrics import Metric
from pymoo_prune.data.packing import Packing
from pymoo_prune.data.parts import Parting, as_tensor, in_parts
from pymoo_prune.data.splits import ArrayOrTensor, Data
from pymoo_prune.errors import DataError

Inputs: TypeAlias = ArrayOrTensor | Sequence[ArrayOrTensor]


def data_from_inputs(
    inputs: Inputs,
    labels: ArrayOrTensor | None = None,
    test_inputs: Inputs | None = None,
    test_labels: ArrayOrTensor | None = None,
    *,
    validation: float | None = None,
    name: str = "inputs",
    seed: int = 0,
    classes: int | None = None,
    task: str | None = None,
    metric: Metric | None = None,
) -> Data:
    """Makes a data set from inputs of any shape; it copies them, and changes no number.

    Args:
        inputs: (n, ...): a table (n, features), series (n, channels, length), or any other array.
            Real numbers reach the network as float32, and whole numbers as int64, as embeddings
            take them: from 0 to 2**24. A tuple of arrays is for a network with several inputs, in
            their order.
        labels: As for `data_from_arrays`.
        test_inputs: As `inputs`; without them a fixed fifth is the test part.
        test_labels: As `labels`; they go with `test_inputs`.
        validation: As for `data_from_arrays`.
        name: The data set's name in reports.
        seed: Chooses the validation part.
        classes: As for `data_from_arrays`.
        task: As for `data_from_arrays`.
        metric: As for `data_from_arrays`.
    """
    train, one = _tensors(inputs, "inputs")
    test = None if test_inputs is None else _tensors(test_inputs, "test inputs")[0]
    if test is not None:
        _check_alike(train, test)
    every = train if test is None else [torch.cat(pair) for pair in zip(train, test, strict=True)]
    packing = Packing.of(every)
    if one and packing.parts[0].most is None and train[0].ndim > 1:
        packed, tested, how = train[0], None if test is None else test[0], None
    else:
        packed, how = packing.packed(train), packing
        tested = None if test is None else packing.packed(test)
    parting = Parting(name, validation, seed, classes, task, metric)
    return in_parts(packed, labels, tested, test_labels, parting=parting, packing=how)


def _tensors(inputs: Inputs, what: str) -> tuple[list[Tensor], bool]:
    """Copies of the inputs, as float32 or int64, and whether it is one alone."""
    several = isinstance(inputs, tuple | list)
    arrays: list[Any] = list(inputs) if several else [inputs]
    if not arrays:
        raise DataError(f"{what} must be an array, or a tuple of one or more")
    tensors = [as_tensor(array) for array in arrays]
    if any(tensor.ndim == 0 for tensor in tensors) or len({len(t) for t in tensors}) > 1:
        shapes = [tuple(tensor.shape) for tensor in tensors]
        msg = f"{what} must be (n, ...), with the same n for all, but these are {shapes}"
        raise DataError(msg)
    if any(tensor.is_complex() for tensor in tensors):
        raise DataError(f"{what} must be real or whole numbers, but some are complex")
    numbers = [t.float() if t.dtype == torch.bool else t for t in tensors]
    return [t.float() if t.is_floating_point() else t.long() for t in numbers], not several


def _check_alike(train: Sequence[Tensor], test: Sequence[Tensor]) -> None:
    """Refuses test inputs of other shapes or types than the others."""
    about = [[(tuple(t.shape[1:]), t.dtype) for t in part] for part in (train, test)]
    if about[0] != about[1]:
        msg = f"test inputs are {about[1]}, and the others {about[0]}; they must be alike"
        raise DataError(msg)


def data_from_dataset(
    train: Any,
    test: Any = None,
    *,
    validation: float | None = None,
    name: str = "dataset",
    seed: int = 0,
    classes: int | None = None,
    task: str | None = None,
    metric: Metric | None = None,
) -> Data:
    """Reads a torch `Dataset` whose items are (input, label) into memory.

    Inputs reach the network as the items have them. An input may be a tuple, for a network with
    several inputs.

    Args:
        train: A `torch.utils.data.Dataset` with a length.
        test: The same for the test part; without it a fixed fifth of the items is the test part.
        validation: As for `data_from_arrays`.
        name: The data set's name in reports.
        seed: Chooses the validation part.
        classes: As for `data_from_arrays`.
        task: As for `data_from_arrays`.
        metric: As for `data_from_arrays`.

    Raises:
        DataError: An item is no pair, items have different shapes, or reading an item twice gives
            different numbers, as random transforms do.
    """
    inputs, labels = _read(train, "the dataset")
    more = (None, None) if test is None else _read(test, "the test dataset")
    return data_from_inputs(
        inputs, labels, *more, validation=validation, name=name, seed=seed, classes=classes,
        task=task, metric=metric,
    )  # fmt: skip


def _read(dataset: Any, what: str) -> tuple[tuple[Tensor, ...] | Tensor, Tensor]:
    """All inputs and labels of a dataset."""
    try:
        count = len(dataset)
    except (TypeError, RuntimeError) as error:
        msg = f"{what} must have a length and items by number, but it is a {type(dataset).__name__}"
        raise DataError(msg) from error
    if count == 0:
        raise DataError(f"{what} has no items")
    first = _item(dataset, 0, what)
    again = _item(dataset, 0, what)
    if any(not torch.equal(a, b) for a, b in zip(first, again, strict=True)):
        msg = (
            f"{what} gives different numbers for its first item when it is read twice: give it "
            "without random transforms, so that all networks are measured on the same"
        )
        raise DataError(msg)
    single = not isinstance(dataset[0][0], tuple | list)
    items = [first, *(_item(dataset, place, what) for place in range(1, count))]
    for place, item in enumerate(items):
        if [one.shape for one in item] != [one.shape for one in first]:
            shapes = [[tuple(one.shape) for one in some] for some in (item, first)]
            msg = f"{what}: item {place} has the shapes {shapes[0]}, the first {shapes[1]}"
            raise DataError(msg)
    *inputs, labels = (torch.stack(column) for column in zip(*items, strict=True))
    return inputs[0] if single else tuple(inputs), labels


def _item(dataset: Any, place: int, what: str) -> list[Tensor]:
    """The tensors of an item: its inputs, then its label."""
    try:
        item = dataset[place]
    except (KeyError, IndexError, TypeError) as error:
        msg = f"{what}: item {place} cannot be read: {type(error).__name__}: {error}"
        raise DataError(msg) from error
    if not isinstance(item, tuple | list) or len(item) != 2:
        msg = f"{what}: item {place} must be (input, label), but it is a {type(item).__name__}"
        if isinstance(item, tuple | list):
            msg += f" of {len(item)}; several inputs are a tuple, ((a, b), label)"
        raise DataError(msg)
    inputs, label = item
    arrays = [*inputs, label] if isinstance(inputs, tuple | list) else [inputs, label]
    try:
        tensors = [torch.as_tensor(one) for one in arrays]
    except (TypeError, ValueError, RuntimeError) as error:
        msg = (
            f"{what}: item {place} must hold arrays or numbers, but it holds "
            f"{[type(one).__name__ for one in arrays]}; images need a transform to a tensor"
        )
        raise DataError(msg) from error
    return [check_dense(f"{what}: item {place}", one) for one in tensors]
