"""The training of a density, completed to that of the pair with the run whose codes it learned."""

from pathlib import Path

from vae_jax import data
from vae_jax.models import model_params
from vae_jax.objectives import make_objective
from vae_jax.runs.checkpoint import Checkpoints
from vae_jax.runs.checkpoint.ownership import assert_own, spec_of
from vae_jax.runs.loading import load_parent
from vae_jax.runs.pair import Joined, assert_learned, join
from vae_jax.runs.run import Run
from vae_jax.training.prepare import Training, make_run_evaluate
from vae_jax.training.step import make_hparams
from vae_jax.types import Config, Params, TrainState


def completed(training: Training, state: TrainState) -> tuple[Training, TrainState]:
    """Return a training and a state of it as they are; for a density, with the images and the model of its pair.

    Raises:
        InputError: the run whose codes were learned is missing or has changed.
    """
    if training.spec.codes is None:
        return training, state
    parts = training.config, training.spec, training.model, model_params(state.params), int(state.step), None
    run = join(load_parent(training.config), *parts)
    dataset, objective = data.load(run.config), make_objective(run.config, run.model)
    whole = training._replace(
        config=run.config,
        dataset=dataset,
        spec=run.spec,
        model=run.model,
        objective=objective,
        hparams=make_hparams(run.config, training.layout.replicated),
        evaluate=make_run_evaluate(run.config, dataset, run.model, objective, training.layout),
    )
    return whole, state._replace(params=run.params)


def trained_run(training: Training, whole: Training, params: Params, step: int) -> Run:
    """Return the run that a training has made; `whole` is the training of `completed`, to which the parameters belong."""
    run = Run(whole.config, whole.model, params, whole.spec, step)
    if training.spec.codes is not None:
        run.joined = Joined(load_parent(training.config), training.config, training.spec, params)
    return run


def check_parent(config: Config, workdir: Path) -> None:
    """Raise InputError if the density in workdir learned the codes of other parameters than its parent has now.

    It is called before codes are written, so that a command that is refused writes none in the place of the old ones. Other
    runs, and new ones, pass.
    """
    if config.dataset != "codes" or not workdir.is_dir():
        return
    with Checkpoints(workdir / "checkpoints", read_only=True) as checkpoints:
        found = checkpoints.info()
    if found is not None:
        assert_own(found, config, ["spec"])
        assert_learned(load_parent(config), config, spec_of(found.info))
