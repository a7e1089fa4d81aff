"""The flags of the command line."""

from typing import NamedTuple

from vae_jax.types import InputError

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
