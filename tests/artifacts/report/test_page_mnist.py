"""The pages of the default models on MNIST: their size, their speed, and digits drawn by hand."""

import os
from pathlib import Path

import numpy as np
import pytest
from support.explorer_page import Explorer, draw
from support.paths import ROOT

from vae_jax import data
from vae_jax.config import command_line
from vae_jax.runs.loading import load_run
from vae_jax.system.console import Console
from vae_jax.train import train_and_evaluate

MOST_BYTES = 6_000_000
MOST_MILLISECONDS = 16

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif("VAE_JAX_MNIST_DIR" not in os.environ, reason="VAE_JAX_MNIST_DIR is not set"),
]


def opened(page, workdir: Path, name: str, num_train: int) -> Explorer:
    overrides = {
        "dataset": "mnist",
        "data_dir": os.environ["VAE_JAX_MNIST_DIR"],
        "num_epochs": 5,
        "num_train": num_train,
        "log.tensorboard": False,
    }
    overrides |= {"latent_dim": 20, "batch_size": 128, "log.latent_every_steps": 0} if name == "vae" else {}
    config = command_line.read_file(f"{ROOT}/configs/{name}.py", [(k, str(v)) for k, v in overrides.items()])
    with open(os.devnull, "w") as nowhere:
        train_and_evaluate(config, workdir, Console(nowhere))
    run = load_run(workdir)
    run.workdir = workdir  # pyright: ignore[reportAttributeAccessIssue]
    return Explorer(page, run)


def milliseconds(there: Explorer) -> float:
    """Return the median time of 50 decodings, as printed on the page."""
    for i in range(60):
        there.page.mouse.move(*there.place(0.3 + 0.005 * i, 0.5))
        there.page.wait_for_timeout(15)
    told = there.page.locator("#speed").text_content().replace("less than ", "")
    return float(told.split(" ms")[0].split()[-1])


@pytest.mark.parametrize(("name", "num_train"), [("vae", 12_000), ("conv_vae", 500)])
def test_default_models_are_small_and_fast_and_recognize_a_drawn_seven(page, tmp_path, name, num_train):
    there = opened(page, tmp_path / "run", name, num_train)
    assert (tmp_path / "run" / "report.html").stat().st_size < MOST_BYTES
    assert milliseconds(there) < MOST_MILLISECONDS
    if name != "vae":
        return
    content = there.content()["points"]
    test = data.load(there.run.config).test
    sevens = [i for i in np.flatnonzero(test.labels == 7) if i not in set(content["rows"])][:10]
    there.click("#tab-draw")
    there.set("#brush", 0.05)
    hits = 0
    for i in sevens:
        there.click("#clear")
        draw(there, test.images[i, ..., 0] / 255, threshold=0.4)
        nearest = there.page.locator("#nearest button").first.get_attribute("data-index")
        hits += content["labels"][int(nearest)] == 7
    assert hits >= 8
