"""A browser for the tests of this folder: Debian's chromium or a replacement, driven by playwright."""

import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.explorer_page import Explorer
from support.network_page import SCRIPT

from vae_jax.runs.loading import load_run
from vae_jax.runs.run import Run
from vae_jax.system.console import Console
from vae_jax.train import train_and_evaluate

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
NETWORK = re.compile(r"^(?!file:|data:|blob:|about:)")
QUICK = {"log__tensorboard": False, "num_epochs": 4, "learning_rate": 0.01}
MODELS = {
    "plane": {"latent_dim": 2},
    "deep": {"latent_dim": 30, "hidden_dims": (32,), "log.latent_every_steps": 20},
    "ae": {"model": "ae", "objective": "reconstruction", "likelihood": "gaussian", "latent_dim": 3},
    "line": {"dataset": "arrays", "latent_dim": 1, "batch_size": 16},
    "colour": {
        "dataset": "arrays",
        "likelihood": "gaussian",
        "gaussian.sigma": 0.3,
        "batch_size": 16,
        "network": "conv",
        "channels": (8,),
    },
    "conditional": {"condition": "label", "latent_dim": 2, "num_epochs": 2},
    "mixture": {"prior": "mixture", "mixture.components": 4, "latent_dim": 3, "num_epochs": 2},
    "quantized": {"model": "quantized", "network": "conv", "channels": (8, 8), "vq.codes": 16, "num_epochs": 2},
    "residual": {"model": "quantized", "quantizer": "residual", "residual.codes": 8, "num_epochs": 2},
}
"""Runs by name, as changes of the tests' small config; each is trained when a test first asks for it."""


def own_images(folder: Path) -> None:
    rng = np.random.default_rng(0)
    ramp = np.linspace(0, 1, 12)[:, None, None] * rng.random((150, 1, 1, 3)) + 0.2 * rng.random((150, 12, 10, 3))
    images = (255 * np.clip(ramp, 0, 1)).astype(np.uint8)
    np.savez(folder / "colour.npz", images=images, labels=np.arange(150) % 2)
    np.savez(folder / "line.npz", images=images[..., :1])  # no labels


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


@pytest.fixture(scope="session")
def trained(tmp_path_factory, browser, make_config) -> Callable[[str], Run]:
    """Return a trained run by its name in MODELS, with the folder of its page; without a browser nothing is trained."""
    root = tmp_path_factory.mktemp("runs")
    own_images(root)

    @cache
    def train(name: str) -> Run:
        own = {"data_dir": f"{root}/{name}.npz", "split": (0.6, 0.2, 0.2)} if "dataset" in MODELS[name] else {}
        with open(os.devnull, "w") as nowhere:
            train_and_evaluate(make_config(**QUICK | MODELS[name] | own), root / name, Console(nowhere))
        run = load_run(root / name)
        run.workdir = root / name  # pyright: ignore[reportAttributeAccessIssue]
        return run

    return train


@pytest.fixture
def explorer(page, trained) -> Callable[..., Explorer]:
    """Open the page of a run by its name in MODELS, with a state in its address."""
    return lambda name, state="": Explorer(page, trained(name), state)


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
