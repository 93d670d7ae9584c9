"""Engines by name, as objects and from factories: which can be used."""

from __future__ import annotations

import copy
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pymoo.algorithms.moo.ctaea import CTAEA
from pymoo.algorithms.moo.dnsga2 import DNSGA2
from pymoo.algorithms.moo.moead import MOEAD
from pymoo.algorithms.moo.nsga2 import NSGA2
from pymoo.algorithms.moo.nsga3 import NSGA3, comp_by_cv_then_random
from pymoo.algorithms.moo.rnsga2 import RNSGA2
from pymoo.algorithms.moo.rvea import RVEA
from pymoo.algorithms.moo.sms import SMSEMOA
from pymoo.algorithms.moo.spea2 import SPEA2
from pymoo.algorithms.moo.unsga3 import UNSGA3, comp_by_rank_and_ref_line_dist
from pymoo.algorithms.soo.nonconvex.de import DE
from pymoo.algorithms.soo.nonconvex.ga import GA
from pymoo.algorithms.soo.nonconvex.ga_niching import NicheGA
from pymoo.algorithms.soo.nonconvex.pso import PSO
from pymoo.constraints.eps import AdaptiveEpsilonConstraintHandling
from pymoo.core.algorithm import Algorithm
from pymoo.operators.crossover.pntx import TwoPointCrossover
from pymoo.operators.crossover.sbx import SBX
from pymoo.operators.mutation.bitflip import BitflipMutation
from pymoo.operators.mutation.pm import PM
from pymoo.operators.repair.rounding import RoundingRepair
from pymoo.operators.sampling.rnd import BinaryRandomSampling, IntegerRandomSampling
from pymoo.optimize import minimize

from pymoo_prune import Budget, Data, Measurements, PruneError
from pymoo_prune.chromosomes import Array
from pymoo_prune.engines import (
    ENGINES,
    EndingCTAEA,
    PacedRVEA,
    check_engine,
    check_engine_name,
    make_algorithm,
    one_objective,
    population_of,
)
from pymoo_prune.engines.making import even_directions
from pymoo_prune.operators import Candidates, Elitism, Remeasured, SeededTournament, SoftmaxRoulette
from tests.support.engine_factories import used
from tests.support.engines import COMPILED, THREE, Rows, run, same
from tests.support.searches import SUM
from tests.support.tiny_problem import FailingPixels, Pixels, PixelsInBatches

# Names.


@pytest.mark.parametrize("name", [*ENGINES, "package.module:factory", "mine:Engine.of"])
def test_names_that_can_be_used(name: str) -> None:
    check_engine_name(name)


@pytest.mark.parametrize(
    ("names", "reason"),
    [
        (
            ["cmaes", "CMA-ES", "de", "PSO", "es", "nelder-mead", "NelderMead", "pattern_search"],
            "moves points in a continuous space with operators of its own, but problems here",
        ),
        (
            ["brkga", "cmopso", "direct", "eppso", "g3pcx", "gde3", "isres", "mopso-cd", "nrbo"],
            "moves points in a continuous space",
        ),
        (["nsde", "nsder", "optuna", "sres"], "moves points in a continuous space"),
        (["dnsga2", "kgb"], "is for problems that change with time"),
        (["rnsga2", "rnsga3"], "needs reference points, which a name cannot"),
        (["pinsga2"], "asks a person"),
        (["niche-ga", "omni-optimizer"], "needs to know how far apart two chromosomes are"),
    ],
)
def test_engines_that_cannot_be_used_are_known_by_name(names: list[str], reason: str) -> None:
    for name in names:
        with pytest.raises(PruneError, match=f"^algorithm '{name}' {reason}"):
            check_engine_name(name)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nsga22", "unknown algorithm 'nsga22'; there are: age-moea, .* Did you mean 'nsga2'"),
        ("a:b:c", "unknown algorithm 'a:b:c'"),
        ("a b:c", "unknown algorithm 'a b:c'"),
        ("", "unknown algorithm ''; there are"),
    ],
)
def test_unknown_names_are_refused(pixels: Pixels, name: str, message: str) -> None:
    with pytest.raises(PruneError, match=message):
        check_engine_name(name)
    with pytest.raises(PruneError, match=message):
        make_algorithm(name, pixels, 8)


