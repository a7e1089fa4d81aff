"""The steps in a directory of checkpoints: which are there, how they rank, which are damaged, which stay."""

import contextlib
import itertools
import math
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

import jax

from vae_jax.runs.checkpoint import manifest
from vae_jax.runs.checkpoint.manifest import MANIFEST


class Steps:
    """The checkpoints in one directory, and the one that is being saved.

    Attributes:
        pending: (step, metric) of the save in flight, or None.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self.pending: tuple[int, float | None] | None = None
        self._damaged: set[int] = set()
        self._verified: set[int] = set()

    def path(self, step: int) -> Path:
        """Return the directory of a step."""
        return self._directory / str(step)

    def ranks(self) -> dict[int, tuple[float, int]]:
        """Return (metric, step) of each checkpoint on disk and of the one in flight: the higher the better."""
        found = {} if self.pending is None else {self.pending[0]: self.pending[1]}
        for step in self.inodes():
            found.setdefault(step, manifest.metric_of(self.path(step)))
        return {step: (-math.inf if metric is None else metric, step) for step, metric in found.items()}

    def inodes(self) -> dict[int, int]:
        """Return step -> a number of its folder on disk, which differs if another folder takes its place."""
        found = {}
        for path in self._directory.iterdir() if self._directory.is_dir() else ():
            ours = (path / MANIFEST).is_file() or (path / "_CHECKPOINT_METADATA").is_file()
            if ours and path.name.isdecimal() and path.name == str(int(path.name)):
                with contextlib.suppress(FileNotFoundError):
                    found[int(path.name)] = path.stat().st_ino
        return found

    def unsealed(self, steps: Iterable[int]) -> list[int]:
        """Return the steps without a manifest: damaged, or removed by another process."""
        return [step for step in steps if not (self.path(step) / MANIFEST).exists()]

    def sound(self) -> dict[int, tuple[float, int]]:
        """Return the ranks of the steps that are not known to be damaged."""
        return {step: rank for step, rank in self.ranks().items() if step not in self._damaged}

    def best(self) -> int | None:
        """Return the step with the highest finite metric, or else the latest, or None without a checkpoint."""
        ranks = self.sound()
        return max(ranks, key=ranks.__getitem__, default=None)

    def strays(self) -> list[str]:
        """Return the names in the directory that are not checkpoints."""
        ours = set(map(str, self.ranks()))
        return sorted(path.name for path in self._directory.iterdir() if path.name not in ours)

    def begin(self, step: int, metric: float | None) -> None:
        """Record that a step is being saved."""
        self._damaged.discard(step)
        self._verified.add(step)
        self.pending = step, metric if metric is not None and math.isfinite(metric) else None

    def seal_uncommitted(self) -> None:
        """Seal the save in flight, before its temporary directory is renamed."""
        if self.pending is not None and jax.process_index() == 0:
            step, metric = self.pending
            for path in self._directory.glob(f"{step}.orbax-checkpoint-tmp*"):
                manifest.seal(path, metric, committed=False)

    def damage(self, step: int) -> str | None:
        """Return what is damaged in a checkpoint, or None."""
        reason = manifest.damage(self.path(step))
        if reason is not None:
            self._damaged.add(step)
        return reason

    def set_aside(self, step: int) -> None:
        """Rename a step's directory to STEP.set-aside-N; processes wait for one another."""
        free = (self._directory / f"{step}.set-aside-{n}" for n in itertools.count())
        if jax.process_index() == 0:
            os.rename(self.path(step), next(path for path in free if not os.path.lexists(path)))
        if jax.process_count() > 1:
            from jax.experimental import multihost_utils

            multihost_utils.sync_global_devices(f"step {step} set aside")

    def preserve(self, steps: Sequence[int]) -> list[bool]:
        """Return which steps stay: the latest two intact ones and newer ones, the best, and any that is not ours."""
        ours = self.ranks()
        for step in ours.keys() - self._verified:
            self.damage(step)
        self._verified |= ours.keys()
        saving = None if self.pending is None else self.pending[0]
        oldest = min(sorted(self.sound())[-2:], default=0)
        return [step >= oldest or step in (saving, self.best()) or step not in ours for step in steps]
