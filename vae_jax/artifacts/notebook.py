"""Figures and the page of a run as objects that a notebook shows."""

import html
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import numpy as np

from vae_jax import data
from vae_jax.artifacts import arrays, draw
from vae_jax.artifacts.about import OWN
from vae_jax.artifacts.pretrained import folder as shared
from vae_jax.errors import InputError, one_of, shown
from vae_jax.runs.labelled import assert_run
from vae_jax.runs.run import Run
from vae_jax.runs.shown import picture_tag
from vae_jax.system import disk
from vae_jax.types import Dataset


class Picture(NamedTuple):
    """A drawn figure; as the last line of a notebook's cell it is shown."""

    figure: Any
    """A matplotlib Figure, a list of them, or the bytes of a GIF."""
    files: Mapping[str, bytes]
    """File name -> content."""

    def __repr__(self) -> str:
        return f"<Picture: {', '.join(self.files)}; save() writes it>"

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

    def __repr__(self) -> str:
        return f"<Page: {len(self.text):,} characters, shown by a notebook; for a browser: vae-jax report>"

    def _repr_html_(self) -> str:
        style = f"width: 100%; height: {self.height}px; border: 1px solid #8884"
        # As ASCII, so that the scripts keep their hashes whatever encoding the notebook is served in.
        text = html.escape(self.text).encode("ascii", "xmlcharrefreplace").decode()
        return f'<iframe srcdoc="{text}" style="{style}"></iframe>'


def figure(
    run: Run,
    name: str,
    *,
    classes: tuple[str | int, str | int] | None = None,
    images: tuple[int, int] | None = None,
    points: int = 2500,
) -> Picture:
    """Draw a figure of a run on its test split. Nothing is written.

    Args:
        run: the trained model, from `load_run`.
        name: a figure that `vae-jax visualize` can draw, such as "manifold", "samples" or "tsne".
        classes: the ends of a walk, two classes by name or number.
        images: the ends of a walk, two test images by number.
        points: the most test images in a t-SNE map.

    Raises:
        InputError: not a Run; there is no such figure; the run lacks what it shows, or no test image is of a class; its data
            cannot be read, or are its author's own and not shared.
    """
    from vae_jax.artifacts import figures

    workdir = _directory(run)
    one_of("name", str(name), figures.FIGURES)
    request = arrays.Request(_two("classes", classes, (str, int)), _two("images", images, (int,)), points)
    source = draw.make_source(run, _data(run, name), workdir, request)
    names, _ = figures.shown_names(source.class_names)
    try:
        drawn = next(draw.draw_figures(source._replace(class_names=names), {name: figures.FIGURES[name]}))
    except InputError as error:  # of the request, by the flags of vae-jax visualize
        raise InputError(str(error).replace("--numbers", "classes").replace("--images", "images")) from None
    if drawn.lacks:
        raise InputError(f"name={name}: does not fit this run, it needs {drawn.lacks}")
    if drawn.error is not None:
        raise drawn.error
    return Picture(drawn.figure, figures.as_files(name, drawn.figure))


def explore(run: Run, height: int = 900) -> Page:
    """Make the page of a run, whose latent space is explored in the notebook; nothing is written into its directory.

    Raises:
        InputError: not a Run, or one that was not loaded from a directory; its data cannot be read, or are its author's own and
            not shared.
    """
    from vae_jax.artifacts.report import write_report

    workdir = _directory(run)
    results = None if run.loaded_by is None else shared.results(workdir, run.step)
    with TemporaryDirectory() as folder:
        path = Path(folder) / "report.html"
        write_report(run, _data(run), workdir, path, results)
        return Page(path.read_text(encoding="utf-8"), height)


def _data(run: Run, name: str = "") -> Dataset:
    """Return the data of a figure, or of the page; those of a shared run may be its author's own, and are not shared."""
    if run.loaded_by is None:
        return data.load(run.config)
    if name in draw.WITHOUT_IMAGES and run.model.prior is not None:
        return draw.classes_alone(run.spec)
    if run.config.dataset in OWN:
        drawn = f"; choices: {', '.join(draw.WITHOUT_IMAGES)}" if run.model.prior is not None and name else ""
        what = f"name={name}" if name else "the page"
        raise InputError(f"{what}: shows the images of a data set, and those of its author are not shared{drawn}")
    return data.load(run.config)


def _two(name: str, ends: Any, kinds: tuple[type, ...]) -> Any:
    """Return the two ends of a walk, or None; InputError if they are not two of these types."""
    if ends is None:
        return None
    two = tuple(ends) if isinstance(ends, list | tuple | np.ndarray) else ()
    two = tuple(end.item() if isinstance(end, np.generic) else end for end in two)
    if len(two) != 2 or not all(isinstance(end, kinds) for end in two):
        words = "names or numbers" if str in kinds else "numbers"
        raise InputError(f"{name}={shown(ends)}: not two {words}; choices: such as {name}=(3, 7)")
    return two


def _directory(run: Any) -> Path:
    assert_run(run)
    if run.workdir is None:
        raise InputError("a Run without a workdir has no figures and no page; load it with load_run or from_pretrained")
    return run.workdir
