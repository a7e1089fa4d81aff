"""Tests of the model with discrete codes: its bound, its training, its use over a split, and what it refuses."""

import functools
import itertools
import json
import math
import re
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import export
from jax.sharding import NamedSharding, PartitionSpec
from support.models import compiled, sample_of
from support.objective import terms_of

from vae_jax import config as config_lib
from vae_jax.config.registries import NAMES
from vae_jax.data.preprocess import make_preprocess
from vae_jax.errors import InputError
from vae_jax.evaluation.estimators.annealing import make_anneal
from vae_jax.evaluation.evaluate import make_evaluate
from vae_jax.models import describe_latents, make_model, require_rate
from vae_jax.models.quantizers import QUANTIZERS, Quantized, make_quantizer
from vae_jax.objectives import make_objective
from vae_jax.runs.run import Run
from vae_jax.system.devices import make_layout
from vae_jax.train import train_and_evaluate
from vae_jax.training.optimizers import make_optimizer
from vae_jax.training.step import init_state, make_hparams, make_train_chunk, make_train_step
from vae_jax.types import Spec, Split

SHAPE = (4, 3, 1)
STATISTICS = ("codebook", "counts", "sums")


@pytest.fixture
def quantized(make_config):
    """Return a function (changes of the config) -> a config with 2 codes of 3 an image."""

    def config(**changes):
        return make_config(**{"model": "quantized", "vq__codes": 3, "quantized__codes_per_image": 2} | changes)

    return config


@pytest.fixture
def images():
    return np.random.default_rng(0).integers(0, 256, (37, *SHAPE), np.uint8)


@pytest.fixture
def x(images):
    return jnp.asarray(images[:8] / np.float32(255))


BUILT = {}


def build(config, images, seed=1, shape=SHAPE) -> tuple[Any, Any]:
    """Return (model, params); params are computed once for each model."""
    model = compiled(make_model(config, Spec(shape, num_train=len(images))))
    of = (model_of(config), seed, shape, images.tobytes())
    if of not in BUILT:
        BUILT[of] = jax.jit(model.init)(jax.random.key(seed), sample_of(images.mean(axis=0) / 255, images))
    return model, jax.tree.map(lambda a: a, BUILT[of])


def model_of(config):
    """Return the keys that the initial parameters depend on."""
    names = ("network", "channels", "hidden_dims", "latent_dim", "quantized", "quantizer", *QUANTIZERS)
    return str([config[key] for key in names])


def make_parts(config, images, **kw):
    """Return (state, step) of a config."""
    model, params = build(config, images)
    optimizer = make_optimizer(config, 10)
    step: Any = make_train_step(model, make_objective(config, model, 10), optimizer, **kw)
    return init_state(params, optimizer), functools.partial(step, hparams=make_hparams(config))


def assert_close(a, b, rtol=1e-5, atol=1e-6):
    jax.tree.map(lambda x, y: np.testing.assert_allclose(np.asarray(x), np.asarray(y), rtol=rtol, atol=atol), a, b)


TINY: dict[str, dict[str, Any]] = {
    "vq": {"vq__codes": 3},
    "gradient": {"vq__codes": 3, "vq__codebook": "gradient"},
    "cosine, rotation": {"vq__codes": 3, "vq__distance": "cosine", "vq__gradient": "rotation"},
    "fsq": {"quantizer": "fsq", "fsq__levels": (2, 3)},
    "lfq": {"quantizer": "lfq", "lfq__bits": 2},
    "residual": {"quantizer": "residual", "residual__codes": 3, "quantized__codes_per_image": 1},
}
"""Models whose z can all be counted."""


def each(*fast: str) -> list:
    """Return the tiny models as parameters, those that are not `fast` marked slow."""
    return [pytest.param(own, id=name, marks=[] if name in fast else [pytest.mark.slow]) for name, own in TINY.items()]


