"""The rules of the house, read from the sources: rooms, layers, imports and sizes.

Nothing is imported. The lists of exceptions come first: the ones with a reason stay, and a name in
a list that starts with `STILL` leaves it as soon as its file keeps the rule.
"""

from __future__ import annotations

import ast
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PLUGIN = ROOT / "pymoo_prune"
PAPERS = ROOT / "problems" / "pymoo_prune_problems"
BENCHMARKS = ROOT / "benchmarks"

MOST_LOOSE_MODULES = 6
MOST_ROOMS = 25
MOST_LAYERS = 16
MOST_LINES_OF_AN_INIT = 50
LINES_OF_LAZINESS = 7
MOST_IMPORTS = 15
MOST_LINES = 350
MOST_LONG_FILES = 5
MOST_METHODS = 12
MOST_WIDE_CLASSES = 4

INTO_ROOMS = {
    "pymoo_prune.comparing.page": "it brings Bokeh, which takes a moment to import",
    "pymoo_prune.pruning.alphabets": "a folder within its room, with an `__init__` of its own",
    "pymoo_prune.runs.report_page": "it brings Bokeh, which takes a moment to import",
}
"""Modules that other rooms import past the room's `__init__`, and why."""

LONG_FILES: set[str] = set()
"""Files that may stay longer than the others."""

STILL_LONG: set[str] = set()
"""Files that are still to be split."""

WIDE_CLASSES = {
    "PrunableFilters": "the public view of a network's filters: counts, costs and networks",
}
"""Classes that may have more methods than the others, and why."""

STILL_WIDE: set[str] = set()
"""Classes that still have too many methods."""

STILL_UNNAMED: set[str] = set()
"""Folders whose `__init__` does not name all of their modules yet."""

STILL_LONG_INITS: set[str] = set()
"""Folders whose `__init__` is still too long."""


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def lines_of(path: Path) -> int:
    return len(path.read_text().splitlines())


def files(*roots: Path) -> list[Path]:
    return [path for root in roots for path in sorted(root.rglob("*.py"))]


def folders(*roots: Path) -> list[Path]:
    """The folders that hold modules."""
    return sorted({path.parent for path in files(*roots)})


@cache
def loose_modules() -> set[str]:
    return {path.stem for path in PLUGIN.glob("*.py")} - {"__init__"}


@cache
def rooms() -> set[str]:
    return {path.name for path in folders(PLUGIN) if path.parent == PLUGIN}


def dotted(path: Path) -> str:
    """A file's module, as an import names it."""
    start = PAPERS.parent if path.is_relative_to(PAPERS) else ROOT
    return ".".join(path.relative_to(start).with_suffix("").parts)


def room_of(module: str) -> str:
    return ".".join(module.split(".")[:2])


@cache
def own_imports(path: Path) -> list[tuple[str, ast.ImportFrom]]:
    """The file's `from ... import` of the plugin or of the papers, with the modules' names."""
    found = []
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name_of(path)}:{node.lineno} has a relative import"
            assert node.module is not None
            if node.module.split(".")[0] in (PLUGIN.name, PAPERS.name):
                found.append((node.module, node))
    return found


def layers() -> list[set[str]]:
    """The import contract's layers, from the top."""
    tool = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]
    contracts = [one for one in tool["importlinter"]["contracts"] if one["type"] == "layers"]
    assert len(contracts) == 1
    return [{part.strip() for part in row.split("|")} for row in contracts[0]["layers"]]


def public_methods(node: ast.ClassDef) -> list[str]:
    """A class's own methods; properties are values and do not count."""
    return [
        part.name
        for part in node.body
        if isinstance(part, ast.FunctionDef | ast.AsyncFunctionDef)
        and not part.name.startswith("_")
        and not any(
            ast.unparse(decorator).endswith(("property", ".setter", "overload"))
            for decorator in part.decorator_list
        )
    ]


def test_the_plugin_has_few_loose_modules() -> None:
    assert len(loose_modules()) <= MOST_LOOSE_MODULES, sorted(loose_modules())


def test_the_plugin_has_few_rooms() -> None:
    assert len(rooms()) <= MOST_ROOMS, sorted(rooms())


def test_the_import_contract_fits_on_a_screen_and_knows_every_room() -> None:
    assert len(layers()) <= MOST_LAYERS
    known = set().union(*layers())
    there = {f"{PLUGIN.name}.{name}" for name in rooms() | loose_modules()} | {PAPERS.name}
    assert known == there


def modules_of(folder: Path) -> set[str]:
    return {path.stem for path in folder.glob("*.py")} - {"__init__", "__main__"}


def unnamed(folder: Path) -> list[str]:
    """Modules of a folder that its `__init__` does not name in backticks."""
    docstring = ast.get_docstring(parsed(folder / "__init__.py")) or ""
    return sorted(name for name in modules_of(folder) if f"`{name}`" not in docstring)


