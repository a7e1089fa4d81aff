"""The start and end of a command: signals, exit codes, and errors as one line each instead of a traceback."""

import errno
import io
import os
import shutil
import signal
import sys
import traceback
from collections.abc import Callable

from vae_jax.system import signals


def _open_streams() -> None:
    """Open standard streams that were closed (`>&-`) on /dev/null, and print unencodable characters as escapes."""
    # Otherwise the next file that is opened would take the number of a closed stream and receive what is printed.
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


def train_command() -> str:
    """Return the command that trains, in the form in which this process was started."""
    return "vae-jax train" if os.path.basename(sys.argv[0]) == "vae-jax" else "python -m vae_jax.main"


def run_command(body: Callable[[], int | None]) -> int:
    """Run a command and return its exit code: 0 done, 1 training failed, 2 bad input, 128 + n stopped by signal n.

    `body` returns the exit code, or None for 0. It does its heavy imports itself, so that a Ctrl-C during them is handled
    like any other.
    """
    _open_streams()
    with signals.leaving():
        from vae_jax.errors import InputError, TrainingError, printable

        try:
            code = body() or 0
            sys.stdout.flush()
            return code
        except BrokenPipeError:  # the reader went away, as `--help | head` does
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            return 128 + signal.SIGPIPE
        except (InputError, TrainingError) as error:
            _print("\n".join(f"error: {printable(line)}" for line in str(error).split("\n")))
            return 2 if isinstance(error, InputError) else 1
        except signals.Stopped as stopped:
            _print(str(stopped), error=False)
            return 128 + stopped.signum
        except Exception as error:
            if isinstance(error, OSError) and error.errno == errno.ENOSPC and error.filename is None:
                os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
                print("error: cannot write the output of this command: the disk is full", file=sys.stderr)
                return 1
            if traceback.extract_tb(error.__traceback__)[-1].name == "backends":  # JAX's function that starts devices
                reason = str(error).partition(" (set JAX")[0] or "no such device was found"
                start = f"error: JAX_PLATFORMS={os.environ.get('JAX_PLATFORMS', '')}: {printable(reason)}"
                _print(f"{start}; choices: leave it unset, or JAX_PLATFORMS=cpu")
                return 2
            if not out_of_memory(error):
                raise
            reason = printable(" ".join(str(error).split()) or "the machine's is full")
            _print(
                f"error: not enough memory: {reason}; choices: a smaller batch_size, eval.batch_size, "
                "importance.num_samples or network, or a larger accumulate_steps"
            )
            return 1


def _print(text: str, error: bool = True) -> None:
    """Print a message on stderr, or else on stdout; on a terminal it is wrapped between words."""
    from vae_jax.system.formatting import wrapped

    stream = sys.stderr if error else sys.stdout
    print(wrapped(text, shutil.get_terminal_size().columns) if stream.isatty() else text, file=stream)


def out_of_memory(error: Exception) -> bool:
    """Return True if an error says that NumPy, Python or XLA ran out of memory."""
    words = ("RESOURCE_EXHAUSTED", "Out of memory", "out of memory")
    return isinstance(error, MemoryError) or (
        isinstance(error, RuntimeError) and any(word in str(error) for word in words)
    )