@pytest.mark.parametrize("own", each("vq"))
def test_the_elbo_is_a_bound_on_the_likelihood_summed_over_all_codes(make_config, images, x, key, own):
    config = make_config(**{"model": "quantized", "quantized__codes_per_image": 2} | own)
    model, params = build(config, images)
    log_prior, rate = require_rate(model)
    size, count = model.num_codes, math.prod(model.grid)
    every = jnp.array(list(itertools.product(range(size), repeat=count)), jnp.int32)
    z = Quantized(make_quantizer(config).vectors(params["quantizer"], every), every)
    outputs = model.decode(params, z)
    likelihoods = jax.vmap(lambda one: model.log_likelihood(params, jnp.stack([one] * len(every)), outputs))(x)
    joint = likelihoods + log_prior(params, z)[None]
    log_p = np.logaddexp.reduce(np.asarray(joint, np.float64), axis=1)
    terms = terms_of(config, model, params, key, x, train=False)
    np.testing.assert_array_equal(terms["kl"], np.full(8, np.float32(count * math.log(size))))
    np.testing.assert_allclose(terms["elbo"], -(terms["reconstruction"] + terms["kl"]), rtol=1e-6)
    assert (terms["elbo"] < log_p).all()
    assert np.logaddexp.reduce(np.asarray(log_prior(params, z), np.float64)) == pytest.approx(0, abs=1e-5)
    # With the best of all codes for each image, the bound would lie between.
    assert (terms["elbo"] <= np.max(joint, axis=1) + 1e-4).all()
    # The model's codes are among them, with the same likelihood.
    codes = model.codes(params, model.reparameterize(params, None, model.encode(params, x)).z)
    own_row = (codes * size ** jnp.arange(count - 1, -1, -1)[None]).sum(axis=1)
    np.testing.assert_allclose(
        np.take_along_axis(joint, np.asarray(own_row)[:, None], 1)[:, 0], terms["elbo"], rtol=1e-5
    )
    posterior = model.encode(params, x)
    draw = model.reparameterize(params, key, posterior)
    assert rate.log_posterior is not None
    np.testing.assert_array_equal(rate.log_posterior(params, posterior, draw.z), draw.log_q)
    other = draw.z._replace(indices=(draw.z.indices + 1) % size)
    assert (rate.log_posterior(params, posterior, other) == -np.inf).all()


def test_the_loss_is_minus_the_elbo_plus_exactly_the_penalty(quantized, images, x, key):
    config = quantized(vq__commitment=3.0)
    model, params = build(config, images)
    posterior = model.encode(params, x)
    penalty = model.penalty(params, posterior, model.reparameterize(params, key, posterior))
    assert (penalty > 0).all()
    for train in (True, False):
        terms = terms_of(config, model, params, key, x, train=train)
        np.testing.assert_array_equal(terms["loss"], terms["reconstruction"] + penalty + terms["kl"])


@pytest.mark.slow
def test_the_encoder_learns_from_the_reconstruction_and_the_codebook_does_not(quantized, images, x, key):
    config = quantized(vq__commitment=0.0)
    model, params = build(config, images)
    grads = jax.grad(lambda p: terms_of(config, model, p, key, x)["loss"].mean())(params)
    for path, leaf in jax.tree_util.tree_leaves_with_path((grads["encoder"], grads["decoder"])):
        assert np.abs(leaf).max() > 0, path
    assert not grads["quantizer"]["codebook"].any()
    # The gradient for the decoder's input is the encoder's for its output.
    outer = grads["decoder"]["Dense_0"]["kernel"]
    assert outer.shape[0] == grads["encoder"]["output"]["bias"].size == 2 * config.latent_dim


@pytest.mark.parametrize(
    ("changes", "shape", "grid"),
    [
        ({"quantized__codes_per_image": 5}, (8, 8, 1), (5,)),
        pytest.param({"quantized__codes_per_image": 0}, (8, 8, 1), (4,), marks=pytest.mark.slow),
        pytest.param({"network": "conv", "quantized__codes_per_image": 0}, (9, 5, 3), (3, 2), marks=pytest.mark.slow),
    ],
)
def test_a_grid_or_a_cut_vector_has_a_code_at_each_place(quantized, key, changes, shape, grid):
    config = quantized(**changes)
    model, params = build(config, np.zeros((9, *shape), np.uint8), shape=shape)
    x = jax.random.uniform(key, (4, *shape))
    posterior = model.encode(params, x)
    z = model.reparameterize(params, None, posterior).z
    assert model.grid == grid
    assert model.codes(params, z).shape == (4, math.prod(grid))
    assert model.view(params, z).shape == (4, math.prod(grid) * config.latent_dim)
    assert model.decode(params, z).shape == (4, *shape)
    assert describe_latents(model, config) == f"{math.prod(grid)} codes of 3"
    assert model.prior is not None
    drawn = model.prior.sample(params, key, 400)
    assert model.decode(params, drawn).shape == (400, *shape)
    counts = np.bincount(drawn.indices.ravel(), minlength=3)
    np.testing.assert_allclose(counts / counts.sum(), 1 / 3, atol=4 * math.sqrt(2 / 9 / counts.sum()))


