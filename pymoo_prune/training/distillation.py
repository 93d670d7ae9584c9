"""Training by knowledge distillation: a student learns from labels and from a teacher's outputs."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor, nn

from pymoo_prune.data import Split, balanced
from pymoo_prune.errors import PruneError
from pymoo_prune.networks import evaluating
from pymoo_prune.training.early_stopping import EarlyStopping, Stopping
from pymoo_prune.training.loop import Loss, Network, check_converged, fit
from pymoo_prune.training.recipes import ADAM, Recipe


class Distillation:
    """A loss from labels and from a teacher's outputs, and trainings on it.

    L = alpha CE(y, student) + (1 - alpha) T² KL(softmax(teacher / T) || softmax(student / T))
    (Ghorab et al., section III.C). For several labels, both parts are binary cross-entropies; for
    regression, mean squares, without a temperature. The teacher sees each image once, when its
    outputs are first needed, for any number of students; with alpha = 1 it is not run at all.

    Args:
        teacher: A trained classifier; it is not changed, and each layer stays in its mode.
        split: The images that students are trained on.
        alpha: The labels' share of the loss, from 0 (the teacher alone) to 1 (the labels alone). It
            must be 0 where images have no labels.
        temperature: T, the divisor of both networks' outputs. At a high temperature, classes that
            the teacher finds unlikely count too.
        batch_size: Images in a batch of the teacher's.
    """

    def __init__(
        self,
        teacher: nn.Module,
        split: Split,
        *,
        alpha: float = 0.5,
        temperature: float = 4.0,
        batch_size: int = 128,
    ) -> None:
        # Written so that NaN is refused too: each comparison with it is false.
        if not 0 <= alpha <= 1:
            msg = f"alpha must be between 0 and 1, but it is {alpha}"
            raise PruneError(msg)
        if alpha and split.labels is None:
            msg = f"alpha must be 0, as the images have no labels, but it is {alpha}"
            raise PruneError(msg)
        if not (math.isfinite(temperature) and temperature > 0):
            msg = f"temperature must be finite and greater than 0, but it is {temperature}"
            raise PruneError(msg)
        if batch_size < 1:
            msg = f"batch_size must be at least 1, but it is {batch_size}"
            raise PruneError(msg)
        self.teacher, self.split = teacher, split
        self.alpha, self.temperature, self.batch_size = alpha, temperature, batch_size
        self._divisions: dict[int, _Division] = {}

    @cached_property
    @torch.no_grad()
    def logits(self) -> Tensor:
        """The teacher's outputs for all images, in evaluation mode; (n, classes), float32."""
        found = []
        with evaluating(self.teacher):
            for images in self.split.images.split(self.batch_size):
                outputs = self.teacher(images)
                if not self._fits(outputs, len(images)):
                    what = "(n, classes)" if self.split.task.name == "classes" else "like labels"
                    msg = (
                        f"a teacher's outputs must be {what}, but for "
                        f"{len(images)} images they are {tuple(outputs.shape)}"
                    )
                    raise PruneError(msg)
                found.append(outputs.float())
        logits = torch.cat(found)
        classes = self.split.task.name == "classes" and self.split.labels is not None
        needed = 1 + int(self.split.known_labels.max()) if classes else 0
        if classes and logits.shape[1] < needed:
            msg = (
                f"the teacher must know all classes: the labels need {needed}, "
                f"but its outputs have {logits.shape[1]}"
            )
            raise PruneError(msg)
        if not logits.isfinite().all():
            raise PruneError("the teacher's outputs must be finite, but some are NaN or infinite")
        return logits

    def _fits(self, outputs: Tensor, number: int) -> bool:
        labels = self.split.labels
        some = None if labels is None else labels[:number]
        return len(outputs) == number and self.split.task.fits(outputs, some)

    @cached_property
    def _targets(self) -> Tensor:
        """What students learn, (n, ...): logarithms of the softened probabilities of classes."""
        return self.split.task.targets(self.logits, self.temperature)

    def loss(self, outputs: Tensor, rows: Tensor) -> Tensor:
        """The loss L of a batch.

        Args:
            outputs: A student's outputs, (batch, classes).
            rows: The images' places in the split, (batch,).
        """
        if self.alpha == 1:
            return self._of_labels(outputs, rows)
        targets = self._targets[rows]
        if outputs.shape != targets.shape:
            msg = (
                f"a student's outputs must be like the teacher's, {tuple(targets.shape)} for "
                f"{len(rows)} images, but they are {tuple(outputs.shape)}"
            )
            raise PruneError(msg)
        soft = self.split.task.soft_loss(outputs, targets, self.temperature)
        if self.alpha == 0:
            return soft
        return self.alpha * self._of_labels(outputs, rows) + (1 - self.alpha) * soft

    def _of_labels(self, outputs: Tensor, rows: Tensor) -> Tensor:
        return self.split.task.loss(outputs, self.split.known_labels[rows])

    def distilled(
        self,
        network: Network,
        *,
        images: int,
        recipe: Recipe = ADAM,
        seed: int = 0,
        keep_zeros: bool = False,
        stopping: Stopping | None = None,
        progress: Callable[[float], None] | None = None,
    ) -> Network:
        """A copy of a network, the student, after gradient steps on `loss`.

        Args:
            network: The network that training starts from; it is not changed.
            images: The most images to show, as `trained` counts them.
            recipe: The settings of the training. It may crop or flip only if alpha is 1, because
                the teacher saw the plain images.
            seed: The seed of the images' order.
            keep_zeros: Whether weights that are exactly 0 stay 0, so that pruned weights stay
                pruned.
            stopping: The settings of early stopping. The held-out images have equally many of each
                class, and are the same for every student; the student gets the weights that did
                best on them. With None, the student is trained on all images, to the end.
            progress: Called now and then with the share of the training that is done.

        Returns:
            The trained copy, in evaluation mode.

        Raises:
            TrainingDiverged: The training ended with numbers that are not finite, even if earlier
                weights were good.
        """
        if self.alpha != 1 and (recipe.crop or recipe.flip):
            msg = (
                "a recipe for distillation must neither crop nor flip, as the teacher's outputs "
                f"are of the plain images, but it has crop={recipe.crop} and flip={recipe.flip}"
            )
            raise PruneError(msg)
        result = copy.deepcopy(network).train()
        split, watch = self.split, None
        loss: Loss = self.loss
        if stopping is not None:
            division = self._division(stopping.images)
            split, loss = division.train, self._loss_of(division.kept)
            watch = EarlyStopping(
                result,
                division.watched,
                self._loss_of(division.held),
                every=stopping.every,
                patience=stopping.patience,
            )
        last = fit(
            result,
            split,
            images=images,
            recipe=recipe,
            seed=seed,
            loss=loss,
            keep_zeros=keep_zeros,
            progress=progress,
            after_step=watch,
        )
        # Checked before the best weights are restored: those may be the untrained start.
        check_converged(result, last)
        if watch is not None:
            watch.restore()
        return result.eval()

    def _loss_of(self, places: Tensor) -> Loss:
        """The loss L of some of the images, given their places in the split."""
        return lambda outputs, rows: self.loss(outputs, places[rows])

    def _division(self, images: int) -> _Division:
        """The images to train on and the images to watch; the same at every call."""
        if images not in self._divisions:
            self._divisions[images] = _divided(self.split, images)
        return self._divisions[images]


@dataclass(frozen=True, eq=False)
class _Division:
    """Two parts of a split, and the places of their images in it: kept (n - k,), held (k,)."""

    train: Split
    watched: Split
    kept: Tensor
    held: Tensor


def _divided(split: Split, images: int) -> _Division:
    """Holds out a class-balanced choice of images."""
    n, labels = len(split), split.groups
    if 2 * (n - images) < n:
        msg = (
            f"stopping.images must leave at least half of the {n:,} images to train on, "
            f"but they are {images:,}"
        )
        raise PruneError(msg)
    watched = torch.zeros(n, dtype=torch.bool)
    watched[balanced(labels, images, seed=0)] = True
    held, kept = (torch.nonzero(part).flatten().to(labels.device) for part in (watched, ~watched))
    missing = sorted(set(labels.tolist()) - set(labels[kept].tolist()))
    if missing:
        msg = (
            "stopping.images must leave an image of every class to train on, but with "
            f"{images:,} there is none of class {missing[0]}"
        )
        raise PruneError(msg)
    return _Division(split.subset(kept), split.subset(held), kept, held)