@pytest.mark.parametrize("engine", COMPILED)
def test_without_numba_the_message_says_what_to_install(
    pixels: Pixels, engine: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "numba", None)
    with pytest.raises(
        PruneError, match=rf"'{engine}' needs numba; pip install 'pymoo-prune\[age-moea\]'"
    ):
        make_algorithm(engine, pixels, 8)


# Numbers of objectives, and constraints.


@pytest.mark.parametrize("engine", ["sms-emoa", "ctaea", "moead", "rvea"])
def test_engines_for_several_objectives(single: Pixels, engine: str) -> None:
    with pytest.raises(
        PruneError, match=f"'{engine}' needs several objectives, but the problem has one; take ga"
    ):
        make_algorithm(engine, single, 8)


def test_engines_for_one_objective(pixels: Pixels, problem_of: Any) -> None:
    message = (
        r"algorithm 'ga' needs one objective, but the problem has 2; weigh them into one, for "
        r'example --weights "accuracy=1,parameters=0.5", or take nsga2'
    )
    with pytest.raises(PruneError, match=message):
        make_algorithm("ga", pixels, 8)
    with pytest.raises(PruneError, match=r"algorithm 'own' needs one objective, but the .* has 2"):
        make_algorithm("own", problem_of("weights", 2), 8)


def of_one(problem: Any) -> list[Algorithm]:
    operators = problem.operators()
    return [
        GA(pop_size=8, **operators),
        NicheGA(pop_size=8, **operators),
        NSGA2(pop_size=8, selection=SoftmaxRoulette(), **operators),
        NSGA2(pop_size=8, survival=Elitism(), **operators),
        DE(pop_size=8),
    ]


def test_engines_for_one_objective_are_recognised_by_their_comparison(pixels: Pixels) -> None:
    for algorithm in of_one(pixels):
        assert one_objective(algorithm)
    assert one_objective("ga")
    for algorithm in (
        NSGA2(pop_size=8),
        make_algorithm("random", pixels, 8),
        make_algorithm("nsga2", pixels, 8, surrogate="ridge"),
    ):
        assert not one_objective(algorithm)
    assert not any(one_objective(name) for name in ENGINES if name != "ga")
    for algorithm in of_one(pixels)[:4]:
        with pytest.raises(PruneError, match="needs one objective, but the problem has 2"):
            check_engine(algorithm, pixels)


def test_moead_handles_no_constraints(bounded: Pixels, digits: Data) -> None:
    with pytest.raises(
        PruneError,
        match=r"'moead' handles no constraints, but the problem has pixels<=0.5, accuracy>=0.3; ",
    ):
        make_algorithm("moead", bounded, 8)
    with pytest.raises(PruneError, match="but the problem has candidates that can fail, which"):
        make_algorithm("moead", FailingPixels(digits), 8)


# Engines that are handed over.


def with_used_survival(problem: Any) -> Algorithm:
    algorithm = copy.deepcopy(SPEA2(pop_size=4, **problem.operators()))
    minimize(problem, algorithm, ("n_gen", 1), seed=0, copy_algorithm=False)
    return SPEA2(pop_size=4, survival=algorithm.survival, **problem.operators())