def test_a_place_of_a_grid_sees_only_the_pixels_around_it(quantized, key):
    config = quantized(network="conv", quantized__codes_per_image=0, channels=(4, 4))
    model, params = build(config, np.zeros((9, 16, 16, 1), np.uint8), shape=(16, 16, 1))
    x = jax.random.uniform(key, (1, 16, 16, 1))
    moved = model.encode(params, x.at[:, 0, 0].add(1.0)).vectors - model.encode(params, x).vectors
    changed = (np.abs(moved) > 0).any(axis=(0, 2)).reshape(4, 4)
    np.testing.assert_array_equal(np.argwhere(changed), [[0, 0]])


@pytest.mark.slow
def test_neither_weight_decay_nor_clipping_touches_the_codebook(quantized, images, x, key):
    changes = {"optimizer": "adamw", "weight_decay": 10.0, "learning_rate": 0.1, "clip_norm": 1e-3}
    found = []
    for config in (quantized(), quantized(**changes)):
        state, step = make_parts(config, images)
        state, _ = jax.jit(step)(state, x, key)
        found.append(state.params["quantizer"])
    jax.tree.map(np.testing.assert_array_equal, *found)
    _, params = build(quantized(), images)
    assert np.abs(found[0]["codebook"] - params["quantizer"]["codebook"]).max() > 0


@pytest.mark.slow
@pytest.mark.parametrize("own", each())
def test_parts_of_a_batch_and_devices_give_the_codebook_of_the_batch(quantized, images, x, key, own):
    """One code of a codebook is dead, so that the random directions of its new place must be the same everywhere."""
    config = quantized(**{"vq__codes": 3} | own)
    state, step = make_parts(config, images)
    if "codebook" in state.params["quantizer"]:
        codebook = state.params["quantizer"]["codebook"].at[..., 1, :].set(-99.0)
        state = state._replace(params=state.params | {"quantizer": state.params["quantizer"] | {"codebook": codebook}})
    whole, metrics = jax.jit(step)(state, x, key)
    if "counts" in whole.params["quantizer"]:
        assert np.abs(whole.params["quantizer"]["codebook"][..., 1, :]).max() < 10
    _, parted = make_parts(config, images, accumulate_steps=2)
    assert_close(jax.jit(parted)(state, x, key), (whole, metrics))
    mesh, spec = make_layout().replicated.mesh, PartitionSpec
    _, mapped = make_parts(config, images, axis_name="batch")
    specs = (spec(), spec("batch"), spec())
    rows = lambda s, x, key: jax.tree.map(lambda a: a[None], mapped(s, x, key))  # noqa: E731 - one row a device
    sharded = jax.shard_map(rows, mesh=mesh, in_specs=specs, out_specs=spec("batch"), check_vma=False)
    both = jax.jit(sharded)(state, x, key)
    jax.tree.map(lambda a: np.testing.assert_array_equal(a[0], a[1]), both[0].params["quantizer"])
    assert_close(jax.tree.map(lambda a: a[0], both), (whole, metrics))
    layout = make_layout()
    spread = jax.jit(step)(
        jax.device_put(state, layout.replicated), jax.device_put(x, NamedSharding(mesh, spec("batch"))), key
    )
    assert_close(spread, (whole, metrics))


@pytest.mark.slow
@pytest.mark.parametrize("own", each())
def test_streamed_images_and_a_resumed_chunk_train_the_same_codebook(quantized, images, key, own):
    state, step = make_parts(quantized(**{"vq__codes": 3} | own), images)
    chunk = jax.jit(functools.partial(make_train_chunk(step.func, make_preprocess("none")), **step.keywords))
    order = jnp.arange(32, dtype=jnp.int32).reshape(4, 8)
    whole, _ = chunk(state, images, order, key)
    streamed, _ = chunk(state, jnp.asarray(images)[order], None, key)
    assert_close(streamed.params, whole.params)
    first, _ = chunk(state, images, order[:2], key)
    resumed, _ = chunk(first, images, order[2:], key)
    jax.tree.map(np.testing.assert_array_equal, resumed.params, whole.params)


