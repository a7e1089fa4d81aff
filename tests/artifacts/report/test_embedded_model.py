"""The model description that is embedded in a page."""

import base64
import json

import numpy as np
from support.network_page import plain
from support.random_run import layers_of, random_run

from vae_jax.artifacts.report.embedded_model import embed, embedded_dtype


def test_weights_are_rounded_to_float16_only_if_they_are_many_and_in_range():
    few, many = np.zeros((10, 10), np.float32), np.zeros((500, 600), np.float32)
    assert embedded_dtype(plain(few, (1, 1, 10))) == "float32"
    assert embedded_dtype(plain(many, (1, 1, 600))) == "float16"
    for value in (7e4, -7e4, np.nan):
        many[3, 4] = value
        assert embedded_dtype(plain(many, (1, 1, 600))) == "float32"


def test_a_description_is_json():
    ours = embed(layers_of(random_run((9, 6, 2), network="conv", channels=(3, 8), conv__normalization="group")))
    assert json.loads(json.dumps(ours)).keys() == ours.keys()


def test_a_codebook_that_encoder_and_decoder_share_is_stored_once():
    ours = embed(layers_of(random_run((8, 8, 1), model="quantized", hidden_dims=(), vq__codes=500, latent_dim=6)))
    book, again = ours["encoder"][-1]["arrays"]["codebooks"], ours["decoder"][0]["arrays"]["codebooks"]
    assert book == again
    weights = 64 * 24 + 24 + 500 * 6 + 24 * 64 + 64
    assert len(base64.b64decode(ours["weights"])) == 4 * weights
