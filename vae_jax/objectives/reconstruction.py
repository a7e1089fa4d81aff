"""The autoencoder's objective: minus the log-likelihood of an image given its own code."""

from collections.abc import Mapping
from typing import Any

from jaxtyping import PRNGKeyArray

from vae_jax.objectives.forward import forward, squared_error
from vae_jax.types import Batch, Config, Context, Corrupt, Model, Objective, Params, Terms


def make_reconstruction(config: Config, steps_per_epoch: int, corrupt: Corrupt | None = None) -> Objective:
    r"""Make the objective loss = -log p(x|code of corrupt(key, x)), nats per image; by default x is not corrupted.

    .. math:: L = -\log p(x \mid f(\mathrm{corrupt}(x)))

    With the gaussian likelihood it is the squared error divided by 2 sigma^2, plus a constant.

    Terms: loss and mse (mean over pixels and channels), both against x itself.
    """

    def terms(model: Model, params: Params, key: PRNGKeyArray, batch: Batch, context: Context) -> Terms:
        once = forward(model, params, key, batch, context.train, corrupt)
        return {"loss": once.loss, "mse": squared_error(model, params, batch, once.outputs)}

    return Objective(terms=terms, problems=_needs_no_prior, best_metric="val/loss", corrupt=corrupt)


def best_metric_problems(flat: Mapping[str, Any]) -> list[str]:
    """Return the problem of a best checkpoint by a metric that the objective lacks."""
    if flat["checkpoint.best_metric"] == "val/elbo":
        return [f"checkpoint.best_metric=val/elbo: objective={flat['objective']} has no elbo; choices: auto, val/loss"]
    return []


def _needs_no_prior(model: Model) -> list[str]:
    return [] if model.rate is None else ["has a prior, and beta=0 drops its KL"]