@pytest.mark.slow
@pytest.mark.parametrize("own", each())
def test_runs_that_are_trained_at_once_are_those_trained_alone(quantized, images, x, own):
    config = quantized(**{"vq__codes": 3} | own)
    state, step = make_parts(config, images)
    _, other = build(config, images, seed=7)
    states = [state, state._replace(params=other)]
    keys = jax.random.split(jax.random.key(3), 2)
    stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *states)
    together, _ = jax.jit(jax.vmap(step, in_axes=(0, None, 0)))(stacked, x, keys)
    for i, (own, key) in enumerate(zip(states, keys, strict=True)):
        alone, _ = jax.jit(step)(own, x, key)
        assert_close(jax.tree.map(lambda a, i=i: a[i], together.params), alone.params)


@pytest.mark.slow
def test_the_use_of_codes_is_that_of_the_split_whatever_the_batch(quantized, images):
    config = quantized(vq__codes=7)
    split = Split(images, np.zeros(37, np.int32))
    model, params = build(config, images)
    state = init_state(params, make_optimizer(config, 10))
    x = jnp.asarray(images / np.float32(255))
    z = model.reparameterize(params, None, model.encode(params, x)).z
    expected = np.bincount(model.codes(params, z).ravel(), minlength=7)
    for size, calls, layout in [(1000, 1, None), (10, 2, None), (9, 1, make_layout())]:
        config = quantized(vq__codes=7, eval__batch_size=size)
        evaluate = make_evaluate(config, model, make_objective(config, model, 10), layout, calls)
        found = evaluate(state, jax.random.key(5), split, make_hparams(config))
        assert found.usage is not None
        np.testing.assert_array_equal(found.usage.counts, expected[None])
        assert found.metrics["codes_used"] == (expected > 0).sum()
        assert found.metrics["code_perplexity"] > 1
        assert "active_units" not in found.metrics
    population = make_evaluate(config, model, make_objective(config, model, 10), None, 1, population=True)
    two = jax.tree.map(lambda a: jnp.stack([a, a]), (state, jax.random.key(5), make_hparams(config)))
    both = population(two[0], two[1], split, two[2])
    np.testing.assert_array_equal(both.of(1).metrics["codes_used"], (expected > 0).sum())


@pytest.mark.slow
def test_the_codes_of_each_level_are_counted_apart_over_a_split(make_config, images):
    own = {"quantizer": "residual", "residual__codes": 5, "eval__batch_size": 10}
    config = make_config(model="quantized", **own)
    model, params = build(config, images)
    z = model.reparameterize(params, None, model.encode(params, jnp.asarray(images / np.float32(255)))).z
    codes = np.asarray(model.codes(params, z)).reshape(-1, 2)
    expected = np.stack([np.bincount(codes[:, r], minlength=5) for r in range(2)])
    state, split = init_state(params, make_optimizer(config, 10)), Split(images, np.zeros(37, np.int32))
    evaluate = make_evaluate(config, model, make_objective(config, model, 10))
    found = evaluate(state, jax.random.key(5), split, make_hparams(config))
    assert found.usage is not None
    np.testing.assert_array_equal(found.usage.counts, expected)
    assert found.metrics["codes_used"] == (expected > 0).sum()
    population = make_evaluate(config, model, make_objective(config, model, 10), None, 1, population=True)
    two = jax.tree.map(lambda a: jnp.stack([a, a]), (state, jax.random.key(5), make_hparams(config)))
    both = population(two[0], two[1], split, two[2])
    second = both.of(1).usage
    assert second is not None
    np.testing.assert_array_equal(second.counts, expected)


def test_a_run_decodes_draws_and_reconstructs(quantized, images):
    config = quantized()
    model, params = build(config, images)
    run = Run(config, model, params, Spec(SHAPE), 0)
    assert not run.standard_prior
    assert run.sample(3).shape == (3, *SHAPE)
    assert run.sample_prior(3).shape == run.latents(images[:3]).shape == (3, 2 * config.latent_dim)
    np.testing.assert_array_equal(run.sample_posterior(images[:3]), run.latents(images[:3]))
    z = model.reparameterize(params, None, model.encode(params, jnp.asarray(images[:3] / np.float32(255)))).z
    np.testing.assert_allclose(run.decode(jax.tree.map(np.asarray, z)), run.reconstruct(images[:3]), atol=1e-6)
    np.testing.assert_allclose(run.kl_terms(images[:3]), 2 * math.log(3), rtol=1e-6)
    with pytest.raises(InputError, match="the run decodes z of shape"):
        run.decode(run.latents(images[:3]))


