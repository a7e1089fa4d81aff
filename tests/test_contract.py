"""The contract of every registry entry: a new entry is tested as soon as it is registered."""

import itertools
import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats
from support.models import OF_IMAGES, compiled
from support.objective import terms_of
from support.slow import fast_if

from vae_jax.config import flatten
from vae_jax.config.combinations import combination_problems
from vae_jax.models import MODELS, init_shapes, make_model, prepared, sample_size
from vae_jax.models.likelihoods import LIKELIHOODS
from vae_jax.models.networks import ACTIVATIONS, NETWORKS, Layers
from vae_jax.models.posteriors import POSTERIORS
from vae_jax.models.priors import PRIORS
from vae_jax.models.quantizers import OWN, QUANTIZERS
from vae_jax.objectives import OBJECTIVES
from vae_jax.types import Model, Sample, Spec

SHAPES = [(8, 8, 1), (5, 7, 3)]
WITH_PIXELCNN = {*((name, "mlp") for name in OF_IMAGES if name != "ae"), ("vae", "conv")}
"""The models and networks before likelihood=pixelcnn, which takes long to compile; model=ae is refused with it."""
NUM_TRAIN, NUM_IMAGES, LATENT_DIM = 120, 6, 4


def build(config, shape, key):
    """Return (model, params, six images, or codes for a density of them); the initial parameters may read 120 images."""
    spec = Spec(shape, num_train=NUM_TRAIN, levels=17)
    images = jax.random.randint(key, (NUM_TRAIN, *shape), 0, 256).astype(jnp.uint8)
    x = images[:NUM_IMAGES] / jnp.float32(255)
    if config.model not in OF_IMAGES:
        spec = spec._replace(shape=(1, 1, 2 * config.latent_dim), codes=("latents", 0, "digest"))
        images = jax.random.normal(key, (NUM_TRAIN, *spec.shape))
        if config.prior == "pixelcnn":
            spec = spec._replace(shape=(1, 2, 1), codes=("indices", 3, "digest"))
            images = jax.random.randint(key, (NUM_TRAIN, *spec.shape), 0, 3).astype(jnp.float32)
        x = images[:NUM_IMAGES]
    model = compiled(make_model(config, spec))
    params = model.init(key, Sample(x.mean(axis=0), images[: sample_size(model, spec)]))
    shapes = jax.tree.map(lambda leaf: (leaf.shape, leaf.dtype), params)
    assert jax.tree.map(lambda leaf: (leaf.shape, leaf.dtype), init_shapes(model, spec)) == shapes
    return model, params, x


def combinations() -> list:
    """Return all models, likelihoods, networks and shapes; slow ones have two unusual parts, or one that compiles long."""
    made = []
    for name, likelihood, network, shape in itertools.product(OF_IMAGES, LIKELIHOODS, NETWORKS, SHAPES):
        if likelihood == "pixelcnn" and (name, network) not in WITH_PIXELCNN:
            continue
        unlike = {"mlp": 0, "conv": 2, "resnet": 2}.get(network, 1) + {"vae": 0, "quantized": 2}.get(name, 1)
        unusual = sum([unlike, 2 * (likelihood != "bernoulli"), shape != SHAPES[0]])
        marks = [pytest.mark.slow] if unusual > 1 else []
        made.append(pytest.param(name, likelihood, network, shape, marks=marks))
    return made


def traced_again(function: Any) -> Any:
    """Return a compiled function, traced anew: it gives the same only if no state is hidden in it."""
    return jax.jit(lambda *given: function.__wrapped__(*given))


def assert_same(one, other):
    jax.tree.map(np.testing.assert_array_equal, one, other)


def differ(one, other) -> bool:
    return any(not np.array_equal(*pair) for pair in zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True))


@pytest.mark.parametrize(("name", "likelihood", "network", "shape"), combinations())
def test_every_model_satisfies_the_contract(make_config, key, name, likelihood, network, shape):
    config = make_config(model=name, likelihood=likelihood, network=network, dropout=0.3, latent_dim=LATENT_DIM)
    assert_contract(config, shape, key)


