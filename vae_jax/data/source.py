"""The result of a loader: the images of a data set before splitting and binarisation."""

from typing import NamedTuple

from vae_jax.types import Split


class Source(NamedTuple):
    """A data set as its makers publish it."""

    train: Split
    test: Split | None
    """The test split, or None if the set has none: one is then cut from train."""
    class_names: tuple[str, ...] = ()
    """The names of labels 0, 1, ...; empty when there are no labels."""
    val: Split | None = None
    """The validation split. If it is given, so are the other two, and nothing is cut; num_train takes the first images."""
    left_out: tuple[str, ...] = ()
    """One line for each file that was not used, with the reason."""
    notices: tuple[str, ...] = ()
    """Lines to print at every load."""
