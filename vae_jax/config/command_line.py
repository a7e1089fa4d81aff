"""The flags of the command line, and the config that they give."""

import os
from collections.abc import Callable, Sequence
from typing import NamedTuple

from vae_jax import config as config_lib
from vae_jax.config.registries import names
from vae_jax.config.values import over_file
from vae_jax.errors import InputError, shown
from vae_jax.system.command import train_command
from vae_jax.system.joining import FOUND
from vae_jax.types import Config

ABOUT = """Trains the run that FILE describes, evaluates it and draws its figures, or resumes the run in DIR. FILE is a Python
file, or the name of a config that comes with this program, such as vae. Run only files that you trust. `vae-jax train` and
`python -m vae_jax.main` are the same.

Without --workdir the folder of the run is runs/NAME. NAME is made from the config file, the data set, the latent size and a
hash of the keys that identify the run, so the same command resumes the same run.

With --distributed several processes, on one machine or many, train one run on all their devices. All of them must be able
to write to the workdir. SLURM, Open MPI, Kubernetes and TPU pods tell each process its place; elsewhere start each process
with --distributed=HOST:PORT,PROCESSES,ID: the address of process 0, the number of processes, and the process's own number,
from 0.

"""


class Flags(NamedTuple):
    """A parsed command line."""

    config: str
    workdir: str
    overrides: tuple[tuple[str, str], ...]
    """Pairs (key, text), in the order given."""
    help: bool
    distributed: str = ""
    """The place among several processes, see `joining.together`; empty: this process is alone."""


def parse(argv: list[str]) -> Flags:
    """Parse `--config=FILE --workdir=DIR --config.KEY=VALUE ... --distributed --help`, in any order.

    A value may also be the next word: `--workdir DIR`.

    Raises:
        InputError: an unknown flag, a flag without a value, or neither a config nor a workdir.
    """
    named = {"--config": "", "--workdir": "", "--distributed": ""}
    overrides, problems = [], []
    if "--help" in argv or "-h" in argv:
        return Flags("", "", (), help=True)
    for word in _joined(argv):
        flag, equals, value = word.partition("=")
        if named.get(flag):
            problems.append(f"{flag}={shown(value)}: {flag} occurs twice")
        elif flag in named and value:
            problems += config_lib.text_problems(flag, value)
            # A shell expands `~` only at the beginning of a word. Values that are not paths do not begin with `~`.
            named[flag] = os.path.expanduser(value)
        elif flag == "--distributed" and not equals:
            named[flag] = FOUND
        elif flag in named:
            example = {"--config": "FILE", "--workdir": "DIR"}.get(flag, "HOST:PORT,PROCESSES,ID")
            problems.append(f"{flag}: its value is missing; write {flag}={example}")
        elif flag.startswith("--config.") and flag != "--config." and not equals:
            problems.append(f"{shown(flag)}: its value is missing; write {shown(flag)}=VALUE")
        elif flag.startswith("--config.") and flag != "--config.":
            overrides.append((flag.removeprefix("--config."), value))
        else:
            choices = "--config=FILE, --config.KEY=VALUE, --workdir=DIR, --distributed, --help"
            problems.append(f"{shown(flag) or 'an empty word'}: unknown flag; choices: {choices}")
    if not problems and not (named["--config"] or named["--workdir"]):
        problems.append("--config: nothing to do; try --config=vae, or --workdir=DIR to resume a run, or --help")
    if problems:
        raise InputError("\n".join(problems))
    return Flags(named["--config"], named["--workdir"], tuple(overrides), False, named["--distributed"])


def _joined(argv: Sequence[str]) -> list[str]:
    """Return the words of a command line with `--flag value` as `--flag=value`."""
    words: list[str] = []
    for word in argv:
        takes_value = words and words[-1].startswith(("--config", "--workdir")) and "=" not in words[-1]
        if takes_value and not word.startswith("--"):
            words[-1] += f"={word}"
        else:
            words.append(word)
    return words


def read_file(
    file: str, overrides: Sequence[tuple[str, str]] = (), say: Callable[[str], None] = lambda line: None
) -> Config:
    """Return the validated config of a config file, given by its path or its name, with overrides; see `over_file`.

    Raises:
        InputError: no such file or name, a line for every wrong key, or an override of a key that nothing reads.
    """
    config = config_lib.override(config_lib.load_file(file), overrides)
    return over_file(file, config, {name for name, _ in overrides}, say)


def help_text(argv: Sequence[str]) -> str:
    """Return the help. With --config=FILE and overrides it has their values, and the keys that they choose come first.

    Raises:
        InputError: as `read_file`, but for keys that nothing reads.
    """
    words = [word for word in _joined(argv) if word.startswith("--config")]
    flags = parse(words) if words else Flags("", "", (), help=True)
    flat, heading = config_lib.flatten(config_lib.defaults()), "Keys, their defaults and meanings:"
    if flags.config:
        flat |= config_lib.flatten(config_lib.override(config_lib.load_file(flags.config), flags.overrides))
        heading = f"Keys, their values in {' '.join(words)}, and meanings:"
    more = "[--config.KEY=VALUE ...] [--distributed[=WHERE]]"
    usage = [f"{train_command()} {first} {more}" for first in ("--config=FILE [--workdir=DIR]", "--workdir=DIR")]
    return f"usage: {usage[0]}\n       {usage[1]}\n\n{ABOUT}{heading}\n{config_lib.key_table(names('digits'), flat)}"


def overridden(config: Config, overrides: Sequence[tuple[str, str]]) -> Config:
    """Return a config with the overrides of a command line, validated.

    Raises:
        InputError: a line for every wrong key.
    """
    config = config_lib.override(config, overrides)
    return config_lib.validate(config, names(str(config.get("dataset", ""))))