@pytest.mark.parametrize(
    ("quantizer", "network"),
    fast_if(itertools.product(QUANTIZERS, ("mlp", "conv")), lambda pair: pair == ("residual", "mlp")),
)
def test_every_quantizer_satisfies_the_contract(make_config, key, quantizer, network):
    config = make_config(model="quantized", quantizer=quantizer, network=network, dropout=0.3)
    assert_contract(config, SHAPES[1], key)


def assert_contract(config, shape, key) -> None:
    model, params, x = build(config, shape, key)
    posterior = model.encode(params, x)
    z = model.reparameterize(params, key, posterior).z
    outputs = model.decode(params, z)
    assert model.log_likelihood(params, x, outputs).shape == (NUM_IMAGES,)
    assert outputs.shape == (*x.shape[:3], shape[2] * model.likelihood.outputs_per_channel)
    drawn = model.sample_pixels(params, key, outputs)
    assert drawn.shape == x.shape
    assert (model.pixel_mean is None) == (config.likelihood == "pixelcnn")
    if model.pixel_mean is not None:
        pixels = model.pixel_mean(params, outputs)
        assert pixels.shape == x.shape
        assert 0 <= float(pixels.min()) <= float(pixels.max()) <= 1
    assert_same(posterior, traced_again(model.encode)(params, x))
    assert_view(model, params, z, outputs)
    assert_noise_free(model, params, key, posterior)
    assert_optional_parts(model, params, key, posterior, z)

    assert "dropout" in model.traits
    assert ("conv" in model.traits) == (config.network in ("conv", "resnet") or config.likelihood == "pixelcnn")
    assert differ(model.encode(params, x, key), posterior), "a key switches dropout on"
    assert differ(model.decode(params, z, key), outputs)
    assert_prior_and_rate(model, params, key, posterior)


def assert_view(model: Model, params, z, outputs) -> None:
    numbers = model.view(params, z)
    assert numbers.shape[0] == NUM_IMAGES
    assert numbers.ndim == 2
    if model.place is not None:
        placed = model.place(params, numbers)
        assert jax.tree.structure(placed) == jax.tree.structure(z)
        assert_same(model.view(params, placed), numbers)
        assert_same(model.decode(params, placed), outputs)


def assert_noise_free(model: Model, params, key, posterior) -> None:
    """Without a key z is the same at every call, and of the same kind as a draw; a draw differs if there is a prior."""
    draw, still = (model.reparameterize(params, k, posterior) for k in (key, None))
    assert_same(still, traced_again(model.reparameterize)(params, None, posterior))
    assert jax.tree.structure(draw) == jax.tree.structure(still)
    assert (draw.log_q is not None) == (model.rate is not None)
    if model.rate is not None and "discrete" not in model.traits:
        assert differ(draw.z, still.z)


def assert_optional_parts(model: Model, params, key, posterior, z) -> None:
    assert ("discrete" in model.traits) == (model.codes is not None)
    if model.codes is not None:
        codes = model.codes(params, z)
        assert (codes.shape, codes.dtype) == ((NUM_IMAGES, math.prod(model.grid)), jnp.int32)
        assert 0 <= codes.min() <= codes.max() < model.num_codes
        assert model.from_codes is not None
        hard = model.reparameterize(params, None, posterior).z
        again = model.from_codes(params, model.codes(params, hard))
        assert_same(model.codes(params, again), model.codes(params, hard))
        assert_same(model.decode(params, again), model.decode(params, hard))
    if model.penalty is not None:
        draw = model.reparameterize(params, key, posterior)
        assert model.penalty(params, posterior, draw).shape == (NUM_IMAGES,)
    if model.refit is not None:
        own = model.refit(key, params, params, jnp.int32(0))
        assert jax.tree.map(jnp.shape, own) == jax.tree.map(jnp.shape, {name: params[name] for name in own})
    if model.layers is not None:
        layers = model.layers(params)
        assert isinstance(layers, Layers)
        assert layers.decoder[-1].kind == "pixel_mean"


