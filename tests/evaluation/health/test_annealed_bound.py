"""The step sizes of the annealed bound: tuned on other images, and interpolated between temperatures."""

import jax
import numpy as np
import pytest
from support.constructed import linear_gaussian

from vae_jax.evaluation.estimators import beta_schedule
from vae_jax.evaluation.health import annealed_bound
from vae_jax.evaluation.health.annealed_bound import Anneal


def test_sizes_are_tuned_on_the_other_images_and_lie_between_those_of_the_temperatures_around(monkeypatch):
    tuned_on, sizes = [], np.geomspace(2.0, 0.1, annealed_bound.TUNED_TEMPERATURES).astype(np.float32)

    def tune(model, params, key, images, num_temperatures, *rest):
        tuned_on.append(images)
        assert num_temperatures == annealed_bound.TUNED_TEMPERATURES
        return sizes

    used = []

    def make_ais(model, *amount):
        def chains(params, key, images, step_sizes, start, labels):
            used.append((images, step_sizes))
            return iter(())

        return chains

    monkeypatch.setattr(annealed_bound, "tune_step_sizes", tune)
    monkeypatch.setattr(annealed_bound, "make_ais", make_ais)
    monkeypatch.setattr(annealed_bound, "ais_estimate", lambda blocks: type("Estimate", (), {"log_p": np.zeros(0)}))
    rng = np.random.default_rng(0)
    images, others = (rng.integers(0, 256, (30, 2, 2, 1), np.uint8) for _ in range(2))
    anneal = Anneal(num_temperatures=400)
    annealed_bound.annealed_bound(linear_gaussian(), {}, jax.random.key(0), images, others, anneal)
    np.testing.assert_array_equal(tuned_on[0], others[: annealed_bound.NUM_TUNING])
    np.testing.assert_array_equal(used[0][0], images)
    betas, places = beta_schedule(400)[1:], beta_schedule(annealed_bound.TUNED_TEMPERATURES)[1:]
    step_sizes = used[0][1]
    assert step_sizes.shape == (400,)
    for beta, size in zip(betas, step_sizes, strict=True):
        below, above = places <= beta + 1e-9, places >= beta - 1e-9
        first = sizes[below][-1] if below.any() else sizes[0]
        assert min(first, sizes[above][0]) * 0.999 <= size <= max(first, sizes[above][0]) * 1.001
    assert step_sizes[-1] == pytest.approx(sizes[-1], rel=1e-5)
