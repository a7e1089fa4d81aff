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
"""A process that is silent for this long counts as dead, and the others end."""
SECONDS_TO_DRAW = 3600
"""The time that the others wait, at the end, for the figures of the first process."""
SECONDS_TO_SPEAK = 2
"""The first process, which the others are connected to, ends this much later: else they are aborted before they say why."""
FOUND = "found"
LOST = ("Gloo", "NCCL", "nccl", "UNAVAILABLE", "heartbeat", "Connection")
"""Words in the errors that JAX raises if it cannot reach another process."""


@contextmanager
def together(where: str) -> Iterator[None]:
    """Context manager: train together with other processes. JAX must not have been used before.

    A process that fails leaves at once, so that the others do not wait for it: within SECONDS_OF_SILENCE they end too.

    Args:
        where: HOST:PORT,PROCESSES,ID (the address of process 0, the number of processes, the number of this one), or FOUND
            to ask SLURM, Open MPI, Kubernetes or the TPU pod. Empty: the process is alone.

    Raises:
        InputError: `where` is malformed, the environment says nothing, or the address cannot be used.
        TrainingError: another process is gone. If JAX's own watch notices it first, the process is aborted.

    If the others do not come within SECONDS_TO_MEET, the process ends with one line and exit code 2.
    """
    if not where:
        yield
        return
    _join(where)
    try:
        yield
    except Stopped:  # all processes stop together
        raise
    except BaseException as error:
        atexit.register(_leave, 2 if isinstance(error, InputError) else 1)
        if isinstance(error, RuntimeError | ValueError) and any(word in str(error) for word in LOST):
            raise TrainingError(
                f"another process is gone: {str(error).splitlines()[0]}\n"
                "what was saved is intact; resume with the same command in all processes"
            ) from None
        raise


def _leave(code: int) -> None:
    """End without waiting for the other processes, which will not come."""
    if is_first():
        time.sleep(SECONDS_TO_SPEAK)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _join(where: str) -> None:
    given = {} if where == FOUND else _parse(where)
    flag = "--distributed" if where == FOUND else f"--distributed={where}"
    waiting = "process 0 does not answer" if given.get("process_id") else "not all processes came"

    def give_up() -> None:
        print(f"error: {flag}: {waiting} within {SECONDS_TO_MEET} s", file=sys.stderr, flush=True)
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
            f"{flag}: the environment names no processes; choices: --distributed=HOST:PORT,PROCESSES,ID, or a start by "
            "SLURM, Open MPI or Kubernetes"
        ) from None
    except RuntimeError as error:
        raise InputError(f"{flag}: {str(error).splitlines()[0]}") from None
    finally:
        watch.cancel()


def _parse(where: str) -> dict[str, Any]:
    address, *numbers = where.split(",")
    host, _, port = address.rpartition(":")
    if not (host and port.isdecimal() and len(numbers) == 2 and all(number.isdecimal() for number in numbers)):
        raise InputError(f"--distributed={where}: not of the form HOST:PORT,PROCESSES,ID, such as 10.0.0.1:1234,2,0")
    count, which = map(int, numbers)
    if which >= count:
        raise InputError(f"--distributed={where}: ID={which} is out of range; choices: 0 to {count - 1}")
    return {"coordinator_address": address, "num_processes": count, "process_id": which}
