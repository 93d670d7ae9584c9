"""Networks of a run's front in folders of their own: exported, or as a winning ticket."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from pymoo_prune.errors import StoreError
from pymoo_prune.files import check_writable, filling, holds_something, write_text, writing
from pymoo_prune.machine import versions
from pymoo_prune.measuring import BATCH_SIZES, thop_macs
from pymoo_prune.networks import PackedInputs
from pymoo_prune.results import (
    Carried,
    Judge,
    Member,
    WinningTicket,
    carry,
    is_exported,
    winning_ticket,
)
from pymoo_prune.runs.defaults import AT_LENGTH
from pymoo_prune.runs.files import (
    PARENT_FOLDER,
    TICKET_FOLDER,
    TICKET_PAGE,
    TICKET_PICTURE,
    TIMES_PAGE,
)
from pymoo_prune.runs.folder import RunFolder
from pymoo_prune.runs.run_front import RunFront
from pymoo_prune.runs.settings import Settings
from pymoo_prune.search import Display


@dataclass(frozen=True)
class Carrier:
    """Carries networks of a run's front away.

    Attributes:
        front: The run's front.
        settings: What the run depends on.
        run: The run's folder.
    """

    front: RunFront
    settings: Settings
    run: Path

    def export(
        self,
        pick: str,
        output: Path | str | None,
        display: Display,
        *,
        onnx: bool = False,
        int8: bool = False,
        latency: bool = False,
    ) -> Carried:
        """Carries one network away, retrained as the report shows it; see `Run.export`."""
        member = self.front.pick(pick)
        folder = Path(output) if output else self.run / f"network-{member.place}"
        check_export_folder(folder)
        if onnx or latency:
            _ = self.front.problem  # its images are needed: an error before anything is written
        images = self.settings.finish_images
        with display.phase("the network"):
            network = self._network(member, images)
        return carry(
            member,
            network,
            folder,
            about=self._about(member, network, images, member.values),
            onnx=onnx,
            int8=int8,
            latency=latency,
            display=display,
        )

    def ticket(
        self,
        pick: str,
        images: int | None,
        output: Path | str | None,
        display: Display,
        *,
        batch_sizes: Sequence[int] = BATCH_SIZES,
    ) -> tuple[WinningTicket, Path]:
        """Makes a winning ticket, and writes it into a folder; see `Run.ticket`."""
        folder = Path(output) if output else self.run / TICKET_FOLDER
        check_ticket_folder(folder)  # before hours of retraining
        front, settings = self.front, self.settings
        if images is None:
            images = AT_LENGTH * settings.finish_images or len(front.problem.data_set.train)
        if front.finished is not None and images != (kept := front.finished.finishing.images):
            display.console.print(
                f"The network is retrained with {images:,} images: the weights that the run keeps "
                f"are those after {kept:,} (--images {kept} takes them).",
                markup=False,
                highlight=False,
            )
        ticket = winning_ticket(
            front, pick=pick, images=images, batch_sizes=batch_sizes, display=display
        )
        member, network = ticket.winner, ticket.network
        # The front's accuracies after retraining are those of another retraining.
        values = {n: value for n, value in member.values.items() if not n.startswith("finished")}
        judge = Judge(front.problem.data_set.test, front.problem.parent)
        agreement = not ticket.labelled and ticket.judged is None
        value = judge(network) if agreement else ticket.ticket.test_accuracy
        values[f"finished_test_{judge.name}"] = value
        packing = front.problem.data_set.packing
        packed = network if packing is None else PackedInputs.of(network, packing)
        picture = TICKET_PICTURE if ticket.ticket.robustness else None
        title = f"The winning ticket of {settings.title}"
        page = ticket.markdown(title=title, picture=picture, times=TIMES_PAGE)
        with filling(folder) as place:
            carry(member, packed, place, about=self._about(member, packed, images, values))
            if picture is not None:
                with writing(place / picture) as path:
                    ticket.draw(path)
            write_text(place / TIMES_PAGE, ticket.times_markdown(title=title))
            write_text(place / TICKET_PAGE, page)
        return ticket, folder

    def _network(self, member: Member, images: int) -> nn.Module:
        """The finished network: from the run's folder if it is there."""
        kept = self.front.finished
        if kept is not None and kept.unknown_kind(member.place) is not None:
            _ = self.front.problem  # its module may know how to build the network
        return member.packed_network(images)

    def _about(
        self,
        member: Member,
        network: nn.Module,
        images: int,
        measurements: Mapping[str, float],
    ) -> dict[str, Any]:
        """Entries of `network.json`, besides how to build the network."""
        shape = member.front.input_shape
        return {
            "input_shape": list(shape),
            "measurements": dict(measurements),
            "macs_by_thop": thop_macs(network, shape),
            "made_by": {
                "run": str(self.run),
                "problem": self.settings.problem,
                "seed": self.settings.seed,
                "network": member.place,
                "retrained_with_images": images,
            },
            "versions": versions(),
        }


def check_export_folder(folder: Path) -> None:
    """Refuses a folder in which an exported network would replace something else."""
    _check_no_parent(folder)
    if folder.exists() and not folder.is_dir():
        msg = f"{folder} is a file"
    elif (folder / TICKET_PAGE).exists():
        msg = f"{folder} is a winning ticket, whose page would be of another network"
    elif folder.is_dir() and holds_something(folder) and not is_exported(folder):
        msg = f"{folder} is there already, and is no exported network"
    else:
        check_writable(folder)
        return
    msg += "; give another --output"
    raise StoreError(msg)


def check_ticket_folder(folder: Path) -> None:
    """Refuses a folder that cannot take a ticket."""
    _check_no_parent(folder)
    if folder.exists() and not folder.is_dir():
        msg = f"{folder} is a file; give another --output, a folder"
        raise StoreError(msg)
    if folder.is_dir() and holds_something(folder) and not (folder / TICKET_PAGE).is_file():
        msg = f"{folder} is there already, and is no winning ticket; give another --output"
        raise StoreError(msg)
    check_writable(folder)


def _check_no_parent(folder: Path) -> None:
    """Refuses the folder of a run's parent."""
    place = folder.resolve()
    if place.name == PARENT_FOLDER and RunFolder(place.parent).is_run:
        msg = (
            f"{folder} is the parent of the run in {place.parent}, which needs it; "
            "give another --output"
        )
        raise StoreError(msg)
