"""The message for data that are not in the place that a config names."""

import os
from collections.abc import Mapping

from vae_jax.errors import InputError
from vae_jax.system.command import train_command


def assert_there(paths: Mapping[str, str], kind: str = "folder") -> None:
    """Raise InputError if a path does not exist; it says how a run learns the new place of its data.

    Args:
        paths: key of the config -> its folder or file.
        kind: "folder" or "file".
    """
    for name in (name for name, path in paths.items() if not path):
        raise InputError(f"{name}=: names no {kind}; a shared model comes without the images of its author")
    missing = {name: path for name, path in paths.items() if not os.path.exists(path)}
    if missing:
        places = ", ".join(f"{name}={path}{_absolute(path)}" for name, path in missing.items())
        flags = " ".join(f"--config.{name}=NEW" for name in missing)
        plural = "s" * (len(missing) > 1)
        mend = f"if the data of a run have moved: {train_command()} --workdir=RUN {flags}"
        raise InputError(f"{places}: no such {kind}{plural}; {mend}")


def _absolute(path: str) -> str:
    """Return a relative path's absolute one in parentheses; the command line has made all paths absolute."""
    return "" if os.path.isabs(path) else f" ({os.path.abspath(path)})"
