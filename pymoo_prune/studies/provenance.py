"""What the runs of a study were made by, and what is to be said where they differ."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from pymoo_prune.studies.instances import CODE, PROCESSOR, RunCosts
from pymoo_prune.studies.problems import OnInstance
from pymoo_prune.tables import listed


def each_once(made_by: Iterable[Mapping[str, str]]) -> list[Mapping[str, str]]:
    """Versions and processors of runs, each once, without the code of engines.

    Args:
        made_by: What each run was made by.
    """
    of_all = [
        tuple((name, text) for name, text in one.items() if not name.startswith(CODE.format("")))
        for one in made_by
    ]
    return [dict(one) for one in dict.fromkeys(of_all)]


def texts_of(made_by: Sequence[Mapping[str, str]]) -> dict[str, list[str]]:
    """The different versions of each package, and the different processors.

    Args:
        made_by: As `each_once` gives it.
    """
    names = dict.fromkeys(name for one in made_by for name in one)
    return {
        name: list(dict.fromkeys(one[name] for one in made_by if name in one)) for name in names
    }


def differing(made_by: Sequence[Mapping[str, str]]) -> list[str]:
    """Packages of which runs had different versions.

    Args:
        made_by: As `each_once` gives it.
    """
    found = {name: texts for name, texts in texts_of(made_by).items() if name != PROCESSOR}
    several = [f"{name} {listed(texts)}" for name, texts in found.items() if len(texts) > 1]
    if not several:
        return []
    return [f"runs were made with different versions, which may matter: {'; '.join(several)}"]


def ended_early(on: OnInstance, runs: Mapping[str, Mapping[int, RunCosts]]) -> list[str]:
    """Methods that did not use their budget.

    Args:
        on: The instance.
        runs: By method and seed.
    """
    notes = []
    for method, seeds in runs.items():
        early = [one.evaluations for one in seeds.values() if one.evaluations < on.evaluations]
        if early:
            most = f" to {max(early):,}" if max(early) > min(early) else ""
            notes.append(
                f"{on.name}: {method} ended by itself in {len(early)} of {len(seeds)} runs, after "
                f"{min(early):,}{most} of {on.evaluations:,} evaluations"
            )
    return notes


def changed_code(on: OnInstance, runs: Mapping[str, Mapping[int, RunCosts]]) -> list[str]:
    """Methods whose runs were made by different code of the user's.

    Args:
        on: The instance.
        runs: By method and seed.
    """
    notes = []
    for method, seeds in runs.items():
        by_code: dict[str, list[str]] = {}
        for seed, run in seeds.items():
            for name, code in run.made_by.items():
                if name.startswith(CODE.format("")):
                    by_code.setdefault(code, []).append(str(seed))
        if len(by_code) > 1:
            groups = "; ".join(f"seeds {listed(some)}" for some in by_code.values())
            notes.append(
                f"{on.name}: the code of {method} was changed between its runs ({groups}), so they "
                "do not compare: remove the files of the old ones, and resume"
            )
    return notes
