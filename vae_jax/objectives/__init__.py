"""The objectives that training minimises: one file each, one line in OBJECTIVES."""

from vae_jax.errors import InputError
from vae_jax.keys import Entry
from vae_jax.models import family_name
from vae_jax.objectives import denoising, elbo, factor, importance, kl
from vae_jax.objectives.reconstruction import best_metric_problems, make_reconstruction
from vae_jax.types import Config, Model, Objective

OBJECTIVES: dict[str, Entry] = {
    "denoising": Entry(denoising.make_denoising, denoising.KEYS, denoising.problems, "Denoising {}"),
    "elbo": Entry(elbo.make_elbo, kl.KEYS, kl.problems),
    "factor": Entry(factor.make_factor, factor.KEYS, factor.problems, "FactorVAE"),
    "importance": Entry(
        importance.make_importance, importance.KEYS, importance.problems, "Importance-weighted autoencoder"
    ),
    "reconstruction": Entry(make_reconstruction, problems=best_metric_problems),
}
"""(config, steps_per_epoch) -> Objective."""


def make_objective(config: Config, model: Model, steps_per_epoch: int = 1) -> Objective:
    """Make the objective named by `config.objective`.

    Args:
        config: reads objective, and the keys of that objective.
        model: the model to train.
        steps_per_epoch: converts lengths in epochs to steps.

    Raises:
        InputError: the objective does not fit the model.
    """
    objective = OBJECTIVES[config.objective].make(config, steps_per_epoch)
    if problems := objective.problems(model):
        made = {name: entry.make(config, steps_per_epoch) for name, entry in OBJECTIVES.items()}
        names = [name for name, other in made.items() if not other.problems(model)]
        other = "another posterior or model" if config.posterior else "another model"
        others = f"{', '.join(names)}, or {other}" if names else other
        name = family_name(config)
        raise InputError(f"objective={config.objective}: model={name} {'; '.join(problems)}; choices: {others}")
    # The rate of codes is no elbo, since nothing is reconstructed.
    return objective._replace(best_metric="val/loss") if "no_pixels" in model.traits else objective
