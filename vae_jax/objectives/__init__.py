"""The objectives that training minimises: one file each, one line in OBJECTIVES."""

from collections.abc import Callable

from vae_jax.errors import InputError
from vae_jax.objectives import kl
from vae_jax.objectives.denoising import make_denoising, make_noise
from vae_jax.objectives.elbo import make_elbo
from vae_jax.objectives.importance import make_importance
from vae_jax.objectives.reconstruction import make_reconstruction
from vae_jax.types import Config, Corrupt, Model, Objective

OBJECTIVES: dict[str, Callable[[Config, Model, int, str | None], Objective]] = {
    "denoising": make_denoising,
    "elbo": make_elbo,
    "importance": make_importance,
    "reconstruction": make_reconstruction,
}
WITHOUT_PRIOR = frozenset({"denoising", "reconstruction"})
"""The objectives for models without a prior; all others need one."""
CORRUPTING: dict[str, Callable[[Config], Corrupt]] = {"denoising": make_noise}
"""The corruption of the input, for each objective that encodes corrupted images."""


def make_objective(config: Config, model: Model, steps_per_epoch: int, axis_name: str | None = None) -> Objective:
    """Make the objective named by `config.objective`.

    Args:
        config: reads objective, and the keys of that objective.
        model: the model to train.
        steps_per_epoch: converts lengths in epochs to steps.
        axis_name: the mapped axis that splits the batch, inside `jax.pmap` or `jax.shard_map`.

    Raises:
        InputError: the objective needs a prior and the model has none, or the reverse.
    """
    if (model.log_prior is None) != (config.objective in WITHOUT_PRIOR):
        names = sorted(name for name in OBJECTIVES if (name in WITHOUT_PRIOR) == (model.log_prior is None))
        kind = "has no prior, so no elbo" if model.log_prior is None else "has a prior, and beta=0 drops its KL"
        raise InputError(
            f"objective={config.objective}: model={config.model} {kind}; choices: {', '.join(names)}, or another model"
        )
    return OBJECTIVES[config.objective](config, model, steps_per_epoch, axis_name)


def make_corrupt(config: Config) -> Corrupt | None:
    """Make the function (key, x) -> images that `config.objective` encodes in place of x, or None if it encodes x itself."""
    return CORRUPTING[config.objective](config) if config.objective in CORRUPTING else None


def stable_after_epoch(config: Config) -> float:
    """Return the epoch after which the objective no longer changes; the best checkpoint is chosen from there on."""
    return 0.0 if config.objective in WITHOUT_PRIOR else kl.stable_after_epoch(config)
