"""The divergence of the aggregate posterior from the prior, by a mixture of all posteriors of a split.

The mean KL(q(z|x) || p(z)) is the information I(x; z) about the images plus KL(q(z) || p(z)), which alone depends on the prior
(Hoffman and Johnson 2016). So a better prior lowers the second part.
"""

import math
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from vae_jax.errors import InputError
from vae_jax.evaluation.health.codes import Codes, Labels, make_draw_codes
from vae_jax.evaluation.health.information import Bracket, marginal_kl, mixture, mutual_information, pairs_of
from vae_jax.evaluation.health.lines import SATURATED
from vae_jax.evaluation.health.subject import Subject, encode_split
from vae_jax.models.distributions import LOG_TWO_PI
from vae_jax.types import Model, Params

TITLE = "aggregate posterior to prior"
CODES_PER_DIMENSION = 4
"""The fewest codes for each latent dimension that a covariance is computed from."""


class Gain(NamedTuple):
    """A difference of mean log-densities, with its standard error, nats."""

    value: float
    error: float


class Divergence(NamedTuple):
    """The KL(q(z) || p(z)) of the aggregate posterior q of N images, nats per image."""

    bracket: Bracket
    """Two estimates that enclose it on average."""
    kl: float
    """The mean of KL(q(z|x) || p(z))."""
    num_images: int
    saturated: bool
    """True if the codes identify almost all images, so the KL may be anywhere below the high estimate."""
    gaussian: Gain | None
    """The elbo that a Gaussian with the codes' mean and covariance would gain in place of the prior; None: not measured."""

    @property
    def facts(self) -> dict[str, Any]:
        """The numbers, for a JSON file."""
        gain = {} if self.gaussian is None else {"gaussian_gain": self.gaussian._asdict()}
        rest = {"kl": self.kl, "num_images": self.num_images, "saturated": self.saturated}
        return {"kl_to_prior": self.bracket._asdict(), **rest, **gain}

    @property
    def lines(self) -> list[str]:
        """The lines to print."""
        low, high, low_error, high_error = self.bracket
        text = f"{TITLE}: KL {low:.2f} ± {low_error:.2f} to {high:.2f} ± {high_error:.2f} nats of kl {self.kl:.2f} (the rest, "
        text += f"{max(self.kl - high, 0):.2f} to {max(self.kl - low, 0):.2f}, is information about the images"
        if self.saturated:
            text += f"; {self.num_images:,} images cannot show more than log {self.num_images:,} = "
            text += f"{math.log(self.num_images):.2f} of it"
        found = [text + ")"]
        if self.gaussian is not None:
            value, error = self.gaussian
            change = f"{abs(value):.2f} ± {error:.2f} nats {'higher' if value > 0 else 'lower'}"
            found.append(f"a Gaussian with the mean and covariance of the codes in place of the prior: elbo {change}")
        return found


def obstacle(model: Model) -> str:
    """Return the reason why the divergence of a model's aggregate posterior cannot be measured, or an empty text."""
    if model.prior is None or model.prior.log_prob is None or model.rate is None:
        return "the model has no log p(z)"
    if "discrete" in model.traits:
        return "its codes are discrete"
    if model.rate.log_posterior is None:
        return "log q(z|x) is known for draws only"
    return ""


def of_split(subject: Subject, name: str = "test") -> Divergence | str:
    """Return the divergence of the aggregate posterior of all images of a split, or the reason why it cannot be measured.

    A conditional model is given the labels. The posteriors that are no diagonal Gaussians are those of at most 1,000 images.
    """
    reason, number = obstacle(subject.model), ("train", "test", "val").index(name)
    if reason:
        return reason
    count = len(getattr(subject.dataset, name).images)
    if count < 2:
        return f"the {name} split has {count} images, and at least 2 are needed"
    try:
        encoded = encode_split(subject, make_draw_codes(subject.model), name, count, number)
    except InputError as error:
        return str(error)
    return of_codes(subject.model, subject.params, encoded.codes, encoded.given(count))


def of_codes(model: Model, params: Params, codes: Codes, labels: Labels = None) -> Divergence:
    """Return the divergence of the aggregate posterior of images in random order, from one z of each."""
    pairs, paired = pairs_of(model, params, codes, labels)
    few = codes.first(paired)
    density = mixture(pairs, few.log_own)
    bracket, information = marginal_kl(density, few), mutual_information(density, few)
    gaussian = gaussian_gain(codes.points, codes.log_prior.astype(np.float64)) if _is_euclidean(model, codes) else None
    if gaussian is not None and bracket.low < gaussian.value:  # E[log r - log p] is below KL(q || p) for any density r
        bracket = bracket._replace(low=min(gaussian.value, bracket.high), low_error=gaussian.error)
    if bracket.low == 0:
        bracket = bracket._replace(low_error=0.0)  # no estimate, but the bound of any divergence
    saturated = information.low > math.log(paired) - SATURATED
    return Divergence(bracket, float(few.kl.mean()), paired, saturated, gaussian)


def _is_euclidean(model: Model, codes: Codes) -> bool:
    """Return True if z is one vector and its densities are those of all of its numbers."""
    return isinstance(codes.z, np.ndarray) and codes.z.shape == codes.points.shape and "manifold" not in model.traits


def gaussian_gain(z: Float[np.ndarray, "N Z"], log_prior: Float[np.ndarray, " N"]) -> Gain | None:
    """Return E[log r(z) - log p(z)] with r the Gaussian that has the mean and the covariance of the other half of the z.

    None if there are too few z, or if they span fewer dimensions.
    """
    count, size = z.shape
    if count // 2 < CODES_PER_DIMENSION * size:
        return None
    gains, first, second = np.empty(count), slice(count // 2), slice(count // 2, count)
    for fitted, scored in ((first, second), (second, first)):
        mean = z[fitted].mean(axis=0)
        sign, log_det = np.linalg.slogdet(covariance := np.cov(z[fitted].T).reshape(size, size))
        if sign <= 0:
            return None
        offset = z[scored] - mean
        squares = (offset * np.linalg.solve(covariance, offset.T).T).sum(axis=1)
        gains[scored] = -0.5 * (squares + log_det + size * LOG_TWO_PI) - log_prior[scored]
    return Gain(float(gains.mean()), float(gains.std(ddof=1) / math.sqrt(count)))
