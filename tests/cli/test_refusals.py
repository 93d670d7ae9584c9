"""Bad input: one line tells it, before anything is trained, and leaves nothing behind."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from rich.console import Console

from pymoo_prune import Budget, PruneError, Run, Settings
from pymoo_prune.executors import Processes
from pymoo_prune.search import Display
from tests.support.tiny_problem import pixels_run


@pytest.fixture
def untouched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to work in, where no data set may be loaded: then no parent is trained."""

    def loaded(*args: object, **given: object) -> None:
        raise AssertionError

    monkeypatch.setattr("pymoo_prune.runs.images.load_data", loaded)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def refused(failed: Callable[..., str], folder: Path, arguments: list[str]) -> str:
    """The one line of a command that fails and leaves the folder as empty as it was."""
    error = failed(*arguments)
    assert error.count("\n") == 1
    assert list(folder.iterdir()) == []
    return error


@pytest.mark.parametrize(
    ("arguments", "messages"),
    [
        (["ecmp"], ["unknown problem 'ecmp'", "Did you mean 'ecomp'"]),
        (["nowhere:Class"], ["cannot be imported", "nowhere"]),
        (["tests.support.tiny_problem:not_a_problem"], ["not a PruningProblem"]),
        (["ecomp", "--preset", "quik"], ["unknown preset 'quik'", "paper", "mean 'quick'"]),
        (["ecomp", "--algorithm", "nsga22"], ["unknown algorithm 'nsga22'", "mean 'nsga2'"]),
        (["ecomp", "--surrogate", "rfb"], ["unknown surrogate model 'rfb'", "mean 'rbf'"]),
        (["ecomp", "--time", "soon"], ["--time 'soon' must read like", "'15m'"]),
        (["ecomp", "--time", "0"], ["needs a limit", "above 0"]),
        (["ecomp", "--generations", "0"], ["needs a limit"]),
        (["ecomp", "--evaluations", "-5"], ["needs a limit"]),
        (["ecomp", "--pop-size", "0"], ["pop_size must be at least 2, but it is 0"]),
        (["ecomp", "--pop-size", "-8"], ["pop_size must be at least 2"]),
        (["ecomp", "--seed", "-1"], ["seed must be at least 0"]),
        (["ecomp", "--threads", "0"], ["threads must be at least 1, but it is 0"]),
        (["ecomp", "--finish", "-1"], ["finish_images must be at least 0"]),
        (["ecomp", "--weights", "accuracy"], ["'accuracy' must read NAME=VALUE"]),
        (["ecomp", "--weights", "accuracy=much"], ["--weights must give numbers", "accuracy"]),
        (["ecomp", "--weights", "accuracy=true"], ["--weights must give numbers", "accuracy"]),
        (["ecomp", "--weights", "accuracy=-1"], ["not negative"]),
        (["ecomp", "--weights", "accuracy=NaN"], ["must be finite"]),
        (["ecomp", "--weights", "accuracy=0"], ["not all 0"]),
        (["ecomp", "--weights", "macs=1,macs=2"], ["name each quantity once", "'macs=1,macs=2'"]),
        (["ecomp", "--weights", "accuracy=1", "--objectives", "macs"], ["not both"]),
        (["ecomp", "--weights", "accurcy=1"], ["unknown objective 'accurcy'"]),
        (["ecomp", "--objectives", "acuracy"], ["unknown objective 'acuracy'", "n 'accuracy'?"]),
        (["ecomp", "--objectives", "macs", "macs"], ["must differ"]),
        (["ecomp", "--constraint", "macs<20"], ["'macs<20' must read like"]),
        (["ecomp", "--constraint", "mac<=20"], ["unknown constrained quantity 'mac'", "'macs'"]),
        (["ecomp", "--validation", "half"], ["--validation 'half' must be a share"]),
        (["ecomp", "--set", "encoding"], ["'encoding' must read NAME=VALUE"]),
    ],
)
def test_impossible_settings(
    untouched: Path, failed: Callable[..., str], arguments: list[str], messages: list[str]
) -> None:
    error = refused(failed, untouched, ["run", *arguments])
    for message in messages:
        assert message in error, message


