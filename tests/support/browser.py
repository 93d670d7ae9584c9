"""Chromium for tests of pages; importing this skips a test module where there is none."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)
if CHROMIUM is None:
    pytest.skip("there is no Chromium: apt-get install chromium", allow_module_level=True)
playwright = pytest.importorskip("playwright.sync_api", reason="there is no playwright")

READY = "() => window.Bokeh && Bokeh.documents.length && Bokeh.documents[0].is_idle"


@contextmanager
def launched() -> Iterator[Any]:
    """A browser."""
    with playwright.sync_playwright() as driver:
        # Without a sandbox, which root cannot have.
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@contextmanager
def opened(browser: Any, path: Path, width: int = 1400) -> Iterator[Any]:
    """A page that is offline; errors and requests fail the test."""
    said: list[str] = []
    with browser.new_context(viewport={"width": width, "height": 1000}, offline=True) as context:
        page = context.new_page()
        page.on("console", lambda m: said.append(m.text) if m.type in ("error", "warning") else 0)
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("dialog", lambda dialog: said.append(dialog.message))
        page.on("request", lambda one: said.append(one.url) if ":" in one.url else 0)
        page.goto(path.as_uri())
        page.wait_for_function(READY)
        yield page
        assert [text for text in said if not text.startswith("data:")] == [path.as_uri()]
