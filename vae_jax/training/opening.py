"""Opening a run: its state restored, its files opened, and the lines that say so."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from vae_jax.config import flatten
from vae_jax.data.dark import dark_notice
from vae_jax.errors import InputError
from vae_jax.evaluation.latent_codes import encode_filmed
from vae_jax.models import OBJECTIVE, describe_latents, family_name, model_params, num_parameters, parameter_table
from vae_jax.runs import workdir as workdir_lib
from vae_jax.runs.checkpoint import Checkpoints
from vae_jax.runs.checkpoint.ownership import assert_own, assert_same_classes, spec_of
from vae_jax.runs.latent_frames import LatentFrames
from vae_jax.runs.tracking import catch_up
from vae_jax.runs.writer import Writer, read_metrics
from vae_jax.system import devices, processes, profiling, signals
from vae_jax.system.console import Console
from vae_jax.system.profiling import Profile
from vae_jax.system.trackers import NONE
from vae_jax.training.conclude import results_at
from vae_jax.training.prepare import Training
from vae_jax.training.session import Progress, Session, best_metric, is_complete
from vae_jax.training.step import copy_state
from vae_jax.types import TrainState


@contextmanager
def open_session(
    training: Training, workdir: Path, stop: signals.StopRequest, console: Console
) -> Iterator[Session | dict[str, Any]]:
    """Context manager: restore the run in `workdir` and open the files it writes; on exit, wait for the last checkpoint.

    Args:
        training: the run's functions and data.
        workdir: opened by `open_run` for the run's config.
        stop: set when a signal requests a stop.
        console: where progress is printed.

    Returns:
        The session; or the content of results.json if the run is complete: only the folders of its data are written again.

    Raises:
        InputError: the checkpoints belong to other data, or are damaged.
    """
    config = training.config
    with ExitStack() as files:
        checkpoints = files.enter_context(Checkpoints(workdir / "checkpoints"))
        folder = files.enter_context(processes.own_folder(workdir))
        state, progress, messages = _restore(training, checkpoints)
        results = results_at(workdir, progress.step) if is_complete(training, progress) else None
        if results is not None:
            processes.first_alone(lambda: workdir_lib.record_folders(config, workdir))
            if processes.is_first():
                for line in catch_up(config.log.tracker, workdir, flatten(config), read_metrics(workdir), results):
                    console.line(line)
            yield results
            return
        processes.first_alone(lambda: workdir_lib.record(config, workdir))
        metric = "test/mse" if training.model.rate is None else "test/elbo"
        tracker = config.log.tracker if processes.is_first() else NONE
        log = Writer(folder, progress.step, config.log.tensorboard, flatten(config), [metric], tracker)
        writer = files.enter_context(log)
        for line in [*messages, *_strays(workdir, checkpoints), *writer.mended]:
            console.line(line)
        encode = encode_filmed(training.model, training.dataset.test, config.eval.batch_size)
        frames = LatentFrames(folder, config.log.latent_every_steps, progress.step, encode)
        profile = Profile(folder / profiling.FOLDER if config.log.profile else None)
        yield Session(state, progress, workdir, stop, checkpoints, writer, console, frames, profile)


def announce(training: Training, workdir: Path, console: Console) -> None:
    """Print what is trained, on which data and devices, in which folder."""
    config, params = training.config, training.state.params
    sizes = "/".join(f"{len(split.images):,}" for split in training.dataset[:3])
    parameters, own = (num_parameters(part) for part in (model_params(params), params.get(OBJECTIVE, {})))
    count = f"{parameters:,} parameters" + (f", and {own:,} of the objective" if own else "")
    about, images = f"{config.network}, {describe_latents(training.model, config)}, {count}", config.dataset
    of_each = f"{' x '.join(map(str, training.shape))}, {training.pixels} pixels"
    if training.spec.codes is not None:
        height, width, channels = training.shape
        about, images = count, f"the {training.pixels} of {config.data_dir}"
        number = (
            f"{channels} from 0 to {training.spec.codes[1] - 1}"
            if training.spec.codes[1]
            else f"{channels // 2 if training.pixels == 'latents' else channels} dimensions"
        )
        of_each = f"{height} x {width} places, {number} at each"
    console.line(
        f"{family_name(config)} ({about}) on {images} ({of_each}, train/val/test {sizes}"
        f"{', given the label' * (training.model.given is not None)}), {devices.describe()}, in {workdir}"
    )
    if dark := dark_notice(config, training.dataset):
        console.line(dark)
    if config.schedule == "cosine" and config.num_epochs > config.schedule_epochs:
        console.line(
            f"schedule=cosine: the learning rate is 0 after epoch {config.schedule_epochs:g} (schedule_epochs), "
            f"and num_epochs={config.num_epochs}"
        )
    if config.log.parameters:
        console.table("parameters", ["shape", "count"], [(name, [s, n]) for name, s, n in parameter_table(params)])


def _restore(training: Training, checkpoints: Checkpoints) -> tuple[TrainState, Progress, list[str]]:
    """Return the latest state and progress, or the initial ones, with lines to print."""
    if training.model.given is not None and (info := checkpoints.info()) is not None:
        # Before the arrays, whose shapes depend on the number of classes.
        assert_own(info, training.config, ["spec"])
        assert_same_classes(training.config, spec_of(info.info), training.spec.class_names)
    restored = checkpoints.restore(training.state)
    if restored is None:
        return copy_state(training.state), Progress(), []
    assert_own(restored, training.config, [*Progress._fields, "spec"])
    if not training.data_digest.startswith(restored.info.get("data", "")):  # older runs have the beginning
        raise InputError(
            f"dataset={training.config.dataset}: the run was trained on other data (other images, labels or sizes); a new "
            "run needs another --workdir"
        )
    _assert_comparable(restored.info.get("config", {}), training)
    progress = Progress(**{name: restored.info[name] for name in Progress._fields})
    message, now = f"resumed after step {restored.step}", devices.describe()
    before = restored.info.get("devices", now)
    if before != now:
        message += f"; it was saved on {before} and continues on {now}: equal up to rounding, not bit for bit"
    return copy_state(restored.state), progress, [message]


def _assert_comparable(stored: Mapping[str, Any], training: Training) -> None:
    """Refuse to change `checkpoint.best_metric` in the middle of a run: old and new scores cannot be compared."""
    was, now = stored.get("checkpoint", {}).get("best_metric"), training.config.checkpoint.best_metric
    if was is not None and best_metric(training, was) != best_metric(training, now):
        raise InputError(
            f"checkpoint.best_metric={now}: the run's checkpoints were compared by {best_metric(training, was)}; choices: "
            f"{was}, or a new run in another folder"
        )


def _strays(workdir: Path, checkpoints: Checkpoints) -> list[str]:
    """Return a line that names files which look like parts of a run but are not: a killed process may leave them."""
    names = sorted(path.name for path in workdir.iterdir() if path.suffix == ".tmp" or path.name.isdecimal())
    names += [f"checkpoints/{name}" for name in checkpoints.strays()]
    return [f"ignored, not part of the run: {', '.join(names)}"] if names else []
