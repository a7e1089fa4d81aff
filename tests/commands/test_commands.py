"""Every command is short, has a forwarder in experiments/, prints its help, and is listed."""

import pytest
from support.paths import ROOT

from vae_jax import commands

FOLDER = ROOT / "vae_jax" / "commands"


def test_every_module_of_the_folder_is_a_command():
    assert {path.stem for path in FOLDER.glob("*.py")} - {"__init__", "arguments", "sweep_flags"} == set(
        commands.COMMANDS
    )


@pytest.mark.parametrize("name", commands.COMMANDS)
def test_a_command_has_at_most_80_lines_and_its_forwarder_10(name):
    text = (FOLDER / f"{name}.py").read_text()
    assert len(text.splitlines()) <= 80
    assert f": `vae-jax {name} " in text.partition("\n")[0]
    assert len((ROOT / "experiments" / f"{name}.py").read_text().splitlines()) <= 10


def test_the_experiments_package_lists_the_commands(run):
    listed = run("experiments")
    assert (listed.returncode, listed.stderr) == (0, "")
    for name in commands.COMMANDS:
        (line,) = [line for line in listed.stdout.splitlines() if f"experiments.{name} " in line]
        assert line.endswith(commands.summary(name))


def test_a_forwarder_prints_the_help_of_its_command(run):
    shown = run("experiments.evaluate", "--help")
    assert (shown.returncode, shown.stderr) == (0, "")
    assert shown.stdout.startswith("usage: vae-jax evaluate [-h] --workdir RUN")
    assert commands.summary("evaluate") in shown.stdout


def test_bad_input_to_a_forwarder_prints_no_traceback(run):
    done = run("experiments.sample", "--workdir=nowhere", "--output=x")
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)
