"""network.js with discrete codes, compared with JAX for every quantizer."""

import jax
import numpy as np
import pytest
from support.network_page import RUN_JS, close, plain
from support.quantized import NAMES, codes_of_digits, of_digits
from support.random_run import layers_of, random_run

from vae_jax.artifacts.report.codebook import codes_of
from vae_jax.artifacts.report.embedded_model import embed
from vae_jax.models.networks import Layer

MANY_JS = """({description, images}) => {
  const network = VaeNetwork.load(description);
  return images.map((pixels) => Array.from(network.encode(Float32Array.from(pixels)).mean));
}"""


@pytest.mark.parametrize("name", NAMES)
def test_the_codes_of_test_images_and_what_they_decode_to_agree_with_jax(engine, name):
    run, images = of_digits(name)
    description = embed(layers_of(run), "float32", with_prior=True, num_codes=run.model.num_codes)
    shown = images[:60]
    found = engine(MANY_JS, {"description": description, "images": shown.reshape(60, -1).tolist()})
    np.testing.assert_array_equal(found, codes_of_digits(name)[:60])
    assert len(np.unique(found)) > 3
    drawn = np.random.default_rng(0).integers(0, run.model.num_codes, (8, len(found[0])), np.int32)
    assert run.model.from_codes is not None
    z = jax.jit(run.model.from_codes)(run.params, drawn)
    decoded = engine(RUN_JS, {"description": description, "z": drawn[0].tolist(), "noise": []})
    close(decoded["decoded"], run.decode(z)[0])
    assert decoded["facts"] == [[8, 8, 1], len(drawn[0]), True]


@pytest.mark.parametrize(
    "changes",
    [
        {"model": "quantized", "quantizer": "fsq"},
        {"model": "quantized", "network": "conv", "channels": (4,), "quantizer": "fsq"},
        {"model": "categorical", "categorical__classes": 4},
    ],
    ids=str,
)
def test_codes_of_a_conditional_model_are_made_and_decoded_with_the_class(engine, changes):
    run, label = random_run((8, 8, 1), 3, condition="label", **changes), 1
    image = np.random.default_rng(1).random((1, 8, 8, 1)).astype(np.float32)
    codes = codes_of(run, image, np.array([label], np.int32))
    description = embed(layers_of(run), "float32", with_prior=True, num_codes=run.model.num_codes)
    asked = {"description": description, "pixels": image.ravel().tolist(), "z": codes[0].tolist(), "label": label}
    found = engine(RUN_JS, asked)
    assert found["mean"] == codes[0].tolist()
    assert run.model.from_codes is not None
    close(found["decoded"], run.decode(jax.jit(run.model.from_codes)(run.params, codes), label)[0])
    assert np.abs(np.array(found["decoded"]) - engine(RUN_JS, asked | {"label": 2})["decoded"]).max() > 0.01


def test_codes_are_drawn_from_the_whole_codebook_or_are_draws_that_are_given(engine):
    run, _ = of_digits("vq")
    layers, code = (
        layers_of(run),
        "d => { const n = VaeNetwork.load(d); return [...Array(400)].map(() => [...n.drawPrior()]); }",
    )
    counts = np.bincount(np.ravel(engine(code, embed(layers, num_codes=16, with_prior=True))), minlength=16)
    assert (len(counts), counts.sum()) == (16, 1600)
    assert np.abs(counts - 100).max() < 60  # six standard deviations
    given = np.array([[1, 2, 3, 4], [5, 6, 7, 8]], np.float32)
    drawn = engine(code, embed(layers, draws=given, num_codes=16, with_prior=True))
    np.testing.assert_array_equal(np.unique(drawn, axis=0), given)


def test_vectors_of_equal_codes_have_the_first_and_codes_that_are_none_are_refused(engine):
    codebooks = np.array([[[3, 0], [1, 1], [1, 1]], [[0, 0.5], [0, 0], [0, 0]]], np.float32)
    x = np.array([1, 1.1, 2.9, 0.6], np.float32)
    nearest = Layer("nearest", (1, 2, 2), {"codebooks": codebooks})
    layers = plain(np.eye(4, dtype=np.float32), (1, 2, 2), nearest)
    assert engine(RUN_JS, {"description": embed(layers), "z": x.tolist()})["decoded"] == [1, 1, 0, 0]
    lookup = layers._replace(decoder=[Layer("lookup", (1, 2, 2), {"codebooks": codebooks})])
    assert engine(RUN_JS, {"description": embed(lookup), "z": [1, 1, 0, 0]})["decoded"] == [1, 1, 3, 0.5]
    with pytest.raises(Exception, match="no such code: 3; there are 3"):
        engine(RUN_JS, {"description": embed(lookup), "z": [1, 1, 3, 0]})


def test_a_sign_of_zero_is_no_bit_and_the_first_of_the_largest_numbers_counts(engine):
    x = [-1, 2, 0.1, 1, 0, 3]
    signs = Layer("signs", (1, 2, 1), {}, {"levels": (2, 2, 2)})
    layers = plain(np.eye(6, dtype=np.float32), (1, 2, 3), signs)
    assert engine(RUN_JS, {"description": embed(layers), "z": x})["decoded"] == [6, 5]
    layers = plain(np.eye(6, dtype=np.float32), (1, 2, 3), Layer("argmax", (1, 2, 1)))
    assert engine(RUN_JS, {"description": embed(layers), "z": [3, 7, 7, 0, 0, 0]})["decoded"] == [1, 0]