def validated(**changes):
    flat = config_lib.flatten(config_lib.defaults()) | {k.replace("__", "."): v for k, v in changes.items()}
    return config_lib.validate(config_lib.nest(flat), NAMES)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"vq__codes": 1}, r"vq.codes=1: not a whole number, at least 2"),
        ({"quantizer": "nearest"}, "quantizer=nearest: unknown quantizer; choices: "),
        ({"vq__decay": 1.0}, r"vq.decay=1.0: not a number, at least 0 and at most"),
        ({"model": "vae", "quantizer": "vq"}, "quantizer=vq: only model=quantized reads this key"),
        ({"model": "vae", "vq__codes": 9}, "vq.codes=9: only quantizer=vq reads this key"),
        ({"model": "vae", "vq__decay": 0.5}, "vq.decay=0.5: only quantizer=residual or quantizer=vq reads this key"),
        ({"quantizer": "fsq", "latent_dim": 5}, "^latent_dim=5: quantizer=fsq does not read this key$"),
        ({"quantizer": "lfq", "latent_dim": 5}, "^latent_dim=5: quantizer=lfq does not read this key$"),
        (
            {"quantizer": "fsq", "fsq__levels": (8, 1)},
            r"^fsq.levels=\(8, 1\): not a tuple of whole numbers, at least 2",
        ),
        ({"quantizer": "fsq", "fsq__levels": ()}, r"^fsq.levels=\(\): a vector needs one number or more"),
        ({"quantizer": "fsq", "fsq__levels": (65536,) * 2}, "4,294,967,296 codes; choices: .* at most 1,048,576$"),
        ({"quantizer": "lfq", "lfq__bits": 21}, "^lfq.bits=21: not a whole number, at least 1 and at most 20 "),
        ({"vq__codebook": "gradient", "vq__eps": 1.0}, "^vq.eps=1: only vq.codebook=ema reads this key$"),
        ({"vq__distance": "cosine", "latent_dim": 1}, "^vq.distance=cosine: a vector of one number has no angles"),
        ({"vq__gradient": "rotation", "latent_dim": 1}, "^vq.gradient=rotation: a vector of one number has no angles"),
        ({"prior": "mixture"}, "prior=mixture: only model=density or model=vae reads this key"),
    ],
)
def test_wrong_keys_are_refused_in_a_line(changes, message):
    with pytest.raises(InputError, match=message):
        validated(**{"model": "quantized"} | changes)


def test_weight_decay_does_not_shrink_a_codebook_that_the_optimizer_sets(quantized, images, x, key):
    """The codes move as without decay; the networks do not."""
    own = {"vq__codebook": "gradient", "learning_rate": 0.01}
    with_adam, with_decay = (
        jax.jit(step)(state, x, key)[0].params
        for state, step in (
            make_parts(quantized(**own, **changes), images)
            for changes in ({}, {"optimizer": "adamw", "weight_decay": 10.0})
        )
    )
    np.testing.assert_array_equal(with_adam["quantizer"]["codebook"], with_decay["quantizer"]["codebook"])
    _, before = build(quantized(**own), images)
    assert np.abs(with_adam["quantizer"]["codebook"] - before["quantizer"]["codebook"]).max() > 0.005
    kernels = (params["decoder"]["output"]["kernel"] for params in (with_adam, with_decay))
    assert not np.array_equal(*kernels)


def test_the_keys_of_the_default_quantizer_are_read():
    assert validated(model="quantized", vq__codes=9) != validated(model="quantized", quantizer="vq", vq__codes=8)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"objective": "importance"}, "objective=importance: model=quantized has a loss of its own beside the bound"),
        ({"objective": "reconstruction"}, "objective=reconstruction: model=quantized has a prior"),
        ({"free_bits": 0.5}, "free_bits=0.5 is for each by itself; choices: another model"),
    ],
)
def test_objectives_that_do_not_fit_are_refused(quantized, images, changes, message):
    config = quantized(**changes)
    with pytest.raises(InputError, match=message):
        make_objective(config, make_model(config, Spec(SHAPE)), 10)


def test_a_number_of_codes_beside_a_grid_and_annealing_of_codes_are_refused(quantized, images):
    with pytest.raises(InputError, match=r"codes_per_image=5: network=conv has a code for each of 1 x 1 places"):
        make_model(quantized(network="conv", quantized__codes_per_image=5), Spec(SHAPE))
    with pytest.raises(InputError, match="has discrete codes, and annealed importance sampling needs gradients"):
        make_anneal(make_model(quantized(), Spec(SHAPE)), 2, 1)