# Options of a problem.


@pytest.mark.slow
@pytest.mark.parametrize(
    ("problem", "option", "message"),
    [
        ("ecomp", "widths=3", "unknown option of EComp 'widths'; there are: batch_size, encoding"),
        ("ecomp", "seed=3", "unknown option of EComp 'seed'"),
        ("ecomp", "objectives=3", "unknown option of EComp 'objectives'"),
        ("ecomp", "batch_size=abc", "option batch_size must be int or None, but it is 'abc'"),
        ("ecomp", "batch_size=1.5", "option batch_size must be int or None, but it is 1.5"),
        ("ecomp", "parent_widths=16", "must be like [256, 256] (list of int), but it is 16"),
        ("ecomp", "parent_widths=abc", "must be like [256, 256] (list of int), but it is 'abc'"),
        ("ecomp", "parent_widths=[8, 0.5]", "like [256, 256] (list of int), but it is [8, 0.5]"),
        ("ecomp", "search_images=None", "must be like 5000 (int), but it is None"),
        ("ecomp", "search_images=True", "must be like 5000 (int), but it is True"),
        ("ecomp", "recovery=3", "option recovery must be str or None, but it is 3"),
        ("ecomp", "encoding=3", "option encoding must be like 'masks' (str), but it is 3"),
        ("dense-connectivity", "train_images=abc", "train_images must be int or None, but it is"),
        ("dense-connectivity", "kept=most", "option kept must be float or None, but it is 'most'"),
        ("layer-vector", "racing=1", "option racing must be like False (bool), but it is 1"),
    ],
)
def test_options_of_a_wrong_type(
    untouched: Path, failed: Callable[..., str], problem: str, option: str, message: str
) -> None:
    assert message in refused(failed, untouched, ["run", problem, "--set", option])
    assert message in refused(failed, untouched, ["compare", problem, "--set", option])


def test_a_parent_for_a_problem_that_has_none(untouched: Path, failed: Callable[..., str]) -> None:
    error = refused(failed, untouched, pixels_run(untouched / "run", "--parent", "somewhere"))
    assert "Pixels takes no parent: its constructor has no such argument" in error


# Machines and workers.


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--device", "nonsense"], "device 'nonsense' cannot be used here"),
        (["--device", "cuda:77"], "device 'cuda:77' cannot be used here"),
        (["--workers", "0"], "workers and threads must be at least 1"),
        (["--workers", "2", "--threads", "0"], "threads must be at least 1, but it is 0"),
        (["--workers", "2", "--time-limit", "0"], "a time limit must be above 0 seconds"),
        (["--workers", "2", "--time-limit", "nan"], "a time limit must be above 0 seconds"),
        (["--workers", "2", "--patience", "-1"], "patience must be a number of seconds"),
        (["--patience", "3"], "--patience is for workers: give --workers N or --ray with it"),
        (["--time-limit", "3"], "--time-limit needs workers that can be ended: give --workers 1"),
        (["--profile", "--workers", "2"], "--profile traces this process only"),
    ],
)
def test_impossible_machines_and_workers(
    untouched: Path, failed: Callable[..., str], arguments: list[str], message: str
) -> None:
    assert message in refused(failed, untouched, ["run", "ecomp", *arguments])


