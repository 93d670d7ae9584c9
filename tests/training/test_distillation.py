from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from pymoo_prune.data import Data, Split, balanced
from pymoo_prune.errors import PruneError, TrainingDiverged
from pymoo_prune.measuring import accuracy
from pymoo_prune.networks import FeedForward
from pymoo_prune.training import Distillation, Recipe, Stopping, trained
from pymoo_prune.training.early_stopping import EarlyStopping
from pymoo_prune.training.recipes import ADAM

Values = NDArray[np.float64]
FAST = Recipe(learning_rate=0.01)


class Table(nn.Module):
    """Gives the row whose number is the image's only pixel."""

    def __init__(self, rows: Tensor) -> None:
        super().__init__()
        self.rows = nn.Parameter(rows)
        self.shown: list[int] = []

    def forward(self, images: Tensor) -> Tensor:
        places = images.flatten().long()
        self.shown += places.tolist()
        return self.rows[places]


def numbered(n: int, classes: int = 2) -> Split:
    images = torch.arange(n, dtype=torch.float32).reshape(-1, 1, 1, 1)
    return Split(images, torch.arange(n) % classes)


def student(widths: tuple[int, ...] = (12, 8), seed: int = 1) -> FeedForward:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return FeedForward(64, widths, 10)


def same(one: nn.Module, other: nn.Module) -> bool:
    mine, theirs = one.state_dict(), other.state_dict()
    return mine.keys() == theirs.keys() and all(torch.equal(mine[k], theirs[k]) for k in mine)


def random(*shape: int, seed: int, scale: float = 4.0) -> Tensor:
    return scale * torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def softmax(logits: Values) -> Values:
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


@pytest.fixture
def calls(parent: FeedForward) -> Any:
    """The number of images of each call."""
    found: list[int] = []
    hook = parent.register_forward_hook(lambda _, inputs, __: found.append(len(inputs[0])))
    yield found
    hook.remove()


# The loss.


@pytest.mark.parametrize("alpha", [0.0, 0.3, 0.5, 1.0])
@pytest.mark.parametrize("temperature", [0.5, 1.0, 4.0, 20.0])
def test_the_loss_is_the_papers(alpha: float, temperature: float) -> None:
    teacher, outputs = random(40, 5, seed=0), random(9, 5, seed=1)
    rows = torch.tensor([3, 39, 0, 3, 17, 21, 8, 30, 11])
    split = numbered(40, classes=5)
    distillation = Distillation(Table(teacher), split, alpha=alpha, temperature=temperature)
    q, z = (tensor.double().numpy() for tensor in (teacher[rows], outputs))
    truth, learnt = softmax(q / temperature), softmax(z / temperature)
    divergence = (truth * np.log(truth / learnt)).sum(axis=1).mean()
    right = softmax(z)[np.arange(9), split.labels[rows].numpy()]
    expected = alpha * -np.log(right).mean() + (1 - alpha) * temperature**2 * divergence
    assert float(distillation.loss(outputs, rows)) == pytest.approx(expected, rel=2e-4)
    assert float(distillation.loss(outputs.double(), rows)) == pytest.approx(expected, rel=2e-5)


def test_the_divergence_is_from_the_teacher_to_the_student() -> None:
    # The teacher is certain: an uncertain student loses log 2; the other direction is infinite.
    distillation = Distillation(
        Table(torch.tensor([[200.0, 0.0]])), numbered(1), alpha=0, temperature=1
    )
    found = distillation.loss(torch.zeros(1, 2), torch.tensor([0]))
    assert float(found) == pytest.approx(np.log(2))


def test_outputs_like_the_teachers_lose_nothing() -> None:
    logits = random(30, 4, seed=0)
    distillation = Distillation(Table(logits), numbered(30), alpha=0)
    rows = torch.arange(30)
    outputs = (logits + random(30, 1, seed=1)).requires_grad_()  # a shift changes no softmax
    found = distillation.loss(outputs, rows)
    assert float(found.detach()) == pytest.approx(0, abs=1e-5)
    (gradient,) = torch.autograd.grad(found, outputs)
    assert float(gradient.abs().max()) < 1e-6


@pytest.mark.parametrize("alpha", [0.0, 0.4, 1.0])
def test_gradients_are_those_of_the_loss(alpha: float) -> None:
    distillation = Distillation(Table(random(6, 3, seed=0)), numbered(6, 3), alpha=alpha)
    outputs = random(4, 3, seed=1).double().requires_grad_()
    rows = torch.tensor([5, 0, 2, 2])
    assert torch.autograd.gradcheck(lambda z: distillation.loss(z, rows), outputs)


