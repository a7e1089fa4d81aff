"""Ctrl-C and SIGTERM: they end the process if nothing can be lost, and are noted during a training step or a save."""

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


class Stopped(Exception):
    """The end of a process that signal `signum` stopped after saving; str() is the message."""

    def __init__(self, signum: int, message: str) -> None:
        super().__init__(message)
        self.signum = signum


class StopRequest:
    """A request to stop: `signum` is None until a signal arrives."""

    signum: int | None = None


@contextmanager
def _handlers(handler: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    previous = {}
    # Python allows handlers in the main thread only; elsewhere signals keep their default effect.
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
    """Context manager: SIGINT and SIGTERM print a line and end the process at once, with exit code 128 + signal.

    This is not an exception, because one raised while XLA compiles or Python collects garbage is swallowed or crashes.
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
    """Context manager: a second SIGINT ends the process at once.

    Python's handlers wait until the main thread returns from XLA, and see two signals in that time as one. So a thread counts
    the bytes that the C handler writes into a pipe.
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
    """Context manager: SIGINT and SIGTERM are noted in the request; a second SIGINT ends the process at once."""
    request = StopRequest()

    def handler(signum: int, frame: FrameType | None) -> None:
        request.signum = signum

    with _handlers(handler), _second_interrupt_leaves():
        yield request
