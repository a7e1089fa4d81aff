"""Tests of the categorical VAE: its draws, its gradients, its bound by enumeration, its temperature, and what it refuses."""

import functools
import itertools
import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.special
import scipy.stats
from support.models import compiled, sample_of
from support.objective import terms_of

from vae_jax import config as config_lib
from vae_jax.artifacts.report.measured import curves
from vae_jax.config.registries import NAMES
from vae_jax.data.preprocess import make_preprocess
from vae_jax.errors import InputError
from vae_jax.evaluation.estimators import iwae_bound
from vae_jax.evaluation.evaluate import make_evaluate
from vae_jax.models import describe_latents, init_shapes, make_model, require_rate
from vae_jax.models.categorical import Categorical, relaxed
from vae_jax.objectives import make_objective
from vae_jax.runs.loading import load_run
from vae_jax.system import memory
from vae_jax.system.formatting import headline
from vae_jax.train import train_and_evaluate
from vae_jax.training.optimizers import make_optimizer
from vae_jax.training.step import init_state, make_hparams, make_train_chunk, make_train_step
from vae_jax.types import Spec, Split

SHAPE, N, K = (3, 2, 1), 2, 3
EVERY = np.array(list(itertools.product(range(K), repeat=N)), np.int32)
"""All 9 codes."""
POINTS: Any = jnp.asarray(np.eye(K, dtype=np.float32)[EVERY])
"""Their z [9, N, K]."""


BUILT: dict[str, Any] = {}


@pytest.fixture
def tiny(make_config):
    """Return a function (changes) -> (config, model, params) with 2 variables of 3 classes, far from the initial values."""

    def build(**changes):
        small = {"latent_dim": N, "categorical__classes": K, "hidden_dims": (4,), "activation": "tanh"}
        config = make_config(**{"model": "categorical"} | small | changes)
        model, of = compiled(make_model(config, Spec(SHAPE))), str(config.categorical)
        if of not in BUILT:
            BUILT[of] = jax.jit(model.init)(jax.random.key(1), sample_of(np.full(SHAPE, 0.4, np.float32)))
        params, rng = BUILT[of], np.random.default_rng(2)
        moved = jax.tree.map(lambda a: a + 0.5 * rng.normal(size=a.shape).astype(np.float32), params)
        return config, model, moved | {"relaxation": params["relaxation"]}

    return build


@pytest.fixture
def x():
    return jnp.asarray(np.random.default_rng(8).integers(0, 2, (5, *SHAPE)), jnp.float32)


@pytest.fixture
def terms(key):
    """Return a function (config, model, params, x, train=True) -> the terms of config's objective, compiled."""

    def compute(config, model, params, x, train=True):
        return jax.jit(functools.partial(terms_of, config, model, train=train))(params, key, x)

    return compute


def log_likelihoods(model, params, image):
    """Return log p(x|z) [9] of an image [H, W, C] under all codes."""
    return model.log_likelihood(params, jnp.broadcast_to(image, (9, *SHAPE)), model.decode(params, POINTS))


def log_q_of(logits) -> Any:
    """Return log q(z|x) [B, 9] of all codes for logits [B, N, K]."""
    log_q = jax.nn.log_softmax(logits)
    return log_q[:, 0, EVERY[:, 0]] + log_q[:, 1, EVERY[:, 1]]


def test_a_relaxed_draw_of_two_classes_is_a_logistic_variable(key):
    logits = jnp.tile(jnp.array([0.3, -0.9]), (4000, 1, 1))
    for temperature in (0.4, 2.0):
        z = np.asarray(relaxed(key, logits, jnp.float32(temperature)), np.float64)
        np.testing.assert_allclose(z.sum(axis=-1), 1, atol=1e-6)
        inside = z[(z > 1e-6).all(axis=-1)]
        noise = temperature * np.log(inside[:, 0] / inside[:, 1]) - 1.2
        law: Any = scipy.stats.logistic
        edge = temperature * math.log(1e6 - 1)
        low, high = law.cdf(-edge - 1.2), law.cdf(edge - 1.2)  # where both numbers are above 1e-6
        assert scipy.stats.kstest((law.cdf(noise) - low) / (high - low), "uniform").pvalue > 1e-3


