"""The models whose health can be measured."""

from vae_jax.errors import InputError
from vae_jax.models import require_euclidean, require_log_posterior, require_rate
from vae_jax.types import Model

NEED = "and its health would be measured with gradients for z (vae-jax evaluate prints what can be said without them)"
"""The reason why a model on a sphere is not examined, nor one with discrete codes and no pixels."""
NEED_OF_DENSITY = "and its health would be measured with that of other z"


def require_examinable(model: Model, name: str = "") -> None:
    """Raise InputError with the name of the model's family if its health cannot be measured."""
    if has_codes(model):
        require_rate(model, name)
        return
    require_euclidean(model, NEED, name)
    require_log_posterior(model, NEED_OF_DENSITY, name)


def has_codes(model: Model) -> bool:
    """Return True if a model has discrete codes of images: then the lines that need gradients for z are left out."""
    return "discrete" in model.traits and "no_pixels" not in model.traits


def is_examinable(model: Model) -> bool:
    """Return True if `examine` can say more of a model than its final evaluation did."""
    if has_codes(model):
        return False
    try:
        require_examinable(model)
    except InputError:
        return False
    return True
