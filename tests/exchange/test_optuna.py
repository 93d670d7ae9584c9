"""Optuna's storage, opened with Optuna and with its dashboard."""

from __future__ import annotations

import io
import json
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pymoo_prune.exchange import Evaluations, write_evaluations
from tests.support.evaluations import REASON, Genes, made_up


@pytest.fixture(scope="module")
def optuna() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = pytest.importorskip("optuna")
    found.logging.set_verbosity(found.logging.WARNING)
    return found


def written(runs: Sequence[Evaluations], folder: Path) -> str:
    write_evaluations(runs, "optuna", folder / "optuna.db")
    return f"sqlite:///{folder / 'optuna.db'}"


@pytest.mark.parametrize("genes", ["booleans", "whole", "reals"])
def test_a_study_has_every_evaluation_as_a_trial(tmp_path: Path, optuna: Any, genes: Genes) -> None:
    run = made_up(4, genes=genes, failed=(2, 9), infeasible=(5,))
    study = optuna.load_study(study_name=run.name, storage=written([run], tmp_path))
    maximize, minimize = optuna.study.StudyDirection.MAXIMIZE, optuna.study.StudyDirection.MINIMIZE
    assert study.directions == [maximize, minimize]
    assert study.metric_names == ["accuracy", "parameters"]
    assert study.user_attrs == {"problem": "pixels", "method": "nsga2", "seed": 4, "notes": []}
    assert run.X is not None
    assert len(study.trials) == 60
    for number, trial in enumerate(study.trials):
        assert trial.number == number
        assert list(trial.params.values()) == run.X[number].tolist()
        assert list(trial.params) == [
            f"x{n:0{2 if genes == 'booleans' else 1}}" for n in range(run.X.shape[1])
        ]
        failed = number in (2, 9)
        assert (trial.state == optuna.trial.TrialState.FAIL) == failed
        assert trial.state.is_finished()
        attributes = dict(trial.user_attrs)
        assert attributes.pop("generation") == run.generation[number]
        assert attributes.pop("feasible") is bool(run.feasible[number])
        assert attributes.pop("parameters") == run.measurements["parameters"][number]
        if failed:
            assert trial.values is None
            assert attributes == {"failure": REASON}
        else:
            natural = [run.measurements[name][number] for name in run.objectives]
            assert trial.values == natural
            assert attributes == {"accuracy": natural[0]}
        constraints = trial.system_attrs["constraints"]
        assert constraints == [0.0 if run.feasible[number] else 1.0] or failed


def test_the_best_trials_are_the_front(tmp_path: Path, optuna: Any) -> None:
    run = made_up(infeasible=tuple(range(0, 60, 7)))
    study = optuna.load_study(study_name=run.name, storage=written([run], tmp_path))
    costs = [
        (-accuracy, parameters) for accuracy, parameters in (t.values for t in study.best_trials)
    ]
    feasible = run.F[run.feasible]
    dominated = [
        any((other <= one).all() and (other < one).any() for other in feasible) for one in feasible
    ]
    assert sorted(costs) == sorted(map(tuple, feasible[~np.array(dominated)].tolist()))


def test_each_run_is_a_study(tmp_path: Path, optuna: Any) -> None:
    runs = [made_up(seed, method=method) for method in ("ga", "nsga2") for seed in (0, 1)]
    runs.append(made_up(0, method="ga"))  # another one of the same name
    storage = written(runs, tmp_path)
    names = optuna.get_all_study_names(storage)
    assert names == [*(run.name for run in runs[:4]), "pixels, ga, seed 0 (2)"]
    for run, name in zip(runs, names, strict=True):
        study = optuna.load_study(study_name=name, storage=storage)
        assert [t.values[1] for t in study.trials] == run.F[:, 1].tolist()


def test_without_chromosomes_there_are_no_parameters(tmp_path: Path, optuna: Any) -> None:
    run = made_up(genes="none")
    notes = write_evaluations([run], "optuna", tmp_path / "optuna.db")
    assert notes == [
        "Parameters of trials are left out: chromosomes are weights, or were not kept."
    ]
    storage = f"sqlite:///{tmp_path / 'optuna.db'}"
    study = optuna.load_study(study_name=run.name, storage=storage)
    assert study.trials[3].params == {}
    assert study.trials[3].values == [run.measurements["accuracy"][3], run.F[3, 1]]


def test_optuna_goes_on_with_a_study(tmp_path: Path, optuna: Any) -> None:
    run = made_up(genes="reals")
    study = optuna.load_study(study_name=run.name, storage=written([run], tmp_path))
    study.add_trial(
        optuna.create_trial(
            values=[0.5, 3.0],
            params=study.trials[0].params,
            distributions=study.trials[0].distributions,
        )
    )
    assert study.trials[60].number == 60


def test_the_dashboard_shows_it(tmp_path: Path, optuna: Any) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dashboard = pytest.importorskip("optuna_dashboard")
    run = made_up(3, failed=(4,), infeasible=(5,))
    app = dashboard.wsgi(written([run], tmp_path))

    def got(path: str) -> Any:
        status: list[str] = []
        environment = {
            "REQUEST_METHOD": "GET",
            "PATH_INFO": path,
            "QUERY_STRING": "after=0" if path.count("/") > 2 else "",
            "SERVER_NAME": "test",
            "SERVER_PORT": "80",
            "wsgi.input": io.BytesIO(),
            "wsgi.errors": io.StringIO(),
            "wsgi.url_scheme": "http",
        }
        body = b"".join(app(environment, lambda line, *_: status.append(line)))
        assert status == ["200 OK"], body
        return json.loads(body)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        (summary,) = got("/api/studies")["study_summaries"]
        assert summary["study_name"] == run.name
        detail = got(f"/api/studies/{summary['study_id']}")
    assert len(detail["trials"]) == 60
    assert detail["trials"][4]["state"] == "Fail"
    assert detail["trials"][5]["constraints"] == [1.0]
    assert detail["trials"][6]["values"] == [run.measurements["accuracy"][6], run.F[6, 1]]
    assert len(detail["trials"][6]["params"]) == 12
