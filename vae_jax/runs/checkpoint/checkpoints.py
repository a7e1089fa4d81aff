"""Checkpoints of a run: saved by orbax in the background, sealed by a manifest, the two latest and the best kept."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import jax

from vae_jax.errors import TrainingError
from vae_jax.models import OBJECTIVE
from vae_jax.runs.checkpoint import manifest
from vae_jax.runs.checkpoint.orbax_store import OrbaxStore
from vae_jax.runs.checkpoint.reading import Reader, Which
from vae_jax.runs.checkpoint.steps import Steps
from vae_jax.runs.checkpoint.trees import Info, Restored
from vae_jax.system import disk

ROOM = 1.2
"""The most bytes of a checkpoint's files per byte of its arrays (zstd leaves float32 noise as large as it is)."""


class Checkpoints:
    """The checkpoints in one directory: `DIRECTORY/STEP/`. Use it as a context manager, or the last save may be lost.

    The two latest steps and the one with the highest metric are kept. Anything else in the directory (temporary, foreign or
    empty directories, files) is ignored and left alone, and reading never deletes anything. The manifest is part of what
    orbax commits in one rename; a committed step without one is damaged.
    """

    def __init__(self, directory: Path, read_only: bool = False) -> None:
        """Create the directory, unless it is read_only: then nothing is created, written or deleted."""
        self._directory = Path(directory).absolute()
        self._read_only = read_only
        self._steps = Steps(self._directory)
        self._store = OrbaxStore(self._directory, read_only, self._steps.preserve, self._steps.seal_uncommitted)
        self._reader = Reader(self._directory, read_only, self._steps, self._store)
        self._num_bytes = 0
        if not read_only:
            self._directory.mkdir(parents=True, exist_ok=True)

    def __enter__(self) -> "Checkpoints":
        return self

    def __exit__(self, *error: object) -> None:
        """Wait for the save in flight and close; raise what that save raised."""
        try:
            self.wait()
        finally:
            self._store.close()

    def save(self, step: int, state: Any, info: dict, metric: float | None) -> None:
        """Save asynchronously: return once the arrays are copied, so that their buffers may be donated.

        A step that is there and intact is left as it is; a damaged one is renamed to STEP.set-aside-N and saved again.

        Args:
            step: the step's number.
            state: a pytree of arrays, none of them of size 0, and no random keys.
            info: a JSON object.
            metric: the higher the better; None or not finite ranks below every other.

        Raises:
            TrainingError: the disk is full.
            Exception: an earlier save failed in the background, or this one failed.
        """
        if self._read_only:
            raise ValueError(f"{self._directory} was opened read-only")
        self.wait()
        if os.path.lexists(self._steps.path(step)):
            if step in self._steps.ranks() and self._steps.damage(step) is None:
                return
            self._store.close()  # orbax would still believe that the step exists
            self._steps.set_aside(step)
        self._num_bytes = round(ROOM * sum(leaf.nbytes for leaf in jax.tree.leaves(state)))
        with self._full_disk_explained():
            disk.assert_room(self._steps.path(step), self._num_bytes)
        self._steps.begin(step, metric)
        try:
            with self._full_disk_explained(), disk.writing(self._steps.path(step), self._num_bytes):
                self._store.save(step, state, info)
        except BaseException:
            self._steps.pending = None
            raise

    def wait(self) -> None:
        """Return when every save is on disk with its manifest; raise what a save raised in the background."""
        if self._steps.pending is None:
            return
        step, metric = self._steps.pending
        with self._full_disk_explained(), disk.writing(self._steps.path(step), self._num_bytes):
            try:
                self._store.wait()
            finally:
                self._steps.pending = None
            if jax.process_index() == 0:
                manifest.seal(self._steps.path(step), metric, committed=True)

    def latest_step(self) -> int | None:
        """Return the highest step, the save in flight included, or None without a checkpoint. Files are not verified."""
        return max(self._steps.sound(), default=None)

    def best_step(self) -> int | None:
        """Return the step with the highest finite metric, or else the latest, or None without a checkpoint."""
        return self._steps.best()

    def strays(self) -> list[str]:
        """Return the names in the directory that are not checkpoints."""
        return self._steps.strays()

    def kept(self) -> str:
        """Say which checkpoint is left of a run that fails."""
        last = self.latest_step()
        return f"the checkpoint of step {last} is intact" if last is not None else "there is no checkpoint yet"

    def info(self, which: Which = "latest", step: int | None = None) -> Info | None:
        """Read the latest or best intact checkpoint, or exactly `step`, without its arrays; see `restore`."""
        self.wait()
        return self._reader.first_intact(which, step, lambda store, step: Info(step, store.read_info(step)))

    def restore(self, template: Any, which: Which = "latest", step: int | None = None) -> Restored | None:
        """Restore the latest or best intact checkpoint, or exactly `step`; return None if there is none at all.

        A damaged checkpoint is skipped with one line on stderr. One that a training process removes while it is read is not
        damaged: the checkpoints are listed again.

        Args:
            template: a pytree of arrays or jax.ShapeDtypeStruct, whose structure, shapes, dtypes and shardings the result has
                (without a sharding, or uncommitted: default device). None: host arrays.
            which: "latest" or "best".
            step: the step to restore.

        Raises:
            InputError: no intact checkpoint is left; `step` is missing or damaged; names, shapes or dtypes differ from the
                template's.
        """
        self.wait()
        return self._reader.first_intact(which, step, lambda store, step: store.read(step, template))

    def restore_params(
        self, template_of: Callable[[Info], Any], which: Which = "latest", step: int | None = None
    ) -> Restored | None:
        """Restore the model's parameters alone, into the template that is made from the checkpoint's info; see `restore`.

        Those of the objective are left out.
        """

        def read(store: OrbaxStore, step: int) -> Restored:
            info = store.read_info(step)
            return Restored(
                step, store.read_part(step, "params", template_of(Info(step, info)), without=(OBJECTIVE,)), info
            )

        self.wait()
        return self._reader.first_intact(which, step, read)

    @contextmanager
    def _full_disk_explained(self) -> Iterator[None]:
        try:
            yield
        except TrainingError as error:
            raise TrainingError(f"{error}\n{self.kept()}; with more space the same command resumes") from error
