"""The command `vae-jax`, which `python -m vae_jax` runs too: it lists the commands, or runs one of them."""

import sys

from vae_jax import commands, main
from vae_jax.system.command import run_command

TRAIN = "Train a run from a config, or resume it"


def start() -> int:
    """Run the command line of this process; return its exit code."""
    return run(sys.argv[1:])


def run(argv: list[str]) -> int:
    """Run a command line; return the exit code of `run_command`."""
    if argv[:1] == ["train"]:
        return main.run(argv[1:])
    return run_command(lambda: _run(argv))


def _run(argv: list[str]) -> int | None:
    name, *words = argv or ["--help"]
    if name in commands.COMMANDS:
        return commands.load(name)(words)
    if name == "--version":
        from importlib.metadata import version

        print(f"vae_jax {version('vae_jax')}")
    elif name in ("-h", "--help", "help"):
        print(listing())
    else:
        raise _unknown(name)
    return 0


def _unknown(name: str) -> Exception:
    """Return the error for a first word that is no command."""
    import difflib

    from vae_jax.errors import InputError, shown

    names = ("train", *commands.COMMANDS)
    near = difflib.get_close_matches(name, names, n=1)
    hint = f"; did you mean {near[0]}?" if near else ""
    problem = "a command comes before the flags" if name.startswith("-") else "unknown command"
    return InputError(f"{shown(name)}: {problem}{hint}; choices: {', '.join(names)}, --help, --version")


def listing() -> str:
    """Return the usage, and a line for each command."""
    rows = {"train": TRAIN} | {name: commands.summary(name) for name in commands.COMMANDS}
    lines = [f"  {name:<10} {text}" for name, text in rows.items()]
    usage = "usage: vae-jax COMMAND [FLAG ...]\n       vae-jax COMMAND --help\n       vae-jax --version\n"
    return "\n".join([usage, "commands:", *lines, "\nThe first one to try: vae-jax train --config=vae"])


if __name__ == "__main__":
    sys.exit(start())