def test_gradients_are_as_large_at_any_high_temperature() -> None:
    # For high T, the gradient of T² KL tends to (z - q) / classes, which is free of T.
    teacher, outputs = random(50, 10, seed=0, scale=1), random(50, 10, seed=1, scale=1)
    split, rows = numbered(50, 10), torch.arange(50)
    limit = ((outputs - outputs.mean(1, True)) - (teacher - teacher.mean(1, True))) / 10 / 50
    for temperature in (4.0, 8.0, 16.0, 32.0):
        z = outputs.clone().requires_grad_()
        found = Distillation(Table(teacher), split, alpha=0, temperature=temperature).loss(z, rows)
        (gradient,) = torch.autograd.grad(found, z)
        assert float(gradient.norm() / limit.norm()) == pytest.approx(1, abs=1 / temperature)


def test_labels_alone_are_cross_entropy_and_no_teacher_is_asked(
    digits: Data, parent: FeedForward, calls: list[int]
) -> None:
    distillation = Distillation(parent, digits.train, alpha=1)
    outputs, rows = random(50, 10, seed=0), torch.arange(100, 150)
    expected = functional.cross_entropy(outputs, digits.train.labels[rows])
    assert torch.equal(distillation.loss(outputs, rows), expected)
    recipe = Recipe("sgd", 0.1, crop=1, flip=True)  # nothing is kept that would not fit them
    settings: Any = {"images": 700, "recipe": recipe, "seed": 3}
    found = distillation.distilled(student(), **settings)
    assert same(found, trained(student(), digits.train, **settings))
    distillation.distilled(student(), stopping=Stopping(), **settings)
    assert calls == []


def test_without_labels_no_label_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    distillation = Distillation(Table(random(6, 3, seed=0)), numbered(6, 3), alpha=0)
    monkeypatch.setattr(functional, "cross_entropy", None)
    assert float(distillation.loss(random(2, 3, seed=1), torch.tensor([1, 4]))) > 0


# The teacher.


@pytest.mark.parametrize("batch_size", [100, 128, 5_000])
def test_the_teacher_sees_every_image_once(
    digits: Data, parent: FeedForward, calls: list[int], batch_size: int
) -> None:
    before = copy.deepcopy(parent.state_dict())
    distillation = Distillation(parent, digits.train, batch_size=batch_size)
    assert calls == []
    for seed in range(3):
        distillation.distilled(student(seed=seed), images=500, seed=seed, stopping=Stopping())
    assert sum(calls) == len(digits.train)
    assert max(calls) == min(batch_size, len(digits.train))
    assert all(torch.equal(before[name], value) for name, value in parent.state_dict().items())
    assert all(parameter.grad is None for parameter in parent.parameters())


def test_images_are_shown_in_their_order() -> None:
    teacher = Table(random(20, 3, seed=0))
    distillation = Distillation(teacher, numbered(20, 3), batch_size=7)
    assert torch.equal(distillation.logits, teacher.rows)
    assert teacher.shown == list(range(20))


def test_logits_are_the_evaluated_teachers_and_leave_it_as_it_was(digits: Data) -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        teacher = nn.Sequential(
            nn.Flatten(), nn.BatchNorm1d(64), nn.Dropout(0.5), nn.Linear(64, 10)
        )
    teacher.train()
    teacher[1].eval()  # a layer in a mode of its own
    before = copy.deepcopy(teacher)
    distillation = Distillation(teacher, digits.train)
    logits = distillation.logits
    assert [layer.training for layer in teacher] == [True, False, True, True]
    assert teacher.training
    assert same(teacher, before)
    assert (logits.shape, logits.dtype) == ((len(digits.train), 10), torch.float32)
    assert not logits.requires_grad
    with torch.no_grad():
        torch.testing.assert_close(logits, before.eval()(digits.train.images))
    assert distillation.logits is logits


