from __future__ import annotations

import pytest

from benchmarks.__main__ import main
from benchmarks.catalogue import MODULES, ROOT, described, parsed, result
from benchmarks.readme import BEGIN, END, README, renewed
from tests.support.running import finished, python

names = pytest.mark.parametrize("name", MODULES)


def test_every_benchmark_is_listed() -> None:
    """A benchmark is a module with a function `run`."""
    found = {
        ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for path in (ROOT / "benchmarks").glob("*/*.py")
        if "\ndef run(quick: bool" in path.read_text()
    }
    assert found == set(MODULES.values())


@names
def test_a_benchmark_says_what_it_measures_and_its_target(name: str) -> None:
    benchmark = described(name)
    assert benchmark.summary.endswith((".", "?"))
    assert benchmark.method
    assert benchmark.target
    assert bool(benchmark.findings) == bool(benchmark.found_at)


@names
def test_findings_are_those_of_the_kept_results(name: str) -> None:
    """A benchmark that ran again has new figures: read them, and say what they are."""
    benchmark, record = described(name), result(name)
    if benchmark.findings:
        assert record is not None
        assert benchmark.found_at == record["commit"]


def test_every_result_belongs_to_a_benchmark() -> None:
    assert {path.stem for path in (ROOT / "benchmarks" / "results").glob("*.json")} <= set(MODULES)


def test_the_parts_of_a_docstring() -> None:
    benchmark = parsed("Fast?\n\nOne\nway.\n\nTarget: above\n1\n\nFound at abc1: it\nis.\n\nMore.")
    assert benchmark.summary == "Fast?"
    assert benchmark.method == "One way. More."
    assert benchmark.target == "above 1"
    assert (benchmark.found_at, benchmark.findings) == ("abc1", "it is.")


def test_a_docstring_without_a_target_is_refused() -> None:
    with pytest.raises(ValueError, match=r"a benchmark's docstring has a paragraph `Target: ...`"):
        parsed("Fast?\n\nOne way.")


def test_the_readme_has_the_figures() -> None:
    """If this fails, run `python -m benchmarks --readme`."""
    text = README.read_text()
    assert renewed(text) == text
    for name in MODULES:
        assert f"| `{name}` |" in text


def test_what_stands_around_the_figures_stays() -> None:
    text = renewed(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    assert text.startswith(f"before\n{BEGIN}\n| name |")
    assert text.endswith(f"\n{END}\nafter\n")
    assert "old" not in text.split()


def test_a_readme_without_the_marks_is_refused() -> None:
    with pytest.raises(ValueError, match="the page has no place"):
        renewed("nothing")


def test_the_list_imports_no_torch() -> None:
    code = (
        "import sys; sys.argv = ['benchmarks']; from benchmarks.__main__ import main; main(); "
        "assert 'torch' not in sys.modules"
    )
    printed = finished(python("-c", code))
    assert [line.split()[0] for line in printed.splitlines()] == [*MODULES]


def test_an_unknown_name_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["benchmarks", "ecomp-genration"])
    assert main() == 2
    assert "ecomp-generation" in capsys.readouterr().err
