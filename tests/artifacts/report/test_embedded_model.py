"""The model description that is embedded in a page."""

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
