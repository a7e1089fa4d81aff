"""A normalising flow as the prior, trained together with the encoder and the decoder (Xu et al. 2019)."""

from collections.abc import Mapping
from typing import Any

import jax
from jaxtyping import Array, Float, PRNGKeyArray

from vae_jax.keys import count, numbers, text
from vae_jax.models.distributions import LOG_TWO_PI
from vae_jax.models.priors.couplings import affine, make_couplings
from vae_jax.models.priors.splines import spline
from vae_jax.types import Config, Encode, Params, PerExample, Prior, Sample, Spec

Z = Float[Array, "B Z"]
KINDS = {"realnvp": lambda bins: affine(), "spline": spline}
BINS = count("flow.bins", 8, "bins of each spline", "bins", 2, 1000)
KEYS = (
    text("flow.kind", "realnvp", "map of each number in the prior's couplings", *KINDS),
    count("flow.layers", 6, "couplings, each of which maps half of z given the other half", "layers", 1, 100),
    numbers("flow.hidden_dims", (128, 128), "widths of the hidden layers of each coupling's network", int, 1),
    BINS,
)


def problems(flat: Mapping[str, Any]) -> list[str]:
    """Return the problem of a latent space that has no halves, and of bins without splines."""
    found = []
    if flat["latent_dim"] < 2:
        found.append(
            f"prior=flow, latent_dim={flat['latent_dim']}: a coupling maps half of z given the other half; "
            "choices: latent_dim of 2 or more, or another prior, such as mixture"
        )
    if flat["flow.kind"] != "spline" and flat["flow.bins"] != BINS.default:
        found.append(
            f"flow.bins={flat['flow.bins']}: only splines have bins, and flow.kind={flat['flow.kind']}; choices: flow.kind=spline"
        )
    return found


def make_flow(config: Config, spec: Spec, encode: Encode) -> Prior:
    r"""Make the density of z for which u = f(z) is N(0, I): log p(z) = log N(f(z); 0, I) + log |det df/dz|.

    .. math:: \log p(z) = \log \mathcal{N}(f(z); 0, I) + \log \left| \det \frac{\partial f}{\partial z} \right|

    f is made of `flow.layers` couplings, affine ones (RealNVP) or rational-quadratic splines. It starts as the identity.
    A temperature scales u.
    """
    own = config.flow
    flow = make_couplings(config.latent_dim, own.layers, tuple(own.hidden_dims), KINDS[own.kind](own.bins))

    def init(key: PRNGKeyArray, sample: Sample) -> Params:
        return flow.init(key)

    def log_prob(params: Params, z: Z) -> PerExample:
        u, log_det = flow.forward(params["prior"], z)
        return log_det - 0.5 * (u**2 + LOG_TWO_PI).sum(axis=1)

    def sample(params: Params, key: PRNGKeyArray, n: int, temperature: float = 1.0) -> Z:
        return flow.inverse(params["prior"], temperature * jax.random.normal(key, (n, config.latent_dim)))

    return Prior(init, log_prob, sample, is_standard=False)
