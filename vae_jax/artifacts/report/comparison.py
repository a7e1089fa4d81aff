"""The page of several runs: what differs, their numbers and curves, reconstructions, samples and codes."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import UInt8

from vae_jax import data
from vae_jax.artifacts.arrays import examples, labels_of_examples
from vae_jax.artifacts.report import best_values, code_plane, facts, measured, naming, overlay
from vae_jax.artifacts.report.page import address, render
from vae_jax.artifacts.report.sprites import sheet
from vae_jax.data.preprocess import kind_of_pixels
from vae_jax.errors import InputError
from vae_jax.runs import workdir as workdir_lib
from vae_jax.runs.loading import load_run
from vae_jax.runs.pair import PAIR
from vae_jax.runs.run import Run
from vae_jax.system import disk
from vae_jax.types import Config

SCRIPTS = ("vendor/uPlot.iife.min.js", "curves.js", "table.js", "compare.js")
NUM_IMAGES = 16


class Compared(NamedTuple):
    """A run on the page."""

    workdir: Path
    named_by: Config
    """The config of the run itself, by which the page tells it from the others."""
    config: Config
    """The config of its model, for a density that of the pair."""
    kind: overlay.Kind
    complete: bool
    state: str
    results: dict[str, Any]
    curves: list[dict[str, Any]]
    originals: UInt8[np.ndarray, "N H W C"]
    reconstructions: UInt8[np.ndarray, "N H W C"]
    samples: UInt8[np.ndarray, "N H W C"] | None
    plane: dict[str, Any] | None


def write_comparison(workdirs: Sequence[Path], path: Path) -> None:
    """Write one page to `path` for at least one run, with the best checkpoint of each.

    Raises:
        InputError: a workdir is not a run, or has no checkpoint.
        TrainingError: the disk is full.
    """
    write_page([_read(workdir) for workdir in workdirs], path)


def write_page(compared: Sequence[Compared], path: Path) -> None:
    """Write the page of what was read of at least one run."""
    runs = _told_apart(compared)
    configs = [run.named_by for run in runs]
    names = naming.named(configs, [run.workdir.name for run in runs])
    keys = naming.differing(configs)
    entries = [_entry(run, own, path.parent) for run, own in zip(runs, names, strict=True)]
    kinds = dict.fromkeys(run.kind.text for run in runs)
    tables = [
        best_values.table(kind, [one for one, run in zip(entries, runs, strict=True) if run.kind.text == kind], keys)
        for kind in kinds
    ]
    groups = {own.place: own.group for own in names}
    several = len(groups) < len(runs)
    text = render(
        "compare.html.j2",
        SCRIPTS,
        {
            "curves": overlay.overlaid([(own, run.kind, run.curves) for own, run in zip(names, runs, strict=True)]),
            "groups": [{"name": name, "place": place} for place, name in groups.items()],
            "several": several,
            "planes": [run.plane for run in runs],
        },
        title=f"{len(runs)} runs compared",
        name=", ".join(run.workdir.name for run in runs),
        several=several,
        keys=keys,
        tables=tables,
        pictures=_pictures(runs, names),
        cards=[(one, run.plane, _url(run.samples)) for one, run in zip(entries, runs, strict=True)],
        legend=code_plane.legend([run.plane for run in runs]),
    )
    disk.write(path, text)


def _read(workdir: Path) -> Compared:
    try:
        run = load_run(workdir)
    except InputError as error:
        raise InputError(str(error).replace("--workdir=", "--workdirs=", 1)) from None
    results = workdir_lib.read_results(workdir)
    stands = facts.standing(workdir, run.config, results)
    dataset = data.load(run.config)
    images = examples(dataset.test, NUM_IMAGES)
    given = labels_of_examples(run.labels_of(dataset, "test"), NUM_IMAGES)
    pixels = f"{kind_of_pixels(run.config.binarize, run.shape[2])} pixels"
    best = f", best {results['best_epoch']:g}" if stands.complete else f" of {run.config.num_epochs}"
    return Compared(
        workdir.resolve(),
        workdir_lib.read_config(workdir),
        run.config,
        overlay.Kind(
            pixels,
            run.config.likelihood,
            ", given the label" * (given is not None),
            ", from noisy images" * run.corrupts,
            "a density of codes" if PAIR in run.model.traits else "",
        ),
        stands.complete,
        f"{'complete' if stands.complete else 'not complete'}: epoch {stands.epochs:g}{best}",
        results if stands.complete else {},
        measured.curves(workdir),
        np.array(images),
        _reconstructed(run, images, given),
        None if run.model.prior is None else _as_bytes(run.sample(len(images), run.config.seed, given)),
        code_plane.of_test_images(run, dataset),
    )


def _told_apart(runs: Sequence[Compared]) -> list[Compared]:
    """Return the runs with the name of their images and the settings of their loss in their kind, if these differ."""
    losses = naming.losses([run.config for run in runs])
    runs = [
        run._replace(kind=run.kind._replace(loss=run.kind.loss or loss)) for run, loss in zip(runs, losses, strict=True)
    ]
    sets = [(facts.data_name(run.config), run.originals.shape[1:]) for run in runs]
    if len(set(sets)) == 1:
        return runs
    words = [
        f"{run.kind.pixels} of {name} {shape[0]} x {shape[1]}" for run, (name, shape) in zip(runs, sets, strict=True)
    ]
    return [run._replace(kind=run.kind._replace(pixels=text)) for run, text in zip(runs, words, strict=True)]


def _entry(run: Compared, names: naming.Named, folder: Path) -> best_values.Entry:
    page = run.workdir / workdir_lib.PAGE
    link = address(page, folder) if page.is_file() else ""
    return best_values.Entry(names, run.named_by, run.results, run.state, run.workdir.name, link)


def _reconstructed(run: Run, images: np.ndarray, labels: np.ndarray | None) -> UInt8[np.ndarray, "N H W C"]:
    """Reconstruct images; a denoiser gets them with its noise, a conditional model with their labels."""
    seen = run.corrupt(images, run.config.seed) if run.corrupts else images
    return _as_bytes(run.reconstruct(seen, labels))


def _as_bytes(pixels: np.ndarray) -> UInt8[np.ndarray, "N H W C"]:
    return np.round(255 * np.nan_to_num(pixels)).astype(np.uint8)


def _pictures(runs: Sequence[Compared], names: Sequence[naming.Named]) -> list[tuple[str, str]]:
    """Return (label, address of the picture): originals, then every run's; nothing if the runs' test images differ."""
    first = runs[0].originals
    if any(run.originals.shape != first.shape or not np.array_equal(run.originals, first) for run in runs):
        return []
    own = [(names.name, run.reconstructions) for names, run in zip(names, runs, strict=True)]
    return [(name, sheet(images, columns=len(images))["url"]) for name, images in [("the test images", first), *own]]


def _url(images: np.ndarray | None) -> str:
    return "" if images is None else sheet(images)["url"]
