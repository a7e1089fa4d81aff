"""Programs that JAX runs without vae_jax: encode and decode, with weights, for CPU, CUDA and TPU and any number of images."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
from jax import export

from vae_jax.artifacts.export.file import Artefact, extra, sizes
from vae_jax.errors import InputError
from vae_jax.models import given
from vae_jax.runs.run import Run

PLATFORMS = ("cpu", "cuda", "tpu")
"""The platforms of a file: it has a branch for each if the networks compute differently there, and holds the weights once."""
LOAD = "from jax import export; {name} = export.deserialize(open(PATH, 'rb').read()).call  # {what}"


def make(run: Run, workdir: Path) -> list[Artefact]:
    """Make encode.stablehlo and decode.stablehlo, serialised by `jax.export`.

    They compute in the run's dtype; inputs and outputs are float32.

    encode: images [N, H, W, C] in [0, 1] (a denoiser: any) -> {"mean": [N, Z], "logvar": [N, Z]}, logvar for a VAE only.
    decode: z [N, Z] -> pixel means [N, H, W, C] in [0, 1]; with several layers z is that of the lowest.
    Of a conditional model both take the labels, int32 [N], as a second argument.

    Raises:
        InputError: z is not a vector, or a package is missing.
    """
    with extra("stablehlo"):
        import flatbuffers  # noqa: F401 - JAX's own need, which it leaves to the person
    size, conditional = run.config.latent_dim, run.model.given is not None
    if run.model.place is None:
        raise InputError(
            f"model={run.config.model}: its z are no vectors of numbers for stablehlo; choices: safetensors"
        )
    params = jax.tree.map(jnp.asarray, run.params)
    outputs = "{'mean', 'logvar'}" if run.model.rate is not None else "{'mean'}"

    def encode_rows(x: jax.Array, labels: jax.Array | None = None) -> dict[str, jax.Array]:
        return given(run.model, labels).encode(params, x)._asdict()

    def decode_rows(z: jax.Array, labels: jax.Array | None = None) -> jax.Array:
        model = given(run.model, labels)
        assert model.place is not None
        return model.pixel_mean(params, model.decode(params, model.place(params, z)))

    encode, decode = _exported(encode_rows, run.shape, conditional), _exported(decode_rows, (size,), conditional)
    labels = ", labels int32 [N]" * conditional
    x, z = f"float32 {sizes(run.shape)} in [0, 1]{labels}", f"float32 {sizes((size,))}{labels}"
    return [
        Artefact("encode.stablehlo", encode, LOAD.format(name="encode", what=f"{x} -> {outputs}, {sizes((size,))}")),
        Artefact("decode.stablehlo", decode, LOAD.format(name="decode", what=f"{z} -> {sizes(run.shape)} in [0, 1]")),
    ]


def _exported(function: Callable[..., Any], shape: tuple[int, ...], conditional: bool) -> bytes:
    """Export a function of one array [N, *shape], and of labels [N] if the model is conditional."""
    (rows,) = export.symbolic_shape("N")
    program = export.export(jax.jit(function), platforms=PLATFORMS)
    labels = [jax.ShapeDtypeStruct((rows,), jnp.int32)] * conditional
    return bytes(program(jax.ShapeDtypeStruct((rows, *shape), jnp.float32), *labels).serialize())
