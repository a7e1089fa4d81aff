"""The categorical likelihood over grey levels, against scipy's and float64 masses."""

import itertools
import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.special
from support.models import SPEC, compiled, sample_of, unused
from support.plain_runs import without_pictures
from support.slow import fast_if

from vae_jax import data, load_run
from vae_jax.artifacts.export import FORMATS
from vae_jax.errors import InputError
from vae_jax.models import make_model
from vae_jax.models.likelihoods import asks_levels, make_likelihood
from vae_jax.runs.checkpoint.ownership import spec_of
from vae_jax.train import train_and_evaluate
from vae_jax.types import Spec

COUNT = 20_000


def levels(make_config, number=0, spec=SPEC):
    return make_likelihood(make_config(likelihood="levels", levels__number=number), spec)


def test_the_probabilities_of_all_images_of_a_tiny_model_sum_to_1(make_config, key):
    """Two pixels of 17 levels have 289 images; each has its probability given any z."""
    model = compiled(
        make_model(make_config(likelihood="levels", latent_dim=2, hidden_dims=(5,)), Spec((1, 2, 1), levels=17))
    )
    shapes = jax.eval_shape(model.init, key, sample_of(jnp.zeros((1, 2, 1))))
    rng = np.random.default_rng(0)
    params = jax.tree.map(lambda leaf: rng.normal(size=leaf.shape).astype(np.float32), shapes)
    images = np.array(list(itertools.product(range(17), repeat=2)), np.float32).reshape(-1, 1, 2, 1) / np.float32(16)
    z = np.array([[0, 0], [1.5, -0.5], [-3, 2]], np.float32)

    @jax.jit
    def log_p(x, z):
        outputs = model.decode(params, z)
        return jax.vmap(lambda one: model.log_likelihood(params, jnp.broadcast_to(one[None], (3, 1, 2, 1)), outputs))(x)

    masses = np.exp(np.float64(log_p(images, z)))
    assert masses.shape == (289, 3)
    np.testing.assert_allclose(masses.sum(axis=0), 1, rtol=1e-5)
    assert np.abs(masses[:, 0] - masses[:, 1]).max() > 1e-3, "the probabilities depend on z"


def test_masses_mean_and_samples_agree_with_scipy_for_each_channel(make_config, key):
    """The logits of channel c are at c L to c L + L - 1, and x is rounded to the nearest level."""
    likelihood = levels(make_config)
    assert (likelihood.outputs_per_channel, likelihood.discrete, likelihood.sigma) == (17, True, None)
    rng = np.random.default_rng(0)
    outputs, level = rng.normal(0, 2, (3, 2, 1, 3 * 17)).astype(np.float32), rng.integers(0, 17, (3, 2, 1, 3))
    stored = np.round(level * 255 / 16)  # as the digits are stored: up to half of 1/255 away
    log_mass = scipy.special.log_softmax(np.float64(outputs).reshape(3, 2, 1, 3, 17), axis=-1)
    expected = np.take_along_axis(log_mass, level[..., None], axis=-1)[..., 0].sum(axis=(1, 2, 3))
    mean = np.exp(log_mass) @ (np.arange(17) / 16)

    @jax.jit
    def computed(levels, bytes, outputs):
        many = jnp.broadcast_to(outputs[:1], (COUNT, *outputs.shape[1:]))
        log_p = [likelihood.log_prob({}, x, outputs) for x in (levels, bytes)]
        assert likelihood.pixel_mean is not None
        return log_p, likelihood.pixel_mean({}, outputs), likelihood.sample({}, key, many)

    log_p, pixels, drawn = computed(np.float32(level / 16), np.float32(stored / 255), outputs)
    for found in log_p:
        np.testing.assert_allclose(found, expected, rtol=1e-5)
    np.testing.assert_allclose(pixels, mean, rtol=1e-5)
    drawn = np.asarray(drawn)
    assert (drawn.shape, drawn.dtype) == ((COUNT, 2, 1, 3), np.float32)
    np.testing.assert_array_equal(drawn, np.round(16 * drawn).astype(np.float32) / np.float32(16))
    for i, c in itertools.product(range(2), range(3)):
        counts = np.bincount(np.rint(16 * drawn[:, i, 0, c]).astype(int), minlength=17)
        mass = np.exp(log_mass[0, i, 0, c])
        assert (np.abs(counts / COUNT - mass) < 5 * np.sqrt(mass * (1 - mass) / COUNT) + 2 / COUNT).all()
        assert abs(drawn[:, i, 0, c].mean() - mean[0, i, 0, c]) < 5 * drawn[:, i, 0, c].std() / np.sqrt(COUNT)