def test_a_hard_draw_is_one_class_with_its_probability_and_the_largest_of_the_relaxed_one(tiny, key):
    _, model, params = tiny()
    logits = np.random.default_rng(3).normal(size=(1, N, K)).astype(np.float32)
    rows = Categorical(jnp.asarray(np.repeat(logits, 6000, axis=0)))
    z, log_q = jax.jit(model.reparameterize)(params, key, rows)
    np.testing.assert_array_equal(np.sort(z, axis=-1), np.broadcast_to([0.0, 0.0, 1.0], z.shape))
    codes = np.argmax(z, axis=-1)
    np.testing.assert_array_equal(codes, np.argmax(relaxed(key, rows.logits, jnp.float32(0.5)), axis=-1))
    counts, own = np.bincount(codes[:, 0] * K + codes[:, 1], minlength=9), np.asarray(log_q_of(logits)[0])
    expected = np.exp(np.float64(own))
    assert scipy.stats.chisquare(counts, expected / expected.sum() * 6000).pvalue > 1e-3
    np.testing.assert_allclose(log_q, own[codes[:, 0] * K + codes[:, 1]], rtol=1e-5)
    still = model.reparameterize(params, None, rows).z
    np.testing.assert_array_equal(np.argmax(still, axis=-1), np.argmax(rows.logits, axis=-1))


def test_the_kl_is_log_k_a_variable_for_a_certain_posterior_and_0_for_a_uniform_one(tiny):
    _, model, params = tiny()
    logits = np.random.default_rng(3).normal(size=(6, N, K)).astype(np.float32)
    logits[0], logits[1] = [0.0, 200.0, 0.0], 7.0
    posterior = Categorical(jnp.asarray(logits))
    kl = model.rate.kl_terms(params, posterior, model.reparameterize(params, None, posterior))
    np.testing.assert_allclose(kl[0], np.full(N, math.log(K)), rtol=1e-6)
    np.testing.assert_allclose(kl[1], np.zeros(N), atol=1e-6)
    entropy = scipy.stats.entropy(scipy.special.softmax(np.float64(logits), axis=-1), axis=-1)
    np.testing.assert_allclose(kl, math.log(K) - entropy, rtol=1e-5, atol=1e-6)
    assert model.rate.kl_names() == ("z1", "z2")


def test_training_decodes_a_relaxed_z_and_never_calls_its_value_an_elbo(tiny, terms, x):
    config, model, params = tiny()
    trained, evaluated = (terms(config, model, params, x, train) for train in (True, False))
    assert trained.keys() == {"loss", "relaxed_reconstruction", "kl"}
    np.testing.assert_array_equal(trained["loss"], trained["relaxed_reconstruction"] + trained["kl"])
    np.testing.assert_allclose(trained["kl"], evaluated["kl"], rtol=1e-6)
    assert (np.abs(trained["relaxed_reconstruction"] - evaluated["reconstruction"]) > 1e-3).all()
    values = {f"train/{name}": float(np.mean(value)) for name, value in trained.items()}
    assert headline(values, "train/") == ("loss", values["train/loss"])


def test_a_straight_through_z_is_hard_in_training_with_the_gradient_of_the_relaxed_one(tiny, terms, x, key):
    config, model, params = tiny(categorical__gradient="straight_through")
    trained, evaluated = (terms(config, model, params, x, train) for train in (True, False))
    for name in ("reconstruction", "kl", "loss"):
        np.testing.assert_allclose(trained[name], evaluated[name], rtol=1e-6)
    rng = np.random.default_rng(5)
    logits, weights = (rng.normal(size=(5, N, K)).astype(np.float32) for _ in range(2))

    def relaxed_by(model):
        def compute(logits):
            draw = model.relax(params, key, Categorical(logits))
            return (weights * draw.z).sum(), draw

        return jax.jit(jax.grad(compute, has_aux=True))(logits)

    (gradient, hard), (of_soft, soft) = relaxed_by(model), relaxed_by(tiny()[1])
    drawn = model.reparameterize(params, key, Categorical(jnp.asarray(logits)))
    np.testing.assert_array_equal(hard.z, drawn.z)
    np.testing.assert_allclose(hard.log_q, drawn.log_q, rtol=1e-6)
    assert soft.log_q is None
    assert 0 < float(soft.z.min()) < float(soft.z.max()) < 1
    np.testing.assert_array_equal(gradient, of_soft)
    assert np.abs(gradient).max() > 0


