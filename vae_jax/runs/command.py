"""The command line that started a run: WORKDIR/command.json, written once, when the run is made."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from vae_jax.config import flatten
from vae_jax.system import disk
from vae_jax.types import Config

FILE = "command.json"
LEFT_OUT = "--distributed="
"""The flag that is not stored: it holds the address of a machine."""


class Command(NamedTuple):
    """The command line that started a run."""

    arguments: tuple[str, ...]
    """The words after `python -m vae_jax.main`, as a person gave them."""
    config: dict[str, Any]
    """The flat config that they gave; tuples are lists."""


def record(arguments: Sequence[str], config: Config, workdir: Path) -> None:
    """Write the command line that gave `config`; one without arguments is not known, and nothing is written."""
    if arguments:
        kept = [word for word in arguments if not word.startswith(LEFT_OUT)]
        disk.write(workdir / FILE, json.dumps({"arguments": kept, "config": flatten(config)}, indent=2) + "\n")


def read(workdir: Path) -> Command | None:
    """Read the command line that started the run, or None if it is not known: the file is missing or damaged."""
    try:
        stored = json.loads((workdir / FILE).read_text(encoding="utf-8"))
        arguments, config = stored["arguments"], stored["config"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
    known = (
        isinstance(arguments, list) and all(isinstance(word, str) for word in arguments) and isinstance(config, dict)
    )
    return Command(tuple(arguments), config) if known else None
