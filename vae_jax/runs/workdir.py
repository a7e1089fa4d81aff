"""A run is a directory: what may be written in it, and which config it belongs to."""

import fnmatch
import functools
import json
import os
import shlex
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from vae_jax import config as config_lib
from vae_jax.errors import InputError, shown
from vae_jax.runs import command
from vae_jax.system import disk, locks
from vae_jax.system.command import train_command
from vae_jax.types import Config

CONFIG = "config.json"
RESULTS, PAGE = "results.json", "report.html"
TRACKER = "tracker.json"
FILES = (CONFIG, command.FILE, RESULTS, "metrics.jsonl", PAGE, TRACKER)
FOLDERS = ("checkpoints", "figures", "latents", "profile", "wandb")
_LOGS = ("metrics.jsonl", "events.out.tfevents.*", TRACKER, "wandb")
BEFORE_CHECKPOINT = (CONFIG, command.FILE, *_LOGS, "checkpoints", locks.FILE, "*.tmp")
"""The names that a run may have before its first checkpoint."""


def read_config(workdir: Path) -> Config:
    """Read the config of the run in workdir.

    If config.json is lost, the config of the latest intact checkpoint is used, and a line says so.

    Raises:
        InputError: there is no run, or its config.json cannot be read.
    """
    path = workdir / CONFIG
    if not os.path.isdir(workdir):  # Path's own raises in a folder that must not be read
        what = "a file, and no folder of a run" if os.path.exists(workdir) else "no such folder"
        raise InputError(f"--workdir={workdir}: {what}; train a run: {train_command()} --config=vae")
    config, problem = _stored_config(workdir)
    if config is not None:
        return config
    if not os.path.isfile(path):
        raise InputError(f"--workdir={workdir}: not a run, there is no {CONFIG} in it")
    raise InputError(f"{path}: not a run's configuration: {problem}")


def _stored_config(workdir: Path) -> tuple[Config | None, str]:
    """Return (config, "") from config.json or else from a checkpoint, or (None, why config.json has no config)."""
    path = workdir / CONFIG
    try:
        text = path.read_bytes()
        values = json.loads(text.decode())
        problem = "" if isinstance(values, dict) else "damaged, not a JSON object"
    except FileNotFoundError:
        problem = "is missing"
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        problem = f"damaged, {shown(error)}"
    else:
        if not problem and {"format", "config"} <= values.keys():
            raise InputError(f"--workdir={workdir}: a shared model and not a run; choices: vae_jax.from_pretrained")
        if not problem:
            return config_lib.from_json(text, str(path)), ""
    return _config_from_checkpoint(workdir, problem), problem


def _config_from_checkpoint(workdir: Path, problem: str) -> Config | None:
    """Return the config of the latest intact checkpoint, with a line that says so, or None."""
    from vae_jax.runs.checkpoint import Checkpoints
    from vae_jax.runs.checkpoint.ownership import config_of

    folder = workdir / "checkpoints"
    with Checkpoints(folder, read_only=True) as checkpoints:
        latest = checkpoints.info()
    config = latest and config_of(latest, str(folder / str(latest.step)))
    if latest is not None and config is not None:
        _print_once(f"{workdir / CONFIG}: {problem}; the config is taken from the checkpoint of step {latest.step}")
    return config


@functools.cache
def _print_once(line: str) -> None:
    print(line, file=sys.stderr)


def read_results(workdir: Path) -> dict[str, Any]:
    """Read results.json; empty if it is missing or damaged."""
    return disk.read_object(workdir / RESULTS)


def check(config: Config, workdir: Path) -> None:
    """Raise InputError if this config must not write to workdir; nothing is changed on disk.

    It must not if workdir is a file, cannot be written, holds something else, is a run of another config (a line for each
    key), or is being trained.
    """
    for place in (workdir, *workdir.parents):
        if os.path.exists(place):
            if not place.is_dir():
                raise InputError(f"--workdir={workdir}: {place} is a file, not a folder")
            if not os.access(place, os.W_OK | os.X_OK):
                raise InputError(f"--workdir={workdir}: no permission to write in {place}")
            break
    if os.path.exists(workdir):
        locks.assert_free(workdir)
        _assert_same_run(config, workdir)


def _assert_same_run(config: Config, workdir: Path) -> bool:
    """Raise InputError unless the folder is empty, or holds this run or the beginning of one; see `check`.

    Return True if config.json holds a config, False if it has to be written.
    """
    for kind, names, is_kind in (("folder", FOLDERS, Path.is_dir), ("file", FILES, Path.is_file)):
        for path in (workdir / name for name in names):
            if os.path.lexists(path) and not is_kind(path):
                raise InputError(f"--workdir={workdir}: {path} is in the place of a {kind}; move it away")
    stored, problem = _stored_config(workdir)
    if stored is None:
        names, exists = [entry.name for entry in workdir.iterdir()], os.path.lexists(workdir / CONFIG)
        if not all(any(fnmatch.fnmatchcase(name, pattern) for pattern in BEFORE_CHECKPOINT) for name in names):
            reason = problem if exists else f"holds other files and no {CONFIG}"
            raise InputError(f"--workdir={workdir}: {reason}: not a run; name a new or empty folder")
        if exists:
            _print_once(f"{workdir / CONFIG}: {problem}, and there is no checkpoint: starting from scratch")
    elif changed := config_lib.differences(stored, config):
        lines = [f"{key}={new}: the run in {workdir} has {key}={old}" for key, old, new in changed]
        raise InputError(
            "\n".join([*lines, "a changed run needs another folder: leave --workdir out, or name a new one"])
        )
    return not problem


@contextmanager
def open_run(config: Config, workdir: Path, arguments: Sequence[str] = ()) -> Iterator[None]:
    """Context manager: create and lock workdir, and make sure that it holds a config.json.

    The config of an existing run stays until `record` is called. For a new run the command line is stored too: `arguments`,
    the words that gave the config; none if it was not given by a command line.

    Raises:
        InputError: see `check`; or the folder cannot be created or written.
    """
    with ExitStack() as lock:
        try:
            workdir.mkdir(parents=True, exist_ok=True)
            lock.enter_context(locks.locked(workdir))
            if not _assert_same_run(config, workdir):
                record(config, workdir)
                command.record(arguments, config, workdir)
        except OSError as error:
            raise InputError(f"--workdir={workdir}: cannot be written: {error.strerror}") from None
        yield


def record(config: Config, workdir: Path) -> None:
    """Write the config that the run continues with."""
    disk.write(workdir / CONFIG, config_lib.to_json(config))


def record_folders(config: Config, workdir: Path) -> None:
    """Write the folders of this config into the config.json of a complete run, whose data have moved there."""
    stored = config_lib.flatten(read_config(workdir))
    moved = stored | {name: text for name, text in config_lib.flatten(config).items() if name.endswith("_dir") and text}
    if moved != stored:
        record(config_lib.nest(moved), workdir)


def resume_command(workdir: Path) -> str:
    """Return the command line that resumes a run."""
    return f"{train_command()} --workdir={shlex.quote(str(workdir))}"