def test_log_p_summed_over_all_codes_is_above_the_elbo_and_importance_sampling_tends_to_it(tiny, x, key):
    config, model, params = tiny()
    log_prior, rate = require_rate(model)
    assert rate.log_posterior is not None
    log_posterior = rate.log_posterior

    @jax.jit
    def compute(params, x):
        own = jnp.stack([log_likelihoods(model, params, image) for image in x])
        posterior = model.encode(params, x)
        first = Categorical(jnp.repeat(posterior.logits[:1], 9, axis=0))
        return own, log_prior(params, POINTS), log_q_of(posterior.logits), log_posterior(params, first, POINTS)

    likelihood, prior, log_q, of_first = (np.asarray(a, np.float64) for a in compute(params, x))
    joint = likelihood + prior[None]
    log_p, elbo = np.logaddexp.reduce(joint, axis=1), (np.exp(log_q) * (joint - log_q)).sum(axis=1)
    assert np.logaddexp.reduce(prior) == pytest.approx(0, abs=1e-6)
    np.testing.assert_allclose(of_first, log_q[0], rtol=1e-5)
    assert (log_p - elbo > 0.05).all()
    evaluated = jax.jit(jax.vmap(lambda k: terms_of(config, model, params, k, x, train=False)["elbo"]))
    sampled = np.asarray(evaluated(jax.random.split(key, 2000)), np.float64)
    assert (np.abs(sampled.mean(axis=0) - elbo) < 4 * sampled.std(axis=0) / math.sqrt(2000)).all()
    weights = np.exp(joint - log_q - log_p[:, None])  # their mean under q is 1
    error = np.sqrt(((np.exp(log_q) * weights**2).sum(axis=1) - 1) / 20_000)
    assert (error < 0.05).all()
    bound = jax.jit(functools.partial(iwae_bound, model, num_samples=20_000))
    assert (np.abs(bound(params, key, x) - log_p) < 4 * error).all()


def test_the_relaxed_gradient_tends_to_that_of_the_enumerated_elbo_as_the_temperature_falls(tiny, x, key):
    config, model, params = tiny()
    params |= {"decoder": jax.tree.map(lambda a: 2.5 * a, params["decoder"])}  # far from linear in z
    x, bias = x[:1], params["encoder"]["output"]["bias"]

    def with_bias(bias):
        encoder = params["encoder"]
        return params | {"encoder": encoder | {"output": encoder["output"] | {"bias": bias}}}

    def exact(bias):
        own = with_bias(bias)
        log_q, log_p = log_q_of(model.encode(own, x).logits)[0], log_likelihoods(model, own, x[0])
        return -(jnp.exp(log_q) * (log_p - N * math.log(K) - log_q)).sum()

    def estimate(bias, temperature, key):
        own = with_bias(bias) | {"relaxation": {"temperature": temperature}}
        return terms_of(config, model, own, key, x)["loss"].mean()

    expected = np.asarray(jax.jit(jax.grad(exact))(bias))
    gradients = jax.jit(jax.vmap(jax.grad(estimate), in_axes=(None, None, 0)))
    distances = []
    for temperature in (1.0, 0.3, 0.1):
        found = np.asarray(gradients(bias, jnp.float32(temperature), jax.random.split(key, 20_000)), np.float64)
        distances.append(np.linalg.norm(found.mean(axis=0) - expected))
    error = np.linalg.norm(found.std(axis=0)) / math.sqrt(20_000)
    assert distances[0] > 0.2 * np.linalg.norm(expected)  # the bias of the first temperature can be seen
    assert distances[0] > 1.8 * distances[1] > 3.6 * distances[2]
    assert distances[2] < 3 * error


@pytest.fixture
def images():
    return np.random.default_rng(0).integers(0, 256, (24, *SHAPE), np.uint8)


def make_parts(config, model, params, **kw):
    """Return (state, step with its hparams)."""
    optimizer = make_optimizer(config, 10)
    step: Any = make_train_step(model, make_objective(config, model, 10), optimizer, **kw)
    return init_state(params, optimizer), functools.partial(step, hparams=make_hparams(config))


