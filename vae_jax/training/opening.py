"""Where a run stands: its state restored, its files opened, what is printed of it."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from vae_jax.config import flatten
from vae_jax.errors import InputError
from vae_jax.evaluation.latent_codes import make_encode_frame
from vae_jax.models import num_parameters, parameter_table
from vae_jax.runs import workdir as workdir_lib
from vae_jax.runs.checkpoint import Checkpoints
from vae_jax.runs.checkpoint.ownership import assert_own, saved
from vae_jax.runs.latent_frames import Film
from vae_jax.runs.writer import Writer
from vae_jax.system import devices, processes, profiling, signals
from vae_jax.system.console import Console
from vae_jax.system.profiling import Profile
from vae_jax.training.epochs import Outside, Progress, best_metric
from vae_jax.training.prepare import Prepared
from vae_jax.training.step import copy_state
from vae_jax.types import Config, TrainState


class Opened(NamedTuple):
    """A workdir from which training goes on."""

    state: TrainState
    progress: Progress
    outside: Outside | None
    """None where the run is complete: nothing of it is written again."""
    done: dict[str, Any] | None
    """What results.json holds, where the run is complete."""


@contextmanager
def opened(run: Prepared, workdir: Path, stop: signals.StopRequest, console: Console) -> Iterator[Opened]:
    """Where the run in workdir stands, and the files that it goes on to write; leaving waits for the last save.

    Args:
        run: what the run computes with.
        workdir: claimed for its config.
        stop: what asks the run to stop.
        console: where progress is told.

    Raises:
        InputError: the checkpoints are not of these data, or damaged.
    """
    from vae_jax.training import conclude

    config = run.config
    with ExitStack() as files:
        checkpoints = files.enter_context(Checkpoints(workdir / "checkpoints"))
        folder = files.enter_context(processes.own_folder(workdir))
        state, progress, told = _restore(run, checkpoints)
        done = conclude.read(workdir, progress.step) if complete(run, progress) else None
        if done is not None:
            yield Opened(state, progress, None, done)
            return
        processes.first_alone(lambda: workdir_lib.record(config, workdir))
        writer = files.enter_context(Writer(folder, progress.step, config.log.tensorboard))
        for line in [*told, *_strays(workdir, checkpoints), *writer.mended]:
            console.line(line)
        writer.hyperparameters(flatten(config), ["test/mse" if run.model.log_prior is None else "test/elbo"])
        encode = make_encode_frame(run.model, run.dataset.test.images, config.eval.batch_size)
        film = Film(folder, config.log.latent_every_steps, progress.step, encode)
        profile = Profile(folder / profiling.FOLDER if config.log.profile else None)
        yield Opened(state, progress, Outside(stop, checkpoints, writer, console, film, profile), None)


def announce(run: Prepared, workdir: Path, console: Console) -> None:
    """Tell what is trained on what, where."""
    config, params = run.config, run.state.params
    sizes = "/".join(f"{len(split.images):,}" for split in run.dataset[:3])
    console.line(
        f"{config.model} ({config.network}, latent {config.latent_dim}, {num_parameters(params):,} parameters) on "
        f"{config.dataset} ({' x '.join(map(str, run.shape))}, {run.pixels} pixels, train/val/test {sizes}), "
        f"{devices.describe()}, in {workdir}"
    )
    if config.schedule == "cosine" and config.num_epochs > config.schedule_epochs:
        console.line(
            f"schedule=cosine: the learning rate is 0 after epoch {config.schedule_epochs:g} (schedule_epochs), "
            f"and num_epochs={config.num_epochs}"
        )
    if config.log.parameters:
        console.table("parameters", ["shape", "count"], [(name, [s, n]) for name, s, n in parameter_table(params)])


def _restore(run: Prepared, checkpoints: Checkpoints) -> tuple[TrainState, Progress, list[str]]:
    """Also what there is to tell of it."""
    restored = checkpoints.restore(saved(run.state))
    if restored is None:
        return copy_state(run.state), Progress(), []
    assert_own(restored, run.config, [*Progress._fields, "shape"])
    if not run.data_digest.startswith(restored.info.get("data", "")):  # older runs have the beginning
        raise InputError(
            f"dataset={run.config.dataset}: the data are not those that the run was trained on (other images, labels "
            "or sizes); name another --workdir for a new run"
        )
    _assert_comparable(restored.info.get("config", {}), run.config)
    state = restored.state._replace(hparams=run.state.hparams)
    progress = Progress(**{name: restored.info[name] for name in Progress._fields})
    told, now = f"goes on after step {restored.step}", devices.describe()
    before = restored.info.get("devices", now)
    if before != now:
        told += f"; saved on {before}, now on {now}: the same up to rounding, not bit for bit"
    return copy_state(state), progress, [told]


def _assert_comparable(stored: Mapping[str, Any], config: Config) -> None:
    """Refuse another metric of the best checkpoint than that of the run so far: its numbers are no match for the old ones."""
    was, now = stored.get("checkpoint", {}).get("best_metric"), config.checkpoint.best_metric
    if was is not None and best_metric(config, was) != best_metric(config, now):
        raise InputError(
            f"checkpoint.best_metric={now}: the run's checkpoints were compared by {best_metric(config, was)}; choices: "
            f"{was}, or a new run in another folder"
        )


def _strays(workdir: Path, checkpoints: Checkpoints) -> list[str]:
    """A line that names what looks like a part of the run, as a killed process or a person may leave it, and is none."""
    names = sorted(path.name for path in workdir.iterdir() if path.suffix == ".tmp" or path.name.isdecimal())
    names += [f"checkpoints/{name}" for name in checkpoints.strays()]
    return [f"left alone, no part of the run: {', '.join(names)}"] if names else []


def complete(run: Prepared, progress: Progress) -> bool:
    """Whether nothing is left to train: all epochs are done, or early stopping has lost its patience."""
    patience = run.config.early_stopping
    exhausted = patience > 0 and progress.stale >= patience and progress.step % run.steps_per_epoch == 0
    return exhausted or progress.step >= run.config.num_epochs * run.steps_per_epoch
