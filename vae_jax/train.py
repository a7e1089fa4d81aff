"""The one loop: train, evaluate on the validation split, save; at the end the final evaluation and the figures."""

import math
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool

from vae_jax import devices, signals
from vae_jax import workdir as workdir_lib
from vae_jax.checkpoint import Checkpoints
from vae_jax.config import flatten
from vae_jax.console import Console
from vae_jax.evaluate import summarize
from vae_jax.film import Film, chunk_size
from vae_jax.models import num_parameters, parameter_table
from vae_jax.objectives import settled_after
from vae_jax.prepare import Prepared, encode_filmed, epoch_order, prepare
from vae_jax.run import saved
from vae_jax.train_state import TrainState
from vae_jax.types import Config, InputError, Params, TrainingError
from vae_jax.writer import Writer


class Progress(NamedTuple):
    """Where training stands; with the state, all that a checkpoint holds."""

    step: int = 0
    sums: dict[str, float] = {}  # noqa: RUF012
    """Sums of the running epoch's metrics over its steps so far."""
    best: float | None = None
    stale: int = 0
    """Evaluated checkpoints since the best one."""


class Outside(NamedTuple):
    """What the loop talks to."""

    stop: signals.StopRequest
    checkpoints: Checkpoints
    writer: Writer
    console: Console
    film: Film


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
    from vae_jax import results

    console = console or Console()
    workdir_lib.check(config, workdir)
    run = prepare(config)
    workdir_lib.claim(config, workdir)
    _announce(run, workdir, console)
    farewell = f"stopped; continue: {workdir_lib.continue_command(workdir)}"
    with signals.deferred() as stop, Checkpoints(workdir / "checkpoints") as checkpoints:
        state, progress = _restore(run, checkpoints)
        done = results.read(workdir, progress.step) if _complete(run, progress) else None
        if done is not None:
            epochs = progress.step // run.steps_per_epoch
            console.line(f"complete: {epochs} epochs, trained, evaluated and drawn in {workdir}")
            console.line(f"go on: {workdir_lib.continue_command(workdir)} --config.num_epochs={2 * epochs}")
            return done
        workdir_lib.record(config, workdir)
        with Writer(workdir, progress.step, config.log.tensorboard) as writer:
            writer.hyperparameters(flatten(config), ["test/mse" if run.model.log_prior is None else "test/elbo"])
            film = Film(workdir, config.log.latent_every_steps, progress.step, encode_filmed(run))
            progress = _fit(run, state, progress, Outside(stop, checkpoints, writer, console, film))
            checkpoints.wait()
            if stop.signum is None:
                with signals.leaving(farewell):
                    return results.conclude(run, progress.step, checkpoints, writer, workdir, console)
    raise signals.Stopped(stop.signum, farewell)


def _announce(run: Prepared, workdir: Path, console: Console) -> None:
    config, params = run.config, run.state.params
    sizes = "/".join(f"{len(split.images):,}" for split in run.dataset[:3])
    console.line(
        f"{config.model} ({config.network}, latent {config.latent_dim}, {num_parameters(params):,} parameters) on "
        f"{config.dataset} ({' x '.join(map(str, run.shape))}, {run.pixels} pixels, train/val/test {sizes}), "
        f"{devices.describe()}, in {workdir}"
    )
    if config.log.parameters:
        console.table("parameters", ["shape", "count"], [(name, [s, n]) for name, s, n in parameter_table(params)])


def _restore(run: Prepared, checkpoints: Checkpoints) -> tuple[TrainState, Progress]:
    restored = checkpoints.restore(saved(run.state))
    state, progress = run.state, Progress()
    if restored is not None:
        if restored.info.get("data", run.data_digest) != run.data_digest:
            raise InputError(
                f"dataset={run.config.dataset}: the data are not those that the run was trained on (other images, labels "
                "or sizes); name another --workdir for a new run"
            )
        state = restored.state._replace(hparams=run.state.hparams)
        progress = Progress(**{name: restored.info[name] for name in Progress._fields})
    # A copy: the first chunk takes the memory of the state that it is given.
    return jax.tree.map(jnp.copy, state), progress


def _complete(run: Prepared, progress: Progress) -> bool:
    patience = run.config.early_stopping
    exhausted = patience > 0 and progress.stale >= patience and progress.step % run.steps_per_epoch == 0
    return exhausted or progress.step >= run.config.num_epochs * run.steps_per_epoch


def _fit(run: Prepared, state: TrainState, progress: Progress, outside: Outside) -> Progress:
    """Train until the run is complete or a stop is asked for; in both cases the state is saved."""
    config, steps = run.config, run.steps_per_epoch
    outside.film.record(progress.step, state.params)
    outside.console.start(steps * config.batch_size, config.num_epochs, progress.step / steps)
    try:
        while not _complete(run, progress) and outside.stop.signum is None:
            state, progress = _train_epoch(run, state, progress, outside)
            if progress.step % steps == 0:
                progress = _end_epoch(run, state, progress, outside)
        if progress.step and outside.checkpoints.latest_step() != progress.step:
            _save(run, state, progress, None, outside.checkpoints)
    finally:
        outside.console.stop()
    return progress


