"""One run of a population: its own files, its own place in training, and what became of it."""

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
"""The content of a run's results.json, or why there is none."""


class Member:
    """A run that is trained with others, and fails alone.

    Attributes:
        run: what it computes with; of its initial state only hparams are arrays, the rest is shapes.
        workdir: its directory.
        session: its progress and files; the state is None while it is part of the population's, and the console is silent
            while it is trained.
        outcome: None until it is known.
    """

    run: Training
    session: Session

    def __init__(self, workdir: Path) -> None:
        self.workdir = workdir
        self.outcome: Outcome | None = None
        self._files = ExitStack()

    @contextmanager
    def alone(self) -> Iterator[None]:
        """A context in which whatever goes wrong is this run's own misfortune: it is kept as the outcome."""
        try:
            yield
        except Exception as error:
            self.outcome = error
            if "session" in vars(self):  # its state would keep the device's memory
                self.session = self.session._replace(state=None)
            with suppress(Exception):  # the first error is the one to tell
                self._files.close()

    def open(self, first: Training, config: Config, stop: signals.StopRequest, quiet: Console) -> None:
        """Go on where the workdir stands; a complete run has its outcome at once.

        Raises:
            InputError: as `train_and_evaluate`.
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
        self.run = run._replace(state=shapes._replace(hparams=run.state.hparams))

    @property
    def training(self) -> bool:
        """Whether there is something left to train."""
        return self.outcome is None and not is_complete(self.run, self.session.progress)

    def release(self) -> TrainState:
        """Its state, which it forgets."""
        state = self.session.whole_state()
        self.session = self.session._replace(state=None)
        return state

    def keep(self, state: TrainState) -> None:
        """Save the state, unless the checkpoint of its step is there."""
        save_unless_saved(self.run, self.session._replace(state=state))

    def conclude(self, console: Console) -> None:
        """Evaluate and draw the best checkpoint; that is the outcome."""
        self.outcome = conclude_run(self.run, self.session._replace(console=console))

    def close(self) -> None:
        """Wait for the last save and close the files; a second call does nothing."""
        self._files.close()


def settle(members: Sequence[Member]) -> None:
    """Save every state that is not saved yet, all at the same time, and wait."""
    for member in members:
        if member.outcome is None and member.session.state is not None:
            with member.alone():
                member.keep(member.release())
    for member in members:
        if member.outcome is None:
            with member.alone():
                member.session.checkpoints.wait()


def conclude(members: Sequence[Member], console: Console) -> None:
    """The end of every run that has no outcome yet, one after another."""
    for i, member in enumerate(members):
        if member.outcome is None:
            console.line(f"\nrun {i + 1} of {len(members)}: {member.workdir.name}")
            with member.alone():
                member.conclude(console)
                member.close()
