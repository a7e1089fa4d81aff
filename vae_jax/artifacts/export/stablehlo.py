"""Programs that JAX alone runs: encode and decode with their weights in them, for CPU, CUDA and TPU, any number of images."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
from jax import export

from vae_jax.artifacts.export.file import Artefact, extra, sizes
from vae_jax.runs.run import Run

PLATFORMS = ("cpu", "cuda", "tpu")
"""Each has a branch of its own in the file where the networks compute differently there; the weights are there once."""
LOAD = "from jax import export; {name} = export.deserialize(open(PATH, 'rb').read()).call  # {what}"


def make(run: Run, workdir: Path) -> list[Artefact]:
    """encode.stablehlo and decode.stablehlo, programs as `jax.export` serialises them. They compute what the run does, in
    its dtype; what goes in and comes out is float32.

    encode: images [N, H, W, C] in [0, 1] (a denoiser: any) -> {"mean": [N, Z], "logvar": [N, Z]}, logvar of a VAE only.
    decode: z [N, Z] -> pixel means [N, H, W, C] in [0, 1]; of a model of several layers z is the lowest's.

    Args:
        run: the trained model.
        workdir: not looked at.

    Raises:
        InputError: the package that serialises is not installed.
    """
    del workdir
    with extra("stablehlo"):
        import flatbuffers  # noqa: F401 - JAX's own need, which it leaves to the person
    model, size = run.model, run.config.latent_dim
    params = jax.tree.map(jnp.asarray, run.params)
    outputs = "{'mean', 'logvar'}" if model.log_prior is not None else "{'mean'}"
    encode = _exported(lambda x: model.encode(params, x)._asdict(), run.shape)
    decode = _exported(lambda z: model.pixel_mean(params, model.decode(params, z)), (size,))
    x, z = f"float32 {sizes(run.shape)} in [0, 1]", f"float32 {sizes((size,))}"
    return [
        Artefact("encode.stablehlo", encode, LOAD.format(name="encode", what=f"{x} -> {outputs}, {sizes((size,))}")),
        Artefact("decode.stablehlo", decode, LOAD.format(name="decode", what=f"{z} -> {sizes(run.shape)} in [0, 1]")),
    ]


def _exported(function: Callable[[jax.Array], Any], shape: tuple[int, ...]) -> bytes:
    """The program of a function of one array [N, *shape]."""
    (rows,) = export.symbolic_shape("N")
    program = export.export(jax.jit(function), platforms=PLATFORMS)
    return bytes(program(jax.ShapeDtypeStruct((rows, *shape), jnp.float32)).serialize())
