from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from sklearn.metrics import r2_score
from torch.nn import functional

from pymoo_prune import DataError, Metric, PruneError, Split, data_from_inputs
from pymoo_prune.data import R2, TASKS, Task
from pymoo_prune.data.metrics import UNKNOWN
from pymoo_prune.measuring import Expected, goodness, goodness_of
from tests.support.other_inputs import MAE, diabetes, fresh, series, several_labels, table

CLASSES, LABELS, REGRESSION = (TASKS[name]() for name in ("classes", "labels", "regression"))


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(seed).normal(size=shape)).float()


def test_r2_is_that_of_scikit_learn() -> None:
    outputs, labels = random(50, 3), random(50, 3, seed=1)
    assert R2.of(outputs, labels) == pytest.approx(r2_score(labels, outputs))
    assert R2.of(labels, labels) == 1
    # There is nothing to explain in a label that does not vary.
    labels[:, 1] = 2
    expected = r2_score(labels[:, [0, 2]], outputs[:, [0, 2]])
    assert R2.of(outputs, labels) == pytest.approx(expected)
    with pytest.raises(PruneError, match="metric 'r2' gives nan for 50 items"):
        R2.of(outputs, torch.zeros(50, 3))


def test_a_metric_that_fails_is_named_and_counts_as_unknown_where_outputs_are_not_finite() -> None:
    def picky(outputs: torch.Tensor, labels: torch.Tensor) -> float:
        msg = "Input contains NaN"
        raise ValueError(msg)

    metric, outputs = Metric(picky, "lower", "mine"), torch.zeros(4)
    with pytest.raises(PruneError, match="metric 'mine' fails for 4 items: ValueError: Input con"):
        metric.of(outputs, outputs)
    assert metric.of(torch.full((4,), torch.nan), outputs) == UNKNOWN


def test_a_metric_must_give_a_finite_number() -> None:
    def metric(value: Any, better: Any = "lower") -> Metric:
        return Metric(lambda outputs, labels: value, better, "mine")

    outputs = torch.zeros(4, 1)
    assert metric(torch.tensor(2.0)).of(outputs, outputs) == 2
    for value in (float("nan"), float("inf")):
        with pytest.raises(PruneError, match=f"metric 'mine' gives {value} for 4 items whose out"):
            metric(value).of(outputs, outputs)
    # Outputs that are no numbers are worse than all others.
    outputs[0] = torch.nan
    assert metric(float("nan")).of(outputs, outputs) == UNKNOWN
    assert metric(float("nan"), "higher").of(outputs, outputs) == -UNKNOWN
    with pytest.raises(PruneError, match="must give one number"):
        metric(torch.zeros(3)).of(outputs, outputs)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ((5, "lower", "mine"), r"must take \(outputs, labels\)"),
        ((max, "less", "mine"), "'higher' or 'lower', but it is 'less'"),
        ((max, "lower", "accuracy"), "none of accuracy"),
        ((max, "lower", "test_mine"), "not begin with test_ or finished_"),
        ((max, "lower", "two words"), "one word"),
        ((max, "lower", "mine", None, False, float("nan")), "worst must be finite"),
    ],
)
def test_impossible_metrics(given: Any, message: str) -> None:
    with pytest.raises(PruneError, match=message):
        Metric(*given)


def test_accuracies() -> None:
    outputs = random(6, 4, 5)
    labels = outputs.argmax(dim=1)
    assert CLASSES.judged(outputs, labels) == 1
    wrong = labels.clone()
    wrong[0, 0] = (wrong[0, 0] + 1) % 4
    assert float(CLASSES.judged(outputs, wrong)) == 29 / 30
    several = torch.stack([outputs, -outputs])
    assert CLASSES.judged(several, labels, 1)[0] == 1
    there = (random(7, 3) > 0).float()
    signs = 2 * there - 1
    signs[2, 1] *= -1
    assert float(LABELS.judged(signs, there)) == 20 / 21
    both = LABELS.judged(torch.stack([signs, -signs]), there, 1)
    assert both.tolist() == [20 / 21, 1 / 21]
    with pytest.raises(PruneError, match="the labels are real numbers"):
        REGRESSION.accuracy(signs, there)


@pytest.mark.parametrize("shape", [(), (1,)])
def test_outputs_and_labels_of_one_number_may_differ_in_shape(shape: tuple[int, ...]) -> None:
    labels, outputs = random(9), random(9, *shape, seed=1)
    expected = (outputs.flatten() - labels).square().mean()
    assert torch.allclose(REGRESSION.loss(outputs, labels), expected)
    task = TASKS["regression"](MAE)
    found = task.judged(torch.stack([outputs, outputs]), labels, 1)
    assert found.tolist() == pytest.approx(2 * [float((outputs.flatten() - labels).abs().mean())])


