"""The models whose health can be measured."""

from vae_jax.errors import InputError
from vae_jax.models import require_euclidean, require_log_posterior
from vae_jax.types import Model

NEED = (
    "and its health would be measured with gradients for z (experiments.evaluate prints what can be said without them)"
)
"""The reason why a model with discrete codes or a sphere is not examined."""
NEED_OF_DENSITY = "and its health would be measured with that of other z"


def require_examinable(model: Model, name: str = "") -> None:
    """Raise InputError with the name of the model's family if its health cannot be measured."""
    require_euclidean(model, NEED, name)
    require_log_posterior(model, NEED_OF_DENSITY, name)


def is_examinable(model: Model) -> bool:
    """Return True if `examine` can examine a model."""
    try:
        require_examinable(model)
    except InputError:
        return False
    return True
