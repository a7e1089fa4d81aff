"""The picture of a model card."""

from pathlib import Path

from vae_jax import data
from vae_jax.artifacts import about, draw
from vae_jax.errors import InputError
from vae_jax.runs.run import Run
from vae_jax.types import Dataset


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
        return "samples", draw.classes_alone(run.spec)
    if run.config.dataset in about.OWN:
        return "reconstructions", None
    try:
        return "reconstructions", data.load(run.config)
    except InputError:
        return "reconstructions", None
