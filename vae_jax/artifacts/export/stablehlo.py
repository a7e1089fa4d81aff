"""Programs that JAX runs without vae_jax: encode and decode, with weights, for CPU, CUDA and TPU and any number of images."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import export

from vae_jax.artifacts.export.file import Artefact, extra, sizes
from vae_jax.errors import InputError
from vae_jax.models import given
from vae_jax.runs.pair import OF_PRIOR
from vae_jax.runs.run import Run
from vae_jax.types import Code, Params, Posterior

PLATFORMS = ("cpu", "cuda", "tpu")
"""The platforms of a file: it has a branch for each if the networks compute differently there, and holds the weights once."""
LOAD = "from jax import export; {name} = export.deserialize(open(PATH, 'rb').read()).call  # {what}"


def make(run: Run, workdir: Path) -> list[Artefact]:
    """Make encode.stablehlo, and decode.stablehlo if pixels have means, serialised by `jax.export`.

    They compute in the run's dtype; inputs and outputs are float32.

    encode: images [N, H, W, C] in [0, 1] (a denoiser: any) -> {"mean": [N, Z], "logvar": [N, Z]} of a diagonal Gaussian;
    {"mean"} without a prior; {"z": [N, Z]}, the noise-free z, of any other posterior; {"codes"} of a discrete z, int32
    [N, h, w] on the grid of a convolutional network, [N, T] without one, and [N, h, w, R] with R codes at each place.
    decode: z [N, Z], or codes -> pixel means [N, H, W, C] in [0, 1]; with several layers z is that of the lowest. A code
    outside the range is taken as the nearest in it.
    Of a conditional model both take the labels, int32 [N], as a second argument.

    Raises:
        InputError: z is not a vector and has no codes, or a package is missing.
    """
    with extra("stablehlo"):
        import flatbuffers  # noqa: F401 - JAX's own need, which it leaves to the person
    if run.model.place is None and run.model.from_codes is None:
        raise InputError(
            f"model={run.config.model}: its z are no vectors of numbers for stablehlo; choices: safetensors"
        )
    discrete = bool(run.model.num_codes)
    shape, dtype = (run.model.grid, jnp.int32) if discrete else ((run.latents_size,), jnp.float32)
    encode, decode = _functions(run, jax.tree.map(jnp.asarray, run.params))
    conditional = run.model.given is not None and OF_PRIOR not in run.model.traits
    of_images, of_z = Rows(run.shape, jnp.float32, conditional), Rows(shape, dtype, conditional)
    outputs = "{" + ", ".join(map(repr, jax.eval_shape(encode, *of_images.shapes(1)))) + "}"
    made = [_artefact("encode", encode, of_images, " in [0, 1]", f"{outputs}, {sizes(shape)}")]
    if not run.draws_pixels:
        made.append(_artefact("decode", decode, of_z, "", f"{sizes(run.shape)} in [0, 1]"))
    return made


class Rows(NamedTuple):
    """The arguments of a function: one array [N, *shape], and labels [N] if the model is conditional."""

    shape: tuple[int, ...]
    dtype: Any
    conditional: bool

    def shapes(self, number: Any) -> list[jax.ShapeDtypeStruct]:
        """Return the shapes of so many rows, a number or its name."""
        labels = [jax.ShapeDtypeStruct((number,), jnp.int32)] * self.conditional
        return [jax.ShapeDtypeStruct((number, *self.shape), self.dtype), *labels]


def _functions(run: Run, params: Params) -> tuple[Callable[..., dict[str, jax.Array]], Callable[..., jax.Array]]:
    """Return the functions (images, labels) -> named outputs, and (z or codes, labels) -> pixel means."""

    def encode(x: jax.Array, labels: jax.Array | None = None) -> dict[str, jax.Array]:
        model = run.model if labels is None else given(run.model, labels)
        posterior = model.encode(params, x)
        if isinstance(posterior, Posterior | Code):
            return posterior._asdict()
        z = model.reparameterize(params, None, posterior).z
        if model.codes is None:
            return {"z": model.view(params, z)}
        return {"codes": model.codes(params, z).reshape(x.shape[0], *model.grid)}

    def decode(z: jax.Array, labels: jax.Array | None = None) -> jax.Array:
        model = run.model if labels is None else given(run.model, labels)
        assert model.pixel_mean is not None
        if model.from_codes is not None:
            codes = jnp.clip(z.reshape(z.shape[0], math.prod(model.grid)), 0, model.num_codes - 1)
            return model.pixel_mean(params, model.decode(params, model.from_codes(params, codes)))
        assert model.place is not None
        return model.pixel_mean(params, model.decode(params, model.place(params, z)))

    return encode, decode


def _artefact(name: str, function: Callable[..., Any], rows: Rows, given: str, found: str) -> Artefact:
    """Export a function for any number of rows; `given` and `found` describe what it takes and returns."""
    (number,) = export.symbolic_shape("N")
    program = export.export(jax.jit(function), platforms=PLATFORMS)(*rows.shapes(number))
    labels = ", labels int32 [N]" * rows.conditional
    what = f"{jnp.dtype(rows.dtype).name} {sizes(rows.shape)}{given}{labels} -> {found}"
    return Artefact(f"{name}.stablehlo", bytes(program.serialize()), LOAD.format(name=name, what=what))
