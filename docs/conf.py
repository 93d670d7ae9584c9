"""The documentation site: `sphinx-build -W -c docs . FOLDER`, from the root of the repository.

Sphinx, because pymoo's own pages are made with it, and because it is kept. MkDocs was the other
candidate, but its version 1 and its theme Material get repairs at most by now, and what comes after
them is not settled.

The source is the whole repository and not this folder. So the READMEs are pages as they are, and a
link between Markdown files leads to the same place here and on GitHub.
"""

from __future__ import annotations

import re
from importlib.metadata import version as installed
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx
from sphinx.util.inspect import TypeAliasForwardRef

project = "pymoo-prune"
version = release = installed(project)
root_doc = "docs/index"
include_patterns = ["README.md", "*/README.md", "docs/**"]
exclude_patterns = [".*", "**/.*", "build", "dist", "venv", "runs", "data"]

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
]
myst_heading_anchors = 4  # links to headings, named as GitHub names them
smartquotes_action = "D"  # dashes; quotes stay straight, since many are Python's
default_role = "py:obj"  # single backticks in docstrings: links, where there is a target

autodoc_default_options = {"members": True, "member-order": "bysource"}
autodoc_inherit_docstrings = False  # pymoo's and torch's own pages say what is theirs
autodoc_preserve_defaults = True
autodoc_type_aliases = {
    "Array": "Array",
    "ArrayLike": "ArrayLike",
    "ArrayOrTensor": "ArrayOrTensor",
    "Booleans": "Booleans",
    "Counts": "Counts",
    "FloatArray": "FloatArray",
    "Floats": "Floats",
    "Integers": "Integers",
    "Measurements": "pymoo_prune.objectives.quantities.Measurements",
    "Objectives": "Objectives",
    "Values": "Values",
}
TypeAliasForwardRef.__repr__ = lambda alias: alias.name  # how an alias inside a type is written
napoleon_numpy_docstring = False
napoleon_use_ivar = True
napoleon_use_rtype = False  # as with attributes: see keep_colons
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 88
toc_object_entries_show_parents = "hide"
viewcode_follow_imported_members = True

html_theme = "furo"
html_title = "pymoo-prune"
html_copy_source = False
html_show_copyright = False


def setup(app: Sphinx) -> None:
    """Registers what follows."""
    app.connect("source-read", show_navigation)
    app.connect("autodoc-process-signature", shorten_types)
    app.connect("autodoc-process-docstring", keep_colons, priority=400)  # before napoleon
    app.connect("build-finished", write_first_page)


def show_navigation(_app: Sphinx, _name: str, source: list[str]) -> None:
    """Uncovers `<!-- site ... -->`: a table of contents, which GitHub would show as code."""
    source[0] = re.sub(r"<!-- site\n(.*?)-->", r"\1", source[0], flags=re.DOTALL)


def keep_colons(_app: Sphinx, what: str, *rest: Any) -> None:
    """Begins attributes with an empty comment, or napoleon takes what a colon ends for a type."""
    lines = rest[-1]
    if what in {"attribute", "data", "property"}:
        lines[:0] = ["..", ""]


def shorten_types(*event: Any) -> tuple[str | None, ...]:
    """Writes types as the code does, where Sphinx has lost how that was."""
    return tuple(text and _as_written(text) for text in event[-2:])


def _as_written(text: str) -> str:
    text = text.replace("<factory>", "...")
    return re.sub(r"~numpy\.ndarray\[.*?, ~numpy\.dtype\[(.*?)\]\]", r"NDArray[\1]", text)


def write_first_page(app: Sphinx, error: Exception | None) -> None:
    """Leads from the site's root to its first page, which lies where it lies in the repository."""
    if error is None:
        page = f'<!doctype html><meta http-equiv="refresh" content="0; url={root_doc}.html">\n'
        (Path(app.outdir) / "index.html").write_text(page, encoding="utf-8")