def test_logits_of_half_the_bits_come_with_all(digits: Data) -> None:
    class Half(nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            return images.flatten(1)[:, :10].bfloat16()

    assert Distillation(Half(), digits.train).logits.dtype == torch.float32


# Students.


def test_a_student_becomes_like_its_teacher(digits: Data, parent: FeedForward) -> None:
    # The labels are wrong on purpose: the student can only learn from the teacher.
    wrong = Split(digits.train.images, (digits.train.labels + 1) % 10)
    distillation = Distillation(parent, wrong, alpha=0, temperature=2)
    rows, start = torch.arange(len(wrong)), student((24, 16))

    def apart(network: nn.Module) -> float:
        with torch.no_grad():
            return float(distillation.loss(network(wrong.images), rows))

    shown = [
        distillation.distilled(start, images=images, recipe=FAST) for images in (4_000, 30_000)
    ]
    distances = [apart(network) for network in (start, *shown)]
    assert distances[0] > 5 * distances[1] > 50 * distances[2]
    with torch.no_grad():
        images = digits.validation.images
        agreed = (shown[1](images).argmax(1) == parent(images).argmax(1)).float().mean()
    assert agreed > 0.95
    assert accuracy(shown[1], digits.validation) > 0.8


def test_labels_and_teacher_both_count(digits: Data, parent: FeedForward) -> None:
    found = [
        Distillation(parent, digits.train, alpha=alpha, temperature=t).distilled(
            student(), images=500
        )
        for alpha, t in [(0.0, 4.0), (0.5, 4.0), (0.5, 2.0), (1.0, 4.0)]
    ]
    assert not any(same(a, b) for i, a in enumerate(found) for b in found[:i])


@pytest.mark.usefixtures("untouched_global_generators")
@pytest.mark.parametrize("stopping", [None, Stopping(every=5)])
def test_a_seed_gives_the_same_student_bit_for_bit(
    digits: Data, parent: FeedForward, stopping: Stopping | None
) -> None:
    settings: Any = {"images": 1_500, "stopping": stopping, "recipe": FAST}
    one, other, another = (
        Distillation(parent, digits.train).distilled(student(), seed=seed, **settings)
        for seed in (3, 3, 4)
    )
    assert same(one, other)
    assert not same(one, another)


@pytest.mark.parametrize("stopping", [None, Stopping(every=5, patience=1)])
def test_the_arguments_are_not_changed(
    digits: Data, parent: FeedForward, stopping: Stopping | None
) -> None:
    start, images = student().train(), digits.train.images.clone()
    before = copy.deepcopy(start)
    shares: list[float] = []
    result = Distillation(parent, digits.train).distilled(
        start, images=500, stopping=stopping, progress=shares.append
    )
    assert same(start, before)
    assert start.training
    assert all(parameter.grad is None for parameter in start.parameters())
    assert type(result) is FeedForward
    assert not any(layer.training for layer in result.modules())
    assert not same(result, before)
    assert all(parameter.grad is None for parameter in result.parameters())
    assert torch.equal(digits.train.images, images)
    assert 0 < shares[0] <= 1


@pytest.mark.parametrize("stopping", [None, Stopping(every=2)])
def test_students_are_trained_in_training_mode(
    digits: Data, parent: FeedForward, stopping: Stopping | None
) -> None:
    start = nn.Sequential(nn.Flatten(), nn.BatchNorm1d(64), student()).eval()
    result = Distillation(parent, digits.train).distilled(start, images=500, stopping=stopping)
    # Batch norms take their statistics from the five batches, and none from watched images.
    assert result.get_buffer("1.num_batches_tracked") == 5
    assert not start.training


def test_no_images_give_an_equal_copy(digits: Data, parent: FeedForward) -> None:
    distillation, start = Distillation(parent, digits.train), student()
    for stopping in (None, Stopping()):
        result = distillation.distilled(start, images=0, stopping=stopping)
        assert result is not start
        assert same(result, start)


@pytest.mark.parametrize("keep", [False, True])
@pytest.mark.parametrize("stopping", [None, Stopping(every=5)])
def test_what_was_pruned_stays_pruned_if_that_is_wanted(
    digits: Data, parent: FeedForward, keep: bool, stopping: Stopping | None
) -> None:
    start = student()
    with torch.no_grad():
        start[1].weight[:, ::2] = 0  # type: ignore[index, operator]
    result = Distillation(parent, digits.train).distilled(
        start, images=800, keep_zeros=keep, stopping=stopping
    )
    pruned = result.get_parameter("1.weight")[:, ::2]
    assert bool((pruned == 0).all()) is keep
    assert not torch.equal(result.get_parameter("1.weight"), start.get_parameter("1.weight"))


@pytest.mark.parametrize("stopping", [None, Stopping(every=3)])
@pytest.mark.parametrize("alpha", [0.0, 0.5, 1.0])
def test_a_training_that_diverges_says_so(
    digits: Data, parent: FeedForward, alpha: float, stopping: Stopping | None
) -> None:
    distillation = Distillation(parent, digits.train, alpha=alpha)
    with pytest.raises(TrainingDiverged, match=r"the training diverged: .*; try a lower learning"):
        distillation.distilled(
            student(), images=2_000, recipe=Recipe("sgd", 1e20, weight_decay=1.0), stopping=stopping
        )


# Early stopping.


def held_out(split: Split, images: int) -> set[int]:
    return set(balanced(split.labels, images, seed=0).tolist())


def test_images_held_out_are_watched_and_not_trained_on() -> None:
    split = numbered(90, 3)
    network = Table(torch.zeros(90, 3))
    distillation = Distillation(Table(random(90, 3, seed=0)), split)
    told: list[tuple[Tensor, list[int]]] = []
    usual = distillation.loss

    def spy(outputs: Tensor, rows: Tensor) -> Tensor:
        told.append((outputs.detach(), rows.tolist()))
        return usual(outputs, rows)

    distillation.loss = spy  # type: ignore[method-assign]
    result = distillation.distilled(
        network, images=150, recipe=Recipe("sgd", 0.1, batch_size=10), stopping=Stopping(5, 2, 12)
    )
    watched = held_out(split, 12)
    assert sorted(split.labels[list(watched)].tolist()) == [0] * 4 + [1] * 4 + [2] * 4
    looks = [rows for _, rows in told if set(rows) & watched]
    assert all(rows == sorted(watched) for rows in looks)
    steps = [rows for _, rows in told if not set(rows) & watched]
    # The watched loss never improves here: two looks during training, and one at each end.
    assert (len(steps), len(looks)) == (10, 4)
    assert {row for rows in steps for row in rows} == set(range(90)) - watched
    # The places that the loss gets belong to the outputs.
    assert result.shown == [row for _, rows in told for row in rows]
    assert torch.equal(result.rows, network.rows)


def test_labels_are_those_of_the_images(digits: Data) -> None:
    # The teacher is uninformative: all depends on the labels being at their places.
    class Silent(nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            return torch.zeros(len(images), 10)

    found = Distillation(Silent(), digits.train, alpha=0.9, temperature=1).distilled(
        student(), images=20_000, recipe=FAST, stopping=Stopping()
    )
    assert accuracy(found, digits.validation) > 0.8


def test_the_same_images_are_watched_for_every_student(digits: Data, parent: FeedForward) -> None:
    distillation = Distillation(parent, digits.train)
    first = distillation._division(200)
    assert distillation._division(200) is first
    again = Distillation(parent, digits.train)._division(200)
    assert torch.equal(first.held, again.held)
    assert set(first.held.tolist()) == held_out(digits.train, 200)
    assert sorted(torch.cat([first.kept, first.held]).tolist()) == list(range(len(digits.train)))
    for part, places in ((first.train, first.kept), (first.watched, first.held)):
        assert torch.equal(part.images, digits.train.images[places])
        assert torch.equal(part.labels, digits.train.labels[places])
    assert len(distillation._division(50).watched) == 50


def test_a_student_has_the_weights_that_did_best(
    digits: Data, parent: FeedForward, monkeypatch: pytest.MonkeyPatch
) -> None:
    watches: list[EarlyStopping] = []

    class Noted(EarlyStopping):
        def __init__(self, *args: Any, **settings: Any) -> None:
            super().__init__(*args, **settings)
            watches.append(self)

    monkeypatch.setattr("pymoo_prune.training.distillation.EarlyStopping", Noted)
    distillation = Distillation(parent, digits.train)
    shares: list[float] = []
    result = distillation.distilled(
        student(), images=100_000, recipe=Recipe("sgd", 0.1, batch_size=20),
        stopping=Stopping(20, 3, 100), progress=shares.append,
    )  # fmt: skip
    (watch,) = watches
    assert (watch.every, watch.patience, len(watch.split)) == (20, 3, 100)
    assert shares[-1] < 0.5  # long before the end
    held = distillation._division(100).held
    with torch.no_grad():
        found = distillation.loss(result(digits.train.images[held]), held)
        start = distillation.loss(student()(digits.train.images[held]), held)
    assert float(found) == pytest.approx(watch.least, rel=1e-5)
    assert found < 0.3 * start


def test_patience_without_end_is_a_training_on_the_rest(digits: Data, parent: FeedForward) -> None:
    distillation = Distillation(parent, digits.train, alpha=1)
    settings: Any = {"images": 1_000, "recipe": FAST, "seed": 2}
    found = distillation.distilled(
        student(), stopping=Stopping(every=1_000, patience=1_000), **settings
    )
    kept = sorted(set(range(len(digits.train))) - held_out(digits.train, 256))
    assert same(found, trained(student(), digits.train.subset(kept), **settings))


# Refusals.


NAN, INF = float("nan"), float("inf")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        *(({"alpha": a}, f"alpha must be between 0 and 1, but it is {a}")
          for a in (-0.1, 1.1, NAN, INF)),
        *(({"temperature": t}, f"temperature must be finite and greater than 0, but it is {t}")
          for t in (0, -1.0, NAN, INF)),
        ({"batch_size": 0}, "batch_size must be at least 1, but it is 0"),
    ],
    ids=str,
)  # fmt: skip
def test_settings_that_cannot_be_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(PruneError, match=message):
        Distillation(Table(torch.zeros(6, 2)), numbered(6), **settings)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (torch.zeros(6, 2), "know all classes: the labels need 3, but its outputs have 2"),
        (torch.zeros(6), r"must be \(n, classes\), but for 6 images they are \(6,\)"),
        (torch.zeros(6, 3, 1), r"must be \(n, classes\), but for 6 images they are \(6, 3, 1\)"),
        (torch.full((6, 3), NAN), "teacher's outputs must be finite, but some are NaN or inf"),
        (torch.full((6, 3), INF), "teacher's outputs must be finite, but some are NaN or inf"),
    ],
)
def test_teachers_that_cannot_teach_are_refused(rows: Tensor, message: str) -> None:
    teacher = Table(rows).train()
    distillation = Distillation(teacher, numbered(6, 3))
    with pytest.raises(PruneError, match=message):
        distillation.distilled(Table(torch.zeros(6, 3)), images=6)
    assert teacher.training


