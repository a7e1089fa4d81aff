"""The README tells the truth: its commands are ones that the program takes, its names are ones that exist."""

import re
import shlex

import pytest
from support.paths import ROOT

from vae_jax import config as config_lib
from vae_jax.config import command_line
from vae_jax.evaluation.per_image import METRICS

README = (ROOT / "README.md").read_text()
DOCSTRINGS = "\n".join(
    path.read_text().split('"""')[1] for path in sorted((ROOT / "configs").glob("*.py")) if path.stat().st_size
)
COMMANDS = sorted(
    set(
        re.findall(
            r"python -m vae_jax\.main((?: --[\w.]+(?:=[^\s`;&]+)?)+)", re.sub(r"\s+--", " --", README + DOCSTRINGS)
        )
    )
)


def test_there_are_two_commands_and_ci_runs_them_as_they_stand():
    blocks = re.findall(r"^```bash\n(.*?)\n```$", README, re.M | re.S)
    assert blocks == [
        "pip install -e . && python -m vae_jax.main --config=configs/vae.py",
        "pip install -e '.[test]' && pytest",
    ]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_is_one_that_the_program_takes(command):
    flags = command_line.parse(shlex.split(command.replace("$s", "0")))
    if flags.help:
        return
    if flags.config:
        command_line.read_file(flags.config, flags.overrides)
    else:
        config_lib.override(config_lib.defaults(), flags.overrides)


def test_the_commands_were_found():
    assert len(COMMANDS) >= 6


def test_the_files_and_metrics_it_names_exist():
    for path in re.findall(r"`((?:vae_jax|configs|tests|experiments)/[\w/]+\.py)`|\]\((docs/[^)]+)\)", README):
        name = path[0] or path[1]
        assert "NAME" in name or (ROOT / name).exists(), name
    for metric in METRICS:
        assert f"`{metric}`" in README
