"""A run and its test split made into figures: what the end of a training and the scripts of experiments/ share."""

from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import NamedTuple

from vae_jax import film, latents
from vae_jax import workdir as workdir_lib
from vae_jax.objectives import make_corrupt
from vae_jax.run import Run
from vae_jax.types import Dataset
from vae_jax.writer import history, read_metrics


class Drawn(NamedTuple):
    """A figure that was asked for: where it lies, or what it would need."""

    name: str
    paths: list[Path]
    needs: str


def make_source(
    run: Run,
    dataset: Dataset,
    workdir: Path,
    request: latents.Request = latents.Request(),  # noqa: B008 - immutable
    progress: Callable[[str], None] = lambda text: None,
) -> latents.Source:
    """What a run's figures are computed from.

    Args:
        run: the trained model.
        dataset: its test split is shown.
        workdir: its metrics and stored latents are read when a figure asks for them.
        request: what a person chose.
        progress: told lines of text while something slow is computed.
    """
    with_prior = run.model.log_prior is not None
    return latents.Source(
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
        film=lambda: film.load_film(workdir, len(dataset.test.images)),
        request=request,
        progress=progress,
    )


def write_figures(source: latents.Source, names: Collection[str], folder: Path) -> Iterator[Drawn]:
    """Draw figures one by one and write each as it is done: FOLDER/NAME.png, NAME_1.png, ... or NAME.gif.

    Args:
        source: of `make_source`.
        names: of figures.FIGURES; drawn in the registry's order.
        folder: exists.
    """
    # Here, not above: matplotlib is a large part of the start-up time.
    from vae_jax import figures

    chosen = {name: figure for name, figure in figures.FIGURES.items() if name in names}
    for name, figure, needs in latents.attempt(source, chosen):
        files = {} if needs else figures.as_files(name, figure)
        for file, content in files.items():
            workdir_lib.write(folder / file, content)
        yield Drawn(name, [folder / file for file in files], needs)
