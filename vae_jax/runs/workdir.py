"""A run is a directory: what may be written where, and which config it belongs to."""

import fnmatch
import functools
import json
import os
import shlex
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from vae_jax.system import disk
from vae_jax import config as config_lib
from vae_jax.system import disk
from vae_jax.system import locks
from vae_jax.types import Config
from vae_jax.errors import InputError, shown

CONFIG = "config.json"
RESULTS = "results.json"
FILES, FOLDERS = (CONFIG, RESULTS, "metrics.jsonl", "report.html"), ("checkpoints", "figures", "latents", "profile")
OURS = (CONFIG, "metrics.jsonl", "events.out.tfevents.*", "checkpoints", locks.FILE, "*.tmp")
"""What a run has before its first checkpoint."""


def read_config(workdir: Path) -> Config:
    """The config of the run in workdir; that of its latest intact checkpoint where config.json is lost, which is told.

    Raises:
        InputError: there is no run, or its config.json cannot be read.
    """
    path = workdir / CONFIG
    if not os.path.isdir(workdir):  # Path's own raises in a folder that must not be read
        raise InputError(f"--workdir={workdir}: no such folder; a new run needs --config=FILE, such as configs/vae.py")
    lost = _lost(path)
    if not lost:
        return config_lib.from_json(path.read_bytes(), str(path))
    kept = _kept_config(workdir)
    if kept is not None:
        _tell_once(f"{path}: {lost}; the config is taken from the checkpoint of step {kept[0]}")
        return kept[1]
    if not os.path.isfile(path):
        raise InputError(f"--workdir={workdir}: not a run, there is no {CONFIG} in it; a new run needs --config=FILE")
    raise InputError(f"{path}: not a run's configuration: {lost}")


def _lost(path: Path) -> str:
    """Why a config.json has no config at all; empty where it may have one."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return "is not there"
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        return f"damaged, {shown(error)}"
    return "" if isinstance(values, dict) else "damaged, not a JSON object"


def _kept_config(workdir: Path) -> tuple[int, Config] | None:
    """(step, config) of the latest intact checkpoint."""
    from vae_jax.runs.checkpoint import Checkpoints

    folder = workdir / "checkpoints"
    with Checkpoints(folder, read_only=True) as checkpoints:
        restored = checkpoints.restore(None)
    if restored is None or "config" not in restored.info:
        return None
    return restored.step, config_lib.from_json(json.dumps(restored.info["config"]), str(folder / str(restored.step)))


@functools.cache
def _tell_once(line: str) -> None:
    print(line, file=sys.stderr)


def read_results(workdir: Path) -> dict[str, Any]:
    """The content of results.json; empty where there is none, or a damaged one."""
    try:
        values = json.loads((workdir / RESULTS).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return values if isinstance(values, dict) else {}


def check(config: Config, workdir: Path) -> None:
    """Refuse a workdir that this config must not write to; nothing is changed on disk.

    Raises:
        InputError: it is a file, cannot be written, holds something else, a run of another config (a line for each key), or
            one that is training.
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
    locks.assert_free(workdir)
    _assert_ours(config, workdir)


def _assert_ours(config: Config, workdir: Path) -> None:
    """Refuse a folder that holds something else than this run, or the beginning of one.

    Raises:
        InputError: see `check`.
    """
    for name in FOLDERS:
        if os.path.lexists(workdir / name) and not (workdir / name).is_dir():
            raise InputError(f"--workdir={workdir}: {workdir / name} is in the place of a folder; move it away")
    for name in FILES:
        if os.path.lexists(workdir / name) and not (workdir / name).is_file():
            raise InputError(f"--workdir={workdir}: {workdir / name} is in the place of a file; move it away")
    path = workdir / CONFIG
    lost = _lost(path)
    if lost and _kept_config(workdir) is None:
        names = [entry.name for entry in workdir.iterdir()]
        if not all(any(fnmatch.fnmatchcase(name, pattern) for pattern in OURS) for name in names):
            told = f"{lost}: not a run" if path.exists() else f"holds other files and no {CONFIG}: not a run"
            raise InputError(f"--workdir={workdir}: {told}; name a new or empty folder")
        if path.exists():
            _tell_once(f"{path}: {lost}, and there is no checkpoint: the run begins anew")
        return
    changed = config_lib.differences(read_config(workdir), config)
    if changed:
        lines = [f"{key}={new}: the run in {workdir} has {key}={old}" for key, old, new in changed]
        raise InputError(
            "\n".join([*lines, "a changed run needs another folder: leave --workdir out, or name a new one"])
        )






@contextmanager
def claimed(config: Config, workdir: Path) -> Iterator[None]:
    """A context in which workdir is there, is locked for this process, and holds a config: an older run's, until `record`.

    Raises:
        InputError: as `check`, or the folder cannot be made or written.
    """
    with ExitStack() as lock:
        try:
            workdir.mkdir(parents=True, exist_ok=True)
            lock.enter_context(locks.held(workdir))
            _assert_ours(config, workdir)
            if _lost(workdir / CONFIG):
                record(config, workdir)
        except OSError as error:
            raise InputError(f"--workdir={workdir}: cannot be written: {error.strerror}") from None
        yield


def record(config: Config, workdir: Path) -> None:
    """Write the config that the run goes on with."""
    disk.write(workdir / CONFIG, config_lib.to_json(config))


def continue_command(workdir: Path) -> str:
    """What to type to continue a run."""
    return f"python -m vae_jax.main --workdir={shlex.quote(str(workdir))}"
