"""The effort of optimising posteriors, and its results."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float


class Effort(NamedTuple):
    """The effort of optimising posteriors and of measuring them."""

    steps: int = 300
    """The number of Adam steps of the best start; the step size falls to 0 as a cosine."""
    learning_rate: float = 0.05
    samples_of_a_step: int = 2
    starts: int = 2
    """The number of starts: the encoder's posterior of the image, and its posteriors of `starts - 1` other images."""
    samples_to_choose: int = 50
    """The number of samples of each candidate posterior, to choose an image's best."""
    samples: int = 500
    """The number of new samples, shared by the encoder's posterior and the best one."""


class Refined(NamedTuple):
    """B images under the encoder's posteriors and under the best ones found, nats."""

    elbo: Float[np.ndarray, " B"]
    """The elbo under the encoder's posterior, a mean over samples."""
    refined_elbo: Float[np.ndarray, " B"]
    """The elbo under the best posterior, with the same random numbers."""
    bounds: dict[str, Float[np.ndarray, " B"]]
    """Bounds on log p(x), `iwae_S`, from samples of the encoder's posteriors and of the best ones."""
    kl: Float[np.ndarray, " B"]
    refined_kl: Float[np.ndarray, " B"]
    """The KL(q || p) of the best posterior; `kl` is that of the encoder's."""

    @property
    def gain(self) -> Float[np.ndarray, " B"]:
        """The amortisation gap of each image, as far as the optimisation converged."""
        return self.refined_elbo - self.elbo
