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
from vae_jax.types import Code, Posterior

PLATFORMS = ("cpu", "cuda", "tpu")
"""The platforms of a file: it has a branch for each if the networks compute differently there, and holds the weights once."""
LOAD = "from jax import export; {name} = export.deserialize(open(PATH, 'rb').read()).call  # {what}"


def make(run: Run, workdir: Path) -> list[Artefact]:
    """Make encode.stablehlo, and decode.stablehlo if pixels have means, serialised by `jax.export`.

    They compute in the run's dtype; inputs and outputs are float32.

    encode: images [N, H, W, C] in [0, 1] (a denoiser: any) -> {"mean": [N, Z], "logvar": [N, Z]} of a diagonal Gaussian;
    {"mean"} without a prior; {"z": [N, Z]}, the noise-free z, of any other posterior.
    decode: z [N, Z] -> pixel means [N, H, W, C] in [0, 1]; with several layers z is that of the lowest.
    Of a conditional model both take the labels, int32 [N], as a second argument.

    Raises:
        InputError: z is not a vector, or a package is missing.
    """
    with extra("stablehlo"):
        import flatbuffers  # noqa: F401 - JAX's own need, which it leaves to the person
    conditional = run.model.given is not None
    if run.model.place is None:
        raise InputError(
            f"model={run.config.model}: its z are no vectors of numbers for stablehlo; choices: safetensors"
        )
    params, size = jax.tree.map(jnp.asarray, run.params), run.latents_size

    def encode_rows(x: jax.Array, labels: jax.Array | None = None) -> dict[str, jax.Array]:
        model = given(run.model, labels)
        posterior = model.encode(params, x)
        if isinstance(posterior, Posterior | Code):
            return posterior._asdict()
        return {"z": model.view(params, model.reparameterize(params, None, posterior).z)}

    def decode_rows(z: jax.Array, labels: jax.Array | None = None) -> jax.Array:
        model = given(run.model, labels)
        assert model.place is not None
        assert model.pixel_mean is not None
        return model.pixel_mean(params, model.decode(params, model.place(params, z)))

    encode = _exported(encode_rows, run.shape, conditional)
    outputs = "{" + ", ".join(map(repr, jax.eval_shape(encode_rows, *_rows(1, run.shape, conditional)))) + "}"
    labels = ", labels int32 [N]" * conditional
    x, z = f"float32 {sizes(run.shape)} in [0, 1]{labels}", f"float32 {sizes((size,))}{labels}"
    what = f"{x} -> {outputs}, {sizes((size,))}"
    made = [Artefact("encode.stablehlo", encode, LOAD.format(name="encode", what=what))]
    if not run.draws_pixels:
        decode, what = _exported(decode_rows, (size,), conditional), f"{z} -> {sizes(run.shape)} in [0, 1]"
        made.append(Artefact("decode.stablehlo", decode, LOAD.format(name="decode", what=what)))
    return made


def _exported(function: Callable[..., Any], shape: tuple[int, ...], conditional: bool) -> bytes:
    """Export a function of one array [N, *shape], and of labels [N] if the model is conditional."""
    (rows,) = export.symbolic_shape("N")
    program = export.export(jax.jit(function), platforms=PLATFORMS)
    return bytes(program(*_rows(rows, shape, conditional)).serialize())


def _rows(number: Any, shape: tuple[int, ...], conditional: bool) -> list[jax.ShapeDtypeStruct]:
    labels = [jax.ShapeDtypeStruct((number,), jnp.int32)] * conditional
    return [jax.ShapeDtypeStruct((number, *shape), jnp.float32), *labels]
