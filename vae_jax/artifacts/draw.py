"""Figures from arrays: each gets those that its parameters name, if the run has them all."""

import inspect
from collections.abc import Callable, Collection, Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from vae_jax.artifacts import arrays
from vae_jax.artifacts.arrays.source import Source
from vae_jax.artifacts.arrays.table import ARRAYS, NEEDS
from vae_jax.objectives import make_corrupt
from vae_jax.runs import latent_frames
from vae_jax.runs.run import Run
from vae_jax.runs.writer import history, read_metrics
from vae_jax.system import disk
from vae_jax.types import Dataset


def attempt(source: Source, figures: dict[str, Callable[..., Any]]) -> Iterator[tuple[str, Any, str]]:
    """(name, drawn figure or None, what it would need) of each figure in turn.

    A figure's parameters are names of ARRAYS; it fits when all those without a default exist for this source.

    Raises:
        InputError: the source's request names a class or an image that is not there.
    """

    @cache
    def array(name: str) -> Any:
        return ARRAYS[name](source, array)

    for name, figure in figures.items():
        arguments = {}
        for parameter, declared in inspect.signature(figure).parameters.items():
            arguments[parameter] = array(parameter)
            if arguments[parameter] is None and declared.default is inspect.Parameter.empty:
                yield name, None, NEEDS.get(parameter, "a model with a prior, as vae")
                break
        else:
            yield name, figure(**arguments), ""


def draw(source: Source, figures: dict[str, Callable[..., Any]]) -> dict[str, Any]:
    """The figures that fit: those whose parameters, names of ARRAYS, all exist for this source."""
    return {name: drawn for name, drawn, needs in attempt(source, figures) if not needs}


class Drawn(NamedTuple):
    """A figure that was asked for: where it lies, or what it would need."""

    name: str
    paths: list[Path]
    needs: str


def make_source(
    run: Run,
    dataset: Dataset,
    workdir: Path,
    request: arrays.Request = arrays.Request(),  # noqa: B008 - immutable
    progress: Callable[[str], None] = lambda text: None,
) -> arrays.Source:
    """What a run's figures are computed from.

    Args:
        run: the trained model.
        dataset: its test split is shown.
        workdir: its metrics and stored latents are read when a figure asks for them.
        request: what a person chose.
        progress: told lines of text while something slow is computed.
    """
    with_prior = run.model.log_prior is not None
    return arrays.Source(
        encode=run.encode,
        decode=run.decode,
        reconstruct=run.reconstruct,
        test=dataset.test,
        class_names=dataset.class_names,
        history=history(read_metrics(workdir)),
        seed=run.config.seed,
        sample=run.sample if with_prior else None,
        standard_prior=run.standard_prior,
        sample_posterior=run.sample_posterior if with_prior else None,
        kl_terms=run.kl_terms if with_prior else None,
        corrupt=None if make_corrupt(run.config) is None else run.corrupt,
        film=lambda: latent_frames.load_film(workdir, len(dataset.test.images)),
        request=request,
        progress=progress,
    )


def write_figures(source: arrays.Source, names: Collection[str], folder: Path) -> Iterator[Drawn]:
    """Draw figures one by one and write each as it is done: FOLDER/NAME.png, NAME_1.png, ... or NAME.gif.

    Args:
        source: of `make_source`.
        names: of figures.FIGURES; drawn in the registry's order.
        folder: exists.
    """
    # Here, not above: matplotlib is a large part of the start-up time.
    from vae_jax.artifacts import figures

    chosen = {name: figure for name, figure in figures.FIGURES.items() if name in names}
    for name, figure, needs in attempt(source, chosen):
        files = {} if needs else figures.as_files(name, figure)
        for file, content in files.items():
            disk.write(folder / file, content)
        yield Drawn(name, [folder / file for file in files], needs)
