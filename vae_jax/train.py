"""The one loop: train, validate, save; at the end the final evaluation, the figures and the page."""

import os
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from vae_jax.config import flatten, from_values
from vae_jax.runs import workdir as workdir_lib
from vae_jax.system import processes, signals, trackers
from vae_jax.system.console import Console
from vae_jax.training.conclude import conclude, extend_command
from vae_jax.training.epochs import end_epoch, train_epoch
from vae_jax.training.opening import announce, open_session
from vae_jax.training.pairing import check_parent
from vae_jax.training.prepare import Training, prepare
from vae_jax.training.saving import save_unless_saved
from vae_jax.training.session import Session, choice_lines, is_complete
from vae_jax.types import Config


def train_and_evaluate(
    config: Config,
    workdir: Path | str,
    console: Console | None = None,
    arguments: Sequence[str] = (),
) -> dict[str, Any]:
    """Train the run in workdir, from the start or from its last checkpoint, evaluate its best checkpoint and draw it.

    Args:
        config: a Config, or a dict of keys and values over the defaults; see `config.from_values`, which validates it.
        workdir: the run's directory; created if it is missing.
        console: where progress is printed; by default the standard output.
        arguments: the command line that gave the config, which a new run stores; none if it came from elsewhere.

    Returns:
        The content of results.json, with metrics as `test/elbo`; "left_out" names figures that failed, if any did.

    Raises:
        InputError: the config is not valid, or does not fit the workdir, the data or the devices.
        TrainingError: a loss was not finite, or the disk is full.
        signals.Stopped: SIGINT or SIGTERM was received; the state is saved.
    """
    console = console or Console(None if processes.is_first() else open(os.devnull, "w"))  # noqa: SIM115
    config, workdir = from_values(config, console.line), Path(workdir)
    # Folders may have other names on other machines; that the images are the same is asserted below.
    processes.assert_same({name: value for name, value in flatten(config).items() if not name.endswith("_dir")})
    # A workdir that does not fit is refused before any data are read; nothing is created yet.
    processes.first_alone(lambda: workdir_lib.check(config, workdir))
    processes.first_alone(lambda: check_parent(config, workdir))
    processes.first_alone(lambda: trackers.assert_installed(config.log.tracker))
    training = prepare(config, ahead=True)
    processes.assert_same({"dataset": f"{config.dataset} {training.data_digest}"})
    announce(training, workdir, console)
    training.ready()
    stop_message = f"stopped; resume with: {workdir_lib.resume_command(workdir)}"
    with ExitStack() as files:
        processes.first_alone(lambda: files.enter_context(workdir_lib.open_run(config, workdir, arguments)))
        stop = files.enter_context(signals.deferred())
        session = files.enter_context(open_session(training, workdir, stop, console))
        if isinstance(session, dict):
            epochs = session["step"] // training.steps_per_epoch
            early = ", stopped early" if epochs < config.num_epochs else ""
            console.line(
                f"complete: {epochs} epoch{'s' * (epochs != 1)}{early}, trained, evaluated and drawn in {workdir}"
            )
            console.line(f"train further: {extend_command(training, session['step'], workdir)}")
            return session
        session = _fit(training, session)
        session.checkpoints.wait()
        if not processes.agree(stop):
            with signals.leaving(stop_message):
                return conclude(training, session)
        session.writer.tracking.close()
        session.tell()
    assert stop.signum is not None
    raise signals.Stopped(stop.signum, stop_message)


def _fit(training: Training, session: Session) -> Session:
    """Train until the run is complete or a stop is requested; in both cases save the state."""
    steps = training.steps_per_epoch
    session.frames.record(session.progress.step, session.whole_state().params)
    config, done = training.config, session.progress.step / steps
    if not is_complete(training, session.progress):
        for line in choice_lines(training, session.progress):
            session.console.line(line)
    every = config.eval.every_epochs, training.checkpoint_epochs
    session.tell()
    session.console.start(steps * config.batch_size, config.num_epochs, done, every)
    try:
        while not is_complete(training, session.progress) and not processes.agree(session.stop):
            before = session.progress.step
            session = train_epoch(training, session)
            # If a stop is requested before the first chunk, nothing was trained and no epoch has ended.
            if session.progress.step > before and session.progress.step % steps == 0:
                session = end_epoch(training, session)
                session.tell()
        save_unless_saved(training, session)
    finally:
        session.profile.close()
        training.feed.close()
        session.console.stop()
    return session