def test_a_gpu_that_is_not_there(
    untouched: Path, failed: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    if torch.cuda.is_available():
        pytest.skip("there is one")
    error = refused(failed, untouched, ["run", "ecomp", "--device", "cuda"])
    assert "device 'cuda' cannot be used here (there are 0 CUDA devices); take cpu" in error


@pytest.mark.parametrize("workers", [["--workers", "2"], ["--ray"], ["--ray", "there:1"]])
@pytest.mark.parametrize(
    "what",
    [
        ["--objectives", "accuracy", "latency"],
        ["--constraint", "latency<=90%"],
        ["--weights", "accuracy=1,latency=0.1"],
    ],
)
def test_latencies_beside_workers(
    untouched: Path, failed: Callable[..., str], what: list[str], workers: list[str]
) -> None:
    error = refused(failed, untouched, ["run", "ecomp", *what, *workers])
    assert "workers disturb each other; search without workers, or without the latency" in error


def test_latencies_beside_workers_in_python(untouched: Path) -> None:
    settings = Settings("ecomp", "nsga2", 8, Budget(2), objectives=["accuracy", "latency"])
    run = Run.create(untouched / "run", settings)
    with Processes(1) as workers, pytest.raises(PruneError, match="workers disturb each other"):
        run.execute(Display(Console(quiet=True)), executor=workers)
    assert list(untouched.iterdir()) == []


@pytest.mark.parametrize(
    "workers", [["--workers", "2"], ["--ray"], ["--time-limit", "3"], ["--ray", "there:1"]]
)
def test_a_comparison_has_jobs_instead_of_workers(
    untouched: Path, failed: Callable[..., str], workers: list[str]
) -> None:
    error = refused(failed, untouched, ["compare", "ecomp", *workers])
    assert "a comparison makes whole runs at once, each in a process: give --jobs" in error


# Engines.


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--algorithm", "ga"], "needs one objective, but the problem has 2; weigh them into one,"),
        (["--algorithm", "rvea", "--objectives", "macs"], "needs several objectives, but the"),
        (["--algorithm", "moead", "--constraint", "macs<=20%"], "handles no constraints, but the"),
        (["--algorithm", "nowhere:engine"], "'nowhere:engine' cannot be imported"),
        (["--algorithm", "tests.support.tiny_problem:engine"], "there is no 'engine' in tests."),
    ],
)
def test_engines_that_cannot_search(
    untouched: Path, failed: Callable[..., str], arguments: list[str], message: str
) -> None:
    assert message in refused(failed, untouched, ["run", "ecomp", *arguments])


def test_a_problem_without_an_algorithm_of_its_own(
    untouched: Path, failed: Callable[..., str]
) -> None:
    error = refused(failed, untouched, pixels_run(untouched / "run", "--algorithm", "own"))
    assert "Pixels has no algorithm of its own; name one, for example nsga2" in error


# Comparisons.


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["ecmp"], "unknown problem 'ecmp'"),
        (["ecomp", "layer-vectr"], "unknown problem or instance 'layer-vectr'"),
        (["ecomp", "--bounds", "accuracy>=0.9"], "accuracy>=0.9 must bound a size: one of"),
        (["ecomp", "--bounds", "accuracy_drop<=2%"], "accuracy_drop<=2% must bound a size"),
        (["ecomp", "--bounds", "mac<=20%"], "unknown size to bound 'mac'; there are: macs, "),
        (["ecomp", "--bounds", "latency<=90%"], "unknown size to bound 'latency'"),
        (["ecomp", "--bounds", "macs<=20%", "macs<20"], "'macs<20' must read like"),
        (["ecomp", "--seeds", "0"], "--seeds must be at least 1, but it is 0"),
        (["ecomp", "--jobs", "0"], "--jobs must be at least 1, but it is 0"),
        (["ecomp", "--jobs", "-2"], "--jobs must be at least 1, but it is -2"),
        (["ecomp", "--threads", "0"], "threads must be at least 1, but it is 0"),
        (["ecomp", "--device", "nonsense"], "device 'nonsense' cannot be used here"),
        (["ecomp", "--algorithms", "ga", "nsga22"], "unknown algorithm 'nsga22'"),
        (["ecomp", "--objectives", "acuracy"], "unknown objective 'acuracy'"),
    ],
)
def test_impossible_comparisons(
    untouched: Path, failed: Callable[..., str], arguments: list[str], message: str
) -> None:
    assert message in refused(failed, untouched, ["compare", *arguments])


# Refusals that need the data, or the problem itself.


