"""A run's folder: made, recognised, written and read."""

from __future__ import annotations

import datetime as dt
import json
import secrets
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from pymoo_prune.chromosomes import Array, opened_arrays, pack, unpack
from pymoo_prune.data import Data
from pymoo_prune.errors import PruneError, StoreError, check_path, command
from pymoo_prune.files import (
    Digests,
    check_no_links,
    holds_something,
    write_new_text,
    write_text,
    writing,
)
from pymoo_prune.measuring import Anatomies
from pymoo_prune.objectives import Series
from pymoo_prune.problem import check_shape
from pymoo_prune.results import FinishedNetworks, Finishing, csv_text, read_csv
from pymoo_prune.runs.checks import check_fits, check_rows
from pymoo_prune.runs.files import (
    CHROMOSOMES_FILE,
    DATA_FILE,
    FINISHED_FILE,
    FRONT_TABLE,
    LAYERS_FILE,
    MATRICES_FILE,
    PARENT_FOLDER,
    RESULT_FILES,
    SETTINGS_FILE,
    STORE_FILE,
    SUMMARY_FILE,
)
from pymoo_prune.runs.settings import GIVEN, Settings
from pymoo_prune.runs.shapes import DataShape, LayersShape, SummaryShape
from pymoo_prune.runs.unreadable import UNREADABLE, reading
from pymoo_prune.search import Store
from pymoo_prune.tables import printable