def test_every_folder_has_an_init() -> None:
    for folder in folders(PLUGIN, PAPERS, BENCHMARKS):
        assert (folder / "__init__.py").is_file(), name_of(folder)


def test_every_init_names_its_modules() -> None:
    found = {name_of(one): unnamed(one) for one in folders(PLUGIN, PAPERS, BENCHMARKS)}
    missing = {name: modules for name, modules in found.items() if modules}
    assert not {name: missing[name] for name in missing.keys() - STILL_UNNAMED}
    assert missing.keys() >= STILL_UNNAMED, "take what is done off STILL_UNNAMED"


def is_lazy(init: Path) -> bool:
    """Whether a room imports its modules when they are used; see `pymoo_prune.lazy`."""
    return "lazily(__name__)" in init.read_text()


def test_every_init_is_short() -> None:
    long = {}
    for folder in folders(PLUGIN, PAPERS, BENCHMARKS):
        init = folder / "__init__.py"
        docstring = parsed(init).body[0]
        assert isinstance(docstring, ast.Expr), f"{name_of(init)} has no docstring"
        assert docstring.end_lineno is not None
        count = lines_of(init) - (docstring.end_lineno - docstring.lineno + 1)
        count -= LINES_OF_LAZINESS * is_lazy(init)
        if count > MOST_LINES_OF_AN_INIT:
            long[name_of(folder)] = count
    assert not {name: long[name] for name in long.keys() - STILL_LONG_INITS}
    assert long.keys() >= STILL_LONG_INITS, "take what is done off STILL_LONG_INITS"


def wrong_imports(path: Path) -> Iterator[str]:
    """Imports from a module of another room, or from the room that the file is in."""
    here = room_of(dotted(path))
    for module, node in own_imports(path):
        place = f"{name_of(path)}:{node.lineno} imports from {module}"
        depth = len(module.split("."))
        names = {alias.name for alias in node.names}
        if room_of(module) == here and depth == 2 and names - modules_of(path.parent):
            yield f"{place}: inside the room, import from the module"
        if room_of(module) != here and depth > 2 and module not in INTO_ROOMS:
            yield f"{place}: import from the room"
        inside = path.is_relative_to(PLUGIN)
        if inside and module == PLUGIN.name and names - rooms() - loose_modules():
            yield f"{place}: import from the room that has it"


def test_rooms_import_from_rooms_and_modules_from_modules() -> None:
    sources = [path for path in files(PLUGIN, PAPERS) if path.name != "__init__.py"]
    assert not [line for path in sources for line in wrong_imports(path)]


def test_every_exception_to_the_imports_is_used() -> None:
    used = {
        module
        for path in files(PLUGIN, PAPERS)
        for module, _ in own_imports(path)
        if module in INTO_ROOMS and room_of(module) != room_of(dotted(path))
    }
    assert used == INTO_ROOMS.keys()


def test_nothing_is_imported_as_a_whole() -> None:
    names = (PLUGIN.name, PAPERS.name)
    for path in files(PLUGIN, PAPERS):
        for node in ast.walk(parsed(path)):
            if isinstance(node, ast.Import):
                for alias in node.names:
                    assert alias.name.split(".")[0] not in names, f"{name_of(path)}:{node.lineno}"


def test_modules_import_from_few_places() -> None:
    counts = {
        name_of(path): sum(module.split(".")[0] == PLUGIN.name for module, _ in own_imports(path))
        for path in files(PLUGIN, PAPERS)
        if path.name != "__init__.py"
    }
    assert not {name: count for name, count in counts.items() if count > MOST_IMPORTS}


def test_files_are_short() -> None:
    lines = {name_of(path): lines_of(path) for path in files(PLUGIN, PAPERS)}
    long = {name: count for name, count in lines.items() if count > MOST_LINES}
    for name, count in sorted(long.items()):
        print(f"{name} has {count} lines, {count - MOST_LINES} too many")
    assert not long.keys() - LONG_FILES - STILL_LONG
    assert long.keys() >= LONG_FILES | STILL_LONG, "take what is done off the lists"
    assert len(LONG_FILES) <= MOST_LONG_FILES


def test_classes_have_few_methods() -> None:
    wide = {}
    for path in files(PLUGIN, PAPERS):
        for node in ast.walk(parsed(path)):
            if isinstance(node, ast.ClassDef) and len(public_methods(node)) > MOST_METHODS:
                wide[node.name] = f"{name_of(path)}: {len(public_methods(node))} public methods"
    print(*wide.values(), sep="\n")
    assert not {name: wide[name] for name in wide.keys() - WIDE_CLASSES.keys() - STILL_WIDE}
    assert wide.keys() >= WIDE_CLASSES.keys() | STILL_WIDE, "take what is done off the lists"
    assert len(WIDE_CLASSES) <= MOST_WIDE_CLASSES


def test_sources_are_found() -> None:
    for root in (PLUGIN, PAPERS, BENCHMARKS):
        assert len(files(root)) > 10, name_of(root)
