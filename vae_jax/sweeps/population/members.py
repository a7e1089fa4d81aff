"""One run of a population: its files, its progress and its outcome."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import jax

from vae_jax.runs import workdir as workdir_lib
from vae_jax.system import signals
from vae_jax.system.console import Console
from vae_jax.training.conclude import conclude as conclude_run
from vae_jax.training.opening import open_session
from vae_jax.training.prepare import Training, joined
from vae_jax.training.saving import save_unless_saved
from vae_jax.training.session import Session, is_complete
from vae_jax.types import Config, TrainState

Outcome = dict[str, Any] | Exception
"""The content of a run's results.json, or the error that ended the run."""


class Member:
    """A run that is trained together with others but fails alone.

    `outcome` is None until it is known.
    """

    run: Training
    """The data, model and functions of the run; its initial state is only shapes."""
    session: Session
    """The progress and the files of the run, with a silent console; its state is None while the population holds it."""

    def __init__(self, workdir: Path) -> None:
        self.workdir = workdir
        self.outcome: Outcome | None = None
        self._files = ExitStack()

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Context manager: an error becomes the outcome of this run and does not reach the others."""
        try:
            yield
        except Exception as error:
            self.outcome = error
            if "session" in vars(self):  # its state would keep the device's memory
                self.session = self.session._replace(state=None)
            with suppress(Exception):  # the first error is the one to report
                self._files.close()

    def open(self, first: Training, config: Config, stop: signals.StopRequest, quiet: Console) -> None:
        """Restore the run in its workdir; a complete run gets its outcome at once.

        Raises:
            InputError: see `train_and_evaluate`.
        """
        workdir_lib.check(config, self.workdir)
        run = joined(first, config)
        self._files.enter_context(workdir_lib.open_run(config, self.workdir))
        opened = self._files.enter_context(open_session(run, self.workdir, stop, quiet))
        if isinstance(opened, dict):
            self.outcome = opened
        else:
            self.session = opened
        shapes = jax.tree.map(lambda a: jax.ShapeDtypeStruct(a.shape, a.dtype, sharding=a.sharding), run.state)
        self.run = run._replace(state=shapes)

    @property
    def training(self) -> bool:
        """True if there is something left to train."""
        return self.outcome is None and not is_complete(self.run, self.session.progress)

    def release(self) -> TrainState:
        """Return the state and drop the reference to it."""
        state = self.session.whole_state()
        self.session = self.session._replace(state=None)
        return state

    def keep(self, state: TrainState) -> None:
        """Save the state unless its step has a checkpoint."""
        save_unless_saved(self.run, self.session._replace(state=state))

    def tell(self, console: Console) -> None:
        """Print what is new about the run's tracker."""
        if "session" in vars(self):
            for line in self.session.writer.tracking.news():
                console.line(f"{self.workdir.name}: {line}")

    def conclude(self, console: Console) -> None:
        """Evaluate and draw the best checkpoint, and keep the results as the outcome."""
        self.outcome = conclude_run(self.run, self.session._replace(console=console))

    def close(self) -> None:
        """Wait for the last save and close the files; a second call does nothing."""
        self._files.close()


def settle(members: Sequence[Member]) -> None:
    """Save every state that is not saved yet, all at once, and wait."""
    for member in members:
        if member.outcome is None and member.session.state is not None:
            with member.alone():
                member.keep(member.release())
    for member in members:
        if member.outcome is None:
            with member.alone():
                member.session.checkpoints.wait()


def conclude(members: Sequence[Member], console: Console) -> None:
    """Evaluate and draw every run that has no outcome yet, one after another."""
    for i, member in enumerate(members):
        if member.outcome is None:
            console.line(f"\nrun {i + 1} of {len(members)}: {member.workdir.name}")
            with member.alone():
                member.conclude(console)
                member.close()