def assert_prior_and_rate(model: Model, params, key, posterior) -> None:
    draw = model.reparameterize(params, key, posterior)
    if model.prior is not None:
        draws = model.prior.sample(params, key, 5)
        assert jax.tree.structure(draws) == jax.tree.structure(draw.z)
        assert model.decode(params, draws).shape[0] == 5
        assert model.prior.log_prob is None or model.prior.log_prob(params, draw.z).shape == (NUM_IMAGES,)
    if model.rate is None:
        assert "columns" not in model.traits
        return
    assert model.prior is not None
    assert model.prior.log_prob is not None
    kl_terms, names = model.rate.kl_terms(params, posterior, draw), model.rate.kl_names()
    assert kl_terms.shape == (NUM_IMAGES, len(names))
    assert len(set(names)) == len(names)
    assert ("columns" in model.traits) == (len(names) >= model.view(params, draw.z).shape[1])
    if model.rate.log_posterior is not None:
        for one in (draw, model.reparameterize(params, None, posterior)):
            assert one.log_q is not None
            np.testing.assert_allclose(model.rate.log_posterior(params, posterior, one.z), one.log_q, rtol=1e-6)


@pytest.mark.parametrize("name", fast_if(MODELS, lambda name: name in ("vae", "ae")))
def test_a_model_without_dropout_has_no_such_trait_and_ignores_keys(make_config, key, name):
    model, params, x = build(make_config(model=name), (8, 8, 1), key)
    posterior = model.encode(params, x)
    assert "dropout" not in model.traits
    assert_same(model.encode(params, x, key), posterior)
    z = model.reparameterize(params, key, posterior).z
    assert_same(model.decode(params, z, key), model.decode(params, z))


FLOW = {"flow.layers": 2, "flow.hidden_dims": (8,)}
CODES = {"model": "density", "dataset": "codes"}
SMALL: dict[Any, dict[str, Any]] = {
    "flow": FLOW,
    "density": FLOW | CODES,
    "pixelcnn": CODES | {"pixelcnn.features": 4, "pixelcnn.layers": 1},
}
"""The keys that let a prior compile in less time."""


def variational(fast: Callable[[dict], bool]) -> list:
    """Return the changes of the default config that choose every model, every posterior and prior of the VAE, every quantizer.

    Those that are not `fast` are slow: other tests draw from them in less time.
    """
    priors = [name for name in PRIORS if name not in {entry.own.get("prior") for entry in POSTERIORS.values()}]
    own = [{"model": name} for name in MODELS] + [{"prior": name} for name in priors]
    posteriors = [{"posterior": name} for name in POSTERIORS]
    quantizers = [{"model": "quantized", "quantizer": name} for name in QUANTIZERS if name not in OWN.values()]
    return fast_if([*own, *posteriors, *quantizers], fast)


def of_model_or_posterior(changes: dict) -> bool:
    """Whether the changes choose a model, or a posterior with few tests of its own; the next test draws from every prior."""
    return changes.keys() == {"model"} or changes.get("posterior") in ("diagonal", "full")


def of_vae_or_prior(changes: dict) -> bool:
    return changes.get("model", "vae") == "vae" and changes.get("posterior", "diagonal") == "diagonal"


@pytest.mark.parametrize("changes", variational(of_model_or_posterior), ids=lambda changes: "-".join(changes.values()))
def test_every_kl_is_the_mean_log_ratio(make_config, key, changes):
    changes = changes | SMALL.get(changes.get("prior", changes.get("model")), {})
    model, params, x = build(make_config(**changes, latent_dim=LATENT_DIM), (8, 8, 1), key)
    if model.rate is None:
        return
    posterior, rate = model.encode(params, x), model.rate
    assert_prior_and_rate(model, params, key, posterior)
    assert model.prior is not None
    log_prior = model.prior.log_prob
    assert log_prior is not None

    def draw(key):
        draw = model.reparameterize(params, key, posterior)
        assert draw.log_q is not None
        ratio = draw.log_q - log_prior(params, draw.z)
        return ratio, rate.kl_terms(params, posterior, draw).sum(axis=1)

    ratios, kls = jax.jit(jax.vmap(draw))(jax.random.split(key, 4000))
    error = np.std(ratios - kls, axis=0) / np.sqrt(4000)
    assert (np.abs((ratios - kls).mean(axis=0)) < 4 * error + 1e-5).all()


def log_mass_of_places(codes: np.ndarray, num_codes: int) -> np.ndarray:
    """Return the log-mass of codes [B, T] under some law with a mass of its own for each code at each place."""
    masses = np.random.default_rng(0).uniform(0.5, 1.5, (codes.shape[1], num_codes))
    masses /= masses.sum(axis=1, keepdims=True)
    return np.log(masses[np.arange(codes.shape[1]), codes]).sum(axis=1)


