"""The commands of `vae-jax`: each module holds one command's flags, one call and one print."""

import ast
import importlib
import sys
from collections.abc import Callable
from pathlib import Path

from vae_jax.system.command import run_command

COMMANDS = (
    "evaluate",
    "nll",
    "health",
    "visualize",
    "report",
    "compare",
    "index",
    "sample",
    "codes",
    "pack",
    "export",
    "share",
    "sweep",
)


def run(name: str) -> None:
    """Run a command with the flags of this process and exit with its code."""
    # The command is imported inside run_command, so that Ctrl-C during the seconds of its imports prints no traceback.
    sys.exit(run_command(lambda: load(name)(sys.argv[1:])))


def load(name: str) -> Callable[[list[str]], int | None]:
    """Import a command; return its function (flags) -> exit code, where None means 0."""
    return importlib.import_module(f"vae_jax.commands.{name}").main


def summary(name: str) -> str:
    """Return the first sentence of a command's help, without the import of the command."""
    source = Path(__file__).with_name(f"{name}.py").read_text(encoding="utf-8")
    return (ast.get_docstring(ast.parse(source)) or "").partition(":")[0]