D3 = even_directions(3, 10)
D2 = even_directions(2, 10)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda p: "nsga2", "this str is not an engine: it must be a pymoo Algorithm"),
        (used, "this NSGA2 has been used; hand over a fresh one"),
        (with_used_survival, r"this SPEA2 has a survival .* give it survival=SPEA2Survival"),
        (lambda p: NSGA2(8).setup(p), "this NSGA2 has been used"),
        (lambda p: NSGA2(8), "this NSGA2 has the sampling FloatRandomSampling, which is for real"),
        (
            lambda p: NSGA2(8, sampling=p.operators()["sampling"]),
            "has the crossover SBX, .* of Pix",
        ),
        (
            lambda p: NSGA2(8, **{**p.operators(), "mutation": PM()}),
            r"has the mutation PM, .* chromosomes of Pixels; give it \*\*problem.operators",
        ),
        (lambda p: DE(8), "this DE moves points .* but Pixels brings its own chromosomes; take an"),
        (lambda p: PSO(8), "this PSO moves points in a continuous space"),
        (lambda p: DNSGA2(pop_size=8, **p.operators()), "this DNSGA2 is for problems that change"),
        (
            lambda p: NSGA3(D3, **p.operators()),
            "this NSGA3 has reference points for 3 objectives, but the problem has 2; give it",
        ),
        (
            lambda p: RNSGA2(ref_points=D3, pop_size=8, **p.operators()),
            "this RNSGA2 has reference points for 3 objectives, but the problem has 2; give it",
        ),
        (lambda p: RVEA(D2, **p.operators()), "this RVEA takes its pace from .* take rvea by name"),
        (lambda p: PacedRVEA(D2, **p.operators()), "this PacedRVEA takes its pace"),
        (lambda p: CTAEA(D2, **p.operators()), "this CTAEA never ends where .* ctaea by name"),
        (
            lambda p: EndingCTAEA(D2, **p.operators()),
            r"this EndingCTAEA never .*=ShortArchives\(ref",
        ),
        (
            lambda p: MOEAD(
                D2,
                sampling=p.operators()["sampling"],
                crossover=TwoPointCrossover(),
                mutation=BitflipMutation(),
            ),
            "this MOEAD counts each candidate as a generation, .* take moead by name",
        ),
    ],
)
def test_engines_that_cannot_solve_the_problem_are_refused(
    pixels: Pixels, make: Any, message: str
) -> None:
    with pytest.raises(PruneError, match=message):
        check_engine(make(pixels), pixels)


def test_ties_broken_without_the_seed_are_refused(pixels: Pixels, bounded: Pixels) -> None:
    for engine, comparison in (
        (NSGA3, comp_by_cv_then_random),
        (UNSGA3, comp_by_rank_and_ref_line_dist),
    ):
        plain = engine(D2, **pixels.operators())
        check_engine(plain, pixels)
        with pytest.raises(
            PruneError, match=r"breaks ties without .* selection=SeededTournament\(\.\.\.\)"
        ):
            check_engine(plain, bounded)
        check_engine(
            engine(D2, selection=SeededTournament(comparison), **pixels.operators()), bounded
        )


def test_engines_of_pymoo_that_can_be_used(pixels: Pixels, bounded: Pixels, single: Pixels) -> None:
    binary = {
        "sampling": BinaryRandomSampling(),
        "crossover": TwoPointCrossover(),
        "mutation": BitflipMutation(),
    }
    for algorithm, problem in (
        (NSGA2(8, **binary), pixels),
        (GA(8, **binary), single),
        (RNSGA2(ref_points=np.array([[-0.9, 300.0]]), pop_size=8, **pixels.operators()), pixels),
        (AdaptiveEpsilonConstraintHandling(NSGA2(8, **bounded.operators())), bounded),
    ):
        check_engine(algorithm, problem)
        found, steps = run(problem, algorithm, Budget(generations=3))
        assert len(steps) == 3
        assert found.X.dtype == bool


def test_whole_numbers_may_be_rounded(digits: Data) -> None:
    problem = Rows(digits)
    algorithm = NSGA2(
        8,
        sampling=IntegerRandomSampling(),
        crossover=SBX(vtype=float, repair=RoundingRepair()),
        mutation=PM(vtype=float, repair=RoundingRepair()),
    )
    check_engine(algorithm, problem)
    assert run(problem, algorithm, Budget(generations=3))[0].X.dtype == np.int64


class Thresholds(Rows):
    """`Rows` with real genes, which are rounded down."""

    def masks(self, X: Array) -> Array:
        return super().masks(np.floor(X))

    def measure(self, X: Array) -> Measurements:
        return self.pixels.measure(self.masks(X))

    def operators(self) -> dict[str, Any]:
        return {"sampling": Candidates(self.random), "crossover": SBX(), "mutation": PM()}

    def random(self, n: int, generator: np.random.Generator) -> Array:
        return generator.uniform(0, 8, (n, 8))


