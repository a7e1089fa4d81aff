"""The test images that figures show as examples."""

import numpy as np
from jaxtyping import Int, Int32, UInt8

from vae_jax.artifacts.arrays.source import Source
from vae_jax.types import Split

NUM_EXAMPLES = 12


def random_rows(source: Source, most: int = NUM_EXAMPLES) -> Int[np.ndarray, " n"]:
    """Return the indices of at most `most` random test images, by the source's seed."""
    count = min(most, len(source.test.images))
    return np.random.default_rng(source.seed).choice(len(source.test.images), count, replace=False)


def in_turn(labels: Int[np.ndarray, " N"]) -> Int[np.ndarray, " N"]:
    """Return an order in which all classes appear in turn: the first image of each class, the second of each, and so on."""
    order = np.argsort(labels, kind="stable")
    _, starts, counts = np.unique(labels[order], return_index=True, return_counts=True)
    turns = np.empty(len(labels), int)
    turns[order] = np.arange(len(labels)) - np.repeat(starts, counts)
    return np.lexsort((labels, turns))


def examples(test: Split, most: int) -> UInt8[np.ndarray, "n H W C"]:
    """Return at most `most` images of a split, all classes in turn."""
    return test.images[in_turn(test.labels)[:most]]


def labels_of_examples(labels: Int32[np.ndarray, " N"] | None, most: int) -> Int32[np.ndarray, " n"] | None:
    """Return the labels of `examples` for a conditional model, whose labels of the split are given; else None."""
    return None if labels is None else labels[in_turn(labels)[:most]]


def example_rows(source: Source, most: int = NUM_EXAMPLES) -> Int[np.ndarray, " n"]:
    """Return the indices of at most `most` test images: all classes in turn, or random ones if there are no labels."""
    return in_turn(source.test.labels)[:most] if source.class_names else random_rows(source, most)
