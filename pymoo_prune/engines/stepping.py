"""One generation of an engine, within what is left of a budget."""

from __future__ import annotations

from pymoo.core.algorithm import Algorithm

from pymoo_prune.engines.variants import ScaledMOEAD


def step(algorithm: Algorithm, left: int | None) -> None:
    """Runs one generation of an engine, with no more candidates than are left.

    The last generation may be cut short: only its first candidates are measured, and compete as
    usual. After its first generation, an engine with a `next` of its own is not cut short here.

    Args:
        algorithm: The engine, which is set up.
        left: The number of candidates that may still be asked for; None sets no limit.
    """
    if isinstance(algorithm, ScaledMOEAD):
        algorithm.left = left
    own_way = type(algorithm).next is not Algorithm.next and algorithm.is_initialized
    if left is None or own_way:
        algorithm.next()
        return
    infills = algorithm.infill()
    if infills is None:
        algorithm.advance()
        return
    infills = infills[:left]
    algorithm.evaluator.eval(algorithm.problem, infills, algorithm=algorithm)
    algorithm.advance(infills=infills)
