"""A tracker in memory, which may fail or hang at a named call."""

import threading
from pathlib import Path

import pytest

from vae_jax.runs import tracking
from vae_jax.system import trackers
from vae_jax.system.trackers.connection import Connection, Opening


class Fake:
    """`start` is an entry of TRACKERS. Records outlive a run: id -> what was logged."""

    def __init__(self) -> None:
        self.fail_at, self.hang_at = "", ""
        self.answer = threading.Event()
        self.calls: list[str] = []
        self.openings: list[Opening] = []
        self.records: dict[str, dict[tuple[str, int], list]] = {}

    def start(self, opening: Opening) -> Connection:
        self._note("start")
        self.openings.append(opening)
        id_ = opening.memo.get("id") or f"run{len(self.records)}"
        record = self.records.setdefault(id_, {})
        shown = frozenset(record)

        def show(name: str, step: int, value) -> None:
            record.setdefault((name, step), []).append(value)

        def log(step: int, values) -> None:
            self._note(f"log {step}")
            for name, value in values.items():
                show(name, step, value)

        def figure(step: int, path: Path) -> None:
            self._note(f"figure {path.stem}")
            show(path.stem, step, path.read_bytes())

        def page(step: int, path: Path) -> None:
            self._note("page")
            show(path.stem, step, path.read_bytes())

        where = f"record {id_}"
        finish = lambda: self._note("finish")  # noqa: E731
        return Connection({"id": id_}, where, lambda name, step: (name, step) in shown, log, figure, page, finish)

    def _note(self, call: str) -> None:
        self.calls.append(call)
        if call == self.fail_at:
            raise SystemExit(f"no {call}\nhere")
        if call == self.hang_at:
            self.answer.wait(10)

    @property
    def doubled(self) -> list[tuple[str, int]]:
        """Return what was recorded more than once at a step."""
        return [key for record in self.records.values() for key, values in record.items() if len(values) > 1]


def put_in_place(patch: pytest.MonkeyPatch) -> Fake:
    """Put a tracker in memory in the place of wandb, the only one that is installed then."""
    fake = Fake()
    patch.setitem(trackers.TRACKERS, "wandb", fake.start)
    patch.setattr(trackers, "installed", lambda name: name == "wandb")
    patch.setattr(tracking, "_UNANSWERED", set())
    return fake
