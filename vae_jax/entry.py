"""How a command begins and ends: signals, and errors as a line each and an exit code, never a traceback."""

import contextlib
import ctypes
import sys
from collections.abc import Callable

from vae_jax import signals

M_TRIM_THRESHOLD, M_MMAP_MAX, M_ARENA_MAX = -1, -4, -8
"""Of glibc's malloc.h."""


def keep_memory() -> None:
    """Let the C library keep freed memory, all in one heap, where it can (glibc); before JAX starts its threads.

    On a CPU, XLA asks for the memory of a call's intermediate results at every call. Large pieces would come from the system
    and go back to it each time, and be zeroed page by page: a convolutional step of 128 MNIST images took half as long again.
    """
    with contextlib.suppress(AttributeError, OSError, TypeError):
        mallopt = ctypes.CDLL(None).mallopt
        for option, value in ((M_MMAP_MAX, 0), (M_TRIM_THRESHOLD, 2**31 - 1), (M_ARENA_MAX, 1)):
            mallopt(option, value)


def exit_code(body: Callable[[], int | None], farewell: str = "stopped; nothing was written") -> int:
    """Run a command; 0 done, 1 training failed, 2 bad input, 128 + n stopped by signal n.

    Args:
        body: the command; what it returns is the exit code, None being 0. It does its heavy imports itself, so that a
            Ctrl-C in their seconds is answered like any other.
        farewell: what to say when a signal stops it where nothing is at stake.
    """
    keep_memory()
    with signals.leaving(farewell):
        from vae_jax.types import InputError, TrainingError

        try:
            return body() or 0
        except (InputError, TrainingError) as error:
            print("\n".join(f"error: {line}" for line in str(error).splitlines()), file=sys.stderr)
            return 2 if isinstance(error, InputError) else 1
        except signals.Stopped as stopped:
            print(stopped)
            return 128 + stopped.signum
