"""The page docs/new_prior.md, followed to the letter in a copy of the package."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys

import pytest
from support.paths import ROOT

PAGE = (ROOT / "docs" / "new_prior.md").read_text()
HEALTH = ["--num_refined=50", "--num_images=200", "--steps=5", "--temperatures=10"]
QUICK = ["--config.num_epochs=3", "--config.log.latent_every_steps=0", "--config.hidden_dims=16"]


@pytest.mark.slow
def test_the_page_about_a_new_prior_works_as_written(tmp_path):
    (file,) = re.findall(r"^`(vae_jax/models/priors/\w+\.py)`:$", PAGE, re.M)
    code, lines = re.findall(r"^```python\n(.*?)^```$", PAGE, re.M | re.S)
    (commands,) = re.findall(r"^```sh\n(.*?)^```$", PAGE, re.M | re.S)
    for name in ("vae_jax", "configs", "experiments", "tests"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "setup.cfg", tmp_path)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    (tmp_path / file).write_text(code)
    registry = tmp_path / "vae_jax/models/priors/__init__.py"
    imported, entry = lines.splitlines()
    text = registry.read_text().replace(
        "PRIORS: dict[str, Entry] = {", f"{imported}\n\nPRIORS: dict[str, Entry] = {{\n{entry}"
    )
    registry.write_text(text)
    environment = {
        name: value for name, value in os.environ.items() if name not in ("XLA_FLAGS", "PYTEST_CURRENT_TEST")
    }
    first, *later = commands.splitlines()
    for command in (f"{first} --config.num_epochs=1", first, *later):  # the second resumes the first
        words = shlex.split(command)
        words = [sys.executable, *(words[1:] if words[0] == "python" else ["-m", *words])]
        words[3:3] = QUICK if "vae_jax.main" in words else []
        words += HEALTH if "experiments.health" in words else []
        words += ["-n0", "-p", "no:cacheprovider"] if "pytest" in words else []
        done = subprocess.run(words, cwd=tmp_path, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    run = tmp_path / "runs" / "laplace"
    assert json.loads((run / "config.json").read_text())["laplace"] == {"scale": 1.0}
    assert {"report.html", "results.json", "nll.json", "health.json"} <= {path.name for path in run.iterdir()}
    assert len(list(run.rglob("*.onnx"))) == 2
