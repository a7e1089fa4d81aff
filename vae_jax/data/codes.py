"""The file with the codes of a run, which may be the data of another run: codes.npz."""

import io
import json
import os
import zipfile
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float32, Int32

from vae_jax.data.moved import assert_there
from vae_jax.data.source import Source
from vae_jax.errors import InputError
from vae_jax.system import disk
from vae_jax.types import Config, Split

FILE = "codes.npz"
SPLITS = ("train", "val", "test")
_ABOUT = "about"

Codes = Int32[np.ndarray, "N h w R"] | Float32[np.ndarray, "N h w C"]


class About(NamedTuple):
    """The facts about a file of codes."""

    kind: str
    """indices: whole numbers from 0 to `num_codes` - 1, R of them at each place of a grid h x w. latents: the means of c latent
    dimensions at each place and behind them their log variances, C = 2 c. points: the C numbers of a code without noise."""
    num_codes: int
    """K; 0 for latents and points."""
    digest: str
    """A hash of the parameters of the run that encoded the images."""
    step: int
    """The training step of those parameters."""
    class_names: tuple[str, ...]
    """The names of labels 0, 1, ...; empty if there are no labels."""


class Rows(NamedTuple):
    """The codes of a split."""

    codes: Codes
    labels: Int32[np.ndarray, " N"]


def write(path: Path, about: About, splits: dict[str, Rows]) -> None:
    """Write a file of codes with the arrays train_codes, train_labels, val_codes, ..., whole or not at all.

    Raises:
        TrainingError: the disk is full.
    """
    arrays = {f"{name}_{field}": array for name, rows in splits.items() for field, array in rows._asdict().items()}
    buffer = io.BytesIO()
    np.savez(buffer, **arrays | {_ABOUT: np.array(json.dumps(about._asdict()))})  # pyright: ignore[reportArgumentType]
    # Two densities may need them at once; each writes the same bytes to a name of its own.
    own = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    disk.write(own, buffer.getvalue())
    os.replace(own, path)


def read_about(path: Path) -> About | None:
    """Return the facts about a file of codes; None if it is missing or damaged."""
    try:
        # NumPy leaves a file open in which it finds no archive.
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as file:
            facts = json.loads(str(file[_ABOUT]))
        return About(**facts | {"class_names": tuple(facts["class_names"])})
    except (OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile):
        return None


def read(path: Path) -> tuple[About, dict[str, Rows]]:
    """Return the facts and the splits of a file of codes.

    Raises:
        InputError: it is missing, or no such file.
    """
    about = read_about(path)
    if about is None:
        state = "damaged, or no file of codes" if path.exists() else "no such file"
        raise InputError(f"{path}: {state}; vae-jax codes --workdir={path.parent} writes it")
    with np.load(path, allow_pickle=False) as file:
        return about, {name: Rows(*(file[f"{name}_{field}"] for field in Rows._fields)) for name in SPLITS}


def load_codes(config: Config) -> Source:
    """Load the codes of the run in the folder `data_dir`, split as its images are.

    Raises:
        InputError: there are none, or the file has indices that are no codes, or numbers that are not finite.
    """
    path = folder_of(config) / FILE
    about, rows = read(path)
    _assert_known(path, about, rows)
    train, val, test = (Split(*rows[name]) for name in SPLITS)
    return Source(train, test, about.class_names, val)


def _assert_known(path: Path, about: About, splits: dict[str, Rows]) -> None:
    again = f"delete the file, and vae-jax codes --workdir={path.parent} writes it again"
    for name, rows in splits.items():
        if about.num_codes and len(outside := rows.codes[(rows.codes < 0) | (rows.codes >= about.num_codes)]):
            raise InputError(
                f"{path}: {name}_codes has the index {outside[0]}; choices: 0 to {about.num_codes - 1}; {again}"
            )
        if not np.isfinite(rows.codes).all():
            raise InputError(f"{path}: {name}_codes has numbers that are not finite; {again}")


def folder_of(config: Config) -> Path:
    """Return the folder of the run whose codes are the data.

    Raises:
        InputError: none is named, or it is missing.
    """
    if not config.data_dir:
        raise InputError("data_dir=: dataset=codes needs the folder of a finished run; choices: data_dir=RUN")
    assert_there({"data_dir": config.data_dir})
    return Path(config.data_dir)


def encoded_by(config: Config) -> tuple[str, int, str] | None:
    """Return the kind, the number and the origin of the codes that are the data, see `Spec.codes`; None for images."""
    if config.dataset != "codes":
        return None
    about = read_about(folder_of(config) / FILE)
    assert about is not None, "`load_codes` has read the file"
    return about.kind, about.num_codes, about.digest
