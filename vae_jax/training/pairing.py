"""The training of a density, completed to that of the pair with the run whose codes it learned."""

from vae_jax import data
from vae_jax.models import model_params
from vae_jax.objectives import make_objective
from vae_jax.runs.loading import load_parent
from vae_jax.runs.pair import join
from vae_jax.training.prepare import Training, make_run_evaluate
from vae_jax.training.step import make_hparams
from vae_jax.types import TrainState


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
