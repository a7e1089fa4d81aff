"""A trace of a few steps of training: WORKDIR/profile/, for TensorBoard's profile plugin or ui.perfetto.dev."""

import sys
from pathlib import Path
from typing import Any

import jax

FOLDER = "profile"
STEPS = 10


class Profile:
    """Traces STEPS steps of training, after as many that warm up.

    Args:
        folder: where the trace goes; None: there is none.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder, self._steps, self._tracing = folder, 0, False

    @property
    def most_steps(self) -> int:
        """Steps that the next call of the device may take, so that the trace holds no more than it should."""
        return sys.maxsize if self._folder is None else STEPS

    def before(self) -> None:
        """Before a call of the device."""
        if self._folder is not None and not self._tracing and self._steps >= STEPS:
            jax.profiler.start_trace(self._folder)
            self._tracing = True

    def after(self, steps: int, outputs: Any) -> Path | None:
        """After a call of so many steps, which returned outputs; the trace's file, when it is complete."""
        self._steps += steps
        if not self._tracing or self._steps < 2 * STEPS:
            return None
        jax.block_until_ready(outputs)
        return self.close()

    def close(self) -> Path | None:
        """Write what is traced, if anything is, and trace no more."""
        folder, self._folder = self._folder, None
        if folder is None or not self._tracing:
            return None
        self._tracing = False
        jax.profiler.stop_trace()
        return max(folder.rglob("*.trace.json.gz"), key=lambda path: path.stat().st_mtime, default=folder)
