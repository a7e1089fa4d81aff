"""argparse for the commands and studies: flags they share, types of arguments, and errors of one line."""

import argparse
import os
import re
from pathlib import Path
from typing import NoReturn

from vae_jax.config import command_line
from vae_jax.errors import InputError
from vae_jax.system import disk


class Parser(argparse.ArgumentParser):
    """argparse with a module's docstring as --help text; the docstring names its command.

    A command is `vae-jax nll`, a study `python -m experiments.reproduce.iwae`.
    """

    def __init__(self, description: str | None) -> None:
        command = re.search(r"vae-jax \w+|python -m [\w.]+", description or "")
        formatter = argparse.RawDescriptionHelpFormatter
        prog = command[0] if command else None
        super().__init__(prog, description=description, formatter_class=formatter, allow_abbrev=False)

    def error(self, message: str) -> NoReturn:
        """Raise InputError where argparse would print its usage and exit."""
        raise InputError(f"{message}; --help lists the flags")

    def add_run(self) -> None:
        """Add the flags that choose a run and its checkpoint."""
        self.add_argument("--workdir", type=path, required=True, metavar="RUN", help="the directory of the run")
        self.add_argument("--which", choices=["best", "latest"], default="best", help="the checkpoint (best)")

    def add_output(self, default: str = "RUN") -> None:
        """Add the flag that names the folder to write to; see `output_folder`."""
        self.add_argument("--output", type=path, metavar="DIR", help=f"the folder to write to ({default})")

    def add_config(self) -> None:
        """Add the flag of a config, which --config.KEY=VALUE changes; see `parse_config`."""
        self.add_argument("--config", required=True, metavar="FILE", help="a config file, or the name of one")

    def parse_config(self, argv: list[str]) -> argparse.Namespace:
        """Parse the flags; `config` is the file or name, `overrides` holds the (key, text) of --config.KEY=VALUE."""
        flags, rest = self.parse_known_args(argv)
        unknown = [word for word in rest if not word.startswith("--config.") or "=" not in word]
        if unknown:
            self.error(f"unknown: {' '.join(unknown)}")
        given = command_line.parse([f"--config={flags.config}", *rest])
        flags.config, flags.overrides = given.config, given.overrides
        return flags


def output_folder(flags: argparse.Namespace, below: str = "", kind: str = "DIR") -> Path:
    """Create the folder that --output names, or else the one `below` the run's directory; `kind` is what --output takes.

    Raises:
        InputError: it cannot be created or written.
    """
    if flags.output:
        return disk.make_folder("--output", flags.output)
    try:
        return disk.make_folder("--workdir", flags.workdir / below)
    except InputError as error:
        raise InputError(f"{error}; choices: --output={kind}") from None


def pair(text: str) -> tuple[int, int]:
    """Parse two whole numbers, `3,7`."""
    first, second = (int(part) for part in text.split(","))
    return first, second


def names(text: str) -> tuple[str, str]:
    """Parse two names, `cat,dog`."""
    first, second = text.split(",")
    return first, second


def path(text: str) -> Path:
    """Parse a path and expand `~`, which a shell does at the beginning of a word only."""
    return Path(os.path.expanduser(text))


def count(text: str) -> int:
    """Parse a whole number, at least 1."""
    if int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a whole number, at least 1")
    return int(text)


def seed(text: str) -> int:
    """Parse a seed, 0 to 2^32 - 1."""
    if not 0 <= int(text) < 2**32:
        raise argparse.ArgumentTypeError(f"{text} is not a whole number from 0 to {2**32 - 1}")
    return int(text)


def seeds(text: str) -> tuple[int, ...]:
    """Parse different seeds, `0,1,2`."""
    numbers = tuple(seed(part) for part in text.split(","))
    if len(set(numbers)) < len(numbers):
        raise argparse.ArgumentTypeError(f"{text}: a seed occurs twice")
    return numbers


def output_file(flag: str, path: Path) -> Path:
    """Return the path if a file can be written there.

    Raises:
        InputError: the path is a folder, or its folder is missing or not writable.
    """
    if path.is_dir():
        raise InputError(f"{flag}={path}: a folder; name a file in it")
    if not path.parent.is_dir():
        raise InputError(f"{flag}={path}: no such folder: {path.parent}")
    if not os.access(path.parent, os.W_OK | os.X_OK):
        raise InputError(f"{flag}={path}: no permission to write in {path.parent}")
    return path
