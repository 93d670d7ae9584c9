"""Lazy rooms: what they import and when, and that their names behave as in other rooms."""

from __future__ import annotations

import pickle
from importlib import import_module
from pathlib import Path

import pytest

import pymoo_prune
from pymoo_prune.lazy import listed_imports
from tests.support.imports import imported

PLUGIN = Path(pymoo_prune.__file__).parent
LAZY = sorted(
    ".".join(init.parent.relative_to(PLUGIN.parent).parts)
    for init in PLUGIN.rglob("__init__.py")
    if "lazily(__name__)" in init.read_text()
)
LIGHT = ("errors", "lazy", "files", "tables", "chromosomes", "objectives", "operators")
"""Rooms and modules that can be imported without torch."""


def test_the_plugin_is_imported_without_torch() -> None:
    assert not imported("import pymoo_prune; assert 'prune' in dir(pymoo_prune)")


def test_light_rooms_are_imported_without_torch() -> None:
    assert not imported("import " + ", ".join(f"pymoo_prune.{name}" for name in LIGHT))


def test_a_name_brings_what_it_needs() -> None:
    assert "torch" in imported("from pymoo_prune import PruningProblem")


def test_errors_of_the_plugin_need_no_torch() -> None:
    assert not imported("from pymoo_prune import PruneError")


def test_a_star_import_brings_every_name() -> None:
    names: dict[str, object] = {}
    exec("from pymoo_prune import *", names)  # noqa: S102 - only allowed at a module's top
    assert names.keys() >= set(pymoo_prune.__all__)


def test_the_source_of_a_lazy_room_can_be_inspected_first() -> None:
    assert not imported("import inspect, pymoo_prune; assert inspect.getsource(pymoo_prune)")


def test_lazy_rooms_are_found() -> None:
    assert {"pymoo_prune", "pymoo_prune.operators"} <= set(LAZY)


@pytest.mark.parametrize("room", LAZY)
def test_a_lazy_room_exports_what_its_imports_list(room: str) -> None:
    module = import_module(room)
    assert set(module.__all__) == listed_imports(room).keys()
    assert set(dir(module)) >= set(module.__all__)
    for name in module.__all__:
        assert getattr(module, name) is getattr(import_module(listed_imports(room)[name]), name)


@pytest.mark.parametrize("room", LAZY)
def test_no_export_of_a_lazy_room_is_hidden_by_a_module(room: str) -> None:
    folder = Path(str(import_module(room).__file__)).parent
    modules = {path.stem for path in folder.iterdir() if path.suffix == ".py" or path.is_dir()}
    assert not listed_imports(room).keys() & modules


@pytest.mark.parametrize("room", LAZY)
def test_an_unknown_name_is_the_usual_error(room: str) -> None:
    module = import_module(room)
    with pytest.raises(AttributeError, match=f"^module '{room}' has no attribute 'nothing'$"):
        module.nothing  # noqa: B018
    with pytest.raises(ImportError, match="cannot import name 'nothing'"):
        exec(f"from {room} import nothing")  # noqa: S102
    assert not hasattr(module, "nothing")


@pytest.mark.parametrize("name", [n for n in pymoo_prune.__all__ if n != "Measurements"])
def test_public_classes_and_functions_can_be_pickled(name: str) -> None:
    value = getattr(pymoo_prune, name)
    assert pickle.loads(pickle.dumps(value)) is value  # noqa: S301
