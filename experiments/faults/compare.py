"""The outcome of a run, and the differences between two runs that should be equal."""

import hashlib
import json
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from vae_jax.runs.checkpoint import Checkpoints
from vae_jax.runs.tensorboard import Points, read_points
from vae_jax.runs.workdir import RESULTS
from vae_jax.runs.writer import FILE


class Outcome(NamedTuple):
    """The outcome of a finished run; a run that was killed and resumed must have the same one."""

    state: str
    """The sha256 of the latest checkpoint's state."""
    metrics: str
    """The content of metrics.jsonl."""
    results: dict[str, Any]
    tensorboard: Points
    files: list[str]
    """The names in the workdir, checkpoints/ and figures/, without TensorBoard's files, one for each start."""


def digest(workdir: Path) -> str:
    """Return the sha256 of the latest checkpoint's state."""
    with Checkpoints(workdir / "checkpoints", read_only=True) as checkpoints:
        restored = checkpoints.restore(None)
    assert restored is not None, f"{workdir}: no checkpoint"
    total = hashlib.sha256()
    for path, leaf in jax.tree_util.tree_leaves_with_path(restored.state):
        total.update(f"{jax.tree_util.keystr(path)} {leaf.dtype} {leaf.shape}".encode() + np.asarray(leaf).tobytes())
    return total.hexdigest()


def outcome(workdir: Path) -> Outcome:
    """Read the outcome of a finished run."""
    paths = [path for place in ("*", "checkpoints/*", "figures/*") for path in workdir.glob(place)]
    return Outcome(
        digest(workdir),
        (workdir / FILE).read_text(),
        json.loads((workdir / RESULTS).read_text()),
        {tag: sorted(points, key=lambda point: point[0]) for tag, points in read_points(workdir).items()},
        sorted(path.relative_to(workdir).as_posix() for path in paths if "tfevents" not in path.name),
    )


def differences(found: Outcome, expected: Outcome) -> list[str]:
    """Return a line for each part that differs."""
    lines = []
    if found.files != expected.files:
        more, less = set(found.files) - set(expected.files), set(expected.files) - set(found.files)
        lines.append(f"files: unexpected {sorted(more)}, missing {sorted(less)}")
    for tag in sorted(found.tensorboard.keys() | expected.tensorboard.keys()):
        ours, theirs = ([p[0] for p in side.tensorboard.get(tag, [])] for side in (found, expected))
        if ours != theirs:
            lines.append(f"TensorBoard, {tag}: steps {ours}, expected {theirs}")
    equal = {name: getattr(found, name) == getattr(expected, name) for name in ("state", "metrics", "results")}
    equal["TensorBoard's values"] = found.tensorboard == expected.tensorboard
    return lines + [f"{name}: not the same" for name, same in equal.items() if not same]


def last_saved(workdir: Path) -> int:
    """Return the step of the newest committed checkpoint, or 0 without one."""
    with Checkpoints(workdir / "checkpoints", read_only=True) as checkpoints:
        return checkpoints.latest_step() or 0
