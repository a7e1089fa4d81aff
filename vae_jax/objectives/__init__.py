"""The objectives that training minimises: one file each, one line in OBJECTIVES."""

from collections.abc import Callable

from vae_jax.errors import InputError
from vae_jax.objectives.denoising import make_denoising
from vae_jax.objectives.elbo import make_elbo
from vae_jax.objectives.importance import make_importance
from vae_jax.objectives.reconstruction import make_reconstruction
from vae_jax.types import Config, Model, Objective

OBJECTIVES: dict[str, Callable[[Config, int], Objective]] = {
    "denoising": make_denoising,
    "elbo": make_elbo,
    "importance": make_importance,
    "reconstruction": make_reconstruction,
}


def make_objective(config: Config, model: Model, steps_per_epoch: int = 1) -> Objective:
    """Make the objective named by `config.objective`.

    Args:
        config: reads objective, and the keys of that objective.
        model: the model to train.
        steps_per_epoch: converts lengths in epochs to steps.

    Raises:
        InputError: the objective does not fit the model.
    """
    objective = OBJECTIVES[config.objective](config, steps_per_epoch)
    if problems := objective.problems(model):
        names = [name for name, make in OBJECTIVES.items() if not make(config, steps_per_epoch).problems(model)]
        raise InputError(
            f"objective={config.objective}: model={config.model} {'; '.join(problems)}; choices: {', '.join(names)}, "
            "or another model"
        )
    return objective
