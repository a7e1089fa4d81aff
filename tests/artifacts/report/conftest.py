"""A browser for the tests of this folder: Debian's chromium or a replacement, driven by playwright."""

import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from typing import Any

import pytest
from support.network_page import SCRIPT

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
NETWORK = re.compile(r"^(?!file:|data:|blob:|about:)")


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """A chromium for all tests of a process."""
    playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright: pip install -e '.[browser]'")
    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    if path is None:
        pytest.skip(f"needs a browser; none of {', '.join(BROWSERS)} is installed")
    with playwright.sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.fixture(scope="session")
def open_page(browser) -> Callable[[], AbstractContextManager[Any]]:
    """Open a page without network access; at the end it must have requested nothing and met no error."""
    return partial(_watched, browser)


@pytest.fixture
def page(open_page) -> Iterator[Any]:
    with open_page() as opened:
        yield opened


@pytest.fixture(scope="module")
def engine(open_page) -> Iterator[Callable[..., Any]]:
    """Call a JavaScript function with one argument, in a page that has loaded network.js."""
    with open_page() as page:
        page.add_script_tag(path=SCRIPT)
        yield page.evaluate


@contextmanager
def _watched(browser) -> Iterator[Any]:
    wrong: list[str] = []

    def refuse(route):
        wrong.append(f"asked the network for {route.request.url}")
        route.abort()

    # One context for each page: storage is not shared, and requests of its workers are seen too.
    context = browser.new_context()
    context.route(NETWORK, refuse)
    page = context.new_page()
    page.on("console", lambda message: wrong.append(f"console: {message.text}") if message.type == "error" else None)
    page.on("pageerror", lambda error: wrong.append(f"not caught: {error}"))
    page.on("websocket", lambda socket: wrong.append(f"opened a socket to {socket.url}"))
    try:
        yield page
    finally:
        context.close()
    assert not wrong, "\n".join(wrong)
