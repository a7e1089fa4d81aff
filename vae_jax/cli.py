"""The flags of the command line, and what becomes of errors: a line each and an exit code, never a traceback."""

import argparse
import difflib
import sys
from collections.abc import Callable, Collection
from typing import NamedTuple, NoReturn

from vae_jax import signals
from vae_jax.types import InputError, TrainingError

USAGE = """usage: python -m vae_jax.main --config=FILE [--workdir=DIR] [--config.KEY=VALUE ...]
       python -m vae_jax.main --workdir=DIR [--config.KEY=VALUE ...]

Trains, evaluates and draws the run that FILE describes, or continues the run in DIR. Without --workdir a run lies in
runs/NAME, named from the config file, the data set, the latent size and a hash of what identifies the run: the same
command continues the same run. FILE is a Python file: run only those that you trust.

Keys, their defaults and meanings:
"""


class Flags(NamedTuple):
    """A parsed command line."""

    config: str
    workdir: str
    overrides: tuple[tuple[str, str], ...]
    """(key, text) in the order given."""
    help: bool


def parse(argv: list[str]) -> Flags:
    """Parse `--config=FILE --workdir=DIR --config.KEY=VALUE ... --help`, in any order; `--flag value` works as `--flag=value`.

    A key without a value, `--config.log.parameters`, is set to true.

    Raises:
        InputError: an unknown flag, one without its value, or neither a config nor a workdir.
    """
    named = {"--config": "", "--workdir": ""}
    overrides, problems = [], []
    words = list(argv)
    if "--help" in words or "-h" in words:
        return Flags("", "", (), help=True)
    while words:
        flag, equals, value = words.pop(0).partition("=")
        if not equals and words and not words[0].startswith("--"):
            equals, value = "=", words.pop(0)
        if flag in named and value:
            named[flag] = value
        elif flag in named:
            problems.append(f"{flag}: its value is missing, {flag}={'FILE' if flag == '--config' else 'DIR'}")
        elif flag.startswith("--config."):
            overrides.append((flag.removeprefix("--config."), value if equals else "true"))
        else:
            problems.append(f"{flag}: unknown flag; choices: --config=FILE, --config.KEY=VALUE, --workdir=DIR, --help")
    if not problems and not any(named.values()):
        problems.append(
            "--config: nothing to do; try --config=configs/vae.py, or --workdir=DIR to continue a run, or --help"
        )
    if problems:
        raise InputError("\n".join(problems))
    return Flags(named["--config"], named["--workdir"], tuple(overrides), help=False)


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


def exit_code(body: Callable[[], int | None], stopped: Callable[[], str] = lambda: "stopped") -> int:
    """Run a command and tell what went wrong, a line each: 0 done, 1 training failed, 2 bad input, 128 + n signal n.

    Args:
        body: the command; what it returns is the exit code, None being 0.
        stopped: what to say when a signal stopped it.
    """
    try:
        with signals.raising():
            return body() or 0
    except (InputError, TrainingError) as error:
        print("\n".join(f"error: {line}" for line in str(error).splitlines()), file=sys.stderr)
        return 2 if isinstance(error, InputError) else 1
    except signals.Stopped as stop:
        print(stopped())
        return 128 + stop.signum