@pytest.mark.slow
@pytest.mark.parametrize("own", [{"network": "mlp"}, {"network": "conv", "channels": (8, 8)}], ids=["mlp", "conv"])
def test_a_run_uses_its_codes_ends_whole_and_is_resumed_bit_for_bit(make_config, tmp_path, own, capsys):
    changes = {"model": "quantized", **own, "log__tensorboard": False}
    results = train_and_evaluate(make_config(**changes, num_epochs=4), tmp_path / "whole")
    printed = capsys.readouterr().out
    used = f"{results['test/codes_used']:.0f} of 64, perplexity"
    assert used in results["health"]["codes used"]["text"]
    assert re.search(rf"codes used +{used}", printed)
    assert "left_out" not in results
    assert results["train/codes_used"] > 32
    assert "test/active_units" not in results
    assert sum(results["codes"]["counts"]) == 359 * results["codes"]["per_image"]
    assert (tmp_path / "whole" / "report.html").is_file()
    train_and_evaluate(make_config(**changes, num_epochs=2), tmp_path / "parts")
    resumed = train_and_evaluate(make_config(**changes, num_epochs=4), tmp_path / "parts")
    assert json.dumps(resumed["codes"]) == json.dumps(results["codes"])
    assert resumed["test/elbo"] == results["test/elbo"]


RUNS: dict[str, dict[str, Any]] = {
    "gradient": {"vq__codebook": "gradient", "vq__gradient": "rotation"},
    "cosine": {"vq__distance": "cosine"},
    "fsq": {"quantizer": "fsq"},
    "lfq": {"quantizer": "lfq", "learning_rate": 0.01},
    "residual": {"quantizer": "residual", "network": "conv", "channels": (8, 8)},
}


@pytest.mark.slow
@pytest.mark.parametrize("own", RUNS.values(), ids=RUNS)
def test_a_run_with_each_quantizer_learns_and_is_resumed_bit_for_bit(make_config, tmp_path, own):
    own = {"model": "quantized", "log__tensorboard": False} | own
    results = train_and_evaluate(make_config(**own, num_epochs=4), tmp_path / "whole")
    rows = [json.loads(line) for line in (tmp_path / "whole" / "metrics.jsonl").read_text().splitlines()]
    elbos = [row["val/elbo"] for row in rows if "val/elbo" in row]
    assert elbos[-1] > elbos[0] + 0.3
    assert results["train/codes_used"] > 16
    assert sum(results["codes"]["counts"]) == 359 * results["codes"]["per_image"]
    assert (tmp_path / "whole" / "report.html").is_file()
    train_and_evaluate(make_config(**own, num_epochs=2), tmp_path / "parts")
    resumed = train_and_evaluate(make_config(**own, num_epochs=4), tmp_path / "parts")
    assert json.dumps(resumed["codes"]) == json.dumps(results["codes"])
    assert resumed["test/elbo"] == results["test/elbo"]


@pytest.mark.slow
def test_images_become_codes_and_pixels_in_an_exported_program_for_any_number_of_images(quantized, images, x):
    model, params = build(quantized(), images)

    def through(x):
        z = model.reparameterize(params, None, model.encode(params, x)).z
        return model.codes(params, z), model.view(params, z), model.pixel_mean(params, model.decode(params, z))

    (rows,) = export.symbolic_shape("N")
    program = export.export(jax.jit(through))(jax.ShapeDtypeStruct((rows, *SHAPE), jnp.float32))
    assert_close(program.call(x[:5]), through(x[:5]))


def test_a_codebook_larger_than_the_sample_is_refused(make_config):
    spec = Spec(SHAPE, num_train=10)
    changes = {"model": "quantized", "quantized__codes_per_image": 2}
    for name, own in (("vq", {}), ("residual", {"quantizer": "residual"})):
        assert make_model(make_config(**changes, **own, **{f"{name}__codes": 20}), spec).num_codes == 20
        with pytest.raises(InputError) as caught:
            make_model(make_config(**changes, **own, **{f"{name}__codes": 21}), spec)
        expected = f"{name}.codes=21: the codebook is larger than the sample, 20 vectors of 10 training images; choices: 2 to 20"
        assert str(caught.value) == expected
    # A rule of signs has no codebook that images would have to fill.
    assert make_model(make_config(**changes, quantizer="lfq", lfq__bits=9), spec).num_codes == 512
