"""How a command begins and ends: signals, and errors as a line each and an exit code, never a traceback."""

import errno
import io
import os
import signal
import sys
from collections.abc import Callable

from vae_jax.system import signals


def _open_streams() -> None:
    """Streams that were closed (`>&-`) lead nowhere, lest the next file that is opened take their number and get what is
    printed; characters that a stream's encoding lacks are printed as escapes."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free number
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(number, "r" if number == 0 else "w", closefd=False))  # noqa: SIM115
        elif number and isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def run_command(body: Callable[[], int | None], stop_message: str = "stopped; nothing was written") -> int:
    """Run a command; 0 done, 1 training failed, 2 bad input, 128 + n stopped by signal n.

    Args:
        body: the command; what it returns is the exit code, None being 0. It does its heavy imports itself, so that a
            Ctrl-C in their seconds is answered like any other.
        stop_message: what to say when a signal stops it where nothing is at stake.
    """
    _open_streams()
    with signals.leaving(stop_message):
        from vae_jax.errors import InputError, TrainingError, printable

        try:
            code = body() or 0
            sys.stdout.flush()
            return code
        except BrokenPipeError:  # the reader went away, as `--help | head` does
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            return 128 + signal.SIGPIPE
        except (InputError, TrainingError) as error:
            print("\n".join(f"error: {printable(line)}" for line in str(error).split("\n")), file=sys.stderr)
            return 2 if isinstance(error, InputError) else 1
        except signals.Stopped as stopped:
            print(stopped)
            return 128 + stopped.signum
        except Exception as error:
            if isinstance(error, OSError) and error.errno == errno.ENOSPC and error.filename is None:
                os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
                print("error: what is printed cannot be written: the disk that it goes to is full", file=sys.stderr)
                return 1
            if not out_of_memory(error):
                raise
            reason = printable(" ".join(str(error).split()) or "the machine's is full")
            print(
                f"error: memory does not suffice: {reason}; smaller ones of batch_size, eval.batch_size, num_samples or the "
                "network's sizes, or a larger accumulate_steps, take less",
                file=sys.stderr,
            )
            return 1


def out_of_memory(error: Exception) -> bool:
    """Whether an error is that of NumPy, Python or XLA where there is not as much memory as they ask for."""
    words = ("RESOURCE_EXHAUSTED", "Out of memory", "out of memory")
    return isinstance(error, MemoryError) or (
        isinstance(error, RuntimeError) and any(word in str(error) for word in words)
    )
