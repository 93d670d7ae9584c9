"""What ONNX files of a network are: sizes, differences from torch, and accuracies, as a table."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pymoo_prune.tables import Row

ONNX, INT8 = "network.onnx", "network.int8.onnx"


@dataclass(frozen=True)
class OnnxFile:
    """A file for onnxruntime, and its measurements there.

    Attributes:
        path: The file.
        size: Its size in bytes.
        difference: The largest absolute difference between its outputs and torch's.
        agreement: The share of its predictions that are torch's; None where it predicts no class.
        accuracy: The accuracy on all validation images; None where these have no labels.
        test_accuracy: The accuracy on all test images, likewise.
        metric: The metric that these are, where they are no accuracies.
    """

    path: Path
    size: int
    difference: float
    agreement: float | None
    accuracy: float | None
    test_accuracy: float | None
    metric: str | None = None


@dataclass(frozen=True)
class OnnxReport:
    """The files that `export_onnx` wrote.

    Attributes:
        images: How many validation images outputs were compared on.
        float32: The network as it is.
        int8: The same with eight bits, where that was asked for.
    """

    images: int
    float32: OnnxFile
    int8: OnnxFile | None = None

    @property
    def files(self) -> list[OnnxFile]:
        """One file or both."""
        return [self.float32] if self.int8 is None else [self.float32, self.int8]

    def rows(self) -> tuple[Row, list[Row]]:
        """Sizes, differences and accuracies, a column for each file."""
        files = self.files
        rows: list[Row] = [
            ("bytes", *(f"{file.size:,}" for file in files)),
            ("largest difference of outputs", *(f"{file.difference:.2g}" for file in files)),
        ]
        if same := [f.agreement for f in files if f.agreement is not None]:
            rows.append(("same predictions", *map(_percent, same)))
        judge = self.float32.metric or "accuracy"
        write = "{:.4g}".format if self.float32.metric else _percent
        for name, shares in self._accuracies.items():
            rows.append((f"{name} {judge}", *map(write, shares)))
        return ("under onnxruntime", *(file.path.name for file in files)), rows

    @property
    def _accuracies(self) -> dict[str, list[float]]:
        """Those that are known, of each file."""
        every = {
            "validation": [file.accuracy for file in self.files],
            "test": [file.test_accuracy for file in self.files],
        }
        known = {name: [s for s in shares if s is not None] for name, shares in every.items()}
        return {name: shares for name, shares in known.items() if shares}

    def conditions(self) -> str:
        """How outputs and accuracies were measured."""
        text = (
            f"Outputs and predictions are compared with torch's on {self.images:,} validation "
            "images"
        )
        images = list(self._accuracies)
        if images:
            what = self.float32.metric or "accuracies"
            text += f"; {what} are on {' and on '.join(f'all {one}' for one in images)} images"
        text += "."
        if self.int8 is None:
            return text
        return f"{text} {INT8} has the ranges of its activations from validation images."


def _percent(share: float) -> str:
    return f"{100 * share:.2f}\u00a0%"
