"""A run's figures on its test split: each gets the arrays that its parameters name, and fails alone."""

import inspect
import itertools
from collections.abc import Callable, Collection, Iterator
from functools import cache, partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from vae_jax.artifacts import arrays
from vae_jax.artifacts.arrays.needs import NEEDS
from vae_jax.artifacts.arrays.table import ARRAYS
from vae_jax.errors import InputError, TrainingError
from vae_jax.runs import latent_frames, under_prior
from vae_jax.runs.learned_sigma import pixel_sigma
from vae_jax.runs.run import Run
from vae_jax.runs.writer import history, read_metrics
from vae_jax.system import disk
from vae_jax.types import Dataset, Spec, Split

WITHOUT_IMAGES = ("samples", "temperatures")
"""The figures of a model with a prior that show no image of its data."""


class Drawn(NamedTuple):
    """A requested figure."""

    name: str
    figure: Any
    """The result of the registry's function: a matplotlib Figure, a list of them or GIF bytes; None if there is none."""
    lacks: str = ""
    """The missing part of the run that this figure needs, such as "a model with a prior"; empty if nothing is missing."""
    error: Exception | None = None
    """The exception that drawing or writing raised, or None."""
    paths: tuple[Path, ...] = ()
    """The files that hold it."""


def classes_alone(spec: Spec) -> Dataset:
    """Return data for the figures WITHOUT_IMAGES: a black image of each class, and no image of the data set."""
    count = len(spec.class_names)
    split = Split(np.zeros((count, *spec.shape), np.uint8), np.arange(count, dtype=np.int32))
    return Dataset(split, split, split, spec.class_names)


def make_source(
    run: Run,
    dataset: Dataset,
    workdir: Path,
    request: arrays.Request = arrays.Request(),  # noqa: B008 - immutable
    progress: Callable[[str], None] = lambda text: None,
) -> arrays.Source:
    """Make the source that a run's figures are computed from.

    Args:
        run: the trained model.
        dataset: its test split is shown.
        workdir: its metrics and stored latents are read when a figure needs them.
        request: the choices of a person.
        progress: called with lines of text while something slow is computed.
    """
    with_prior, model = run.model.prior is not None, run.model
    return arrays.Source(
        latents=run.latents,
        decode=None if model.place is None else run.decode,
        reconstruct=run.reconstruct,
        test=dataset.test,
        class_names=dataset.class_names,
        history=history(read_metrics(workdir)),
        seed=run.config.seed,
        sample=run.sample if with_prior else None,
        standard_prior=run.standard_prior,
        on_sphere="manifold" in model.traits,
        sample_posterior=run.sample_posterior if model.rate is not None else None,
        kl_terms=run.kl_terms if model.rate is not None else None,
        kl_names=() if model.rate is None else model.rate.kl_names(),
        kl_of_dimensions="columns" in model.traits,
        given=run.labels_of(dataset, "test"),
        train=dataset.train,
        val=dataset.val,
        sample_prior=run.sample_prior if with_prior else None,
        component=partial(under_prior.components, run) if model.prior and model.prior.component else None,
        num_components=under_prior.num_components(run),
        pixel_sigma=partial(pixel_sigma, run) if model.likelihood.sigma is not None else None,
        steps_per_epoch=_steps_per_epoch(workdir),
        draws_pixels=run.draws_pixels,
        corrupt=run.corrupt if run.corrupts else None,
        film=lambda: latent_frames.load_frames(workdir, len(dataset.test.images)),
        request=request,
        progress=progress,
        step=run.step,
    )


def _steps_per_epoch(workdir: Path) -> float | None:
    """Return the training steps of an epoch, by the last row of the metrics that names one."""
    counts = [row["step"] / row["epoch"] for row in read_metrics(workdir) if row.get("epoch")]
    return counts[-1] if counts else None


def draw_figures(source: arrays.Source, figures: dict[str, Callable[..., Any]]) -> Iterator[Drawn]:
    """Draw each figure in turn; one that fails does not stop the others.

    A figure's parameters are names of ARRAYS. It fits if all those without a default exist for this source.

    Raises:
        InputError: the source's request names a class or an image that is missing.
    """

    @cache
    def array(name: str) -> Any:
        return ARRAYS[name](source, array)

    for name, figure in figures.items():
        try:
            yield _draw(name, figure, array)
        except (InputError, TrainingError):
            raise
        except Exception as error:
            yield Drawn(name, None, error=error)


def _draw(name: str, figure: Callable[..., Any], array: Callable[[str], Any]) -> Drawn:
    arguments = {}
    for parameter, declared in inspect.signature(figure).parameters.items():
        arguments[parameter] = array(parameter)
        if arguments[parameter] is None and declared.default is inspect.Parameter.empty:
            return Drawn(name, None, lacks=NEEDS.get(parameter, "a model with a prior, such as vae"))
    return Drawn(name, figure(**arguments))


def write_figures(source: arrays.Source, names: Collection[str], folder: Path) -> Iterator[Drawn]:
    """Draw figures one by one and write each when it is done: FOLDER/NAME.png, NAME_1.png, ... or NAME.gif.

    Pages of an earlier drawing that a figure no longer has are removed.

    `names` are keys of figures.FIGURES, drawn in the registry's order; the folder must exist.

    Raises:
        InputError: see `draw_figures`.
        TrainingError: the disk is full.
    """
    # Here, not above: matplotlib is a large part of the start-up time.
    from vae_jax.artifacts import figures

    chosen = {name: figure for name, figure in figures.FIGURES.items() if name in names}
    class_names, message = figures.shown_names(source.class_names)
    if message:
        source.progress(message)
    for drawn in draw_figures(source._replace(class_names=class_names), chosen):
        if drawn.lacks or drawn.error is not None:
            yield drawn
            continue
        try:
            files = figures.as_files(drawn.name, drawn.figure, source.step)
            for file, content in files.items():
                disk.write(folder / file, content)
            _remove_other_pages(folder, drawn.name, files)
        except TrainingError:
            raise
        except Exception as error:
            yield drawn._replace(figure=None, error=error)
            continue
        yield drawn._replace(paths=tuple(folder / file for file in files))


def _remove_other_pages(folder: Path, name: str, files: Collection[str]) -> None:
    """Remove NAME.png and the pages NAME_1.png, NAME_2.png, ... up to the first gap, but not `files`."""
    pages = itertools.takewhile(Path.exists, (folder / f"{name}_{i}.png" for i in itertools.count(1)))
    for path in [folder / f"{name}.png", *pages]:
        if path.name not in files:
            path.unlink(missing_ok=True)
