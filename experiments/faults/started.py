"""Processes of runs, started as a person starts them, but in sessions of their own: Ctrl-C stops only the drill."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from vae_jax.system.signals import Stopped, StopRequest

ROOT = Path(__file__).parents[2]
PROGRAM = ("-m", "vae_jax.main")
SECONDS = 900
"""A run that takes longer is taken to hang and is killed."""


class Started(NamedTuple):
    """A process and the files of its output."""

    process: subprocess.Popen
    out: Path
    err: Path

    def finish(self) -> tuple[int, str, str]:
        """Wait for the end; return the exit code, the standard output and the standard error."""
        return self.process.wait(), self.out.read_text(), self.err.read_text()


def start(words: Sequence[str], output: Path, variables: dict[str, str] | None = None) -> Started:
    """Start a process in the repository.

    Args:
        words: the arguments after Python's name.
        output: the output goes to files of this name with `.out` and `.err`.
        variables: environment variables to add to ours.
    """
    out, err = (output.with_name(f"{output.name}.{name}") for name in ("out", "err"))
    environment = os.environ | {"PYTHONUNBUFFERED": "1"} | (variables or {})
    with out.open("w") as stdout, err.open("w") as stderr:
        process = subprocess.Popen(
            [sys.executable, *words], cwd=ROOT, env=environment, stdout=stdout, stderr=stderr, start_new_session=True
        )
    return Started(process, out, err)


def start_run(workdir: Path, flags: Sequence[str], cache: Path, program: Sequence[str] = PROGRAM) -> Started:
    """Start or resume a run on one device. It has its own cache folder, where a kill may leave half a file too."""
    variables = {"XLA_FLAGS": "--xla_force_host_platform_device_count=1", "JAX_PLATFORMS": "cpu"}
    words = [*program, f"--workdir={workdir}", *flags]
    return start(words, workdir, variables | {"XDG_CACHE_HOME": str(cache)})


def kill(started: Started, is_time: Callable[[], bool], stop: StopRequest, seconds: float = SECONDS) -> bool:
    """Kill a process and its children once `is_time` returns True; return False if it ended before.

    Raises:
        Stopped: a stop was requested; the process is killed.
    """
    limit = time.monotonic() + seconds
    while started.process.poll() is None and not is_time() and stop.signum is None and time.monotonic() < limit:
        time.sleep(0.001)
    if started.process.poll() is None:
        os.killpg(started.process.pid, signal.SIGKILL)
        started.process.wait()
    if stop.signum is not None:
        raise Stopped(stop.signum, "stopped; nothing was written")
    return started.process.returncode == -signal.SIGKILL
