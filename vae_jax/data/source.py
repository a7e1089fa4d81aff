"""What a loader hands over: the images of a data set as they are, before splitting and binarisation."""

from typing import NamedTuple

from vae_jax.types import Split


class Source(NamedTuple):
    """A data set as its makers publish it."""

    train: Split
    test: Split | None
    """None where the set has no test split: one is then cut from train."""
    class_names: tuple[str, ...] = ()
    """Names of labels 0, 1, ...; empty when there are no labels."""
    val: Split | None = None
    """Where it is given, all three splits are: nothing is cut, and each is in random order."""
    left_out: tuple[str, ...] = ()
    """Lines: a file that was not used, and why."""
