"""Processes of other programs: run to their end or to a time limit, with the reason if they fail."""

import subprocess
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]


class Failed(Exception):
    """The reason why a peer has no numbers."""


def finish(command: Sequence[str], log: Path, environ: Mapping[str, str], seconds: float | None = None) -> None:
    """Run a command in the project's root; its output goes into the log.

    Args:
        command: the program and its arguments.
        log: the log file, which is overwritten.
        environ: the whole environment of the process.
        seconds: the time after which the process is killed, or None.

    Raises:
        Failed: the process failed or was killed.
    """
    with log.open("wb") as output:
        try:
            done = subprocess.run(
                command, cwd=ROOT, env=environ, stdin=subprocess.DEVNULL, stdout=output, stderr=output, timeout=seconds
            )
        except subprocess.TimeoutExpired:
            assert seconds is not None
            raise late(seconds) from None
    if done.returncode:
        raise Failed(f"failed: {reason(log)}")


def lines(command: Sequence[str], log: Path, environ: Mapping[str, str], seconds: float) -> Iterator[str]:
    """Yield the lines that a command prints, as they come; its errors go into the log.

    Raises:
        Failed: the process failed or took more than `seconds`.
    """
    with (
        log.open("wb") as errors,
        subprocess.Popen(
            command, cwd=ROOT, env=environ, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors, text=True
        ) as process,
    ):
        assert process.stdout is not None
        killed = threading.Event()
        timer = threading.Timer(seconds, lambda: (killed.set(), process.kill()))
        timer.start()
        try:
            yield from process.stdout
        finally:
            timer.cancel()
    if killed.is_set():
        raise late(seconds)
    if process.returncode:
        raise Failed(f"failed: {reason(log)}")


def late(seconds: float) -> Failed:
    """Return the error for a process that was killed."""
    return Failed(f"stopped: not done after {seconds:g} s")


def reason(log: Path) -> str:
    """Return the last error in a log, or its last line, short enough for a cell."""
    printed = [line.strip() for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
    errors = [line for line in printed if line.lower().startswith("error")]
    return (errors or printed or ["no reason given"])[-1].replace("|", "/")[:120]
