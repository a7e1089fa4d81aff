"""The amortisation gap of exact encoders, and of encoders that are wrong by a known amount."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from support.constructed import EXACT_VARIANCE, linear_gaussian, linear_images, linear_log_p

from vae_jax.evaluation.health import gaps, optimisation, refinement
from vae_jax.evaluation.health.effort import Effort, Refined
from vae_jax.evaluation.health.lines import gap as gap_line
from vae_jax.evaluation.health.refinement import make_refine
from vae_jax.evaluation.health.summary import difference
from vae_jax.evaluation.health.verdicts import HEALTHY, OVER_REGULARISED, OVERFITTING
from vae_jax.types import Posterior

EFFORT = Effort(steps=100, samples=200)
IMAGES = linear_images(60, seed=0)
WIDE = {"shift": 0.05, "widen": 2.0}


@pytest.fixture(autouse=True)
def two_blocks(monkeypatch):
    monkeypatch.setattr(refinement, "IMAGES_OF_A_BLOCK", 30)


@functools.cache
def refined(shift: float = 0.0, widen: float = 1.0, effort: Effort = EFFORT):
    told = []
    found = make_refine(linear_gaussian(shift, widen), effort)({}, jax.random.key(0), IMAGES, told.append)
    assert told == sorted(told)
    assert 0 < told[0] < 0.5 < told[-1] <= 1
    return found


def closed_form_gap(shift: float, widen: float) -> float:
    """Return KL(N(m + shift, widen v) || N(m, v)) over both dimensions, in nats."""
    return float(0.5 * (widen + shift**2 / EXACT_VARIANCE - 1 - np.log(widen)).sum())


def check_exact():
    found = refined()
    # The candidate is chosen with 50 samples, so that a slightly worse one may win.
    assert abs(found.gain.mean()) < 0.02
    np.testing.assert_allclose(found.gain, 0, atol=0.4)
    np.testing.assert_allclose(found.elbo, linear_log_p(IMAGES), rtol=1e-4)
    (bound,) = {name for name in found.bounds if "encoder" not in name}
    np.testing.assert_allclose(found.bounds[bound], linear_log_p(IMAGES), atol=0.4)
    assert found.bounds[bound].mean() == pytest.approx(linear_log_p(IMAGES).mean(), abs=0.02)


def check_perturbed():
    """Allow for the noise of 200 samples that both terms share, and for the remaining error of Adam."""
    truth = closed_form_gap(**WIDE)
    found = refined(**WIDE).gain
    assert found.mean() == pytest.approx(truth, abs=4 * found.std() / np.sqrt(len(found)) + 0.02)
    assert found.min() > -0.1


def check_bounds():
    found = refined(**WIDE)
    np.testing.assert_allclose(found.refined_elbo, linear_log_p(IMAGES), atol=0.4)
    assert found.refined_elbo.mean() == pytest.approx(linear_log_p(IMAGES).mean(), abs=0.05)
    for values in found.bounds.values():
        assert (values <= linear_log_p(IMAGES) + 0.2).all()
        assert values.mean() == pytest.approx(linear_log_p(IMAGES).mean(), abs=0.05)


def check_all():
    check_exact()
    check_perturbed()
    check_bounds()


def test_gaps_of_exact_and_wrong_encoders_agree_with_the_closed_form():
    check_all()


def ascend(optax_apply):
    return lambda posterior, updates: optax_apply(posterior, jax.tree.map(lambda update: -update, updates))


@pytest.mark.parametrize(
    ("name", "mutant"),
    [
        ("log_mean", lambda weights: weights.mean(axis=1) + np.log(weights.shape[1])),
        ("log_mean", lambda weights: -weights.mean(axis=1)),
        ("weigh", lambda *given: -refinement_weigh(*given)),
        ("weigh", lambda *given: refinement_weigh(*given)[::-1]),
    ],
    ids=["a sum for a mean", "the bound's sign", "the weight's sign", "another image's weight"],
)
def test_mutants_of_the_weights_are_detected(monkeypatch, name, mutant):
    monkeypatch.setattr(optimisation, name, mutant)
    monkeypatch.setattr(f"{__name__}.refined", refined.__wrapped__, raising=True)
    with pytest.raises(AssertionError):
        check_all()


def test_a_mutant_of_the_step_is_detected(monkeypatch):
    monkeypatch.setattr(optimisation.optax, "apply_updates", ascend(optimisation.optax.apply_updates))
    found = refined.__wrapped__(**WIDE)
    assert found.gain.mean() < 0.2 * closed_form_gap(**WIDE)


refinement_weigh = optimisation.weigh


def test_the_gain_has_no_selection_bias(monkeypatch):
    """If weights are pure noise, the gain is 0: it is measured with other samples than the selection."""

    def noise(model, params, key, x, posterior):
        numbers = jax.lax.bitcast_convert_type(posterior.mean.sum(axis=1), jnp.int32)
        return jax.vmap(lambda number: jax.random.normal(jax.random.fold_in(key, number)))(numbers)

    monkeypatch.setattr(optimisation, "weigh", noise)
    gain = refined.__wrapped__(effort=Effort(steps=2, starts=6, samples_to_choose=50, samples=50)).gain
    assert abs(gain.mean()) < 4 * gain.std() / np.sqrt(len(gain))


def test_the_gain_of_an_unchanged_posterior_is_exactly_0():
    """Both terms use the same samples, although these are noisy with variances twice too wide."""
    found = refined(**WIDE, effort=Effort(steps=1, learning_rate=0.0, starts=1, samples=20))
    assert found.elbo.std() > 0
    np.testing.assert_array_equal(found.gain, 0)


@pytest.mark.slow
def test_starts_from_other_images_escape_a_local_optimum():
    """Every second image is coded at -3, where the likelihood is 20 nats lower than at 3, the code of the others."""
    plain, bright = linear_gaussian(), np.arange(60) % 2 == 1
    images = np.broadcast_to((255 * bright).astype(np.uint8)[:, None, None, None], IMAGES.shape)

    def encode(params, x, key=None):
        mean = jnp.where(x[:, 0, 0] > 0.5, 3.0, -3.0) * jnp.ones((1, 2))
        return Posterior(mean, jnp.full_like(mean, -4.0))

    def log_likelihood(params, x, z):
        near, far = (-50 * jnp.square(z - place).sum(axis=1) for place in (3.0, -3.0))
        return jnp.logaddexp(near, far - 20)

    model = plain._replace(encode=encode, decode=lambda params, z, key=None: z, log_likelihood=log_likelihood)
    alone, together = (
        make_refine(model, Effort(steps=20, starts=starts, samples=50))({}, jax.random.key(0), images).gain
        for starts in (1, 12)
    )
    assert np.abs(alone).max() < 2
    assert np.abs(together[bright]).max() < 2
    np.testing.assert_allclose(together[~bright], 20, atol=2)


def test_an_encoder_with_too_wide_posteriors_is_over_regularised():
    """The variances are four times too wide: the kl of the optimal posteriors is higher by a known amount."""
    wide = refined(0.0, 4.0, EFFORT._replace(steps=200))
    more = 0.5 * (np.log(4) - 3 * EXACT_VARIANCE).sum()
    assert (wide.refined_kl - wide.kl).mean() == pytest.approx(more, abs=0.1)
    assert gaps.amortisation(wide, wide).verdict == OVER_REGULARISED
    assert gaps.amortisation(refined(), refined()).verdict == HEALTHY
    # The encoder's error on images that it has not seen is a different number.
    assert gaps.amortisation(refined(), wide).verdict == OVER_REGULARISED
    assert gaps.amortisation(wide, refined()).verdict == HEALTHY
    assert gaps.approximation(refined(), {}).numbers["nats"] == pytest.approx(0, abs=0.01)


def test_the_largest_bound_over_the_common_images_is_used():
    found = refined()
    (iwae,) = (found.bounds[name] for name in found.bounds if "encoder" not in name)
    count = len(iwae) // 2
    higher = gaps.approximation(found, {"ais_9": iwae[:count] + 0.5})
    assert higher.measured.endswith(f"(ais_9, {count} test images)")
    assert higher.numbers["nats"] == pytest.approx((iwae - found.refined_elbo)[:count].mean() + 0.5)
    assert higher.numbers["bounds"]["ais_9"] == pytest.approx(iwae[:count].mean() + 0.5)
    lower = gaps.approximation(found, {"ais_9": iwae[:count] - 0.5})
    assert lower.measured.endswith(f"{len(iwae)} test images)")
    assert lower.numbers["nats"] == pytest.approx(0, abs=0.01)


def test_overfitting_is_attributed_to_encoder_or_decoder():
    """The encoder's part is its loss on test images beyond that on training images."""
    right, wrong = refined(), refined(0.5, 1.0)
    elbos = np.random.default_rng(0).normal(0, 10, 1000)
    whole = gap_line(difference(elbos, elbos - 30), 10.0)
    assert whole.verdict == OVERFITTING
    line = gaps.refined_gap(whole, wrong, right)
    lost = closed_form_gap(0.5, 1.0)
    assert line.numbers["encoder"]["nats"] == pytest.approx(lost, rel=0.05)
    assert (line.verdict, line.detail) == (OVERFITTING, "mostly the decoder" if lost < 15 else "mostly the encoder")
    assert gaps.refined_gap(whole, right, right).detail == "mostly the decoder"


