"""argparse for the scripts of experiments/: types of arguments, and complaints of one line."""

import argparse
import difflib
import os
from collections.abc import Collection
from pathlib import Path
from typing import NoReturn

from vae_jax.errors import InputError


class Parser(argparse.ArgumentParser):
    """argparse for the scripts of experiments/, its complaints as InputError."""

    def __init__(self, description: str | None) -> None:
        super().__init__(
            description=description, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
        )

    def error(self, message: str) -> NoReturn:
        """Raise InputError where argparse would print its usage and exit."""
        raise InputError(f"{message}; --help tells the flags")


def pair(text: str) -> tuple[int, int]:
    """Two whole numbers, `3,7`: a type for argparse."""
    first, second = (int(part) for part in text.split(","))
    return first, second


def path(text: str) -> Path:
    """A path, `~` being the home: a type for argparse. A shell expands it at the beginning of a word only."""
    return Path(os.path.expanduser(text))


def count(text: str) -> int:
    """A whole number, at least 1: a type for argparse."""
    if int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a whole number, at least 1")
    return int(text)


def seed(text: str) -> int:
    """A seed, 0 to 2^32 - 1: a type for argparse."""
    if not 0 <= int(text) < 2**32:
        raise argparse.ArgumentTypeError(f"{text} is not a whole number from 0 to {2**32 - 1}")
    return int(text)


def seeds(text: str) -> tuple[int, ...]:
    """Different seeds, `0,1,2`: a type for argparse."""
    numbers = tuple(seed(part) for part in text.split(","))
    if len(set(numbers)) < len(numbers):
        raise argparse.ArgumentTypeError(f"{text} names a seed twice")
    return numbers


def one_of(flag: str, name: str, names: Collection[str]) -> str:
    """The name, if it is one of these.

    Raises:
        InputError: it is not; the message gives the nearest and all.
    """
    if name not in names:
        near = difflib.get_close_matches(name, list(names), n=1)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise InputError(f"{flag}={name}: unknown{hint}; choices: {', '.join(names)}")
    return name


def output_file(flag: str, path: Path) -> Path:
    """The path of a file to write, in a folder that is there.

    Raises:
        InputError: its folder is not there or must not be written in, or the path is a folder's.
    """
    if path.is_dir():
        raise InputError(f"{flag}={path}: a folder; name a file in it")
    if not path.parent.is_dir():
        raise InputError(f"{flag}={path}: no such folder: {path.parent}")
    if not os.access(path.parent, os.W_OK | os.X_OK):
        raise InputError(f"{flag}={path}: no permission to write in {path.parent}")
    return path
