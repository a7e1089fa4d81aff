"""FactorVAE (Kim and Mnih 2018): the elbo with a penalty of the total correlation of the codes, estimated by a critic."""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from vae_jax.keys import numbers, real
from vae_jax.models.networks.critic import make_critic
from vae_jax.objectives import kl
from vae_jax.objectives.elbo import make_elbo, make_elbo_terms
from vae_jax.objectives.forward import forward
from vae_jax.types import Batch, Config, Context, Model, Objective, Params, Terms

PERMUTE = 0x9E12
"""The number that a step's key is folded with for the permutations."""
SMALLEST_PART = 4
"""The fewest images of a part: each half has two, so that there is something to permute."""

KEYS = (
    *kl.KEYS,
    real("factor.gamma", 10.0, "weight of the codes' total correlation in the loss"),
    numbers("factor.hidden_dims", (256, 256, 256), "widths of the critic's hidden layers", int, 1),
    real("factor.learning_rate", 1e-4, "learning rate of the critic's Adam, without warm-up or schedule", open_low=True,
         hparam=True),
)  # fmt: skip


def problems(flat: Mapping[str, Any]) -> list[str]:
    """Return the problems of `kl`, and that of a single latent dimension."""
    found = kl.problems(flat)
    if flat["latent_dim"] == 1:
        found.append("latent_dim=1: the total correlation of one dimension is 0; objective=factor needs 2 or more")
    return found


def make_factor(config: Config, steps_per_epoch: int) -> Objective:
    r"""Make the objective loss = `make_elbo`'s + gamma * TC, nats per image (Kim and Mnih 2018, eq. 2).

    .. math:: L = -\mathrm{elbo} + \gamma\, \mathrm{KL}\left( q(z) \,\Big\|\, \prod_k q(z_k) \right)

    TC = KL(q(z) || prod_k q(z_k)) is the total correlation of the codes, estimated by the mean logit of a critic (eq. 3). The
    critic learns to tell codes from codes whose dimensions are permuted over the images, each by itself. Its loss is the mean
    of the two cross-entropies, log 2 at the start. As in the paper's algorithm 2, the two kinds are of different images: the
    codes are of the first half of a batch, the permuted ones of the other half. The elbo is of the whole batch.

    Terms: those of `make_elbo`; tc, the estimate of TC, the same for each image of a batch, and critic_loss. In evaluation
    nothing couples the images: tc is the logit of the image's own z, and there is no critic_loss.

    A part of a batch, of one device under `jax.pmap` or of one accumulation step, permutes its own codes.

    The best checkpoint is chosen by val/loss, because val/elbo prefers codes that the penalty has not reached yet. The
    estimates in it are of the critic at that time, and a critic that lags behind underestimates. With gamma = 0 and beta = 1
    the loss is that of the elbo, and the best checkpoint is chosen by val/elbo.
    """
    own = config.factor
    gamma, critic = own.gamma, make_critic(own.hidden_dims, config.dtype)
    elbo, elbo_terms = make_elbo(config, steps_per_epoch), make_elbo_terms(config, steps_per_epoch)

    def init(key: PRNGKeyArray, model: Model, params: Params) -> Params:
        assert model.prior is not None
        sample, view = model.prior.sample, model.view
        z = jax.eval_shape(lambda params, key: view(params, sample(params, key, 1)), params, key)
        return critic.init(key, z.shape[1])

    def terms(model: Model, params: Params, key: PRNGKeyArray, batch: Batch, context: Context) -> Terms:
        once = forward(model, params, key, batch, context.train)
        values = elbo_terms(model, params, once, batch, context)
        z, frozen = model.view(params, once.draw.z), jax.lax.stop_gradient(params["objective"])
        if not context.train:
            tc = critic.logits(frozen, z)
            return values | {"loss": values["loss"] + gamma * tc, "tc": tc}
        # A batch's scalar is spread over the examples by full_like, so that the later mean over examples returns it.
        joint, other = z[: len(z) // 2], z[len(z) // 2 :]
        tc = jnp.full_like(values["loss"], critic.logits(frozen, joint).mean())
        fixed, permuted = jax.lax.stop_gradient((joint, permute(jax.random.fold_in(key, PERMUTE), other)))
        logits = [critic.logits(params["objective"], codes) for codes in (fixed, permuted)]
        critic_loss = jnp.full_like(tc, critic_cost(*logits))
        return values | {"loss": values["loss"] + gamma * tc, "tc": tc, "critic_loss": critic_loss}

    def problems_with(model: Model) -> list[str]:
        found = elbo.problems(model)
        if not found and "discrete" in model.traits:
            found.append("has discrete codes, whose dimensions have no density to compare")
        if not found and "manifold" in model.traits:
            found.append("has its z on a sphere (posterior=power_spherical), where dimensions cannot be independent")
        return found

    return elbo._replace(
        terms=terms,
        problems=problems_with,
        best_metric=elbo.best_metric if gamma == 0 else "val/loss",
        init=init,
        critic_rate="factor.learning_rate",
        smallest_part=SMALLEST_PART,
    )


def permute(key: PRNGKeyArray, z: Float[Array, "B Z"]) -> Float[Array, "B Z"]:
    """Permute each dimension over the examples by itself: draws of the product of the marginals (algorithm 1)."""
    return jax.random.permutation(key, z, axis=0, independent=True)


def critic_cost(joint: Float[Array, " B"], permuted: Float[Array, " M"]) -> Float[Array, ""]:
    """Return the mean cross-entropy of a critic's logits of codes and of permuted codes; log 2 for a critic that guesses."""
    return (jax.nn.softplus(-joint).mean() + jax.nn.softplus(permuted).mean()) / 2
