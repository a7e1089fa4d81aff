"""The tables and the pictures of the study of tokenizers, made from the numbers of its finished rows."""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from experiments.benchmarks import record
from experiments.reproduce.pictures import rows_of_images
from experiments.reproduce.tokenizers_rows import BETA_NOTE, GRID, TABLES
from vae_jax import data
from vae_jax.data.preprocess import unit
from vae_jax.runs.run import Run
from vae_jax.system import disk

COLUMNS = (
    *("row", "mse", "psnr", "ssim", "codes used", "perplexity", "rate", "elbo", "saved", "elbo, learned prior"),
    *("parameters", "minutes: model", "prior"),
)
SURE = 0.9
"""The probability from which on the classifier counts as sure."""
SHOWN = 10
"""The number of test images in a picture."""

Numbers = dict[str, Any]


def rows_path() -> Path:
    """Return the file that holds the numbers of every finished row."""
    return record.ROOT / "reproduce" / "results" / "tokenizers" / "rows.json"


def stored() -> dict[str, dict[str, Numbers]]:
    """Return table -> row -> numbers."""
    path = rows_path()
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


def keep(table: str, row: str, numbers: Numbers, seconds: list[float]) -> None:
    """Add the numbers of a row; they replace those of an older one.

    `seconds` are those of its two runs. If one was trained before, so that there was nothing to do, its old time is kept.
    """
    kept = stored()
    rows = kept.setdefault(table, {})
    old = rows.get(row, {}).get("seconds", [0.0, 0.0])
    rows[row] = numbers | {"seconds": [max(pair) for pair in zip(old, seconds, strict=True)]}
    rows_path().parent.mkdir(parents=True, exist_ok=True)
    disk.write(rows_path(), json.dumps(kept, indent=1) + "\n")


def cells_of(row: str, numbers: Numbers) -> list[Any]:
    """Return the cells of a row."""
    used, perplexity = numbers["codes_used"], numbers["code_perplexity"]
    return [
        f"{row}, beta {numbers['beta']:g}" if row == GRID else row,
        f"{numbers['mse_mean']:.5f}",
        f"{numbers['psnr']:.2f}",
        f"{numbers['ssim']:.3f}",
        "" if used is None else f"{used:g}",
        "" if perplexity is None else f"{perplexity:.1f}",
        f"{numbers['kl']:.1f}",
        f"{numbers['elbo']:.1f}",
        f"{numbers['saved']:.2f} ± {numbers['saved_error']:.2f}",
        f"{numbers['learned_elbo']:.1f}",
        f"{numbers['parameters']:,}",
        *(f"{seconds / 60:.1f}" if seconds else "" for seconds in numbers["seconds"]),
    ]


def write(name: str, runs: Mapping[str, Run]) -> None:
    """Write the table of all finished rows, and the page; `runs` are the tokenizers that the picture shows."""
    kept, table = stored().get(name, {}), TABLES[name]
    rows = [row for row in table.rows if row in kept]
    betas = ", ".join(f"{beta:g}" for beta in table.betas)
    notes = [*table.notes, BETA_NOTE.format(betas=betas, nats=table.nats)]
    if missing := [row for row in table.rows if row not in kept]:
        notes.append(f"Not finished: {', '.join(missing)}.")
    command = f"python -m experiments.reproduce.tokenizers --table={name}"
    command += " --photos=DIR" if name == "photos" else ""
    picture = _side_by_side(runs) if runs else None
    cells = [cells_of(row, kept[row]) for row in rows]
    record.save(f"tokenizers_{name}", command, table.title, COLUMNS, cells, notes, picture, folder="reproduce")


def _side_by_side(runs: Mapping[str, Run]) -> bytes:
    """Draw test images, and below them their reconstructions by each run."""
    images = data.load(next(iter(runs.values())).config).test.images[:SHOWN]
    rows = {"test images": np.asarray(unit(images))} | {row: run.reconstruct(images) for row, run in runs.items()}
    return rows_of_images(rows, "Test images and their reconstructions")


def write_samples(found: Mapping[str, np.ndarray], samples: np.ndarray, class_names: tuple[str, ...]) -> None:
    """Write the table of what a classifier says of images, from its probabilities [N, Y], with a picture of samples."""
    from vae_jax.artifacts.figures import fig_samples, png_bytes

    rows = []
    for name, probabilities in found.items():
        sure = float((probabilities.max(axis=1) >= SURE).mean())
        error = math.sqrt(sure * (1 - sure) / len(probabilities))
        counts = np.bincount(probabilities.argmax(axis=1), minlength=len(class_names)) / len(probabilities)
        rows.append([name, len(probabilities), f"{100 * sure:.1f}% ± {100 * error:.1f}%"])
        rows[-1] += [f"{100 * share:.1f}%" for share in counts]
    record.save(
        "tokenizers_samples",
        "python -m experiments.reproduce.tokenizers --table=samples",
        "Samples of the VQ-VAE of MNIST, judged by a classifier",
        ("images", "number", f"at least {SURE:.0%} sure", *class_names),
        rows,
        (
            "The row vq of the table of MNIST. The classifier is a small convolutional network, fitted on the training images. "
            "Sure: its largest probability, with the binomial standard error. The other columns are the shares of images that it "
            "names so. Samples are pixel means. The picture shows samples of the learned prior.",
        ),
        png_bytes(fig_samples(samples)),
        folder="reproduce",
    )