@pytest.mark.parametrize(
    ("arguments", "messages"),
    [
        (["--constraint", "accuracy>=0.999"], ["the nearest misses accuracy>=0.999"]),
        (["--validation", "1.5"], ["validation=1.5", "between 0 and 1"]),
        (["--validation", "99999"], ["validation=99999"]),
    ],
)
def test_settings_that_do_not_suit_the_data(
    tmp_path: Path, failed: Callable[..., str], arguments: list[str], messages: list[str]
) -> None:
    error = failed(*pixels_run(tmp_path / "run", *arguments))
    for message in messages:
        assert message in error, message


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "messages"),
    [
        (["encoding=mask"], ["unknown encoding 'mask'", "Did you mean 'masks'"]),
        (["recovery=refitt"], ["recovery 'refitt' is not known", "'steps:K'"]),
        (["search_split=test"], ["unknown search split 'test'"]),
        (["encoding=weights", "recovery=refit"], ["'refit' needs encoding 'masks'"]),
        (["encoding=weights", "parent_widths=[8, 12]"], ["balanced parent", "[8, 12]", "masks"]),
        (["parent_widths=[]"], ["at least one hidden layer"]),
        (["parent_images=-1"], ["images must be at least 0"]),
        (["search_images=20"], ["perplexity of 30 needs more than 31 images"]),
        (["batch_size=0"], ["batch_size between 1 and search_images"]),
    ],
)
def test_bad_options_of_ecomp_are_refused(
    tmp_path: Path, failed: Callable[..., str], options: list[str], messages: list[str]
) -> None:
    given = ["parent_images=100", *options]
    sets = [word for option in given for word in ("--set", option)]
    arguments = ["--threads", "1", "--pop-size", "4", "--generations", "2"]
    error = failed("run", "ecomp", *arguments, *sets, "--output", str(tmp_path / "run"))
    for message in messages:
        assert message in error, message


def test_an_unknown_data_set(tmp_path: Path, failed: Callable[..., str]) -> None:
    error = failed(*pixels_run(tmp_path / "run", "--data", "digts"))
    assert "unknown data set 'digts'" in error
    assert "Did you mean 'digits'?" in error
    assert list(tmp_path.iterdir()) == []


def test_a_parent_that_is_not_there(tmp_path: Path, failed: Callable[..., str]) -> None:
    arguments = ["--parent", str(tmp_path / "none"), "--output", str(tmp_path / "run")]
    error = failed("run", "ecomp", *arguments)
    assert f"{tmp_path / 'none'} is not an exported network" in error
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("problem", "n", "ask"),
    [
        ("ecomp", 2, "--weights accuracy=1,similarity_loss=2,width=1"),
        ("layer-vector", 2, "--objectives pwad"),
        ("dense-connectivity", 3, "--objectives accuracy"),
        ("distilled-filters", 3, "--weights accuracy=1,sparsity=0.1,macs_removed=0.1"),
    ],
)
def test_a_papers_algorithm_for_several_objectives(
    untouched: Path, failed: Callable[..., str], problem: str, n: int, ask: str
) -> None:
    error = refused(failed, untouched, ["run", problem, "--algorithm", "own"])
    assert f"needs one objective, but the problem has {n}; take {ask}, or --alg" in error


def test_finished_runs_are_compared_as_they_are(
    finished: Path, tmp_path: Path, failed: Callable[..., str]
) -> None:
    output = tmp_path / "compared"
    options = ["--algorithms", "ga", "--pop-size", "8", "--download"]
    error = failed("compare", str(finished), *options, "--output", str(output))
    assert "--algorithms, --download and --pop-size cannot be given with folders" in error
    assert not output.exists()


@pytest.mark.parametrize("kind", ["Campaign", "Study"])
def test_a_network_is_named_for_a_single_run(
    failed: Callable[..., str], kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(f"pymoo_prune.cli.runs.{kind}.is_one", lambda folder: True)
    error = failed("resume", str(tmp_path), "--network", "my_module:network")
    assert "--network is for a single run, but " in error


def test_an_onnx_file_is_a_whole_network(failed: Callable[..., str], untouched: Path) -> None:
    from pymoo_prune.runs.preparing import _named_parent

    settings = Settings(
        "ecomp", "nsga2", 4, Budget(generations=1), parent="a.onnx", network="my_module:network"
    )
    with pytest.raises(PruneError, match=r"a\.onnx holds a whole network: give it without --net"):
        _named_parent(settings, untouched / "parent", untouched)
