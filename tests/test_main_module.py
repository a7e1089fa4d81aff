"""`vae-jax`, which is `python -m vae_jax` too: the list of commands, and words that are none."""

import subprocess
import sys
from configparser import ConfigParser

import pytest
from support.paths import ROOT

from vae_jax import __main__ as vae_jax_command
from vae_jax import commands, main
from vae_jax.errors import InputError


@pytest.mark.parametrize("argv", [[], ["--help"], ["-h"], ["help"]])
def test_the_commands_are_listed_with_their_summaries(capsys, argv):
    assert vae_jax_command.run(argv) == 0
    lines = capsys.readouterr().out.splitlines()
    for name in commands.COMMANDS:
        assert f"  {name:<10} {commands.summary(name)}" in lines
    assert any(line.startswith("  train ") for line in lines)
    assert max(map(len, lines)) <= 80


def test_the_list_is_printed_without_the_import_of_jax_or_numpy():
    code = (
        "import sys; from vae_jax import __main__; __main__.run([]); "
        "print([name for name in ('jax', 'numpy', 'ml_collections') if name in sys.modules], file=sys.stderr)"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert out.stderr.strip() == "[]"


def test_the_version_is_that_of_the_package(capsys):
    setup = ConfigParser()
    setup.read(ROOT / "setup.cfg")
    assert vae_jax_command.run(["--version"]) == 0
    assert capsys.readouterr().out == f"vae_jax {setup['metadata']['version']}\n"


@pytest.mark.parametrize(
    ("word", "start"),
    [
        ("nlll", "error: nlll: unknown command; did you mean nll?; choices: train, "),
        ("trian", "error: trian: unknown command; did you mean train?; choices: train, "),
        ("quux", "error: quux: unknown command; choices: train, "),
        ("", "error: : unknown command; choices: train, "),
        ("NLL\n", r"error: NLL\n: unknown command; choices: train, "),
        ("arguments", "error: arguments: unknown command; choices: train, "),
        ("--config=vae", "error: --config=vae: a command comes before the flags; choices: train, "),
    ],
)
def test_a_first_word_that_is_no_command_is_refused_with_the_nearest_and_all(capsys, word, start):
    assert vae_jax_command.run([word, "--workdir=x"]) == 2
    captured = capsys.readouterr()
    (line,) = captured.err.splitlines()
    assert captured.out == ""
    assert line.startswith(start)
    assert line.endswith(f"{', '.join(commands.COMMANDS)}, --help, --version")


def test_train_is_the_main_of_the_package(monkeypatch):
    seen = []
    monkeypatch.setattr(main, "run", lambda argv: seen.append(argv) or 7)
    assert vae_jax_command.run(["train", "--config=vae", "--config.seed=3"]) == 7
    assert seen == [["--config=vae", "--config.seed=3"]]


def test_a_command_gets_its_flags_and_its_exit_code_and_errors_are_those_of_the_process(capsys, monkeypatch):
    with pytest.raises(SystemExit) as ended:
        vae_jax_command.run(["nll", "--help"])
    assert ended.value.code == 0
    assert capsys.readouterr().out.startswith("usage: vae-jax nll [-h] --workdir RUN")

    def refuse(argv: list[str]) -> int:
        if argv == ["--fail"]:
            raise InputError("bad")
        return len(argv)

    monkeypatch.setattr(commands, "load", lambda name: refuse)
    assert vae_jax_command.run(["nll", "a", "b", "c"]) == 3
    assert vae_jax_command.run(["nll", "--fail"]) == 2
    assert capsys.readouterr().err == "error: bad\n"


def test_python_m_and_the_console_script_run_the_same(monkeypatch, capsys):
    done = subprocess.run([sys.executable, "-m", "vae_jax", "nlll"], capture_output=True, text=True, cwd=ROOT)
    monkeypatch.setattr(sys, "argv", ["vae-jax", "nlll"])
    setup = ConfigParser()
    setup.read(ROOT / "setup.cfg")
    assert setup["options.entry_points"]["console_scripts"].strip() == "vae-jax = vae_jax.__main__:start"
    assert (vae_jax_command.start(), capsys.readouterr().err) == (done.returncode, done.stderr) == (2, done.stderr)
