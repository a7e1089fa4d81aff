"""The interface of a family of posteriors q(z|x), from which the encoder chooses one for each image."""

from collections.abc import Callable
from typing import Any, NamedTuple

from jaxtyping import Array, Float, PRNGKeyArray

from vae_jax.models.networks import Layers
from vae_jax.types import Draw, LogDensity, Params

Features = Float[Array, "B E"]
Z = Float[Array, "B Z"]
Reparameterize = Callable[[Params, PRNGKeyArray | None, Any], Draw]
LogPosterior = Callable[[Params, Any, Z], Float[Array, " B"]]


class PosteriorFamily(NamedTuple):
    """A family of posteriors; its functions take all params, of which `params["posterior"]` are its own."""

    num_features: int
    """E, the number of encoder outputs for each image."""
    size: int
    """Z, the number of numbers in which z is stored."""
    posterior: Callable[[Features], Any]
    """(features) -> the posterior of each image, a NamedTuple of arrays [B, ...]."""
    reparameterize: Reparameterize
    """(params, key, posterior) -> a draw of z and its log-density; without a key the noise-free z."""
    log_prob: LogPosterior | None
    """(params, posterior, z) -> log q(z|x) [B] of any z, nats; None if only that of a draw is known."""
    kl_terms: Callable[[Any], Float[Array, "B K"]] | None = None
    """(posterior) -> the closed-form terms of the KL from the prior that is the family's own, nats; None: there is none."""
    kl_names: Callable[[], tuple[str, ...]] = lambda: ("kl",)
    """() -> the names of the K columns."""
    init: Callable[[PRNGKeyArray], Params] | None = None
    """(key) -> params["posterior"]; None: the family has no parameters of its own."""
    onto: Callable[[Z], Z] | None = None
    """(numbers) -> the nearest z, for a family whose z are not all numbers; None: any numbers are a z."""
    layers: Callable[[Layers], Layers] = lambda layers: layers
    """(layers of encoder and decoder) -> those from an image to the noise-free z, and from numbers to the image."""
    traits: frozenset[str] = frozenset()
    """See `Model.traits`: "columns" holds while the KL is in closed form, the others always."""


def log_ratio(log_prior: LogDensity) -> Callable[[Params, Any, Draw], Float[Array, "B 1"]]:
    """Make `Rate.kl_terms` of one column: log q(z|x) - log p(z) of the drawn z, nats."""

    def kl_terms(params: Params, posterior: Any, draw: Draw) -> Float[Array, "B 1"]:
        assert draw.log_q is not None
        return (draw.log_q - log_prior(params, draw.z))[:, None]

    return kl_terms
