"""Ctrl-C and SIGTERM: an exception where nothing is at stake, a wish that is noted where a step or a save is in flight."""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


class Stopped(BaseException):
    """The process was asked to stop, by signal number `signum`; whatever had to be saved is saved."""

    def __init__(self, signum: int) -> None:
        super().__init__(signum)
        self.signum = signum


class StopRequest:
    """`signum` is None until a signal arrives."""

    signum: int | None = None


@contextmanager
def _handlers(handler: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    previous = {}
    try:
        for signum in (signal.SIGINT, signal.SIGTERM):
            previous[signum] = signal.signal(signum, handler)
    except ValueError:
        # Python allows handlers in the main thread only; elsewhere signals keep their meaning.
        pass
    try:
        yield
    finally:
        for signum, old in previous.items():
            signal.signal(signum, old)


@contextmanager
def raising() -> Iterator[None]:
    """A context in which SIGINT and SIGTERM raise Stopped."""

    def handler(signum: int, frame: FrameType | None) -> None:
        raise Stopped(signum)

    with _handlers(handler):
        yield


@contextmanager
def deferred() -> Iterator[StopRequest]:
    """A context in which SIGINT and SIGTERM are noted and not obeyed; a second SIGINT ends the process at once."""
    request = StopRequest()

    def handler(signum: int, frame: FrameType | None) -> None:
        if request.signum == signal.SIGINT and signum == signal.SIGINT:
            os._exit(128 + signum)
        request.signum = signum

    with _handlers(handler):
        yield request
