"""What a page calls of network.js, and decoders made by hand."""

from pathlib import Path

import jax
import numpy as np

import vae_jax.artifacts.report
from vae_jax.models import make_model
from vae_jax.models.networks import Layer, Layers
from vae_jax.runs.run import Run

SCRIPT = Path(vae_jax.artifacts.report.__file__).parent / "page" / "network.js"
TOLERANCE = 1e-4
RUN_JS = """({description, pixels, z, noise, label}) => {
  const network = VaeNetwork.load(description), list = (numbers) => numbers && Array.from(numbers);
  const posterior = pixels ? network.encode(Float32Array.from(pixels), label) : {};
  let drawn = 0;
  return {
    mean: list(posterior.mean),
    logvar: list(posterior.logvar),
    decoded: z && list(network.decode(Float32Array.from(z), label)),
    prior: noise && list(network.drawPrior(() => noise[drawn++])),
    facts: [network.shape, network.latentDim, network.withPrior],
  };
}"""
"""Arrays as lists, for they are what comes back from a page."""


def as_embedded(run, dtype):
    """Return the run with its parameters rounded like those in `embed`: JAX then computes what a browser should."""

    def rounded(leaf):
        array = np.asarray(leaf)
        return array.astype(dtype).astype(array.dtype) if np.issubdtype(array.dtype, np.floating) else array

    params = jax.tree.map(rounded, run.params)
    return Run(run.config, make_model(run.config, run.spec), params, run.spec, run.step)


def close(found, expected):
    expected = np.asarray(expected).reshape(-1)
    np.testing.assert_allclose(np.asarray(found, np.float64), expected, rtol=TOLERANCE, atol=TOLERANCE)


def plain(kernel, shape, *between, numbers=None, channels=1) -> Layers:
    """A decoder z -> z @ kernel -> [H, W, F] -> what is between -> pixel means by `numbers`, and an encoder that is not used."""
    size = kernel.shape[1]
    decoder = [Layer("dense", (size,), {"kernel": kernel, "bias": np.zeros(size, np.float32)}), Layer("reshape", shape)]
    decoder += between
    if numbers:
        decoder.append(Layer("pixel_mean", (*shape[:2], channels), {}, numbers))
    return Layers([Layer("reshape", (kernel.shape[0],))], decoder, [])
