"""The density of codes under the prior of a run, and their components if it is a mixture."""

from typing import Any

import jax
import numpy as np
from jaxtyping import Float, Int

from vae_jax.models import given, prepared
from vae_jax.models.distributions import LOG_TWO_PI
from vae_jax.runs.run import Run


def under_prior(
    run: Run, codes: Float[np.ndarray, "N Z"], labels: Any
) -> tuple[Float[np.ndarray, " N"] | None, Int[np.ndarray, " N"] | None]:
    """Return log p(z) of each code in nats, and its component of the prior; None for what the prior does not have.

    Both are None if codes are only a part of z, as in a model with two layers.
    """
    prior, place = run.model.prior, run.model.place
    if run.standard_prior:  # nothing to compile
        return -0.5 * (np.square(codes) + LOG_TWO_PI).sum(axis=1), None
    if prior is None or prior.log_prob is None or place is None:
        return None, None
    if not isinstance(jax.eval_shape(place, run.params, codes), jax.ShapeDtypeStruct):
        return None, None

    @jax.jit
    def compute(params: Any, z: Any, labels: Any) -> tuple[Any, Any]:
        own = given(run.model, labels).prior
        assert own is not None
        assert own.log_prob is not None
        return own.log_prob(params, z), None if own.component is None else own.component(params, z)

    return jax.device_get(compute(prepared(run.model, run.params), codes, labels))


def components(run: Run, codes: Float[np.ndarray, "N Z"], labels: Any = None) -> Int[np.ndarray, " N"] | None:
    """Return the component of the prior that most probably drew each code, or None; see `under_prior`."""
    return under_prior(run, codes, labels)[1]


def num_components(run: Run) -> int:
    """Return the number of components of a run's prior; 0: the prior is no mixture, or its keys do not say."""
    prior = run.model.prior
    own = run.config.get(run.config.get("prior", ""), {})
    return 0 if prior is None or prior.component is None else own.get("components", 0)
