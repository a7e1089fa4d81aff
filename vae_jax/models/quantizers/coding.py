"""Quantizers as lists of layers, for programs without flax: those that make codes of vectors, and vectors of codes."""

import math
from typing import Any, NamedTuple

import numpy as np

from vae_jax.models.networks import Layer, Layers


class Coding(NamedTuple):
    """The layers on both sides of the codes at h x w places."""

    encoder: list[Layer]
    """Vectors [h, w, D] -> codes [h, w, R]."""
    decoder: list[Layer]
    """Codes [h, w, R] -> vectors [h, w, D]."""


def coded(layers: Layers, coding: Coding) -> Layers:
    """Return the layers of a model with codes between its networks, whose vectors are at places or one behind the other."""
    shape = coding.decoder[-1].output
    apart = [Layer("reshape", shape)] * (layers.encoder[-1].output != shape)
    together = [Layer("reshape", (math.prod(shape),))] * (len(layers.decoder[0].output) == 1)
    encoder = [*layers.encoder, *apart, *coding.encoder]
    return layers._replace(encoder=encoder, decoder=[*coding.decoder, *together, *layers.decoder])


def by_codebooks(codebooks: Any, places: tuple[int, int]) -> Coding:
    """Return the layers of codebooks [R, K, D], each for what the ones before it left of a vector."""
    arrays = {"codebooks": np.asarray(codebooks, np.float32)}
    levels, _, width = arrays["codebooks"].shape
    return Coding(
        [Layer("nearest", (*places, levels), arrays)],
        [Layer("lookup", (*places, width), arrays)],
    )


def by_levels(kind: str, levels: tuple[int, ...], places: tuple[int, int]) -> Coding:
    """Return the layers of the points of a grid with so many levels along its axes; `kind` is the layer that finds them."""
    numbers = {"levels": levels}
    return Coding(
        [Layer(kind, (*places, 1), {}, numbers)],
        [Layer("points", (*places, len(levels)), {}, numbers)],
    )


def by_classes(variables: int, classes: int) -> Coding:
    """Return the layers of categorical variables: the most probable class of each, and a 1 for it beside 0 for the others."""
    ones = np.eye(classes, dtype=np.float32)[None]
    return Coding([Layer("argmax", (1, variables, 1))], [Layer("lookup", (1, variables, classes), {"codebooks": ones})])