def test_engines_for_real_numbers_can_be_handed_over_where_genes_are_real(digits: Data) -> None:
    problem = Thresholds(digits, objectives=SUM)
    for make in (DE, PSO, GA):
        steps = []
        for _ in range(2):
            algorithm = make(pop_size=8)
            check_engine(algorithm, problem)
            steps.append(run(problem, algorithm, Budget(generations=3))[1])
        assert same(*steps)
    with pytest.raises(PruneError, match="this DE needs one objective, but the problem has 2"):
        check_engine(DE(8), Thresholds(digits))


# Factories.

OURS = "tests.support.engine_factories"


@pytest.mark.parametrize("name", [f"{OURS}:spea2_of", "pymoo.algorithms.moo.spea2:SPEA2"])
def test_factories_and_classes_are_engines(digits: Data, pixels: Pixels, name: str) -> None:
    algorithm = make_algorithm(name, pixels, 6)
    assert type(algorithm) is SPEA2
    assert population_of(algorithm) == 6
    _, first = run(pixels, algorithm, Budget(generations=3))
    # The next search does not start with the state of the last one.
    three = Pixels(digits, objectives=THREE)
    run(three, make_algorithm(name, three, 6), Budget(generations=3))
    _, again = run(pixels, make_algorithm(name, pixels, 6), Budget(generations=3))
    assert same(first, again)


def test_a_factorys_engine_measures_survivors_again(changing: PixelsInBatches) -> None:
    algorithm = make_algorithm(f"{OURS}:spea2_of", changing, 6)
    assert isinstance(algorithm.survival, Remeasured)
    assert isinstance(make_algorithm(f"{OURS}:Mine", changing, 6).survival, Remeasured)


def test_a_factory_may_lie_in_the_folder_one_works_in(
    pixels: Pixels, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "engines_at_hand.py").write_text(
        "from pymoo.algorithms.moo.sms import SMSEMOA\n"
        "def small(problem, pop_size):\n"
        "    return SMSEMOA(pop_size=pop_size // 2, **problem.operators())\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    algorithm = make_algorithm("engines_at_hand:small", pixels, 12)
    monkeypatch.delitem(sys.modules, "engines_at_hand")
    assert (type(algorithm), population_of(algorithm)) == (SMSEMOA, 6)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nowhere:factory", "'nowhere:factory' cannot be imported: ModuleNotFoundError: No module"),
        (f"{OURS}:nothing", f"cannot be imported: there is no 'nothing' in {OURS}"),
        (f"{OURS}:directions", "directions' must be a function .* but it is of type ndarray"),
        (f"{OURS}:ready_made", r"must be a function \(problem, pop.* of type NSGA2"),
        ("tests.support.engines:Rows", "or a class of those, but it is another class"),
        (
            f"{OURS}:two_arguments_too_many",
            "but it cannot be called so: missing a required argument: 'one'",
        ),
        (f"{OURS}:text_of", "text_of' must be .* returns an Algorithm, .* returned a str"),
        (f"{OURS}:used_of", "has been used; hand over a fresh one"),
        (f"{OURS}:single_of", "single_of' needs one objective, but the problem has 2"),
        ("pymoo.algorithms.soo.nonconvex.ga:GA", "GA' needs one objective, but the problem has 2"),
        (
            "pymoo.algorithms.moo.nsga3:NSGA3",
            "NSGA3' cannot be made .*'ref_dirs'; write a function",
        ),
        ("pymoo.algorithms.moo.moead:MOEAD", "MOEAD' cannot be made from pop_size and problem.ope"),
        (
            "pymoo.algorithms.soo.nonconvex.de:DE",
            "DE' moves points in .* but Pixels brings its own",
        ),
        ("pymoo.algorithms.moo.dnsga2:DNSGA2", "DNSGA2' is for problems that change with time"),
    ],
)
def test_factories_that_make_no_engine_are_refused(pixels: Pixels, name: str, message: str) -> None:
    with pytest.raises(PruneError, match=message):
        make_algorithm(name, pixels, 8)
