"""Objectives from several importance weights: one function, whose options give every published estimator."""

from collections.abc import Mapping
from typing import Any

from jaxtyping import PRNGKeyArray

from vae_jax.keys import count, real, text
from vae_jax.objectives.elbo import make_elbo
from vae_jax.objectives.weights import training_bound
from vae_jax.types import Batch, Config, Context, Model, Objective, Params, Terms

KEYS = (
    count("importance.num_samples", 1, "importance samples per image in a training step", "samples", 1),
    count(
        "importance.num_groups",
        1,
        "groups of samples whose bounds are averaged (MIWAE); must divide importance.num_samples",
        "groups",
        1,
    ),
    real(
        "importance.elbo_weight",
        0.0,
        "share of the mean log weight in the bound: 0 is IWAE, 1 a VAE with several samples, else CIWAE",
        high=1.0,
    ),
    text(
        "importance.gradient",
        "plain",
        "gradient of the encoder: plain, sticking the landing (stl: biased unless elbo_weight=1 or "
        "num_groups=num_samples), or doubly reparameterised (dreg)",
        "plain",
        "stl",
        "dreg",
    ),
)


def problems(flat: Mapping[str, Any]) -> list[str]:
    """Return the problem of samples that cannot be grouped."""
    samples, groups = flat["importance.num_samples"], flat["importance.num_groups"]
    return (
        [f"importance.num_groups={groups}: does not divide importance.num_samples={samples}"]
        if samples % groups
        else []
    )


def make_importance(config: Config, steps_per_epoch: int) -> Objective:
    r"""Make the objective loss = minus the bound from S importance weights, nats per image.

    .. math:: L = -\log \frac{1}{S} \sum_{s=1}^{S} \frac{p(x \mid z_s)\, p(z_s)}{q(z_s \mid x)}, \quad z_s \sim q(z \mid x)

    ================================================= ========== =========== ========
    estimator                                         num_groups elbo_weight gradient
    ================================================= ========== =========== ========
    IWAE (Burda et al. 2016)                          1          0           plain
    VAE with k samples: the mean of their log weights 1          1           plain
    MIWAE (Rainforth et al. 2018)                     M          0           plain
    CIWAE (same)                                      1          between     plain
    sticking the landing (Roeder et al. 2017)         any        any         stl
    DReG (Tucker et al. 2019)                         any        any         dreg
    ================================================= ========== =========== ========

    Sticking the landing is biased unless elbo_weight = 1 or num_samples = num_groups.

    Terms: loss; reconstruction and kl, means over the samples. In evaluation the terms of `make_elbo`, except that the
    loss is this bound, from as many samples as in training, without dropout.

    It reads importance.num_samples (S), num_groups, elbo_weight and gradient.
    """
    elbo, own = make_elbo(config, steps_per_epoch), config.importance
    options = own.num_samples, own.num_groups, own.elbo_weight, own.gradient

    def terms(model: Model, params: Params, key: PRNGKeyArray, batch: Batch, context: Context) -> Terms:
        samples = training_bound(model, params, key, batch.x, *options, context.train, batch.labels)
        if not context.train:
            return elbo.terms(model, params, key, batch, context) | {"loss": -samples.bound}
        return {"loss": -samples.bound, "reconstruction": samples.reconstruction, "kl": samples.kl}

    def problems_with(model: Model) -> list[str]:
        found = elbo.problems(model)
        if model.rate is not None and model.rate.log_posterior is None and own.gradient != "plain":
            found.append(f"has no density of a given z, which importance.gradient={own.gradient} needs")
        if model.penalty is not None:
            found.append("has a loss of its own beside the bound")
        if model.relax is not None:
            found.append("has discrete draws, whose importance weights give the encoder no gradient")
        return found

    return elbo._replace(terms=terms, problems=problems_with, best_metric="val/loss")
