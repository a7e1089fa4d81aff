"""Count the rooms that a config enters during train_and_evaluate: python tests/support/journey.py [--root=DIR]

A room is a package or a flat module of vae_jax. The config enters a room when a function of it is called with the config, or
with a tuple that has it as its field `config`, among its arguments. A return is an entry into a room that the config had left.
The same is counted by file. --root is the tree whose code runs: this one, or an older version's.
"""

import os
import sys
import tempfile
from pathlib import Path
from types import FrameType
from typing import Any

ROOT = Path(next((flag.removeprefix("--root=") for flag in sys.argv[1:] if flag.startswith("--root=")), os.getcwd()))
PACKAGE = str(ROOT.resolve() / "vae_jax") + os.sep


def holds(value: Any) -> bool:
    """Return True if the value is a run's config, or a tuple with one as its field."""
    from ml_collections import ConfigDict

    value = getattr(value, "config", value) if isinstance(value, tuple) else value
    return isinstance(value, ConfigDict) and "latent_dim" in value


def follow(visits: list[str]):
    """Make a profile function that appends the file of every call that is given the config."""

    def profile(frame: FrameType, event: str, argument: Any) -> None:
        code = frame.f_code
        if event != "call" or not code.co_filename.startswith(PACKAGE):
            return
        names = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
        if any(holds(frame.f_locals.get(name)) for name in names):
            visits.append(code.co_filename.removeprefix(PACKAGE).removesuffix(".py"))

    return profile


def count(visits: list[str]) -> tuple[int, int]:
    """Return (different places, returns to a place that was left)."""
    stays = [place for i, place in enumerate(visits) if i == 0 or visits[i - 1] != place]
    return len(set(stays)), len(stays) - len(set(stays))


def main() -> None:
    """Train two epochs on the digits and print the counts."""
    sys.path.insert(0, str(ROOT.resolve()))
    from vae_jax import config as config_lib
    from vae_jax.train import train_and_evaluate

    config = config_lib.defaults()
    with config.unlocked():
        config.update({"num_epochs": 2, "hidden_dims": (16,), "latent_dim": 2})
        config.log.tensorboard = False
    visits: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        sys.setprofile(follow(visits))
        try:
            train_and_evaluate(config, Path(folder) / "run")
        finally:
            sys.setprofile(None)
    for name, places in (("room", [visit.split(os.sep)[0] for visit in visits]), ("file", visits)):
        entered, returns = count(places)
        print(f"by {name}: the config enters {entered} and returns {returns} times to one that it had left")


if __name__ == "__main__":
    main()
