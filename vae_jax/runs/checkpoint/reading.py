"""Reading of checkpoints that another process may remove meanwhile: the one that trains the run."""

import errno
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from typing import Literal, TypeVar

from vae_jax.errors import InputError
from vae_jax.runs.checkpoint.orbax_store import OrbaxStore
from vae_jax.runs.checkpoint.steps import Steps
from vae_jax.runs.checkpoint.trees import Info, Restored
from vae_jax.system import locks

_ATTEMPTS = 100
_REMOVAL_SECONDS = 1.0

Which = Literal["best", "latest"]
T = TypeVar("T", Info, Restored)


class Reader:
    """Finds the checkpoint to read, and skips damaged ones.

    Args:
        directory: the checkpoints' directory, in the folder of the run.
        read_only: True if another process may train the run.
        steps: the steps in the directory.
        store: reads them.
    """

    def __init__(self, directory: Path, read_only: bool, steps: Steps, store: OrbaxStore) -> None:
        self._directory, self._read_only, self._steps, self._store = directory, read_only, steps, store

    def first_intact(self, which: Which, step: int | None, read: Callable[[OrbaxStore, int], T]) -> T | None:
        """Read the latest or best intact checkpoint, or exactly `step`; see `Checkpoints.restore`."""
        for _ in range(_ATTEMPTS):
            inodes, ranks = self._steps.inodes(), self._steps.ranks()
            doubtful = self._steps.unsealed(inodes)
            if not ranks:
                return None
            if step is not None and step not in ranks:
                raise InputError(
                    f"{self._directory}: there is no step {step}, only {', '.join(map(str, sorted(ranks)))}"
                )
            order = sorted(ranks, key=ranks.__getitem__ if which == "best" else None, reverse=True)
            tried: dict[int, str] = {}
            try:
                result = self._read_first(order if step is None else [step], read, tried)
            except Exception:
                if not self._removed(inodes, [*tried, *doubtful]):
                    raise
            else:
                if not self._removed(inodes, [*tried, *doubtful]):
                    if tried:
                        print(f"{self._listed(tried)}; using {self._steps.path(result.step)}", file=sys.stderr)
                    return result
            self._store.close()  # orbax would still believe that the step exists
        raise InputError(f"{self._directory}: the checkpoints are replaced faster than they can be read")

    def _read_first(self, order: Iterable[int], read: Callable[[OrbaxStore, int], T], tried: dict[int, str]) -> T:
        """Read the first intact step; `tried` gets the others before it, and the reason why each is damaged."""
        for step in order:
            with self._steady(step) as (steps, store):
                reason = tried[step] = steps.damage(step) or ""
                if not reason:
                    result = read(store, step)
                    del tried[step]
                    return result
        raise InputError(f"{self._directory}: no intact checkpoint is left: {self._listed(tried)}")

    @contextmanager
    def _steady(self, step: int) -> Iterator[tuple[Steps, OrbaxStore]]:
        """Context manager: a copy of the step while another process trains the run, or else the step itself.

        If a file vanishes while orbax reads it, orbax's threads print tracebacks that nobody can catch.
        """
        with ExitStack() as stack:
            steps, store = self._steps, self._store
            if self._read_only and locks.holder(self._directory.parent):
                with suppress(OSError):  # the step vanished, or there is no room for a copy: the step itself is read
                    steps, store = stack.enter_context(_copied(steps.path(step)))
            yield steps, store

    def _removed(self, inodes: Mapping[int, int], steps: Sequence[int]) -> bool:
        """Return True if one of the steps is gone or replaced: the process that trains the run has removed it.

        A removal takes a moment, in which the folder is still there; it is waited for while the run is locked.
        """
        if not self._read_only or not steps:
            return False
        deadline = time.monotonic() + (_REMOVAL_SECONDS if locks.holder(self._directory.parent) else 0)
        while True:
            now = self._steps.inodes()
            if any(now.get(step) != inodes.get(step) for step in steps):
                return True
            if time.monotonic() >= deadline:
                return False
            time.sleep(0.01)

    def _listed(self, tried: Mapping[int, str]) -> str:
        return ", ".join(f"{self._steps.path(step)} is damaged ({reason})" for step, reason in tried.items())


@contextmanager
def _copied(step: Path) -> Iterator[tuple[Steps, OrbaxStore]]:
    """Context manager: a copy of a step's directory in a temporary folder.

    Raises:
        OSError: a file has vanished; or there is no folder for it, or less room than four times the copy.
    """
    with tempfile.TemporaryDirectory(prefix="vae_jax-") as scratch:
        size = sum(path.stat().st_size for path in step.rglob("*"))
        if shutil.disk_usage(scratch).free < 4 * size:  # the trainer may need it
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), scratch)
        shutil.copytree(step, Path(scratch, step.name))
        steps = Steps(Path(scratch))
        store = OrbaxStore(Path(scratch), True, steps.preserve, steps.seal_uncommitted)
        with closing(store):
            yield steps, store
