"""The flags of the command line, and the config that they add up to."""

import os
from collections.abc import Sequence
from typing import NamedTuple

from vae_jax import config as config_lib
from vae_jax.config.registries import names
from vae_jax.errors import InputError, shown
from vae_jax.system.joining import FOUND
from vae_jax.types import Config

USAGE = """usage: python -m vae_jax.main --config=FILE [--workdir=DIR] [--config.KEY=VALUE ...] [--distributed[=WHERE]]
       python -m vae_jax.main --workdir=DIR [--config.KEY=VALUE ...] [--distributed[=WHERE]]

Trains, evaluates and draws the run that FILE describes, or continues the run in DIR. Without --workdir a run lies in
runs/NAME, named from the config file, the data set, the latent size and a hash of what identifies the run: the same
command continues the same run. FILE is a Python file: run only those that you trust.

With --distributed several processes, on one machine or many, train one run on all their devices; the workdir lies where all
of them can write. SLURM, Open MPI, Kubernetes and TPU pods tell each process its place; elsewhere each is started with
--distributed=HOST:PORT,PROCESSES,ID: the address of process 0, their number, and which one it is, from 0.

Keys, their defaults and meanings:
"""


class Flags(NamedTuple):
    """A parsed command line."""

    config: str
    workdir: str
    overrides: tuple[tuple[str, str], ...]
    """(key, text) in the order given."""
    help: bool
    distributed: str = ""
    """Where the other processes are; empty: there are none."""


def parse(argv: list[str]) -> Flags:
    """Parse `--config=FILE --workdir=DIR --config.KEY=VALUE ... --help`, in any order; `--flag value` works as `--flag=value`.

    A key without a value, `--config.log.parameters`, is set to true.

    Raises:
        InputError: an unknown flag, one without its value, or neither a config nor a workdir.
    """
    named = {"--config": "", "--workdir": "", "--distributed": ""}
    overrides, problems = [], []
    words = list(argv)
    if "--help" in words or "-h" in words:
        return Flags("", "", (), help=True)
    while words:
        flag, equals, value = words.pop(0).partition("=")
        if not equals and words and not words[0].startswith("--"):
            equals, value = "=", words.pop(0)
        if flag in named and value:
            problems += config_lib.text_problems(flag, value)
            # A shell expands `~` at the beginning of a word only. What is no path stays as it is: it begins with none.
            named[flag] = os.path.expanduser(value)
        elif flag == "--distributed" and not equals:
            named[flag] = FOUND
        elif flag in named:
            problems.append(f"{flag}: its value is missing, {flag}={'FILE' if flag == '--config' else 'DIR'}")
        elif flag.startswith("--config.") and flag != "--config.":
            overrides.append((flag.removeprefix("--config."), value if equals else "true"))
        else:
            choices = "--config=FILE, --config.KEY=VALUE, --workdir=DIR, --distributed, --help"
            problems.append(f"{shown(flag) or 'an empty word'}: unknown flag; choices: {choices}")
    if not problems and not (named["--config"] or named["--workdir"]):
        problems.append(
            "--config: nothing to do; try --config=configs/vae.py, or --workdir=DIR to continue a run, or --help"
        )
    if problems:
        raise InputError("\n".join(problems))
    return Flags(named["--config"], named["--workdir"], tuple(overrides), False, named["--distributed"])


def read_file(file: str, overrides: Sequence[tuple[str, str]] = ()) -> Config:
    """The validated config that a file returns, with overrides.

    Raises:
        InputError: no such file, or a line for every key that is wrong.
    """
    return overridden(config_lib.load_file(file), overrides)


def overridden(config: Config, overrides: Sequence[tuple[str, str]]) -> Config:
    """A config with the overrides of a command line, validated.

    Raises:
        InputError: a line for every key that is wrong.
    """
    config = config_lib.override(config, overrides)
    return config_lib.validate(config, names(str(config.get("dataset", ""))))