class RunFolder:
    """The files of a run.

    Args:
        path: The folder.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = check_path("folder", path)

    @property
    def is_run(self) -> bool:
        """Whether the folder holds a run."""
        return (self.path / SETTINGS_FILE).is_file()

    @property
    def has_store(self) -> bool:
        """Whether evaluations were recorded."""
        return (self.path / STORE_FILE).is_file()

    @property
    def _resume(self) -> str:
        return f"'{command('resume', self.path)}'"

    @property
    def _digests(self) -> Digests:
        """What the files were when the run ended."""
        return Digests(self.path, f"restore it from a copy, or {self._resume} makes it again")

    # Before the search.

    def create(self, settings: Settings) -> None:
        """Makes the folder, with the settings in it; a folder that holds something is refused."""
        path = self.path
        if path.exists() and (not path.is_dir() or holds_something(path)):
            raise self._there_already()
        try:
            path.mkdir(parents=True, exist_ok=True)
            # Of several processes that come here at once, one goes on.
            write_new_text(path / SETTINGS_FILE, settings.to_json())
        except FileExistsError:
            raise self._there_already() from None

    def _there_already(self) -> StoreError:
        hint = f"; {self._resume} goes on with it" if self.is_run else ""
        return StoreError(
            f"{self.path} is there already{hint}; give another --output for a new run"
        )

    def settings(self) -> Settings:
        """The run's settings."""
        if not self.is_run:
            why = f"there is no {SETTINGS_FILE} in it"
            if not self.path.is_dir():
                why = "it is a file" if self.path.exists() else "there is no such folder"
            msg = f"{self.path} is not a run folder: {why}"
            raise StoreError(msg)
        check_no_links(self.path)
        path = self.path / SETTINGS_FILE
        with reading(path, "restore it from a copy, or start a new run"):
            return Settings.from_json(path.read_text(encoding="utf-8"), self.path)

    def remove_if_empty(self) -> None:
        """Removes a folder that holds only settings: corrected ones may want the same place."""
        if not self.path.is_dir():  # it was moved
            return
        if [path.name for path in self.path.iterdir()] == [SETTINGS_FILE]:
            (self.path / SETTINGS_FILE).unlink()
            self.path.rmdir()

    # The images.

    def write_data(self, data: Data) -> None:
        """Notes which images the run is made with; they are the same whenever it goes on."""
        about = {
            "digest": data.digest,
            "name": data.name,
            "shape": data.shape,
            "classes": data.classes,
            "images": {n: len(getattr(data, n)) for n in ("train", "validation", "test")},
        }
        write_text(self.path / DATA_FILE, json.dumps(about, indent=2) + "\n")

    def data_digest(self) -> str | None:
        """The digest of the images that the run was made with; None where it is not known."""
        for name, key in ((DATA_FILE, "digest"), (SUMMARY_FILE, "data")):
            with suppress(*UNREADABLE):  # not there, or damaged: the store checks what it can
                found = json.loads((self.path / name).read_text(encoding="utf-8"))
                check_shape({"digest": found[key]}, DataShape)
                return str(found[key])
        return None

    # After the search.

    def write(
        self,
        X: Array,
        matrices: tuple[Array, Array] | None,
        series: Sequence[Series],
        layers: Anatomies,
        summary: Mapping[str, Any],
    ) -> None:
        """Writes what the run found; the summary last, which makes it finished.

        Args:
            X: The front's chromosomes, (n, n_var).
            matrices: The same as matrices, and the cells that may live; None if it has none.
            series: The numbers of the front, then those of each baseline.
            layers: What the parent and the front's networks are made of.
            summary: How the search went, as plain values.
        """
        with writing(self.path / CHROMOSOMES_FILE) as path:
            np.savez_compressed(path, **pack(X))
        if matrices is not None:
            live, possible = matrices
            with writing(self.path / MATRICES_FILE) as path:
                np.savez_compressed(path, live=live, possible=possible)
        write_text(self.path / FRONT_TABLE, csv_text(series))
        write_text(self.path / LAYERS_FILE, layers.to_json())
        text = json.dumps(summary, indent=2) + "\n"
        self._digests.write(RESULT_FILES, {SUMMARY_FILE: text})
        write_text(self.path / SUMMARY_FILE, text)

    def results(self) -> tuple[list[Series], dict[str, Any]]:
        """The numbers of a finished run: the search's, the baselines', and the summary."""
        path = self.path / SUMMARY_FILE
        if not path.is_file():
            msg = f"{self.path} is not finished; {self._resume} goes on with it"
            raise StoreError(msg)
        remedy = f"{self._resume} makes the results again"
        with reading(path, remedy):
            summary = printable(json.loads(path.read_text(encoding="utf-8")))
            check_shape(summary, SummaryShape)
        with reading(path := self.path / FRONT_TABLE, remedy):
            found = read_csv(path)
            check_fits(summary, found)
        series = [Series(printable(one.name), one.columns) for one in found]
        self._digests.check(SUMMARY_FILE, FRONT_TABLE)
        self._check_settings()
        return series, summary

    def _check_settings(self) -> None:
        """Refuses results that were made with other settings."""
        remedy = f"restore it from a copy, or {self._resume} makes results with what it says now"
        Digests(self.path, remedy).check(SETTINGS_FILE)

    def chromosomes(self, series: Series | None = None) -> Array:
        """The front's chromosomes, (n, n_var).

        Args:
            series: The front's numbers; chromosomes of other networks are then refused.
        """
        path = self.path / CHROMOSOMES_FILE
        with (
            reading(path, f"{self._resume} makes it again"),
            opened_arrays(path) as arrays,
        ):
            X = unpack(arrays)
        self._digests.check(CHROMOSOMES_FILE)
        if series is not None:
            check_rows(self.path, X, series)
        return X

    def finished(self, settings: Settings) -> FinishedNetworks | None:
        """The finished networks of a finished run; None where they are not kept.

        Args:
            settings: The run's.
        """
        path = self.path / FINISHED_FILE
        if not path.is_file() or not self.has_store:
            return None
        store = Store.existing(self.path / STORE_FILE)
        store.close()
        own = settings.network not in (None, GIVEN)
        found = FinishedNetworks(path, settings.own_network if own else None)
        images = settings.finish_images
        found.check(Finishing.of(store.fingerprint, images, self.chromosomes()))
        Digests(self.path, "remove it, and networks are retrained").check(FINISHED_FILE)
        return found

    def finished_if_whole(self, finishing: Finishing) -> FinishedNetworks | None:
        """The networks of a finishing, if all of them are kept and can be read.

        Args:
            finishing: How they were finished.
        """
        path = self.path / FINISHED_FILE
        if not path.is_file():
            return None
        try:
            found = FinishedNetworks(path)
            found.check(finishing)
            found.check_all()
        except PruneError:  # they are made again
            return None
        return found

    def layers(self) -> Anatomies | None:
        """The layers of the front's networks; None in folders of older versions."""
        path = self.path / LAYERS_FILE
        if not path.is_file():
            self._digests.check(LAYERS_FILE)
            return None
        with reading(path, f"{self._resume} makes it again"):
            text = path.read_text(encoding="utf-8")
            check_shape(json.loads(text), LayersShape)
            layers = Anatomies.from_json(text)
        if len(layers.networks) != (n := len(self.results()[0][0])):
            msg = (
                f"{path} has {len(layers.networks)} networks, but {FRONT_TABLE} has {n}; "
                f"{self._resume} makes both again"
            )
            raise StoreError(msg)
        if layers.parent is None and (self.path / PARENT_FOLDER).is_dir():
            msg = f"{path} has no layers of the parent; {self._resume} makes it again"
            raise StoreError(msg)
        self._digests.check(LAYERS_FILE)
        return layers

    def matrices(self) -> tuple[Array, Array] | None:
        """The front's chromosomes as matrices, and cells that may live; None if it has none."""
        path = self.path / MATRICES_FILE
        if not path.is_file():
            self._digests.check(MATRICES_FILE)
            return None
        with (
            reading(path, f"{self._resume} makes it again"),
            opened_arrays(path) as arrays,
        ):
            found = arrays["live"], arrays["possible"]
        self._digests.check(MATRICES_FILE)
        return found


def new_folder(name: str) -> Path:
    """The folder for results where `--output` names none.

    Jobs that begin in the same second have different folders.

    Args:
        name: The first part of the folder's name.
    """
    now = dt.datetime.now().astimezone().strftime("%Y%m%d-%H%M%S")
    return Path("runs") / f"{name.replace(':', '-')}-{now}-{secrets.token_hex(3)}"