def test_overfitting_is_attributed_to_both_if_they_agree_within_the_errors():
    rng = np.random.default_rng(0)
    whole = gap_line(difference(rng.normal(0, 10, 2000), rng.normal(-20, 10, 2000)), 10.0)
    none = np.zeros(100)

    def gained(nats: float):
        return Refined(none, rng.normal(nats, 10, 100), {}, none, none)

    found = [gaps.refined_gap(whole, gained(nats), gained(0.0)) for nats in (0.0, 10.0, 20.0)]
    assert [line.detail for line in found] == ["mostly the decoder", "encoder and decoder alike", "mostly the encoder"]
    assert ["encoder" in line.advice for line in found] == [False, False, True]


def test_two_splits_share_the_size_of_blocks_that_leaves_the_least_over(monkeypatch):
    monkeypatch.setattr(refinement, "IMAGES_OF_A_BLOCK", 250)
    assert refinement.block_size(359, 500) == 125
    assert refinement.block_size(500, 500) == 250
    assert refinement.block_size(60, 60) in range(125, 251)


def test_images_that_fill_up_the_last_block_are_left_out():
    found = make_refine(linear_gaussian(), Effort(steps=2, samples=5))({}, jax.random.key(0), IMAGES[:50], size=30)
    assert {len(values) for values in jax.tree.leaves(found)} == {50}
    np.testing.assert_allclose(found.elbo, linear_log_p(IMAGES[:50]), rtol=1e-3)
