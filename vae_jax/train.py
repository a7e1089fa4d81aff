"""The one loop: train, evaluate on the validation split, save; at the end the final evaluation and the figures."""

import os
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from vae_jax.config import flatten
from vae_jax.runs import workdir as workdir_lib
from vae_jax.system import processes, signals
from vae_jax.system.console import Console
from vae_jax.training.epochs import Outside, Progress, end_epoch, save, train_epoch
from vae_jax.training.opening import announce, complete, opened
from vae_jax.training.prepare import Prepared, prepare
from vae_jax.types import Config, TrainState


def train_and_evaluate(config: Config, workdir: Path, console: Console | None = None) -> dict[str, Any]:
    """Train the run that config describes in workdir, from where it stands; evaluate its best checkpoint, draw figures.

    Args:
        config: validated.
        workdir: the run's directory; made where there is none.
        console: where progress is told; by default the standard output.

    Returns:
        The content of results.json, with metrics as `test/elbo`.

    Raises:
        InputError: the config does not fit the workdir, the data or the devices.
        TrainingError: a loss was not finite.
        signals.Stopped: SIGINT or SIGTERM; the state is saved.
    """
    from vae_jax.training import conclude

    console = console or Console(None if processes.is_first() else open(os.devnull, "w"))  # noqa: SIM115
    processes.assert_same({name: value for name, value in flatten(config).items() if not name.endswith("_dir")})
    processes.first_alone(lambda: workdir_lib.check(config, workdir))
    run = prepare(config, ahead=True)
    processes.assert_same({"dataset": f"{config.dataset} {run.data_digest}"})
    farewell = f"stopped; continue: {workdir_lib.continue_command(workdir)}"
    announce(run, workdir, console)
    run.ready()
    with ExitStack() as files:
        processes.first_alone(lambda: files.enter_context(workdir_lib.claimed(config, workdir)))
        stop = files.enter_context(signals.deferred())
        state, progress, outside, done = files.enter_context(opened(run, workdir, stop, console))
        if done is not None:
            epochs = progress.step // run.steps_per_epoch
            early = ", stopped early" if epochs < config.num_epochs else ""
            console.line(f"complete: {epochs} epochs{early}, trained, evaluated and drawn in {workdir}")
            console.line(f"go on: {conclude.further(run, progress.step, workdir)}")
            return done
        assert outside is not None
        progress = _fit(run, state, progress, outside)
        outside.checkpoints.wait()
        if not processes.agree(stop):
            with signals.leaving(farewell):
                return conclude.conclude(run, progress.step, outside.checkpoints, outside.writer, workdir, console)
    assert stop.signum is not None
    raise signals.Stopped(stop.signum, farewell)


def _fit(run: Prepared, state: TrainState, progress: Progress, outside: Outside) -> Progress:
    """Train until the run is complete or a stop is asked for; in both cases the state is saved."""
    config, steps = run.config, run.steps_per_epoch
    outside.film.record(progress.step, state.params)
    outside.console.start(steps * config.batch_size, config.num_epochs, progress.step / steps)
    try:
        while not complete(run, progress) and not processes.agree(outside.stop):
            before = progress.step
            state, progress = train_epoch(run, state, progress, outside)
            # Where a stop is asked for before the first chunk, nothing was trained and no epoch has ended.
            if progress.step > before and progress.step % steps == 0:
                progress = end_epoch(run, state, progress, outside)
        if progress.step and outside.checkpoints.latest_step() != progress.step:
            save(run, state, progress, None, outside.checkpoints)
    finally:
        outside.profile.close()
        outside.console.stop()
    return progress