def test_the_divergence_of_labels_is_that_of_two_classes_each() -> None:
    parent, other = random(20, 3), random(20, 3, seed=1)
    pairs = [torch.stack([one, torch.zeros_like(one)], dim=-1) for one in (parent, other)]
    logs = [pair.log_softmax(dim=-1) for pair in pairs]
    expected = (logs[0].exp() * (logs[0] - logs[1])).sum(dim=(1, 2)).mean()
    found = LABELS.divergence(other, LABELS.parents(parent))
    assert float(found) == pytest.approx(float(expected), rel=1e-5)
    assert float(LABELS.divergence(parent, LABELS.parents(parent))) == 0


def test_the_divergence_of_regression_is_a_share_of_the_variance() -> None:
    parent, other = 100 * random(20, 3), 100 * random(20, 3, seed=1)
    expected = (other - parent).square().mean() / parent.var(dim=0, unbiased=False).mean()
    assert float(REGRESSION.divergence(other, parent)) == pytest.approx(float(expected))
    assert float(REGRESSION.divergence(parent + 0, parent)) == 0
    # The mean of the parent's outputs has a divergence of 1, in any unit.
    mean = parent.mean(dim=0).expand_as(parent)
    assert float(REGRESSION.divergence(mean, parent)) == pytest.approx(1)
    assert float(REGRESSION.divergence(other[:, 0], parent[:, 0])) > 0


@pytest.mark.parametrize("task", [CLASSES, LABELS, REGRESSION])
@pytest.mark.parametrize("shape", [(4,), (4, 3, 2)])
def test_divergences_of_any_shape(task: Task, shape: tuple[int, ...]) -> None:
    parent, others = random(10, *shape), random(5, 10, *shape, seed=1)
    expected = Expected.given(parent, None, task)
    found = expected.divergence(others)
    assert found.shape == (5,)
    assert found.dtype == torch.float64
    assert (found > 0).all()
    alone = [float(expected.divergence(one)) for one in others]
    assert found.tolist() == pytest.approx(alone)
    assert float(expected.divergence(parent)) == pytest.approx(0, abs=1e-6)
    others[0, 3] = torch.nan
    assert float(expected.divergence(others)[0]) > 1e4
    if task is CLASSES and len(shape) == 1:
        logs = parent.log_softmax(1)
        plain = functional.kl_div(
            others[1].log_softmax(1), logs, log_target=True, reduction="batchmean"
        )
        assert float(found[1]) == pytest.approx(float(plain), rel=1e-5)


def test_one_output_is_no_choice_between_classes() -> None:
    with pytest.raises(PruneError, match=r"one output.*task='regression', or task='labels'"):
        Expected.given(random(10, 1), None)
    with pytest.raises(PruneError, match=r"one output"):
        Expected.given(random(10), None)


@pytest.mark.parametrize("task", [CLASSES, LABELS, REGRESSION])
def test_a_student_like_its_teacher_has_the_least_soft_loss(task: Task) -> None:
    teacher = random(30, 4)
    targets = task.targets(teacher, 2.0)
    least = task.soft_loss(teacher, targets, 2.0)
    for seed in range(5):
        assert task.soft_loss(teacher + random(30, 4, seed=seed), targets, 2.0) > least


def test_the_sign_of_goodness_follows_the_metric() -> None:
    data = diabetes(metric=MAE)
    networks = [fresh(table, 10, 1), torch.nn.Linear(10, 1)]
    found = goodness(networks, networks[0], data.test)
    assert found == [-goodness_of(network, data.test) for network in networks]
    assert goodness(networks, networks[0], diabetes().test)[0] < 1


def test_parts_have_one_task_and_labels_for_their_metric() -> None:
    from dataclasses import replace

    data, other = diabetes(), several_labels()
    with pytest.raises(DataError, match="must have the same task"):
        replace(data, test=replace(data.test, task=other.train.task, labels=None))
    with pytest.raises(DataError, match="judged by r2, so all parts must have labels, or none"):
        replace(data, test=replace(data.test, labels=None))
    judged = series().judged_by(MAE)
    assert (judged.task.judge, series().task.judge) == ("mae", "accuracy")
    assert judged.digest != series().digest
    bare = data_from_inputs(np.zeros((60, 3)))
    for refused in (
        lambda: bare.judged_by(MAE),
        lambda: data_from_inputs(np.zeros((60, 3)), metric=MAE),
    ):
        with pytest.raises(DataError, match="no labels, so mae cannot be measured"):
            refused()


def test_a_split_of_regression_has_one_group() -> None:
    split = diabetes().train
    assert set(split.groups.tolist()) == {0}
    assert "inputs" not in repr(Split(torch.zeros(2, 3)))