def _train_epoch(run: Prepared, state: TrainState, progress: Progress, outside: Outside) -> tuple[TrainState, Progress]:
    """Train to the end of the running epoch, or of the chunk in which a stop is asked for."""
    config = run.config
    epoch, position = divmod(progress.step, run.steps_per_epoch)
    order = epoch_order(config.seed, epoch, len(run.dataset.train.images), config.batch_size)
    while position < run.steps_per_epoch and outside.stop.signum is None:
        left, every = run.steps_per_epoch - position, config.log.latent_every_steps
        rows = order[position : position + chunk_size(progress.step, every, left, run.steps_per_dispatch)]
        state, metrics = run.chunk(state, run.images, jax.device_put(rows, run.layout.order), run.key_train)
        values = {name: np.asarray(steps, np.float64) for name, steps in metrics.items()}
        finite = np.isfinite(list(values.values())).all(axis=0)
        if not finite.all():
            first = int(finite.argmin())
            at_first = {name: float(steps[first]) for name, steps in values.items()}
            raise _diverged(run, progress.step + first + 1, at_first, outside.checkpoints)
        sums = {name: progress.sums.get(name, 0.0) + float(steps.sum()) for name, steps in values.items()}
        progress = progress._replace(step=progress.step + len(rows), sums=sums)
        position += len(rows)
        outside.film.record(progress.step, state.params)
        outside.console.advance(epoch + 1, rows.size, float(values["loss"][-1]))
    return state, progress


def _end_epoch(run: Prepared, state: TrainState, progress: Progress, outside: Outside) -> Progress:
    """Validate, log and save, each when the epoch's number says so; what a continued run must do too."""
    config, epoch = run.config, progress.step // run.steps_per_epoch
    metrics = {f"train/{name}": value / run.steps_per_epoch for name, value in progress.sums.items()}
    evaluated, saving = epoch % config.eval.every_epochs == 0, epoch % run.checkpoint_epochs == 0
    score, improved = None, False
    if evaluated:
        metrics |= _validate(run, state)
        if not all(map(math.isfinite, metrics.values())):
            raise _diverged(run, progress.step, metrics, outside.checkpoints)
    if evaluated and saving and epoch >= settled_after(config):
        score = _score(config, metrics)
        improved = progress.best is None or score > progress.best
        best, stale = (score, 0) if improved else (progress.best, progress.stale + 1)
        progress = progress._replace(best=best, stale=stale)
    progress = progress._replace(sums={})
    outside.writer.write(progress.step, epoch, metrics)
    outside.console.epoch_line(epoch, config.num_epochs, metrics, improved)
    if saving:
        _save(run, state, progress, score, outside.checkpoints)
    return progress


def _validate(run: Prepared, state: TrainState) -> dict[str, float]:
    per_image = run.evaluate(state, run.key_eval, run.dataset.val)
    metrics = summarize(run.config, run.model, per_image, math.prod(run.shape))
    return {f"val/{name}": value for name, value in metrics.items()}


def _score(config: Config, metrics: dict[str, float]) -> float:
    """The number by which checkpoints are compared, higher is better."""
    name = config.checkpoint.best_metric
    if name == "auto":
        name = "val/elbo" if "val/elbo" in metrics and config.beta == 1 else "val/loss"
    return metrics[name] if name == "val/elbo" else -metrics[name]


@jax.jit
def _all_finite(params: Params) -> Bool[Array, ""]:
    return jnp.stack([jnp.isfinite(leaf).all() for leaf in jax.tree.leaves(params)]).all()


def _save(run: Prepared, state: TrainState, progress: Progress, score: float | None, checkpoints: Checkpoints) -> None:
    # A copy: the next chunk reuses the state's own memory while the save is still being written.
    copy = jax.tree.map(jnp.copy, saved(state))
    if not _all_finite(copy.params):
        raise _diverged(run, progress.step, {"parameters": math.nan}, checkpoints)
    info = progress._asdict() | {"shape": list(run.shape), "data": run.data_digest, "config": run.config.to_dict()}
    checkpoints.save(progress.step, copy, info, score)


def _diverged(run: Prepared, step: int, values: dict[str, float], checkpoints: Checkpoints) -> TrainingError:
    checkpoints.wait()
    config, last = run.config, checkpoints.latest_step()
    bad = ", ".join(f"{name}={value}" for name, value in values.items() if not math.isfinite(value))
    kept = f"the checkpoint of step {last} is intact" if last else "there is no checkpoint yet"
    return TrainingError(
        f"step {step} (epoch {(step - 1) // run.steps_per_epoch + 1}): not finite: {bad}; {kept}\n"
        f"try a smaller learning_rate (now {config.learning_rate:g}), clip_norm=1 (now {config.clip_norm:g}) or "
        f"kl_warmup_epochs (now {config.kl_warmup_epochs:g}), in a run of its own"
    )
