"""A trace of a few steps of training: WORKDIR/profile/, for TensorBoard's profile plugin or ui.perfetto.dev."""

import sys
from pathlib import Path
from typing import Any

import jax

FOLDER = "profile"
STEPS = 10


class Profile:
    """A trace of STEPS training steps, after as many steps of warm-up.

    Args:
        folder: the folder of the trace; None: no trace.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder, self._steps, self._tracing = folder, 0, False

    @property
    def most_steps(self) -> int:
        """The largest number of steps in the next device call, so that the trace does not grow too long."""
        return sys.maxsize if self._folder is None else STEPS

    def before(self) -> None:
        """Start the trace if the warm-up is over. Call it before a device call."""
        if self._folder is not None and not self._tracing and self._steps >= STEPS:
            jax.profiler.start_trace(self._folder)
            self._tracing = True

    def after(self, steps: int, outputs: Any) -> Path | None:
        """Count the steps of a device call that returned outputs. Return the trace's file once it is complete."""
        self._steps += steps
        if not self._tracing or self._steps < 2 * STEPS:
            return None
        jax.block_until_ready(outputs)
        return self.close()

    def close(self) -> Path | None:
        """Write the trace, if there is one, and trace no more."""
        folder, self._folder = self._folder, None
        if folder is None or not self._tracing:
            return None
        self._tracing = False
        jax.profiler.stop_trace()
        return max(folder.rglob("*.trace.json.gz"), key=lambda path: path.stat().st_mtime, default=folder)