ANNEALED = {"categorical__temperature": 2.0, "categorical__anneal_rate": 0.3, "categorical__lowest_temperature": 0.9}


def test_the_temperature_of_a_step_depends_on_its_number_alone_so_a_resumed_chunk_has_the_same_bits(tiny, images, key):
    changes = {"optimizer": "adamw", "weight_decay": 10.0, "learning_rate": 0.1, "clip_norm": 1e-3}
    config, model, params = tiny(**ANNEALED, **changes)
    state, step = make_parts(config, model, params)
    chunk = jax.jit(functools.partial(make_train_chunk(step.func, make_preprocess("none")), **step.keywords))
    order = np.arange(16, dtype=np.int32).reshape(4, 4)
    assert float(params["relaxation"]["temperature"]) == 2.0
    whole, _ = chunk(state, images, order, key)
    half, _ = chunk(state, images, order[:2], key)
    assert float(half.params["relaxation"]["temperature"]) == pytest.approx(2 * math.exp(-0.3 * 2), rel=1e-6)
    resumed, _ = chunk(half, images, order[2:], key)
    jax.tree.map(np.testing.assert_array_equal, resumed, whole)
    assert float(whole.params["relaxation"]["temperature"]) == np.float32(0.9)  # 2 exp(-0.3 * 4) is below


def test_the_temperature_changes_the_loss_of_a_step_and_is_not_trained(tiny, x, key):
    config, model, params = tiny()

    def loss(params, temperature):
        own = params | {"relaxation": {"temperature": temperature}}
        return terms_of(config, model, own, key, x)["loss"].mean()

    compute = jax.jit(jax.value_and_grad(loss, argnums=(0, 1)))
    (warm, (grads, own)), (cold, _) = (compute(params, jnp.float32(t)) for t in (1.0, 0.5))
    assert abs(float(warm - cold)) > 1e-4
    assert float(own) == 0
    assert all(np.abs(leaf).max() > 0 for leaf in jax.tree.leaves((grads["encoder"], grads["decoder"])))


@pytest.mark.slow
def test_parts_of_a_batch_have_the_temperature_of_the_step(tiny, x, key):
    config, model, params = tiny(**ANNEALED)
    found = []
    for parts in (1, 2):
        state, step = make_parts(config, model, params, accumulate_steps=parts)
        found.append(jax.jit(step)(state, x[:4], key)[0].params["relaxation"]["temperature"])
    assert float(found[0]) == float(found[1]) == pytest.approx(2 * math.exp(-0.3), rel=1e-6)


def test_the_evaluation_of_an_image_depends_neither_on_the_batch_nor_on_the_temperature(tiny, images):
    found = []
    for size, temperature in ((7, 0.5), (1000, 2.0)):
        config, model, params = tiny(eval__batch_size=size)
        own = params | {"relaxation": {"temperature": jnp.float32(temperature)}}
        evaluate = make_evaluate(config, model, make_objective(config, model, 10))
        split, state = Split(images, np.zeros(24, np.int32)), init_state(own, make_optimizer(config, 10))
        found.append(evaluate(state, jax.random.key(5), split, make_hparams(config)))
    one, other = found
    assert {"elbo", "kl", "reconstruction", "loss", "mse", "mse_mean"} <= one.terms.keys()
    for name, values in one.terms.items():
        np.testing.assert_allclose(values, other.terms[name], rtol=1e-5, atol=1e-6, err_msg=name)
    assert one.usage is not None
    assert one.usage.counts.sum() == 24 * N
    np.testing.assert_array_equal(one.usage.counts, other.usage.counts)


def test_the_view_of_z_is_its_classes_and_the_prior_draws_them_equally_often(tiny, key):
    config, model, params = tiny()
    np.testing.assert_array_equal(model.view(params, POINTS), np.reshape(POINTS, (9, N * K)))
    np.testing.assert_array_equal(model.codes(params, POINTS), EVERY)
    assert (model.grid, model.num_codes, describe_latents(model, config)) == ((N,), K, "2 codes of 3")
    codes = np.asarray(model.codes(params, model.prior.sample(params, key, 4500)))
    counts = np.bincount(codes[:, 0] * K + codes[:, 1], minlength=9)
    assert scipy.stats.chisquare(counts).pvalue > 1e-3


