"""Ctrl-C and SIGTERM: the end where nothing is at stake, a wish that is noted where a step or a save is in flight."""

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


class Stopped(Exception):
    """The process was asked to stop, by signal number `signum`, and what had to be saved is saved; str() says so."""

    def __init__(self, signum: int, message: str) -> None:
        super().__init__(message)
        self.signum = signum


class StopRequest:
    """`signum` is None until a signal arrives."""

    signum: int | None = None


@contextmanager
def _handlers(handler: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    previous = {}
    # Python allows handlers in the main thread only; elsewhere signals keep their meaning.
    with contextlib.suppress(ValueError):
        for signum in (signal.SIGINT, signal.SIGTERM):
            previous[signum] = signal.signal(signum, handler)
    try:
        yield
    finally:
        for signum, old in previous.items():
            signal.signal(signum, old)


@contextmanager
def leaving(message: str = "stopped; nothing was written") -> Iterator[None]:
    """A context in which SIGINT and SIGTERM print a line and end the process at once, with exit code 128 + signal.

    Not by an exception: one that is raised while XLA compiles or Python collects garbage is swallowed or crashes.
    """

    def handler(signum: int, frame: FrameType | None) -> None:
        with contextlib.suppress(Exception):
            sys.stdout.flush()
        with contextlib.suppress(OSError):
            os.write(1, f"{message}\n".encode())
        os._exit(128 + signum)

    with _handlers(handler):
        yield


@contextmanager
def _second_interrupt_leaves() -> Iterator[None]:
    """A context in which a second SIGINT ends the process at once.

    Python's handlers wait until the main thread comes back from XLA, and two signals in that time are one to them: a thread
    counts what the system's handler writes into a pipe.
    """
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    try:
        previous = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    except ValueError:  # not the main thread
        previous = None

    def count() -> None:
        interrupts = 0
        while signums := os.read(reader, 64):
            interrupts += signums.count(signal.SIGINT)
            if interrupts > 1:
                with contextlib.suppress(OSError):
                    os.write(1, b"stopped at once; what was saved is intact\n")
                os._exit(128 + signal.SIGINT)

    counting = threading.Thread(target=count, daemon=True)
    counting.start()
    try:
        yield
    finally:
        if previous is not None:
            signal.set_wakeup_fd(previous)
        os.close(writer)
        counting.join()
        os.close(reader)


@contextmanager
def deferred() -> Iterator[StopRequest]:
    """A context in which SIGINT and SIGTERM are noted and not obeyed; a second SIGINT ends the process at once."""
    request = StopRequest()

    def handler(signum: int, frame: FrameType | None) -> None:
        request.signum = signum

    with _handlers(handler), _second_interrupt_leaves():
        yield request