@pytest.mark.parametrize("changes", variational(of_vae_or_prior), ids=lambda changes: "-".join(changes.values()))
def test_every_priors_draws_have_its_density(make_config, key, changes):
    """Draws z of a normalised p have E[q(z) / p(z)] = 1 for any density or mass q; a narrow one keeps the variance finite."""
    changes = changes | SMALL.get(changes.get("prior", changes.get("model")), {})
    sizes = (make_config(**changes, latent_dim=size) for size in (1, 2))
    config = next(config for config in sizes if not combination_problems(flatten(config)))
    model, params, _ = build(config, (8, 8, 1), key)
    if model.prior is None:
        return
    prior, params = model.prior, prepared(model, params)
    z = prior.sample(params, key, 4000)
    flat = np.concatenate([np.asarray(leaf, np.float64).reshape(4000, -1) for leaf in jax.tree.leaves(z)], axis=1)
    if prior.log_prob is not None:
        log_prob = np.asarray(prior.log_prob(params, z), np.float64)
        if model.codes is not None:
            log_q = log_mass_of_places(np.asarray(model.codes(params, z)), model.num_codes)
        elif "manifold" in model.traits:  # the circle
            circle: Any = scipy.stats.vonmises(0.5)
            log_q = circle.logpdf(np.arctan2(flat[:, 1], flat[:, 0]))
        else:
            law: Any = scipy.stats.multivariate_normal
            log_q = law(flat.mean(axis=0), 0.5 * np.cov(flat.T)).logpdf(flat)
        ratio = np.exp(log_q - log_prob)
        assert abs(ratio.mean() - 1) < 4 * ratio.std() / np.sqrt(4000)
        if prior.is_standard:
            np.testing.assert_allclose(log_prob, scipy.stats.norm.logpdf(flat).sum(axis=1), rtol=1e-5)
    if prior.is_standard:
        assert scipy.stats.kstest(flat[:, 0], "norm").pvalue > 1e-3
    if model.traits & {"discrete", "manifold"}:
        return
    cold = model.view(params, prior.sample(params, key, 4000, 0.1))
    assert float(jnp.var(cold)) < float(jnp.var(model.view(params, z)))


@pytest.mark.parametrize("name", fast_if(OBJECTIVES, lambda name: name != "factor"))  # see objectives/test_factor.py
def test_every_objective_satisfies_the_contract(make_config, key, name):
    objective = OBJECTIVES[name].make(make_config(objective=name), 10)
    models = {model: make_model(make_config(model=model), Spec((8, 8, 1))) for model in ("vae", "ae")}
    (fitting,) = (model for model, made in models.items() if not objective.problems(made))
    config = make_config(model=fitting, objective=name, denoising__noise_std=0.3)
    model, params, x = build(config, (8, 8, 1), key)
    own = {} if objective.init is None else {"objective": objective.init(key, model, params)}
    params = params | own
    terms, evaluated = (terms_of(config, model, params, key, x, 3, train=train) for train in (True, False))
    assert {"loss"} <= terms.keys()
    assert {"loss", "mse"} <= evaluated.keys()
    assert all(values.shape == (NUM_IMAGES,) for values in terms.values())
    assert ("elbo" in evaluated) == (model.rate is not None)
    assert objective.best_metric.removeprefix("val/") in evaluated
    assert ("critic_loss" in terms) == bool(own)
    for loss in {"loss", "critic_loss"} & terms.keys():
        grads = jax.jit(jax.grad(lambda p, loss=loss: terms_of(config, model, p, key, x, 3)[loss].mean()))(params)
        for path, leaf in jax.tree_util.tree_leaves_with_path(grads):
            assert np.isfinite(leaf).all(), path
            of_critic = path[0].key == "objective"
            assert (np.abs(leaf).max() > 0) == (of_critic == (loss == "critic_loss")), f"{loss} at {path}"


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_every_activation_gives_a_nonlinear_network(make_config, key, name):
    model, params, x = build(make_config(activation=name), (8, 8, 1), key)
    at = [model.encode(params, s * x).mean for s in (-1.0, 0.5, 2.0)]
    assert not np.allclose(at[2] - at[1], at[1] - at[0], atol=1e-6)
