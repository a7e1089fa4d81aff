"""The negative evidence lower bound (Kingma and Welling 2014, eq. 10), with the KL costs of `kl`."""

from collections.abc import Callable

from jaxtyping import PRNGKeyArray

from vae_jax.objectives.forward import Pass, forward, squared_error
from vae_jax.objectives.kl import make_cost, stable_after_epoch
from vae_jax.types import Batch, Config, Context, Model, Objective, Params, Terms


def make_elbo(config: Config, steps_per_epoch: int) -> Objective:
    r"""Make the objective loss = reconstruction + `make_cost`'s cost of the KL at `hparams["beta"]`, nats per image.

    .. math:: L = \mathbb{E}_{q(z \mid x)}[-\log p(x \mid z)] + \beta\, \mathrm{KL}(q(z \mid x) \,\|\, p(z))

    Terms: loss, reconstruction, kl; in evaluation also elbo (always at beta = 1) and mse (at the sampled z). In training a
    relaxed z, which is no draw from q(z|x), gives relaxed_reconstruction in the reconstruction's place: there is no elbo of it. A
    density of codes has loss and kl alone; one of codes without noise has loss and code_log_density, log p(z).
    """
    pass_terms = make_elbo_terms(config, steps_per_epoch)

    def terms(model: Model, params: Params, key: PRNGKeyArray, batch: Batch, context: Context) -> Terms:
        return pass_terms(model, params, forward(model, params, key, batch, context.train), batch, context)

    def problems(model: Model) -> list[str]:
        found = [] if "no_pixels" in model.traits else needs_rate(model)
        if not found and config.free_bits > 0 and not _has_several_kls(model):
            found.append(f"has one KL of all its dimensions, and free_bits={config.free_bits:g} is for each by itself")
        return found

    return Objective(
        terms=terms,
        problems=problems,
        best_metric="val/elbo" if config.beta == 1 else "val/loss",
        stable_after_epoch=stable_after_epoch(config),
    )


def make_elbo_terms(config: Config, steps_per_epoch: int) -> Callable[[Model, Params, Pass, Batch, Context], Terms]:
    """Make a function (model, params, pass, batch, context) -> the terms of `make_elbo`, for objectives that add to them."""
    cost = make_cost(config, steps_per_epoch)

    def terms(model: Model, params: Params, once: Pass, batch: Batch, context: Context) -> Terms:
        if model.rate is None:
            assert model.prior is not None
            assert model.prior.log_prob is not None
            log_density = model.prior.log_prob(params, once.draw.z)
            return {"loss": once.loss - log_density, "code_log_density": log_density}
        kl_terms = model.rate.kl_terms(params, once.posterior, once.draw)
        kl = kl_terms.sum(axis=-1)
        loss = once.loss + cost(kl_terms, context)
        if "no_pixels" in model.traits:
            return {"loss": loss, "kl": kl}
        name = "relaxed_reconstruction" if once.draw.log_q is None else "reconstruction"
        values = {"loss": loss, name: once.reconstruction, "kl": kl}
        if not context.train:
            values["elbo"] = -(once.reconstruction + kl)
        if not context.train and model.pixel_mean is not None:
            values["mse"] = squared_error(model, params, batch, once.outputs)
        return values

    return terms


def _has_several_kls(model: Model) -> bool:
    return "columns" in model.traits or (model.rate is not None and len(model.rate.kl_names()) > 1)


def needs_rate(model: Model) -> list[str]:
    """Return the problem of a model without an elbo."""
    return ["has no prior, so no elbo"] if model.rate is None else []
