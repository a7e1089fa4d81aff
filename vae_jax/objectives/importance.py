"""Objectives from several importance weights: one function, whose options give every published estimator."""

from jaxtyping import PRNGKeyArray

from vae_jax.objectives.elbo import make_elbo
from vae_jax.objectives.weights import training_bound
from vae_jax.types import Batch, Config, Context, Model, Objective, Params, Terms


def make_importance(config: Config, steps_per_epoch: int) -> Objective:
    """Make the objective loss = minus the bound from `num_samples` importance weights, nats per image.

    | estimator | num_groups | elbo_weight | gradient |
    |---|---|---|---|
    | IWAE (Burda et al. 2016) | 1 | 0 | plain |
    | VAE with k samples: the mean of their log weights | 1 | 1 | plain |
    | MIWAE (Rainforth et al. 2018) | M | 0 | plain |
    | CIWAE (same) | 1 | between | plain |
    | sticking the landing (Roeder et al. 2017), biased unless elbo_weight = 1 or num_samples = num_groups | any | any | stl |
    | DReG (Tucker et al. 2019) | any | any | dreg |

    Terms: loss; reconstruction and kl, means over the samples. In evaluation the terms of `make_elbo`, except that the
    loss is this bound, from as many samples as in training, without dropout.

    It reads num_samples, num_groups, elbo_weight and gradient.
    """
    elbo = make_elbo(config, steps_per_epoch)
    options = config.num_samples, config.num_groups, config.elbo_weight, config.gradient

    def terms(model: Model, params: Params, key: PRNGKeyArray, batch: Batch, context: Context) -> Terms:
        samples = training_bound(model, params, key, batch.x, *options, context.train)
        if not context.train:
            return elbo.terms(model, params, key, batch, context) | {"loss": -samples.bound}
        return {"loss": -samples.bound, "reconstruction": samples.reconstruction, "kl": samples.kl}

    return elbo._replace(terms=terms, best_metric="val/loss")
