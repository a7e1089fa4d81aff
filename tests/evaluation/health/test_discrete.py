"""Reports on models with discrete codes: the codes that a report counts are those of the test images."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from support.models import sample_of

from vae_jax.errors import InputError
from vae_jax.evaluation.health import Extent, Subject, examine, is_examinable, verdicts
from vae_jax.models import against_dead_codes, make_model
from vae_jax.models.quantizers.codebook import DEAD_BELOW
from vae_jax.types import Dataset, Spec, Split

SHAPE, CODES = (4, 4, 1), 16


@pytest.fixture(scope="module")
def subject(make_config):
    config = make_config(model="quantized", hidden_dims=(8,), vq__codes=CODES, vq__dead_below=0.0)
    rng = np.random.default_rng(0)
    train, val, test = (Split(rng.integers(0, 256, (60, *SHAPE), np.uint8), np.zeros(60, np.int32)) for _ in range(3))
    model = make_model(config, Spec(SHAPE))
    sample = sample_of(np.zeros(SHAPE, np.float32), train.images)
    params = jax.jit(model.init)(jax.random.key(0), sample)
    return Subject(model, params, Dataset(train, val, test), 0, remedy=against_dead_codes(config))


def report(subject, extent=Extent(), **more):  # noqa: B008 - immutable
    return {line.name: line for line in examine(subject, extent, **more)}


def test_the_codes_and_the_gap_are_those_of_the_images(subject):
    seen = []
    found = report(subject, begin=lambda seconds: seen.append(seconds), progress=lambda *at: seen.append(at))
    assert list(found) == [verdicts.CODES_USED, verdicts.GAP]
    model, images = subject.model, subject.dataset.test.images
    posterior = model.encode(subject.params, jnp.asarray(images) / 255)
    codes = np.asarray(model.codes(subject.params, model.reparameterize(subject.params, None, posterior).z))
    counts = np.bincount(codes.ravel(), minlength=CODES)
    shares = counts[counts > 0] / counts.sum()
    numbers = found[verdicts.CODES_USED].numbers
    assert numbers["codes_used"] == len(shares)
    assert numbers["code_perplexity"] == pytest.approx(np.exp(-(shares * np.log(shares)).sum()))
    assert seen[0] > 0
    assert seen[1:] == [("encoding", 0.5), ("encoding", 1.0)]


def test_dead_codes_are_named_with_the_advice_of_the_quantizer(subject):
    far = dict(subject.params["quantizer"])
    far["codebook"] = far["codebook"].at[3:].add(1e3)  # a bad start: all but three codes are far from every vector
    found = report(subject._replace(params=subject.params | {"quantizer": far}))[verdicts.CODES_USED]
    assert found.verdict == verdicts.COLLAPSED
    assert "codes are dead" in found.detail
    assert found.advice.startswith(f"vq.dead_below={DEAD_BELOW.default:g} or more")


def test_the_advice_is_about_keys_that_the_run_reads(make_config):
    def advice(**keys):
        return against_dead_codes(make_config(model="quantized", **keys))

    assert advice() == "a larger vq.dead_below, a smaller learning_rate"
    assert advice(vq__dead_below=0.0, vq__commitment=0.1).endswith("a smaller learning_rate, a larger vq.commitment")
    assert advice(vq__codebook="gradient").startswith("vq.codebook=ema")
    assert advice(quantizer="residual") == advice()
    assert (
        advice(quantizer="fsq")
        == against_dead_codes(make_config(model="categorical"))
        == ("a smaller learning_rate, fewer codes")
    )


def test_a_report_on_codes_has_nothing_to_add_to_a_page_and_too_few_images_are_refused(subject):
    assert not is_examinable(subject.model)
    with pytest.raises(InputError, match="num_images=10"):
        report(subject, Extent(num_images=10))
