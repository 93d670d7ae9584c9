"""The images of a run: named by a user, found again later and elsewhere."""

from __future__ import annotations

import os
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.data import Dataset

from pymoo_prune.data import (
    DATA_SETS,
    Data,
    Metric,
    data_from_arrays,
    data_from_dataset,
    load_data,
)
from pymoo_prune.errors import DataError, PruneError
from pymoo_prune.problem import called, load_named

ARRAYS = (
    "(images, labels) or (images, labels, test_images, test_labels), with None for labels that are "
    "not known"
)


def is_module(name: str) -> bool:
    """Whether a name of data reads "package.module:name", and is no path."""
    is_name = re.fullmatch(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*(\.[^\W\d]\w*)*", name)
    return is_name is not None and not Path(name).exists()


def is_path(name: str) -> bool:
    """Whether a name of data is a path: neither a data set nor in a module."""
    looks = Path(name).exists() or name.endswith(".npz") or len(Path(name).parts) > 1
    return name not in DATA_SETS and not is_module(name) and looks


def lasting(name: str) -> str:
    """The same name of data, such that it leads to the data from every folder.

    Args:
        name: A data set's name, a path, or "package.module:name".
    """
    return os.path.abspath(name) if is_path(name) else name  # noqa: PTH100 - links stay


def data_title(name: str) -> str:
    """A name of data, as a reader sees it."""
    return Path(name).name if Path(name).is_absolute() else name


def named_data(
    name: str,
    *,
    root: str | None = None,
    download: bool = False,
    validation: float | None = None,
    metric: Metric | None = None,
) -> Data:
    """The images that a user names; a module must be trusted before.

    Args:
        name: As `load_data` takes it, or "package.module:name" of a `Data`, of a tuple of arrays,
            of a torch `Dataset` or a pair of them, or of a function without arguments that returns
            one.
        root: Where data sets lie.
        download: Whether to fetch a data set.
        validation: Share or number of training images that are held out for the search.
        metric: What judges networks in place of the accuracy; None is the data's own.
    """
    data = _named(name, root, validation, download=download)
    return data if metric is None else data.judged_by(metric)


def named_metric(name: str) -> Metric:
    """A metric that a user names; a module must be trusted before.

    Args:
        name: "package.module:name" of a `Metric`.
    """
    found = load_named(name)
    if not isinstance(found, Metric):
        msg = (
            f"metric {name!r} is a {type(found).__name__}; it must be a pymoo_prune.Metric, which "
            "says which way is better: Metric(function, 'lower', 'mae') of a function of outputs "
            "and labels"
        )
        raise PruneError(msg)
    return found


def _named(name: str, root: str | None, validation: float | None, *, download: bool) -> Data:
    if not is_module(name):
        data = load_data(name, root=root, download=download, validation=validation)
        return replace(data, name=data_title(data.name))
    found = load_named(name)
    if callable(found):
        found = called("data", name, found)
    return _own_data(name, found, validation)


def _own_data(name: str, found: Any, validation: float | None) -> Data:
    if isinstance(found, Data):
        if validation is not None:
            msg = f"data {name!r} has its parts already: give it without --validation"
            raise PruneError(msg)
        return found
    if isinstance(found, np.ndarray | torch.Tensor):
        found = (found,)
    pair = found if isinstance(found, tuple | list) else (found,)
    if len(pair) in (1, 2) and all(isinstance(one, Dataset) for one in pair):
        return data_from_dataset(*pair, validation=validation, name=name)
    if not isinstance(found, tuple | list):
        msg = (
            f"data {name!r} is a {type(found).__name__}; it must be a Data, or a tuple of arrays "
            f"{ARRAYS}, or a torch Dataset, or a function without arguments that returns one"
        )
        raise PruneError(msg)
    if len(found) not in (1, 2, 4):
        msg = f"data {name!r} has {len(found)} arrays; it must have {ARRAYS}"
        raise PruneError(msg)
    try:
        return data_from_arrays(*found, validation=validation, name=name)
    except DataError as error:
        msg = f"data {name!r}: {error}"
        raise DataError(msg) from error
