"""The page of several runs: the keys that differ, their numbers, and each run's reconstructions of the same images."""

import string
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import UInt8

from vae_jax import data
from vae_jax.artifacts.arrays import examples, labels_of_examples
from vae_jax.artifacts.report import facts, measured
from vae_jax.artifacts.report.page import render
from vae_jax.artifacts.report.sprites import sheet
from vae_jax.config import KEYS, flatten
from vae_jax.data.preprocess import kind_of_pixels
from vae_jax.runs import workdir as workdir_lib
from vae_jax.runs.loading import load_run
from vae_jax.runs.run import Run
from vae_jax.system import disk
from vae_jax.system.formatting import format_value
from vae_jax.types import Config

SCRIPTS = ("vendor/uPlot.iife.min.js", "curves.js", "main.js")
NUM_IMAGES = 16


class Compared(NamedTuple):
    """A run on the page."""

    letter: str
    name: str
    progress: str
    kind: str
    """The kind of pixels and likelihood of its numbers; different kinds never share a column or a chart."""
    config: Config
    results: dict[str, Any]
    curves: list[dict[str, Any]]
    originals: UInt8[np.ndarray, "N H W C"]
    reconstructions: UInt8[np.ndarray, "N H W C"]


def write_comparison(workdirs: Sequence[Path], path: Path) -> None:
    """Write one page to `path` for at least one run, with the best checkpoint of each.

    Raises:
        InputError: a workdir is not a run, or has no checkpoint.
        TrainingError: the disk is full.
    """
    runs = [_read(letter, workdir) for letter, workdir in zip(_letters(len(workdirs)), workdirs, strict=True)]
    keys = differing([run.config for run in runs])
    text = render(
        "compare.html.j2",
        SCRIPTS,
        {"curves": overlaid([(run.letter, run.kind, run.curves) for run in runs])},
        title="Runs compared",
        name=", ".join(run.name for run in runs),
        runs=runs,
        keys=keys,
        tables=[_table(kind, runs, keys) for kind in dict.fromkeys(run.kind for run in runs)],
        pictures=_pictures(runs),
    )
    disk.write(path, text)


def _letters(count: int) -> list[str]:
    """Return A, B, ..., Z, then R27, R28, ..."""
    return [string.ascii_uppercase[i] if i < 26 else f"R{i + 1}" for i in range(count)]


def _read(letter: str, workdir: Path) -> Compared:
    run = load_run(workdir)
    results = workdir_lib.read_results(workdir)
    stands = facts.standing(workdir, run.config, results)
    dataset = data.load(run.config)
    images = examples(dataset.test, NUM_IMAGES)
    given = labels_of_examples(run.labels_of(dataset, "test"), NUM_IMAGES)
    return Compared(
        letter,
        workdir.resolve().name,
        stands.text,
        f"{kind_of_pixels(run.config.binarize, run.shape[2])} pixels, {run.config.likelihood}"
        + ", given the label" * (given is not None),
        run.config,
        results if stands.complete else {},
        measured.curves(workdir),
        np.array(images),
        _shown(run, images, given),
    )


def _shown(run: Run, images: np.ndarray, labels: np.ndarray | None) -> UInt8[np.ndarray, "N H W C"]:
    """Reconstruct images; a denoiser gets them with its noise, a conditional model with their labels."""
    seen = run.corrupt(images, run.config.seed) if run.corrupts else images
    return np.round(255 * run.reconstruct(seen, labels)).astype(np.uint8)


def differing(configs: Sequence[Config]) -> list[str]:
    """Return the keys whose values differ between configs; folders do not count."""
    flats = [flatten(config) for config in configs]
    names = [key.name for key in KEYS if not key.name.endswith("_dir")]
    return [name for name in names if len({repr(flat[name]) for flat in flats}) > 1]


def _table(kind: str, runs: Sequence[Compared], keys: Sequence[str]) -> dict[str, Any]:
    """Return {kind, metrics, rows} of the runs of one kind."""
    own = [run for run in runs if run.kind == kind]
    found = dict.fromkeys(name for run in own for name in run.results if name.startswith("test/"))
    metrics = [name.removeprefix("test/") for name in found]
    rows = []
    for run in own:
        values = [facts.shown(flatten(run.config)[key]) for key in keys]
        rows.append((run, values, [format_value(name, run.results.get(f"test/{name}")) for name in metrics]))
    return {"kind": kind, "metrics": metrics, "rows": rows}


def overlaid(runs: Sequence[tuple[str, str, list[dict[str, Any]]]]) -> list[dict[str, Any]]:
    """Return one chart per metric, and per kind if kinds differ, from (letter, kind, curves of `measured.curves`).

    The curves are of validation, or of training if there is none. A run's `place` is the number of its colour in all charts."""
    charts: dict[tuple[str, str], dict[str, Any]] = {}
    for place, (letter, kind, curves) in enumerate(runs):
        for curve in curves:
            line = curve["series"][-1]
            # A squared error of the same pixels is one whatever the likelihood.
            kept = kind.partition(",")[0] if curve["name"] == "mse" else kind
            chart = charts.setdefault((curve["name"], kept), {**curve, "series": []})
            chart["series"].append({**line, "name": f"{letter} {line['name']}", "place": place})
    names = [name for name, _ in charts]
    for (name, kind), chart in charts.items():
        chart["name"] = f"{name}, {kind}" if names.count(name) > 1 else name
    return [chart for name in dict.fromkeys(names) for (own, _), chart in charts.items() if own == name]


def _pictures(runs: Sequence[Compared]) -> list[tuple[str, str]]:
    """Return (label, address of the picture): originals, then every run's; nothing if the runs' test images differ."""
    first = runs[0].originals
    if any(run.originals.shape != first.shape or not np.array_equal(run.originals, first) for run in runs):
        return []
    rows = [("the test images", first), *((f"{run.letter}: {run.name}", run.reconstructions) for run in runs)]
    return [(name, sheet(images, columns=len(images))["url"]) for name, images in rows]
