"""Runs as a person starts them, in processes of their own, deaf to a Ctrl-C that is meant for who started them."""

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
"""A run that takes longer hangs, and is killed."""


class Started(NamedTuple):
    """A process, and the files that it speaks to."""

    process: subprocess.Popen
    told: Path
    complained: Path

    def finish(self) -> tuple[int, str, str]:
        """Exit code, standard output and standard error, when it has ended."""
        return self.process.wait(), self.told.read_text(), self.complained.read_text()


def start(words: Sequence[str], speaks: Path, variables: dict[str, str] | None = None) -> Started:
    """Start a process in the repository.

    Args:
        words: its arguments, after Python's name.
        speaks: its output goes to files of this name with `.out` and `.err`.
        variables: of its environment, beside ours.
    """
    out, err = (speaks.with_name(f"{speaks.name}.{name}") for name in ("out", "err"))
    own = os.environ | {"PYTHONUNBUFFERED": "1"} | (variables or {})
    with out.open("w") as told, err.open("w") as complained:
        process = subprocess.Popen(
            [sys.executable, *words], cwd=ROOT, env=own, stdout=told, stderr=complained, start_new_session=True
        )
    return Started(process, out, err)


def start_run(workdir: Path, flags: Sequence[str], cache: Path, program: Sequence[str] = PROGRAM) -> Started:
    """Start or continue a run on one device, with a cache folder of its own: a kill may leave half a file there too."""
    own = {"XLA_FLAGS": "--xla_force_host_platform_device_count=1", "JAX_PLATFORMS": "cpu"}
    words = [*program, f"--workdir={workdir}", *flags]
    return start(words, workdir, own | {"XDG_CACHE_HOME": str(cache)})


def kill(started: Started, due: Callable[[], bool], stop: StopRequest, seconds: float = SECONDS) -> bool:
    """Kill a process, and those that it started, as soon as `due` says so; False where it ended before.

    Raises:
        Stopped: a stop was asked for; the process is killed.
    """
    limit = time.monotonic() + seconds
    while started.process.poll() is None and not due() and stop.signum is None and time.monotonic() < limit:
        time.sleep(0.001)
    if started.process.poll() is None:
        os.killpg(started.process.pid, signal.SIGKILL)
        started.process.wait()
    if stop.signum is not None:
        raise Stopped(stop.signum, "stopped; nothing was written")
    return started.process.returncode == -signal.SIGKILL
