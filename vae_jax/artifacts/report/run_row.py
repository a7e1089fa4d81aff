"""A run as a row of the index, read from its small files only: no checkpoint is opened, and nothing is compiled."""

import contextlib
import json
import os
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from vae_jax import config as config_lib
from vae_jax.artifacts.report import facts
from vae_jax.config.registries import NAMES
from vae_jax.errors import InputError, printable
from vae_jax.runs import workdir as workdir_lib
from vae_jax.runs import writer
from vae_jax.system import locks
from vae_jax.types import Config

TAIL = 2**16
"""The bytes at the end of metrics.jsonl that are read."""
METRICS = ("elbo", "mse")
"""The metrics of a row."""


class Row(NamedTuple):
    """A run in the index."""

    workdir: Path
    state: str
    """`running`, `stopped`, `complete` or `damaged`."""
    detail: str
    """The process that trains it, or the damage; empty for other runs."""
    moment: datetime
    """The time of its last result or row of metrics, whichever is later."""
    config: Config | None = None
    """The configuration, or None if it is damaged."""
    epochs: float = 0.0
    metrics: Mapping[str, tuple[float, str]] = {}
    """Metric -> (value, split): of test images, or of validation before the run is complete."""


def read(workdir: Path) -> Row:
    """Return a run's row; whatever is wrong with the run is its damage, and never an error."""
    moment, config = _moment(workdir), None
    trainer = locks.holder(workdir)
    try:
        config = _config(workdir)
        last, measured = _last_rows(workdir / writer.FILE)
        results = _results(workdir / workdir_lib.RESULTS)
        epochs = float(last.get("epoch", 0))
        complete = bool(results) and last.get("step", 0) <= results["step"] and not trainer
        state = "running" if trainer else "complete" if complete else "stopped"
        split, known = ("test", results) if complete else ("val", measured)
        metrics = {
            name: (float(known[f"{split}/{name}"]), split) for name in METRICS if _known(known, f"{split}/{name}")
        }
        return Row(workdir, state, trainer or "", moment, config, results["epochs"] if complete else epochs, metrics)
    except (InputError, OSError, ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
        return Row(workdir, "damaged", printable(_reason(error, workdir)), moment, config)


def _known(values: Mapping[str, Any], name: str) -> bool:
    return isinstance(values.get(name), int | float)


def _reason(error: Exception, workdir: Path) -> str:
    """Return the first line of an error without the run's folder, which its row names."""
    if isinstance(error, OverflowError):
        return f"{writer.FILE} or {workdir_lib.RESULTS}: a number is too large"
    text = (
        f"{Path(error.filename).name}: {error.strerror}"
        if isinstance(error, OSError) and error.filename
        else str(error)
    )
    lines = text.split("\n")
    more = f" (and {len(lines) - 1} more)" if len(lines) > 1 else ""
    return lines[0].replace(f"{workdir}{os.sep}", "") + more


def _config(workdir: Path) -> Config:
    path = workdir / workdir_lib.CONFIG
    if not os.path.lexists(path):
        raise InputError(f"{workdir_lib.CONFIG} is missing")
    try:
        return config_lib.validate(config_lib.from_json(path.read_bytes(), str(path)), NAMES)
    except UnicodeDecodeError:
        raise InputError(f"{path}: not a run's configuration: not text") from None


def _results(path: Path) -> dict[str, Any]:
    """Return the content of results.json, or nothing if the run has none."""
    if not os.path.lexists(path):
        return {}
    try:
        values = json.loads(path.read_bytes())
    except ValueError:
        raise InputError(f"{path.name}: not JSON") from None
    needed = ("step", "epochs")
    if not isinstance(values, dict) or not all(_known(values, name) for name in needed):
        raise InputError(f"{path.name}: not the results of a run of this version: it needs {' and '.join(needed)}")
    return values


def _last_rows(path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the last row at the end of metrics.jsonl, and the last one of validation; {} if there are none."""
    if not os.path.lexists(path):
        return {}, {}
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - TAIL))
        lines = file.read().split(b"\n")
    # The first line may be the end of one, and the last one half written: by a run now, or before it was killed.
    lines = lines[size > TAIL : -1]
    rows = []
    for line in filter(None, lines):
        try:
            row = json.loads(line)
        except ValueError:
            row = None
        if not isinstance(row, dict) or not _known(row, "step") or not _known(row, "epoch"):
            raise InputError(f"{path.name}: not a row of metrics: {line[:40].decode(errors='replace')}")
        rows.append(row)
    measured = [row for row in rows if any(name.startswith("val/") for name in row)]
    return (rows[-1] if rows else {}), (measured[-1] if measured else {})


def _moment(workdir: Path) -> datetime:
    """Return the later of the times of results and metrics; without both, that of the config, or else of the folder."""
    for names in ((workdir_lib.RESULTS, writer.FILE), (workdir_lib.CONFIG,), ("",)):
        times = []
        for name in names:
            with contextlib.suppress(OSError):
                times.append((workdir / name).stat().st_mtime)
        if times:
            return datetime.fromtimestamp(max(times), UTC)
    return datetime.fromtimestamp(0, UTC)


def kind_of(config: Config) -> str:
    """Return the kind of a run's numbers; those of different kinds are not sorted among each other.

    The numbers of a density are those of its pair, so its kind is that of the run whose codes it learned, read from that run's
    config. If that run has moved, only its name is known.
    """
    if config.dataset == "codes":
        try:
            parent = _config(Path(config.data_dir))
        except (InputError, OSError, ValueError, RecursionError):
            return f"codes of {facts.data_name(config)}"
        given = ", given the label" if parent.condition == "none" != config.condition else ""
        return (kind_of(parent) if parent.dataset != "codes" else f"codes of {facts.data_name(config)}") + given
    binarised = "" if config.binarize == "none" else f", {config.binarize} pixels"
    given = "" if config.condition == "none" else ", given the label"
    seen = ", from noisy images" if config.objective == "denoising" else ""
    size = f", {' x '.join(map(str, config.image_size))}" if config.image_size else ""
    grey = ", turned grey" if config.grayscale else ""
    return f"{facts.data_name(config)}{size}{grey}, {config.likelihood}{binarised}{given}{seen}"
