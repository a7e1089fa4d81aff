"""What training minimises: one file each, one line in OBJECTIVES."""

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
CORRUPTING: dict[str, Callable[[Config], Corrupt]] = {"denoising": make_noise}
"""What an objective does to its input, for those that do something."""


def make_objective(config: Config, model: Model, steps_per_epoch: int, axis_name: str | None = None) -> Objective:
    """The objective that `config.objective` names.

    Args:
        config: reads objective, and what the objective itself reads.
        model: the model it is for.
        steps_per_epoch: turns lengths in epochs into steps.
        axis_name: the mapped axis over which the batch is spread, inside `jax.pmap` or `jax.shard_map`.

    Raises:
        InputError: an elbo asked of a model without a prior, or the reverse.
    """
    if (model.log_prior is None) != (config.objective in WITHOUT_PRIOR):
        names = sorted(name for name in OBJECTIVES if (name in WITHOUT_PRIOR) == (model.log_prior is None))
        kind = "has no prior, so no elbo" if model.log_prior is None else "has a prior, and beta=0 drops its KL"
        raise InputError(
            f"objective={config.objective}: model={config.model} {kind}; choices: {', '.join(names)}, or another model"
        )
    return OBJECTIVES[config.objective](config, model, steps_per_epoch, axis_name)


def make_corrupt(config: Config) -> Corrupt | None:
    """(key, x) -> the input that `config.objective` encodes in the place of x; None where it is x itself."""
    return CORRUPTING[config.objective](config) if config.objective in CORRUPTING else None


def settled_after(config: Config) -> float:
    """Epochs after which the objective stays what it is: candidates for the best checkpoint count from there."""
    return 0.0 if config.objective in WITHOUT_PRIOR else kl.settled_after(config)
