"""The picture of a model card."""

from pathlib import Path

import numpy as np

from vae_jax import data
from vae_jax.artifacts import draw
from vae_jax.errors import InputError
from vae_jax.runs.run import Run
from vae_jax.types import Dataset, Split

OWN = ("folder", "arrays", "codes")
"""The data sets that are a person's own, and are shown to nobody."""


def picture(run: Run) -> dict[str, bytes]:
    """Return file name -> content: samples if the model has a prior, else reconstructions of public test images.

    There is none for an autoencoder of a person's own images, or of a data set that cannot be read here.
    """
    from vae_jax.artifacts import figures

    name, dataset = _shown_on(run)
    if dataset is None:
        return {}
    source = draw.make_source(run, dataset, run.workdir or Path("nowhere"))
    names, _ = figures.shown_names(source.class_names)
    drawn = next(draw.draw_figures(source._replace(class_names=names), {name: figures.FIGURES[name]}))
    return {} if drawn.figure is None else figures.as_files(name, drawn.figure)


def _shown_on(run: Run) -> tuple[str, Dataset | None]:
    """Return the figure's name, and the data it is drawn from."""
    if run.model.prior is not None:
        # Samples need the classes alone, so no image is read.
        count = len(run.spec.class_names)
        classes = Split(np.zeros((count, *run.shape), np.uint8), np.arange(count, dtype=np.int32))
        return "samples", Dataset(classes, classes, classes, run.spec.class_names)
    if run.config.dataset in OWN:
        return "reconstructions", None
    try:
        return "reconstructions", data.load(run.config)
    except InputError:
        return "reconstructions", None
