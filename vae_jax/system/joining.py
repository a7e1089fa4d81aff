"""The start and the end of a process that trains a run together with others."""

import atexit
import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import jax

from vae_jax.errors import InputError, TrainingError
from vae_jax.system.processes import is_first
from vae_jax.system.signals import Stopped

SECONDS_TO_MEET = 30
SECONDS_OF_SILENCE = 15
"""After so long without a sign of life a process counts as dead, and the others end."""
SECONDS_TO_DRAW = 3600
"""How long the others wait, at the end, for the first one's figures."""
SECONDS_TO_SPEAK = 2
"""The first process, where they meet, leaves so much later: the others would be aborted before they say why they failed."""
FOUND = "found"
LOST = ("Gloo", "NCCL", "nccl", "UNAVAILABLE", "heartbeat", "Connection")
"""Words of the errors by which JAX tells that it cannot reach another process."""


@contextmanager
def together(where: str) -> Iterator[None]:
    """A context in which this process is one of several that train together; nothing of JAX may have been used before.

    A process that fails leaves at once, so that the others do not wait for it: within SECONDS_OF_SILENCE they end too.

    Args:
        where: HOST:PORT,PROCESSES,ID (the address of process 0, their number, which one this is), or FOUND: as SLURM, Open
            MPI, Kubernetes or a TPU pod says. Empty: the process is alone.

    Raises:
        InputError: `where` is malformed, the environment says nothing, or the address cannot be used.
        TrainingError: another process is gone. JAX's own watch may be first to see it: then the process is aborted.

    Where the others do not come within SECONDS_TO_MEET the process ends with a line and exit code 2: JAX would abort it.
    """
    if not where:
        yield
        return
    _join(where)
    try:
        yield
    except Stopped:  # in agreement
        raise
    except BaseException as error:
        atexit.register(_leave, 2 if isinstance(error, InputError) else 1)
        if isinstance(error, RuntimeError | ValueError) and any(word in str(error) for word in LOST):
            raise TrainingError(
                f"another process is gone: {str(error).splitlines()[0]}\n"
                "what was saved is intact: the same command, given to all processes, goes on"
            ) from None
        raise


def _leave(code: int) -> None:
    """End without the meeting at the end, for which the others will not come."""
    if is_first():
        time.sleep(SECONDS_TO_SPEAK)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _join(where: str) -> None:
    given = {} if where == FOUND else _parse(where)
    told = "--distributed" if where == FOUND else f"--distributed={where}"
    waiting = "process 0 does not answer" if given.get("process_id") else "not all processes came"

    def give_up() -> None:
        print(f"error: {told}: {waiting} within {SECONDS_TO_MEET} s", file=sys.stderr, flush=True)
        os._exit(2)

    watch = threading.Timer(SECONDS_TO_MEET, give_up)
    watch.daemon = True
    watch.start()
    try:
        jax.distributed.initialize(
            **given,
            initialization_timeout=10 * SECONDS_TO_MEET,
            heartbeat_timeout_seconds=SECONDS_OF_SILENCE,
            shutdown_timeout_seconds=SECONDS_TO_DRAW,
        )
    except ValueError:
        raise InputError(
            f"{told}: the environment names no processes; choices: --distributed=HOST:PORT,PROCESSES,ID, or a start by "
            "SLURM, Open MPI or Kubernetes"
        ) from None
    except RuntimeError as error:
        raise InputError(f"{told}: {str(error).splitlines()[0]}") from None
    finally:
        watch.cancel()


def _parse(where: str) -> dict[str, Any]:
    address, *numbers = where.split(",")
    host, _, port = address.rpartition(":")
    if not (host and port.isdecimal() and len(numbers) == 2 and all(number.isdecimal() for number in numbers)):
        raise InputError(f"--distributed={where}: not HOST:PORT,PROCESSES,ID, as 10.0.0.1:1234,2,0")
    count, which = map(int, numbers)
    if which >= count:
        raise InputError(f"--distributed={where}: of {count} processes, ID is one of 0 to {count - 1}, not {which}")
    return {"coordinator_address": address, "num_processes": count, "process_id": which}
