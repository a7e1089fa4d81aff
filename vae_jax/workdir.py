"""A run is a directory: what may be written where, and which config it belongs to."""

import os
import shlex
from pathlib import Path

from vae_jax import config as config_lib
from vae_jax.types import Config, InputError

CONFIG = "config.json"
RESULTS = "results.json"


def read_config(workdir: Path) -> Config:
    """The config of the run in workdir.

    Raises:
        InputError: there is no run, or its config.json cannot be read.
    """
    path = workdir / CONFIG
    if not os.path.isdir(workdir):  # Path's own raises in a folder that must not be read
        raise InputError(f"--workdir={workdir}: no such folder; a new run needs --config=FILE, such as configs/vae.py")
    if not os.path.isfile(path):
        raise InputError(f"--workdir={workdir}: not a run, there is no {CONFIG} in it; a new run needs --config=FILE")
    try:
        return config_lib.from_json(path.read_bytes(), str(path))
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None


def check(config: Config, workdir: Path) -> None:
    """Refuse a workdir that this config must not write to; nothing is changed on disk.

    Raises:
        InputError: it is a file, cannot be written, holds something else, or a run of another config (a line for each key).
    """
    for place in (workdir, *workdir.parents):
        if os.path.exists(place):
            if not place.is_dir():
                raise InputError(f"--workdir={workdir}: {place} is a file, not a folder")
            if not os.access(place, os.W_OK | os.X_OK):
                raise InputError(f"--workdir={workdir}: no permission to write in {place}")
            break
    if not os.path.exists(workdir):
        return
    if (workdir / CONFIG).exists():
        changed = config_lib.differences(read_config(workdir), config)
        if changed:
            lines = [f"{key}={new}: the run in {workdir} has {key}={old}" for key, old, new in changed]
            raise InputError(
                "\n".join([*lines, "a changed run needs another folder: leave --workdir out, or name a new one"])
            )
    elif any(not entry.name.endswith(".tmp") for entry in workdir.iterdir()):
        raise InputError(
            f"--workdir={workdir}: holds other files and no {CONFIG}: not a run; name a new or empty folder"
        )


def write(path: Path, content: str | bytes) -> None:
    """Write a file whole or not at all: to a temporary name, then renamed."""
    temporary = path.with_name(path.name + ".tmp")
    temporary.write_bytes(content.encode() if isinstance(content, str) else content)
    os.replace(temporary, path)


def make_folder(flag: str, path: Path) -> Path:
    """Make a folder to write in, if it is not there; `flag` is what the person gave it with.

    Raises:
        InputError: it is a file, or cannot be made or written.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{flag}={path}: the folder cannot be made: {error.strerror}") from None
    if not os.access(path, os.W_OK | os.X_OK):
        raise InputError(f"{flag}={path}: no permission to write in it")
    return path


def claim(config: Config, workdir: Path) -> None:
    """Make workdir and write the config into it, unless a run's config is there: `record` replaces that one.

    Raises:
        InputError: as `check`, or the folder cannot be made or written.
    """
    check(config, workdir)
    try:
        workdir.mkdir(parents=True, exist_ok=True)
        if not (workdir / CONFIG).exists():
            record(config, workdir)
    except OSError as error:
        raise InputError(f"--workdir={workdir}: cannot be written: {error.strerror}") from None


def record(config: Config, workdir: Path) -> None:
    """Write the config that the run goes on with."""
    write(workdir / CONFIG, config_lib.to_json(config))


def continue_command(workdir: Path) -> str:
    """What to type to continue a run."""
    return f"python -m vae_jax.main --workdir={shlex.quote(str(workdir))}"
