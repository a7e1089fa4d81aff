"""argparse for the commands and studies: flags they share, types of arguments, and errors of one line."""

import argparse
import os
import re
from pathlib import Path
from typing import NoReturn, cast

from vae_jax.config import command_line
from vae_jax.errors import InputError
from vae_jax.system import disk

PAGE_MARK = b'<meta name="generator" content="vae_jax">'
"""The beginning of every page has it; another file is not overwritten."""


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
        missing = re.fullmatch(r"argument ([^:]+): expected (?:one|at least one) argument", message)
        unknown = re.fullmatch(r"unrecognized arguments: (.*)", message)
        if missing:
            message = f"{missing[1]}: its value is missing; write {missing[1]}=VALUE"
        elif unknown:
            flags = [flag for flag in self._option_string_actions if flag.startswith("--")]
            message = f"{unknown[1]}: unknown; choices: {', '.join(flags)}"
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
            self.error(f"unrecognized arguments: {' '.join(unknown)}")
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
    numbers = [_whole(part) for part in text.split(",")]
    if len(numbers) != 2 or None in numbers:
        raise argparse.ArgumentTypeError(f"{text} is not two whole numbers, such as 3,7")
    return cast(tuple[int, int], tuple(numbers))


def names(text: str) -> tuple[str, str]:
    """Parse two names, `cat,dog`."""
    parts = text.split(",")
    if len(parts) != 2 or not all(parts):
        raise argparse.ArgumentTypeError(f"{text} is not two names, such as cat,dog")
    return parts[0], parts[1]


def path(text: str) -> Path:
    """Parse a path and expand `~`, which a shell does at the beginning of a word only."""
    if not text:  # else the current folder
        raise argparse.ArgumentTypeError("empty; choices: a path, or . for the current folder")
    return Path(os.path.expanduser(text))


def count(text: str) -> int:
    """Parse a whole number, at least 1."""
    number = _whole(text)
    if number is None or number < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a whole number, at least 1")
    return number


def seed(text: str) -> int:
    """Parse a seed, 0 to 2^32 - 1."""
    number = _whole(text)
    if number is None or not 0 <= number < 2**32:
        raise argparse.ArgumentTypeError(f"{text} is not a whole number from 0 to {2**32 - 1}")
    return number


def _whole(text: str) -> int | None:
    try:
        return int(text)
    except ValueError:
        return None


def seeds(text: str) -> tuple[int, ...]:
    """Parse different seeds, `0,1,2`."""
    numbers = tuple(seed(part) for part in text.split(","))
    if len(set(numbers)) < len(numbers):
        raise argparse.ArgumentTypeError(f"{text}: a seed occurs twice")
    return numbers


def output_page(flag: str, path: Path) -> Path:
    """Return the path if a page can be written there.

    Raises:
        InputError: the path is a folder or a file that is no page, or its folder is missing or not writable.
    """
    if path.is_dir():
        raise InputError(f"{flag}={path}: a folder; name a file in it")
    if path.exists() and PAGE_MARK not in path.read_bytes()[:1000]:
        raise InputError(f"{flag}={path}: there already, and no page of vae_jax; choices: a new file")
    if not path.parent.is_dir():
        raise InputError(f"{flag}={path}: no such folder: {path.parent}")
    if not os.access(path.parent, os.W_OK | os.X_OK):
        raise InputError(f"{flag}={path}: no permission to write in {path.parent}")
    return path
