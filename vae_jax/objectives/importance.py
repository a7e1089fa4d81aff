"""Objectives from several importance weights: one function, whose options give every published estimator."""

from jaxtyping import Array, Int32, PRNGKeyArray

from vae_jax.objectives.elbo import make_elbo
from vae_jax.objectives.weights import training_bound
from vae_jax.types import Config, Hparams, Images, Model, Objective, Params, Terms


def make_importance(config: Config, model: Model, steps_per_epoch: int, axis_name: str | None = None) -> Objective:
    """Make the objective loss = minus the bound from `num_samples` importance weights, nats per image.

    | estimator | num_groups | elbo_weight | gradient |
    |---|---|---|---|
    | IWAE (Burda et al. 2016) | 1 | 0 | plain |
    | VAE with k samples: the mean of their log weights | 1 | 1 | plain |
    | MIWAE (Rainforth et al. 2018) | M | 0 | plain |
    | CIWAE (same) | 1 | between | plain |
    | sticking the landing (Roeder et al. 2017), biased unless elbo_weight = 1 or num_samples = num_groups | any | any | stl |
    | DReG (Tucker et al. 2019) | any | any | dreg |

    Terms: loss; reconstruction and kl, means over the samples. With train=False the terms of `make_elbo`, except that the
    loss is this bound, from as many samples as in training, without dropout.

    Args:
        config: reads num_samples, num_groups, elbo_weight, gradient.
        model: a model with a prior.
        steps_per_epoch: see `make_elbo`.
        axis_name: see `make_elbo`; the bound itself couples no examples.
    """
    elbo = make_elbo(config, model, steps_per_epoch, axis_name)

    def objective(
        params: Params, key: PRNGKeyArray, x: Images, step: Int32[Array, ""], hparams: Hparams, train: bool = True
    ) -> Terms:
        samples = training_bound(
            model, params, key, x, config.num_samples, config.num_groups, config.elbo_weight, config.gradient, train
        )
        if not train:
            return elbo(params, key, x, step, hparams, train=False) | {"loss": -samples.bound}
        return {"loss": -samples.bound, "reconstruction": samples.reconstruction, "kl": samples.kl}

    return objective
