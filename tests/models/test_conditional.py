"""Conditional models p(x|y): the label reaches the networks, only what depends on it changes, and it is traced once."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from support.models import OF_IMAGES, sample_of
from support.objective import terms_of
from support.slow import fast_if, first_fast

from vae_jax.data.labels import assert_labelled
from vae_jax.errors import InputError
from vae_jax.evaluation.estimators import make_split_bound, make_split_weights
from vae_jax.models import given, make_model, require_prior, require_rate
from vae_jax.objectives import make_objective
from vae_jax.training.optimizers import make_optimizer
from vae_jax.training.step import init_state, make_hparams, make_train_chunk, make_train_step
from vae_jax.types import Batch, Context, Dataset, Sample, Spec, Split

SHAPE, CLASSES, SIZE = (8, 8, 1), 10, 6
SPEC = Spec(SHAPE, CLASSES, SIZE)
LABELS = jnp.array([3, 0, 9, 3, 7, 1], jnp.int32)
AE = {"model": "ae", "objective": "reconstruction"}
QUANTIZED = {"model": "quantized"}
CONV = {"network": "conv", "channels": (4,)}
FAMILIES = [{}, {"model": "two_layer"}, AE, CONV, {"prior": "mixture"}]
FAST = ({"model": "vae"}, {"model": "quantized"}, CONV)
OBJECTIVES = [
    {},
    {"objective": "importance", "importance__num_samples": 4, "importance__gradient": "dreg"},
    {"model": "two_layer", "objective": "importance", "importance__num_samples": 2},
    QUANTIZED,
    {"model": "ae", "objective": "denoising", "denoising__noise_std": 0.3},
]


def build(make_config, key, **changes):
    few = {"vq__codes": 8} if changes.get("model") == "quantized" else {}  # six images have 24 vectors
    config = make_config(condition="label", **few | changes)
    model = make_model(config, SPEC)
    x = jax.random.uniform(key, (SIZE, *SHAPE))
    images = (255 * x[: SPEC.sample_size if "sample" in model.traits else 0]).astype(jnp.uint8)
    sample = Sample(x.mean(axis=0), images, LABELS[: len(images)])
    return config, model, jax.jit(model.init)(key, sample), x


def outputs_of(model, params, x, labels):
    return compiled(model)(params, x, labels)


@functools.cache
def compiled(model):
    def outputs(params, x, labels):
        own = given(model, labels)
        posterior = own.encode(params, x)
        return posterior, own.decode(params, own.reparameterize(params, None, posterior).z)

    return jax.jit(outputs)


def without_labels(params, plain_shapes):
    """Drop the rows of kernels that read the label: they are the last channels of the image and the last numbers of z."""

    def cut(leaf, shape):
        if leaf.shape == shape.shape:
            return leaf
        if len(shape.shape) == 2 and leaf.shape[0] == 64 * (1 + CLASSES):
            return leaf.reshape(64, 1 + CLASSES, -1)[:, 0]
        return leaf[tuple(slice(n) for n in shape.shape)]

    return jax.tree.map(cut, params, plain_shapes)


@pytest.mark.parametrize("changes", fast_if(FAMILIES, lambda changes: changes == CONV), ids=str)
def test_a_label_with_weights_of_zero_changes_nothing(make_config, key, changes):
    config, model, params, x = build(make_config, key, **changes)
    plain = make_model(make_config(**changes), SPEC)
    shapes = jax.eval_shape(plain.init, key, sample_of(x.mean(axis=0)))
    kept = without_labels(params, shapes)
    ignoring = jax.tree.map(
        lambda leaf, shape: leaf if leaf.shape == shape.shape else zeroed(leaf, shape), params, shapes
    )
    found, expected = outputs_of(model, ignoring, x, LABELS), outputs_of(plain, kept, x, None)
    jax.tree.map(functools.partial(np.testing.assert_allclose, rtol=1e-5, atol=1e-6), found, expected)
    assert np.abs(outputs_of(model, params, x, LABELS)[1] - found[1]).max() > 1e-3
    terms = [
        terms_of(c, m, p, key, x)
        for c, m, p in ((config, given(model, LABELS), ignoring), (make_config(**changes), plain, kept))
    ]
    jax.tree.map(functools.partial(np.testing.assert_allclose, rtol=1e-4, atol=1e-5), *terms)


def zeroed(leaf, shape):
    if leaf.shape[0] == 64 * (1 + CLASSES):
        return leaf.reshape(64, 1 + CLASSES, -1).at[:, 1:].set(0).reshape(leaf.shape)
    return jnp.zeros_like(leaf).at[tuple(slice(n) for n in shape.shape)].set(leaf[tuple(slice(n) for n in shape.shape)])


@pytest.mark.parametrize(
    "changes",
    fast_if([*({"model": name} for name in OF_IMAGES), CONV, {"prior": "mixture"}], lambda changes: changes in FAST),
    ids=str,
)
def test_the_label_of_a_row_changes_that_row_alone_and_a_batch_equals_its_rows(make_config, key, changes):
    _, model, params, x = build(make_config, key, **changes)
    before, after = (outputs_of(model, params, x, labels) for labels in (LABELS, LABELS.at[2].set(4)))
    for one, other in zip(jax.tree.leaves(before), jax.tree.leaves(after), strict=True):
        moved = np.abs(np.asarray(one - other)).reshape(SIZE, -1).max(axis=1) > 0
        assert moved.tolist() == [False, False, True, False, False, False]
    alone = [outputs_of(model, params, x[i : i + 1], LABELS[i : i + 1]) for i in range(SIZE)]
    together = jax.tree.map(lambda *rows: jnp.concatenate(rows), *alone)
    jax.tree.map(functools.partial(np.testing.assert_allclose, rtol=1e-5, atol=1e-5), together, before)
    mapped = jax.vmap(lambda x, y: outputs_of(model, params, x[None], y[None]))(x, LABELS)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a[:, 0], b, rtol=1e-5, atol=1e-5), mapped, before)


def test_z_from_the_encoder_and_the_label_reach_the_decoder_separately(make_config, key):
    _, model, params, _ = build(make_config, key)
    z = jax.random.normal(key, (SIZE, 3))
    decoded = [given(model, jnp.full(SIZE, k, jnp.int32)).decode(params, z) for k in range(CLASSES)]
    assert len({float(d.sum()) for d in decoded}) == CLASSES
    drawn = [require_prior(given(model, y)).sample(params, key, SIZE) for y in (LABELS, LABELS[::-1])]
    np.testing.assert_array_equal(*drawn)


def test_a_conditional_model_refuses_to_be_called_without_labels_or_with_too_few(make_config, key):
    _, model, params, x = build(make_config, key)
    with pytest.raises(AssertionError, match=r"without labels: call the functions of model\.given"):
        model.encode(params, x)
    with pytest.raises(AssertionError, match=r"\(5,\) labels for 6 rows"):
        given(model, LABELS[:5]).encode(params, x)
    with pytest.raises(AssertionError, match="needs the labels"):
        given(model, None)
    plain = make_model(make_config(), SPEC)
    assert given(plain, None) is plain
    assert plain.given is None


@pytest.mark.parametrize("changes", first_fast(OBJECTIVES, every=4), ids=str)
def test_every_objective_trains_and_evaluates_with_labels(make_config, key, changes):
    config, model, params, x = build(make_config, key, **changes)
    objective = make_objective(config, model, 10)

    for train in (True, False):
        context = Context(jnp.int32(0), {"beta": jnp.float32(1)}, train)
        terms = jax.jit(lambda y, now=context: objective.terms(given(model, y), params, key, Batch(x, y), now))
        one, other = terms(LABELS), terms(LABELS.at[2].set(4))
        moved = np.abs(np.asarray(one["loss"] - other["loss"])) > 0
        assert moved.tolist() == [False, False, True, False, False, False]


def prepared_step(make_config, key, accumulate_steps=1, axis_name=None):
    config, model, params, x = build(make_config, key)
    calls = []
    counted = model._replace(given=lambda labels: calls.append(1) or given(model, labels))
    optimizer = make_optimizer(config, 10)
    objective = make_objective(config, model, 10)
    step = make_train_step(counted, objective, optimizer, axis_name, accumulate_steps)
    return config, step, init_state(params, optimizer), x, calls


@pytest.mark.slow
def test_the_model_is_given_labels_once_for_each_compiled_program(make_config, key):
    config, step, state, _, calls = prepared_step(make_config, key)
    chunk = jax.jit(make_train_chunk(step, lambda key, images: images / jnp.float32(255)))
    images = jnp.asarray(np.random.default_rng(0).integers(0, 256, (20, *SHAPE), np.uint8))
    classes = jnp.arange(20, dtype=jnp.int32) % CLASSES
    drawn = [jnp.asarray(np.random.default_rng(seed).integers(0, 20, (4, SIZE), np.int32)) for seed in range(3)]
    results = [chunk(state, images, rows, key, make_hparams(config), classes[rows]) for rows in drawn]
    rows, resident = drawn[-1], results[-1]
    traces = len(calls)
    assert 1 <= traces <= 2  # scan may trace its body twice, but no step is a trace of its own
    streamed = chunk(state, images[rows], None, key, make_hparams(config), classes[rows])
    jax.tree.map(functools.partial(np.testing.assert_allclose, rtol=1e-5, atol=1e-6), resident, streamed)
    other = chunk(state, images, rows, key, make_hparams(config), (classes[rows] + 1) % CLASSES)
    assert len(calls) <= 2 * traces
    assert not np.allclose(other[1]["loss"], resident[1]["loss"])


@pytest.mark.slow
def test_labels_are_split_like_images_among_the_parts_of_a_batch(make_config, key):
    # Without noise in the objective the mean of the parts' gradients is that of the batch.
    config, model, params, x = build(make_config, key, **AE)
    optimizer = make_optimizer(config, 10)
    states = []
    for parts in (1, 3):
        step = make_train_step(model, make_objective(config, model, 10), optimizer, accumulate_steps=parts)
        states.append(jax.jit(step)(init_state(params, optimizer), x, key, make_hparams(config), LABELS))
    (whole, metrics), (parted, mean) = states
    np.testing.assert_allclose(metrics["loss"], mean["loss"], rtol=1e-5)
    jax.tree.map(functools.partial(np.testing.assert_allclose, atol=2e-5), whole.params, parted.params)


@pytest.mark.slow
def test_two_devices_take_their_own_labels(make_config, key):
    config, model, params, x = build(make_config, key, **AE)
    optimizer, objective = make_optimizer(config, 10), make_objective(config, model, 10)
    state, hparams = init_state(params, optimizer), make_hparams(config)
    alone, metrics = jax.jit(make_train_step(model, objective, optimizer))(state, x, key, hparams, LABELS)
    step = make_train_step(model, objective, optimizer, "batch")
    states = jax.tree.map(lambda leaf: jnp.stack([leaf, leaf]), state)
    halves = x.reshape(2, 3, *SHAPE), LABELS.reshape(2, 3)
    mapped, found = jax.pmap(
        lambda state, x, y: step(state, x, key, hparams, y), axis_name="batch"
    )(states, *halves)  # fmt: skip
    np.testing.assert_allclose(found["loss"][0], metrics["loss"], rtol=1e-5)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a[0], b, atol=2e-5), mapped.params, alone.params)


@pytest.mark.slow
def test_the_nll_given_y_agrees_with_quadrature_and_blocks_keep_their_labels(make_config, key):
    _, model, params, x = build(make_config, key, latent_dim=1)
    params = jax.tree.map(lambda leaf: leaf * 1.5, params)
    z = jnp.linspace(-8, 8, 801)[:, None]

    @jax.jit
    @jax.vmap
    def log_p(x, label):
        own = given(model, jnp.broadcast_to(label, len(z)))
        log_joint = own.log_likelihood(params, jnp.broadcast_to(x, (len(z), *SHAPE)), own.decode(params, z))
        return jax.nn.logsumexp(log_joint + require_rate(own)[0](params, z)) + jnp.log(16 / 800)

    for labels in (LABELS, (LABELS + 1) % CLASSES):
        exact = log_p(x, labels)
        found = make_split_bound(model, 4000)(params, key, x, labels)
        np.testing.assert_allclose(found, exact, atol=0.02)
    few = make_split_weights(model, 5, num_bytes=5 * 4 * 64 * 4)(params, key, x, 0, labels)
    blocks = np.concatenate([block.log_weights for block in few])
    (whole,) = make_split_weights(model, 5)(params, key, x, 0, labels)
    np.testing.assert_allclose(blocks, whole.log_weights, rtol=1e-4)


def dataset_of(train, test=(0, 1), names=("a", "b")):
    splits = [Split(np.zeros((len(y), *SHAPE), np.uint8), np.array(y, np.int32)) for y in (train, train, test)]
    return Dataset(*splits, class_names=tuple(names))


@pytest.mark.parametrize(
    ("dataset", "message"),
    [
        (dataset_of([0, 0], (0,), ()), "have no labels"),
        (dataset_of([0, 1, -1]), "1 of 3 train images have no label"),
        (dataset_of([0, 1], (2,)), "a test image has the label 2, and there are 2 classes"),
        (dataset_of([0, 0]), "no training image is of class b"),
    ],
    ids=["none", "unknown", "outside", "absent"],
)
def test_labels_that_a_conditional_model_cannot_use_are_refused(make_config, dataset, message):
    with pytest.raises(InputError, match=f"condition=label: .*{message}.*; choices: "):
        assert_labelled(dataset, make_config(condition="label"))
    assert_labelled(dataset_of([0, 1]), make_config(condition="label"))


def test_the_vamp_prior_of_a_conditional_model_is_refused_by_the_config(make_config):
    from vae_jax.config.combinations import combination_problems
    from vae_jax.config.table import flatten

    flat = flatten(make_config(prior="vamp")) | {"condition": "label"}
    (problem,) = combination_problems(flat)
    assert problem.startswith("prior=vamp: the pseudo-inputs have no labels, which condition=label needs; choices: ")
