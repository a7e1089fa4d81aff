"""The codes of all images of a finished run, kept in its folder for other runs and other programs."""

import math
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int32, UInt8

from vae_jax import data
from vae_jax.data import codes as file
from vae_jax.data.digest import params_digest
from vae_jax.data.preprocess import make_preprocess
from vae_jax.data.spec import spec_of
from vae_jax.errors import InputError
from vae_jax.models import family_name, given, make_model
from vae_jax.randomness import keys_of
from vae_jax.runs.loading import load_parent
from vae_jax.runs.pair import PAIR, first_folder
from vae_jax.runs.run import Run
from vae_jax.runs.workdir import read_results, resume_command
from vae_jax.system import disk, processes
from vae_jax.types import Code, Config, Dataset, Model, Params, Posterior, Spec

BATCH = 500
"""The images of a device call. It does not depend on the config, so neither do the bits of a code."""


def write_codes(
    run: Run, folder: Path, flag: str = "--output", check: Callable[[Dataset], None] = lambda dataset: None
) -> tuple[Path, file.About]:
    """Write the codes of all splits of a run to codes.npz in `folder`, unless they are there; return its path and its facts.

    Binarised pixels are those of evaluation: with binarize=dynamic every training image has one draw.

    Args:
        run: the run that encodes the images.
        folder: the folder to write to.
        flag: the flag that names it.
        check: called with the images before anything is computed or written, to refuse them.

    Raises:
        InputError: the run is not finished, its z are neither discrete nor diagonal Gaussians nor points, the run is a
            density's, or the folder cannot be written.
    """
    kind = kind_of(run)
    path, digest = folder / file.FILE, params_digest(run.params)
    if run.workdir is not None and not read_results(run.workdir):
        named = "data_dir" if flag == "data_dir" else "--workdir"
        raise InputError(
            f"{named}={run.workdir}: the run is not finished, so its codes may change; choices: a finished run, or resume it: "
            f"{resume_command(run.workdir)}"
        )
    there = file.read_about(path)
    if there is not None and there.digest == digest:
        return path, there
    dataset = data.load(run.config)
    check(dataset)
    disk.make_folder(flag, folder)
    names = dataset.class_names
    about = file.About(kind, run.model.num_codes, digest, run.step, names)
    file.write(path, about, {name: _rows(run, dataset, name) for name in file.SPLITS})
    return path, about


def ready_codes(config: Config, check: Callable[[Dataset], None] = lambda dataset: None) -> None:
    """Write the codes of the run in `config.data_dir` into its folder, unless they are there. Collective.

    Nothing is written for a density that `make_model` or `check`, called with the images, refuses.

    Raises:
        InputError: see `load_parent` and `write_codes`; its codes are drawn, so that their rate is no code length; or the density
            does not fit them.
    """
    parent = load_parent(config)
    if parent.model.codes is not None and "deterministic" not in parent.model.traits:
        raise InputError(
            f"data_dir={config.data_dir}: model={parent.config.model} draws its codes, and a density is learned of one code for "
            "each image; choices: a run of model=quantized or ae, or of model=vae with posterior=diagonal"
        )

    def check_all(dataset: Dataset) -> None:
        check(dataset)
        make_model(config, _spec_of_codes(parent, dataset))

    def write() -> None:
        write_codes(parent, Path(config.data_dir), "data_dir", check_all)

    processes.first_alone(write)


def kind_of(run: Run) -> str:
    """Return the kind of a run's codes: `indices`, `latents` or `points`.

    Raises:
        InputError: they are of another kind, or the run is a density's, which encodes as its first run does.
    """
    if PAIR in run.model.traits:
        raise InputError(
            f"--workdir={run.workdir}: model=density: the run learned codes and has none of its own; choices: "
            f"--workdir={first_folder(run)}, the run whose codes it learned"
        )
    if run.model.codes is not None:
        return "indices"
    model = given(run.model, None if run.model.given is None else jnp.zeros(1, jnp.int32))
    posterior = jax.eval_shape(model.encode, run.params, jax.ShapeDtypeStruct((1, *run.shape), jnp.float32))
    z = jax.eval_shape(lambda params, posterior: model.reparameterize(params, None, posterior).z, run.params, posterior)
    if isinstance(z, jax.ShapeDtypeStruct):
        if model.rate is not None and isinstance(posterior, Posterior):
            return "latents"
        if model.rate is None and isinstance(posterior, Code):
            return "points"
    raise InputError(
        f"model={family_name(run.config)}: its posteriors are no diagonal Gaussians and its z are no codes; choices: model=vae "
        "with posterior=diagonal, model=ae, or a model with discrete codes, such as quantized"
    )


def _spec_of_codes(run: Run, dataset: Dataset) -> Spec:
    """Return the facts about the codes of a run, of which none is computed."""
    images, known = dataset.train.images[:1], run.labels_of(dataset, "train")
    encode, labels = _make_encode(run.config, run.model), None if known is None else known[:1]
    shape = jax.eval_shape(encode, run.params, jax.random.key(0), images, np.zeros(1, np.int32), labels).shape[1:]
    return spec_of(dataset, codes=(kind_of(run), run.model.num_codes, ""))._replace(shape=shape)


def _rows(run: Run, dataset: Dataset, name: str) -> file.Rows:
    """Return the codes of a split, computed BATCH images at a time."""
    images, labels = getattr(dataset, name)
    known = run.labels_of(dataset, name)
    encode = partial(jax.jit(_make_encode(run.config, run.model)), run.params, keys_of(run.config.seed)[2])
    found = []
    for start in range(0, len(images), BATCH):
        rows = np.arange(start, start + BATCH) % len(images)
        classes = None if known is None else known[rows]
        found.append(np.asarray(encode(images[rows], np.int32(rows), classes))[: len(images) - start])
    return file.Rows(np.concatenate(found), np.asarray(labels))


def _make_encode(config: Config, family: Model) -> Callable[..., Any]:
    """Make a function (params, key, images u8[B,H,W,C], their rows, their labels) -> codes [B, h, w, C]."""
    preprocess = make_preprocess(config.binarize)

    def encode(
        params: Params,
        key: Array,
        images: UInt8[Array, "B H W C"],
        rows: Int32[Array, " B"],
        labels: Int32[Array, " B"] | None,
    ) -> Array:
        # The key of an image's pixels is that of `evaluation.evaluate`.
        keys = jax.vmap(lambda row: jax.random.split(jax.random.fold_in(key, row))[0])(rows)
        x = jax.vmap(lambda key, image: preprocess(key, image[None])[0])(keys, images)
        model = given(family, labels)
        posterior = model.encode(params, x)
        if model.codes is not None:
            indices = model.codes(params, model.reparameterize(params, None, posterior).z)
            return indices.reshape(len(rows), *_places(model), -1)
        return jnp.concatenate([part.reshape(len(rows), *_places(model), -1) for part in posterior], axis=-1)

    return encode


def _places(model: Model) -> tuple[int, int]:
    """Return the height and the width of the grid of codes; a row of T codes is 1 x T, and a vector is 1 x 1."""
    grid = model.grid if len(model.grid) > 1 else (1, math.prod(model.grid))
    return grid[0], grid[1]