@pytest.mark.slow
def test_free_bits_are_for_each_variable(tiny, terms, x):
    plain, free = (terms(*tiny(free_bits=bits), x) for bits in (0.0, 0.5))
    _, model, params = tiny()
    posterior = model.encode(params, x)
    kl = np.mean(model.rate.kl_terms(params, posterior, model.reparameterize(params, None, posterior)), axis=0)
    assert (kl < 0.5).any()
    cost = free["loss"] - plain["relaxed_reconstruction"]
    np.testing.assert_allclose(cost, np.full(5, np.maximum(kl, 0.5).sum()), rtol=1e-5)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"objective": "importance"},
            "model=categorical has discrete draws, whose importance weights give the encoder",
        ),
        ({"objective": "reconstruction"}, "objective=reconstruction: model=categorical has a prior"),
        ({"objective": "factor"}, "objective=factor: model=categorical has discrete codes"),
        ({"free_bits": 0.5, "latent_dim": 1}, "free_bits=0.5 is for each by itself"),
    ],
)
def test_objectives_that_do_not_fit_are_refused(make_config, changes, message):
    config = make_config(model="categorical", **changes)
    with pytest.raises(InputError, match=message):
        make_objective(config, make_model(config, Spec(SHAPE)), 10)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"categorical.classes": 1}, "categorical.classes=1: not a whole number, at least 2"),
        ({"categorical.temperature": 0.0}, "categorical.temperature=0.0: not a number, above 0"),
        ({"categorical.gradient": "soft"}, "categorical.gradient=soft: not one of relaxed, straight_through"),
        (
            {"categorical.temperature": 0.3},
            r"categorical.lowest_temperature=0.5: the decay starts below it, at categorical.temperature=0.3",
        ),
        ({"model": "vae", "categorical.classes": 3}, "categorical.classes=3: only model=categorical reads this key"),
        ({"prior": "mixture"}, "prior=mixture: only model=density or model=vae reads this key"),
    ],
)
def test_wrong_keys_are_refused_in_a_line(changes, message):
    flat = config_lib.flatten(config_lib.defaults()) | {"model": "categorical"} | changes
    with pytest.raises(InputError, match=message):
        config_lib.validate(config_lib.nest(flat), NAMES)


def test_too_many_classes_are_named_before_memory_is_taken(make_config):
    config = make_config(model="categorical", categorical__classes=10**9)
    with pytest.raises(InputError, match=r"^categorical.classes=1000000000: parameters and optimizer state need"):
        memory.assert_state_fits(init_shapes(make_model(config, Spec(SHAPE)), Spec(SHAPE)), config)


@pytest.mark.slow
@pytest.mark.parametrize("changes", [{}, {"condition": "label", "categorical__gradient": "straight_through"}], ids=str)
def test_a_run_ends_whole_is_resumed_bit_for_bit_and_is_evaluated_hard(make_config, tmp_path, changes):
    common = {"model": "categorical", "log__tensorboard": False, "latent_dim": 6, **changes}
    common |= {"categorical__anneal_rate": 0.05, "categorical__classes": 4}
    results = train_and_evaluate(make_config(**common, num_epochs=4), tmp_path / "whole")
    assert "left_out" not in results
    train_and_evaluate(make_config(**common, num_epochs=2), tmp_path / "parts")
    resumed = train_and_evaluate(make_config(**common, num_epochs=4), tmp_path / "parts")
    for name in ("test/elbo", "train/elbo", "test/mse_mean", "codes"):
        assert resumed[name] == results[name]
    run = load_run(tmp_path / "whole", "latest")
    assert float(run.params["relaxation"]["temperature"]) == pytest.approx(max(0.5, math.exp(-0.05 * results["step"])))
    charts = {chart["name"]: [line["name"] for line in chart["series"]] for chart in curves(tmp_path / "whole")}
    assert ("train" in charts["elbo"]) == ("categorical__gradient" in changes)
    assert (tmp_path / "whole" / "report.html").is_file()
    assert run.sample(3, label=2 if changes else None).shape == (3, 8, 8, 1)
