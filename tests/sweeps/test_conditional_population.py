"""Conditional runs that are trained as one program."""

import numpy as np
import pytest
from support.slow import first_fast

from vae_jax.sweeps.population.program import make_program
from vae_jax.training.prepare import joined, prepare


@pytest.mark.parametrize("streaming", first_fast(["off", "on"]))
def test_runs_of_a_population_are_given_the_labels_of_their_own_images(make_config, streaming):
    first = prepare(make_config(condition="label", streaming=streaming, batch_size=8))
    runs = [
        joined(first, make_config(condition="label", streaming=streaming, batch_size=8, seed=seed)) for seed in (0, 1)
    ]
    rows = np.random.default_rng(0).integers(0, 1000, (2, 3, 8), np.int32)
    program, alone = make_program(first, 2), []
    for run, own in zip(runs, rows, strict=True):
        feed = *run.feed.images(own, 0), run.key_train, run.hparams, run.feed.labels(own)
        alone.append(np.asarray(run.pure_chunk(run.state, *feed)[1]["loss"]))
    state = program.stack([run.state for run in runs])
    keys, hparams = (
        program.stack_keys([run.key_train for run in runs]),
        program.stack_hparams([r.hparams for r in runs]),
    )
    flat = rows.reshape(6, 8)
    _, metrics = program.chunk(state, *first.feed.images(flat, 0), keys, hparams, first.feed.labels(flat))
    np.testing.assert_allclose(metrics["loss"], np.stack(alone), rtol=1e-5)
