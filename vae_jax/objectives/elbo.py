"""The negative evidence lower bound (Kingma and Welling 2014, eq. 10), with the KL costs of `kl`."""

from jaxtyping import PRNGKeyArray

from vae_jax.objectives.forward import forward, squared_error
from vae_jax.objectives.kl import make_cost, stable_after_epoch
from vae_jax.types import Batch, Config, Context, Model, Objective, Params, Terms


def make_elbo(config: Config, steps_per_epoch: int) -> Objective:
    """Make the objective loss = reconstruction + `make_cost`'s cost of the KL at `hparams["beta"]`, nats per image.

    Terms: loss, reconstruction, kl; in evaluation also elbo (always at beta = 1) and mse (at the sampled z).
    """
    cost = make_cost(config, steps_per_epoch)

    def terms(model: Model, params: Params, key: PRNGKeyArray, batch: Batch, context: Context) -> Terms:
        assert model.kl_terms is not None
        once = forward(model, params, key, batch, context.train)
        kl_terms = model.kl_terms(params, once.posterior, once.z)
        kl = kl_terms.sum(axis=-1)
        loss = once.reconstruction + cost(kl_terms, context)
        values = {"loss": loss, "reconstruction": once.reconstruction, "kl": kl}
        if not context.train:
            mse = squared_error(model, params, batch, once.outputs)
            values |= {"elbo": -(once.reconstruction + kl), "mse": mse}
        return values

    return Objective(
        terms=terms,
        problems=needs_prior,
        best_metric="val/elbo" if config.beta == 1 else "val/loss",
        stable_after_epoch=stable_after_epoch(config),
    )


def needs_prior(model: Model) -> list[str]:
    """Return the problem of a model without a prior."""
    return ["has no prior, so no elbo"] if model.log_prior is None else []