def test_outputs_for_another_number_of_images_are_refused() -> None:
    class One(nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            return torch.zeros(1, 3)

    with pytest.raises(PruneError, match=r"but for 6 images they are \(1, 3\)"):
        _ = Distillation(One(), numbered(6, 3)).logits


def test_more_classes_than_labels_are_fine() -> None:
    assert Distillation(Table(torch.zeros(6, 7)), numbered(6, 3)).logits.shape == (6, 7)


@pytest.mark.parametrize("classes", [1, 2, 4])
def test_students_with_other_classes_than_the_teachers_are_refused(classes: int) -> None:
    distillation = Distillation(Table(torch.zeros(6, 3)), numbered(6, 3), alpha=0)
    message = rf"like the teacher's, \(6, 3\) for 6 images, but they are \(6, {classes}\)"
    with pytest.raises(PruneError, match=message):
        distillation.distilled(Table(torch.zeros(6, classes)), images=6)


@pytest.mark.parametrize(
    ("settings", "message"),
    [({"crop": 2}, "crop=2 and flip=False"), ({"flip": True}, "crop=0 and flip=True")],
)
def test_recipes_that_change_the_images_are_refused(
    digits: Data, parent: FeedForward, settings: dict[str, Any], message: str
) -> None:
    distillation = Distillation(parent, digits.train, alpha=0.99)
    with pytest.raises(PruneError, match=f"must neither crop nor flip, .* but it has {message}"):
        distillation.distilled(student(), images=10, recipe=Recipe(**settings))


def test_fewer_images_than_none_are_refused(digits: Data, parent: FeedForward) -> None:
    with pytest.raises(PruneError, match="images must be at least 0, but they are -1"):
        Distillation(parent, digits.train).distilled(student(), images=-1)


@pytest.mark.parametrize("n", [11, 12])
def test_half_of_the_images_at_least_are_trained_on(n: int) -> None:
    distillation = Distillation(Table(torch.zeros(n, 2)), numbered(n))
    for images in (n // 2 + 1, n, 256):
        message = rf"stopping.images must leave at least half of the {n} images .* are {images}"
        with pytest.raises(PruneError, match=message):
            distillation.distilled(
                Table(torch.zeros(n, 2)), images=5, stopping=Stopping(images=images)
            )
    distillation.distilled(Table(torch.zeros(n, 2)), images=5, stopping=Stopping(images=n // 2))


def test_no_class_is_held_out_as_a_whole() -> None:
    split = Split(numbered(20).images, torch.tensor([0] * 18 + [1] * 2))
    distillation = Distillation(Table(torch.zeros(20, 2)), split)
    with pytest.raises(PruneError, match="every class to train on, but with 6 there is none of cl"):
        distillation.distilled(Table(torch.zeros(20, 2)), images=5, stopping=Stopping(images=6))
    distillation.distilled(Table(torch.zeros(20, 2)), images=5, stopping=Stopping(images=2))


def test_the_usual_settings_are_the_documented_ones(digits: Data, parent: FeedForward) -> None:
    distillation = Distillation(parent, digits.train)
    assert (distillation.alpha, distillation.temperature) == (0.5, 4.0)
    one, other = distillation.distilled(student(), images=300), distillation.distilled(
        student(), images=300, recipe=ADAM, seed=0, keep_zeros=False, stopping=None
    )  # fmt: skip
    assert same(one, other)
