"""Latent dimensions that do nothing: nothing of them is seen, trained, or counted."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from vae_jax.config import validate
from vae_jax.errors import InputError
from vae_jax.models import make_model, unpadded
from vae_jax.models.padding import latent_mask
from vae_jax.objectives import make_objective

SHAPE = (8, 8, 1)
FAMILIES = {"vae": {}, "ae": {"objective": "reconstruction"}}


@pytest.fixture(params=FAMILIES)
def padded(request, make_config, key):
    """(config, model, params, x): 3 of 5 latent dimensions."""
    config = make_config(model=request.param, latent_dim=3, padded_latent_dim=5, **FAMILIES[request.param])
    model = make_model(config, SHAPE)
    x = jax.random.uniform(key, (6, *SHAPE))
    params = model.init(key, x.mean(axis=0))
    # Last layers start so small that every posterior is nearly the prior.
    params["encoder"]["output"]["kernel"] *= 100
    return config, model, params, x


def disturbed(config, params):
    """The same params, but for what leads to and from the dimensions that do nothing, and for decay of the mask."""
    own = np.tile(np.arange(5) < 3, 2 if config.model == "vae" else 1)
    encoder = {name: jnp.asarray(np.where(own, a, np.float32(7))) for name, a in params["encoder"]["output"].items()}
    first = params["decoder"]["Dense_0"]
    decoder = first | {"kernel": jnp.asarray(np.where(own[:5, None], first["kernel"], np.float32(7)))}
    return params | {
        "encoder": params["encoder"] | {"output": encoder},
        "decoder": params["decoder"] | {"Dense_0": decoder},
        "latent": {"mask": params["latent"]["mask"] / 2},
    }


def test_terms_and_gradients_know_nothing_of_the_other_dimensions(padded, key):
    config, model, params, x = padded
    objective = make_objective(config, model, 1)

    def loss(params, train=True):
        terms = objective(params, key, x, jnp.int32(0), {"beta": jnp.float32(1)}, train=train)
        return terms["loss"].mean(), terms

    other = disturbed(config, params)
    assert not jnp.array_equal(other["encoder"]["output"]["kernel"], params["encoder"]["output"]["kernel"])
    jax.tree.map(np.testing.assert_array_equal, loss(params, False)[1], loss(other, False)[1])
    grads, _ = jax.grad(loss, has_aux=True)(params)
    assert not grads["latent"]["mask"].any()
    per_latent = jnp.abs(grads["decoder"]["Dense_0"]["kernel"]).sum(axis=1)
    assert (per_latent > 0).tolist() == [True] * 3 + [False] * 2


def test_kl_prior_and_draws_are_those_of_the_own_dimensions(padded, key):
    model: Any = padded[1]
    _, _, params, x = padded
    posterior = model.encode(params, x)
    assert not posterior.mean[:, 3:].any()
    z = jax.random.normal(key, (6, 5))
    own = jnp.pad(z[:, :3], ((0, 0), (0, 2)))
    np.testing.assert_array_equal(model.decode(params, z), model.decode(params, own))
    if model.log_prior is None:
        return
    kl = model.kl_terms(params, posterior, posterior.mean)
    assert not kl[:, 3:].any()
    assert (kl[:, :3] > 0).all()
    assert not model.sample_prior(params, key, 4)[:, 3:].any()
    expected = jax.scipy.stats.norm.logpdf(z[:, :3]).sum(axis=1)
    np.testing.assert_allclose(model.log_prior(params, z), expected, rtol=1e-5)
    standard = jax.tree.map(jnp.zeros_like, posterior)
    np.testing.assert_allclose(model.log_posterior(params, standard, z), expected, rtol=1e-5)


def test_who_looks_at_latents_sees_the_own_dimensions(padded, key):
    config, model, params, x = padded
    seen: Any = unpadded(model, config)
    posterior, whole = seen.encode(params, x), model.encode(params, x)
    assert {leaf.shape for leaf in jax.tree.leaves(posterior)} == {(6, 3)}
    z = seen.reparameterize(params, key, posterior)
    assert z.shape == (6, 3)
    np.testing.assert_allclose(
        seen.decode(params, posterior.mean), model.decode(params, whole.mean), rtol=1e-5, atol=1e-6
    )
    if seen.log_prior is None:
        return
    assert seen.sample_prior(params, key, 4).shape == (4, 3)
    kl = seen.kl_terms(params, posterior, z)
    np.testing.assert_allclose(kl, model.kl_terms(params, whole, whole.mean)[:, :3])
    np.testing.assert_allclose(seen.log_prior(params, z), jax.scipy.stats.norm.logpdf(z).sum(axis=1), rtol=1e-5)
    assert seen.log_posterior(params, posterior, z).shape == (6,)


def test_without_padding_there_is_no_mask_and_too_little_is_refused(make_config):
    config = make_config(latent_dim=3)
    assert latent_mask(config) == {}
    assert validate(make_config(latent_dim=3, padded_latent_dim=3), {}).padded_latent_dim == 3
    with pytest.raises(
        InputError, match="padded_latent_dim=2: holds latent_dim=3 dimensions; choices: 0, or at least 3"
    ):
        validate(make_config(latent_dim=3, padded_latent_dim=2), {})
