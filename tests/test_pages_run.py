"""The code blocks of the pages run, one after another, as a reader copies them; training is shortened to one epoch.

Those of new_prior.md are run by test_new_prior.py.
"""

import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support.paths import ROOT

RUN = ("index.md", "start.md", "concepts.md", "data.md", "share.md", "../README.md")
"""The pages whose blocks are run, in this order for each of them, in a folder with photos/ and a finished run."""
LEFT_OUT = {
    r"pip install": ".ci/run installs",
    r"--config.dataset=(?:fashion_)?mnist(?!.*data_dir)": "downloads",
    r"--push=": "tests/artifacts/test_hub.py",
    r"--distributed": "tests/faults/test_two_processes.py",
    r"--launcher=|--search=": "tests/sweeps",
    r"log.tracker=": "tests/runs/test_trackers.py",
    r"experiments\.(?:reproduce|benchmarks|faults)": "studies of minutes to hours",
    r"vq_vae|runs/vq|code_prior": "minutes each: experiments.reproduce.tokenizers trains the same",
    r"git clone|^cd |wc -l|^tests/": "not a command of this program",
}
"""A pattern of lines that are not run -> the reason, or the test that covers them."""
NEEDS = {"share": "safetensors", "export": "onnx", "dataset=grain": "grain", "vae-jax pack": "grain"}
MNIST = os.environ.get("VAE_JAX_MNIST_DIR", "")
PLACES = {
    "runs/NAME": "made/one",
    "runs/OTHER": "made/two",
    "=RUN": "=made/one",
    '"RUN"': '"made/one"',
    "=DIR": f"={MNIST}",
}


def blocks(page: Path) -> list[tuple[str, str]]:
    """Return (language, text) of each block of commands, in order; continued lines are joined."""
    found = re.findall(r"^```(sh|bash|python)\n(.*?)^```$", page.read_text(), re.M | re.S)
    return [(kind, re.sub(r"\\\n\s*", " ", text)) for kind, text in found]


def shortened(line: str) -> str:
    """Return a command with the folders of the test; a run trains for an epoch, unless it continues another."""
    for name, place in PLACES.items():
        line = line.replace(name, place)
    trains = re.match(r"(?:python -m vae_jax\.main|vae-jax (?:train|sweep)) --config=", line)
    line = re.sub(r"num_epochs=\d+", "num_epochs=2", line).replace("--seeds=0,1,2", "--seeds=0")
    return line + " --config.num_epochs=1" * bool(trains and "num_epochs" not in line)


def of_python(text: str) -> str:
    """Return a block of Python with what it takes as given; the line about conditional runs is for another run."""
    given = "import numpy as np\nimages, z = np.zeros((2, 8, 8, 1), np.uint8), np.zeros((2, 10))\n"
    text = re.sub(r".*# of a conditional run.*\n", "", text).replace(
        '"latent_dim": 10}', '"latent_dim": 10, "num_epochs": 1}'
    )
    return given + shortened(text.replace("runs/NAME", "made/of_python"))


def runnable(line: str) -> bool:
    missing = any(mark in line and find_spec(package) is None for mark, package in NEEDS.items())
    without_mnist = "=DIR" in line and not MNIST
    return bool(line) and not missing and not without_mnist and not any(re.search(one, line) for one in LEFT_OUT)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("reader")
    rng = np.random.default_rng(0)
    for number in range(160):
        where = folder / "photos" / "ab"[number % 2]
        where.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (20, 24, 3), np.uint8)).save(where / f"{number}.png")
    (folder / "configs").symlink_to(ROOT / "configs")
    for name in ("one", "two"):
        execute(folder, f"vae-jax train --config=vae --config.num_epochs=1 --workdir=made/{name}")
    return folder


def execute(folder: Path, line: str, python: bool = False) -> None:
    environment = os.environ | {"PYTHONPATH": str(ROOT), "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    environment |= {"XDG_CACHE_HOME": str(folder / "cache"), "MPLBACKEND": "agg"}
    words = [sys.executable, "-c", line] if python else ["bash", "-ec", line]
    done = subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, f"{line}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"


@pytest.mark.slow
@pytest.mark.parametrize("page", RUN)
def test_the_blocks_of_a_page_run_in_their_order(page, folder):
    ran = 0
    for kind, text in blocks(ROOT / "docs" / page):
        lines = [text] if kind == "python" else text.splitlines()
        for line in filter(runnable, lines):
            execute(folder, of_python(line) if kind == "python" else shortened(line), kind == "python")
            ran += 1
    assert ran


def test_every_line_of_the_other_pages_is_one_that_is_left_out():
    others = {*(ROOT / "docs").glob("*.md")} - {ROOT / "docs" / page for page in (*RUN, "new_prior.md")}
    lines = [line for page in others for kind, text in blocks(page) if kind != "python" for line in text.splitlines()]
    assert lines
    resumed = "vae-jax train --workdir=runs/NAME"  # tests/test_train.py
    assert [line for line in lines if runnable(line) and not line.startswith(resumed)] == []