@pytest.mark.parametrize("number", fast_if([2, 17, 256], lambda number: number == 17))
def test_it_starts_at_the_mean_image_with_the_logits_of_largest_entropy(make_config, number):
    likelihood = levels(make_config, spec=Spec((1, 7, 1), levels=number))
    mean_image = jnp.array([0.0, 0.011, 0.3, 0.5, 0.77, 0.989, 1.0]).reshape(1, 7, 1)
    assert likelihood.output_bias is not None
    bias = jax.jit(likelihood.output_bias)(mean_image)
    assert bias.shape == (1, 7, number)
    assert likelihood.pixel_mean is not None
    pixels = jax.jit(likelihood.pixel_mean)({}, bias[None])[0]
    np.testing.assert_allclose(pixels, np.clip(mean_image, 0.01, 0.99), atol=1e-5)
    np.testing.assert_allclose(np.diff(bias, n=2), 0, atol=1e-4)  # linear in the level


@pytest.mark.parametrize(
    ("number", "counted", "used"), [(0, 17, 17), (33, 17, 33), (0, 0, 256), (5, 0, 5), (256, 256, 256)]
)
def test_the_given_number_comes_before_the_counted_one_and_256_is_for_all(make_config, number, counted, used):
    spec = Spec((4, 4, 2), levels=counted)
    assert levels(make_config, number, spec).outputs_per_channel == used
    config = make_config(likelihood="levels", levels__number=number, hidden_dims=(2,))
    model = make_model(config, spec)
    params = jax.eval_shape(model.init, jax.random.key(0), sample_of(jnp.zeros(spec.shape)))
    assert params["decoder"]["output"]["kernel"].shape == (2, 4 * 4 * 2 * used)
    assert model.layers is not None
    params = jax.tree.map(lambda leaf: np.zeros(leaf.shape, leaf.dtype), params)
    assert model.layers(params).decoder[-1].numbers == {"likelihood": "levels", "levels": used}


def test_only_this_likelihood_asks_for_the_number_of_levels(make_config):
    assert asks_levels(make_config(likelihood="levels"))
    assert not asks_levels(make_config())
    assert not asks_levels(make_config(likelihood="discretized_logistic"))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"levels__number": 1}, ["levels.number=1", "likelihood=levels", "2 to 256"]),
        ({"levels__number": 257}, ["levels.number=257", "at most 256"]),
        ({"binarize": "dynamic"}, ["binarize=dynamic", "likelihood=bernoulli", "likelihood=levels"]),
    ],
)
def test_a_wrong_number_and_binarised_pixels_are_refused_in_one_line(make_config, changes, words):
    from vae_jax import config as config_lib
    from vae_jax.config.registries import NAMES

    with pytest.raises(InputError) as caught:
        config_lib.validate(make_config(likelihood="levels", **changes), NAMES)
    assert "\n" not in str(caught.value)
    for word in words:
        assert word in str(caught.value)


def test_a_checkpoint_keeps_the_number_of_levels_and_older_ones_have_none():
    spec = Spec((8, 8, 1), 2, 5, ("a", "b"), 17)
    info = {"spec": json.loads(json.dumps(spec._asdict()))}
    assert spec_of(info) == spec
    del info["spec"]["levels"]
    assert spec_of(info) == spec._replace(levels=0)


@pytest.mark.slow
def test_a_run_counts_the_levels_keeps_them_and_is_loaded_without_the_data(make_config, tmp_path, monkeypatch):
    without_pictures(monkeypatch)
    changes = {"likelihood": "levels", "dataset": "textbook_digits"}
    results = train_and_evaluate(make_config(**changes, num_epochs=1), tmp_path / "run")
    assert results["test/bits_per_dim"] == pytest.approx(-results["test/elbo"] / (64 * np.log(2)))
    with pytest.raises(InputError, match=r"levels\.number=5: .*textbook_digits have 17;"):
        train_and_evaluate(make_config(**changes, levels__number=5), tmp_path / "other")
    assert not (tmp_path / "other").exists()
    train_and_evaluate(make_config(**changes, num_epochs=2), tmp_path / "run")
    with monkeypatch.context() as patch:
        patch.setattr(data, "load", unused)
        run = load_run(tmp_path / "run", "latest")
    assert (run.spec.levels, run.model.likelihood.outputs_per_channel) == (17, 17)
    x = data.load(run.config).test.images[:3]
    assert run.reconstruct(x).shape == x.shape
    (card,) = [file for file in FORMATS["safetensors"](run, tmp_path / "run") if file.name == "card.json"]
    assert json.loads(card.content)["levels"] == 17


@pytest.mark.slow
def test_a_batch_of_28_x_28_pixels_with_256_levels_can_be_trained_on(make_config, key):
    likelihood = levels(make_config, 256)
    outputs = jax.random.normal(key, (128, 28, 28, 256))
    x = jax.random.uniform(key, (128, 28, 28, 1))
    value, grad = jax.jit(jax.value_and_grad(lambda o: likelihood.log_prob({}, x, o).mean()))(outputs)
    assert np.isfinite(value)
    np.testing.assert_allclose(np.asarray(grad).reshape(-1, 256).sum(axis=1), 0, atol=1e-6)
