"""Figures and the page of a run as objects that a notebook shows."""

import html
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from vae_jax import data
from vae_jax.artifacts import arrays, draw
from vae_jax.artifacts.pretrained import folder as shared
from vae_jax.errors import InputError, one_of
from vae_jax.runs.run import Run
from vae_jax.runs.shown import picture_tag
from vae_jax.system import disk


class Picture(NamedTuple):
    """A drawn figure; as the last line of a notebook's cell it is shown."""

    figure: Any
    """A matplotlib Figure, a list of them, or the bytes of a GIF."""
    files: Mapping[str, bytes]
    """File name -> content."""

    def _repr_html_(self) -> str:
        return "".join(picture_tag(name, content) for name, content in self.files.items())

    def save(self, folder: str | Path = ".") -> list[Path]:
        """Write the files into a folder, and return their paths.

        Raises:
            InputError: the folder cannot be created or written.
        """
        paths = [disk.make_folder("folder", Path(folder)) / name for name in self.files]
        for path in paths:
            disk.write(path, self.files[path.name])
        return paths


class Page(NamedTuple):
    """The page of a run; as the last line of a notebook's cell it is shown in a frame."""

    text: str
    height: int

    def _repr_html_(self) -> str:
        style = f"width: 100%; height: {self.height}px; border: 1px solid #8884"
        # As ASCII, so that the scripts keep their hashes whatever encoding the notebook is served in.
        text = html.escape(self.text).encode("ascii", "xmlcharrefreplace").decode()
        return f'<iframe srcdoc="{text}" style="{style}"></iframe>'


def figure(
    run: Run,
    name: str,
    *,
    classes: tuple[str, str] | None = None,
    images: tuple[int, int] | None = None,
    points: int = 2500,
) -> Picture:
    """Draw a figure of a run on its test split. Nothing is written.

    Args:
        run: the trained model, from `load_run`.
        name: a figure that `vae-jax visualize` can draw, such as "manifold", "samples" or "tsne".
        classes: the ends of a walk, two classes by name or number.
        images: the ends of a walk, two test images.
        points: the most test images in a t-SNE map.

    Raises:
        InputError: there is no such figure, the run lacks what it shows, or its data cannot be read.
    """
    from vae_jax.artifacts import figures

    workdir = _directory(run)
    one_of("name", name, figures.FIGURES)
    request = arrays.Request(classes, images, points)
    source = draw.make_source(run, data.load(run.config), workdir, request)
    names, _ = figures.shown_names(source.class_names)
    drawn = next(draw.draw_figures(source._replace(class_names=names), {name: figures.FIGURES[name]}))
    if drawn.lacks:
        raise InputError(f"name={name}: does not fit this run, it needs {drawn.lacks}")
    if drawn.error is not None:
        raise drawn.error
    return Picture(drawn.figure, figures.as_files(name, drawn.figure))


def explore(run: Run, height: int = 900) -> Page:
    """Make the page of a run, whose latent space is explored in the notebook; nothing is written into its directory.

    Raises:
        InputError: the run was not loaded from a directory, or its data cannot be read.
    """
    from vae_jax.artifacts.report import write_report

    workdir = _directory(run)
    results = None if run.loaded_by is None else shared.results(workdir, run.step)
    with TemporaryDirectory() as folder:
        path = Path(folder) / "report.html"
        write_report(run, data.load(run.config), workdir, path, results)
        return Page(path.read_text(encoding="utf-8"), height)


def _directory(run: Run) -> Path:
    if run.workdir is None:
        raise InputError("a Run without a workdir has no figures and no page; load it with load_run or from_pretrained")
    return run.workdir
