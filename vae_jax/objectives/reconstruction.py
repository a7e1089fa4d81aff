"""The autoencoder's objective: minus the log-likelihood of an image given its own code."""

from jaxtyping import PRNGKeyArray

from vae_jax.objectives.forward import forward, squared_error
from vae_jax.types import Batch, Config, Context, Corrupt, Model, Objective, Params, Terms


def make_reconstruction(config: Config, steps_per_epoch: int, corrupt: Corrupt | None = None) -> Objective:
    """Make the objective loss = -log p(x|code of corrupt(key, x)), nats per image; by default x is not corrupted.

    With the gaussian likelihood it is the squared error divided by 2 sigma^2, plus a constant.

    Terms: loss and mse (mean over pixels and channels), both against x itself.
    """

    def terms(model: Model, params: Params, key: PRNGKeyArray, batch: Batch, context: Context) -> Terms:
        once = forward(model, params, key, batch, context.train, corrupt)
        return {"loss": once.reconstruction, "mse": squared_error(model, params, batch, once.outputs)}

    return Objective(terms=terms, problems=_needs_no_prior, best_metric="val/loss", corrupt=corrupt)


def _needs_no_prior(model: Model) -> list[str]:
    return [] if model.log_prior is None else ["has a prior, and beta=0 drops its KL"]
