"""Samples from the prior: as they are, by class, and at other temperatures."""

from typing import Any

import numpy as np

from vae_jax.artifacts.arrays.lookups import Compute, Lookup
from vae_jax.artifacts.arrays.source import Source

NUM_SAMPLES = 64
SAMPLES_OF_A_CLASS, MOST_SAMPLED = 10, 20
"""The samples of each class of a conditional model, and the most classes that are shown."""
TEMPERATURES = (0.5, 0.7, 1.0, 1.2)
NUM_AT_A_TEMPERATURE = 12


def samples(source: Source, array: Lookup) -> Any:
    """Return samples from the prior; of a conditional model SAMPLES_OF_A_CLASS of each shown class, in its order."""
    if source.sample is None or source.given is None:
        return source.sample and source.sample(NUM_SAMPLES, source.seed)
    labels = np.repeat(array("shown_classes")[:MOST_SAMPLED], SAMPLES_OF_A_CLASS)
    return source.sample(len(labels), source.seed, labels)


def names_given(most: int) -> Compute:
    """Make a function that returns the names of the first shown classes of a conditional model; none for other models."""
    return lambda source, array: (
        () if source.given is None else tuple(source.class_names[k] for k in array("shown_classes")[:most])
    )


def at_temperatures(source: Source, array: Lookup) -> Any:
    """Return the same draws at every temperature [T, n, H, W, C]; None if the prior has no temperature.

    Of a conditional model the draws have the shown classes.
    """
    if source.sample is None or source.sample_prior is None:
        return None
    cold, warm = (source.sample_prior(NUM_AT_A_TEMPERATURE, source.seed, t) for t in (TEMPERATURES[0], 1.0))
    if np.array_equal(cold, warm):
        return None
    labels = () if source.given is None else (array("temperature_labels"),)
    count = len(labels[0]) if labels else NUM_AT_A_TEMPERATURE
    return np.stack([source.sample(count, source.seed, *labels, temperature=t) for t in TEMPERATURES])


def temperature_labels(source: Source, array: Lookup) -> Any:
    """Return the classes of the draws of a conditional model, equally many of each."""
    shown = array("shown_classes")[:NUM_AT_A_TEMPERATURE]
    return np.repeat(shown, NUM_AT_A_TEMPERATURE // len(shown))


ARRAYS = {
    "samples": samples,
    "sample_classes": names_given(MOST_SAMPLED),
    "temperatures": lambda *_: TEMPERATURES,
    "temperature_samples": at_temperatures,
    "temperature_labels": temperature_labels,
    "temperature_classes": lambda source, array: (
        () if source.given is None else tuple(source.class_names[k] for k in array("temperature_labels"))
    ),
}
