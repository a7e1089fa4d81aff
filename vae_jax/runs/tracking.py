"""A run's record at a tracker: what it lacks is sent by a thread, and nothing that fails or hangs there stops the run."""

import json
import math
import queue
import threading
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from vae_jax.errors import printable
from vae_jax.runs import workdir as workdir_lib
from vae_jax.system import disk
from vae_jax.system.trackers import NONE, TRACKERS, connection

FILE = workdir_lib.TRACKER
"""The file with each tracker's memo and, under `complete`, the step of the results that it has."""
MOST_LETTERS = 200
"""The largest number of characters of an error's message that are printed."""
REPEAT = "what it lacks is sent when the run is complete and its command is repeated"
_UNANSWERED: set[str] = set()
"""The trackers for which a run of this process has waited in vain: the runs of a sweep do not wait for them again."""


class Tracking:
    """The record of a run at one tracker; with the name "none" every method does nothing.

    All calls of the tracker are made in order by one thread. The first that fails is the last one: the run prints a line and
    continues. Values that the tracker has at a step are not sent again, so a resumed run doubles nothing. Those of `rows` that it
    lacks are sent first: a kill has lost them, or the tracker was not reached.

    Args:
        name: an entry of TRACKERS, or "none".
        workdir: the run's directory, which keeps FILE.
        config: the flat config.
        rows: the rows of metrics.jsonl, those beyond the step that training resumes from left out.
    """

    def __init__(self, name: str, workdir: Path, config: Mapping[str, Any], rows: Iterable[Mapping[str, Any]]) -> None:
        self._name, self._workdir = name, workdir
        self._open: connection.Connection | None = None
        self._done = name == NONE
        self._news: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._tasks: queue.SimpleQueue[Callable[[], object] | threading.Event | None] = queue.SimpleQueue()
        if self._done:
            return
        threading.Thread(target=self._work, name=f"tracker {name}", daemon=True).start()
        plain = {key: list(value) if isinstance(value, tuple) else value for key, value in config.items()}
        self._tasks.put(lambda: self._start(plain))
        if not self._wait(0 if name in _UNANSWERED else connection.SECONDS):
            _UNANSWERED.add(name)
            self._say("no answer yet; the run continues, and its rows are sent when it answers")
        for row in rows:
            self.row(row["step"], {key: value for key, value in row.items() if key != "step" and value is not None})

    def news(self) -> list[str]:
        """Return the lines that are new since the last call, for the console."""
        return [self._news.get() for _ in range(self._news.qsize())]

    def row(self, step: int, values: Mapping[str, float]) -> None:
        """Send the finite values that the tracker lacks at this step. It does not wait."""

        def send(to: connection.Connection) -> None:
            new = {key: x for key, x in values.items() if math.isfinite(x) and not to.shown(key, step)}
            if new:
                to.log(step, new)

        self._later(send)

    def conclude(self, results: Mapping[str, Any]) -> None:
        """Send the numbers of the test split, figures and page of a complete run, and close the record.

        It waits at most `connection.SECONDS`. What was not sent then is sent by `catch_up`.
        """
        if self._done:
            return
        step = results["step"]
        numbers = {key: value for key, value in results.items() if key.startswith("test/") and value is not None}
        self.row(step, numbers)
        for path in sorted((self._workdir / "figures").glob("*.png")):
            self._later(lambda to, path=path: to.shown(path.stem, step) or to.figure(step, path))
        page = self._workdir / workdir_lib.PAGE
        if page.is_file():
            self._later(lambda to: to.shown(page.stem, step) or to.page(step, page))
        self._later(lambda to: to.finish())
        self._later(lambda to: _write(self._workdir, self._name, {**to.memo, "complete": step}))
        self._end()

    def close(self) -> None:
        """Close the record of a run that is not complete; after `conclude` and at a second call it does nothing."""
        if not self._done:
            self._later(lambda to: to.finish())
            self._end()

    def _end(self) -> None:
        """Wait until all is sent, unless the tracker has never answered."""
        if not self._wait(connection.SECONDS if self._open else 0):
            self._say(f"not finished after {connection.SECONDS} s; {REPEAT}" if self._open else f"no answer; {REPEAT}")
        self._done = True
        self._tasks.put(None)

    def _start(self, config: Mapping[str, Any]) -> None:
        memo = _read(self._workdir).get(self._name, {})
        known = {key: text for key, text in memo.items() if key != "complete"}
        name = self._workdir.resolve().name
        opened = TRACKERS[self._name](connection.Opening(name, self._workdir, config, known))
        _write(self._workdir, self._name, opened.memo)
        self._open = opened
        self._say(opened.where)

    def _later(self, send: Callable[[connection.Connection], object]) -> None:
        if not self._done:
            self._tasks.put(lambda: send(self._open) if self._open else None)

    def _wait(self, seconds: float) -> bool:
        """Wait until all tasks in line are done or left out; return False if they are not after so many seconds."""
        reached = threading.Event()
        self._tasks.put(reached)
        return reached.wait(seconds)

    def _say(self, text: str) -> None:
        self._news.put(f"log.tracker={self._name}: {text}")

    def _work(self) -> None:
        failed = False
        while (task := self._tasks.get()) is not None:
            if isinstance(task, threading.Event):
                task.set()
            elif not failed:
                try:
                    task()
                except BaseException as error:  # a tracker may call sys.exit
                    failed = self._done = True
                    message = printable(" ".join(str(error).split())[:MOST_LETTERS])
                    self._say(f"left out: {type(error).__name__}: {message}; the run continues; {REPEAT}")


def catch_up(
    name: str, workdir: Path, config: Mapping[str, Any], rows: Iterable[Mapping[str, Any]], results: Mapping[str, Any]
) -> list[str]:
    """Send what a tracker lacks of a complete run, if anything; return lines for the console."""
    if name == NONE or _read(workdir).get(name, {}).get("complete") == results["step"]:
        return []
    tracking = Tracking(name, workdir, config, rows)
    tracking.conclude(results)
    return tracking.news()


def _read(workdir: Path) -> dict[str, dict[str, Any]]:
    """Read FILE; empty if it is missing or damaged: the run then gets a new record."""
    try:
        found = json.loads((workdir / FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) and all(isinstance(memo, dict) for memo in found.values()) else {}


def _write(workdir: Path, name: str, memo: Mapping[str, Any]) -> None:
    disk.write(workdir / FILE, json.dumps(_read(workdir) | {name: dict(memo)}, indent=2) + "\n")
