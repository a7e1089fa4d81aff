"""A trained model as JSON for `network.js`, which runs it in a browser."""

import base64
from typing import Any, Literal

import numpy as np
from jaxtyping import Float

from vae_jax.models.networks import Layer, Layers
from vae_jax.models.networks.layers import num_inputs

Dtype = Literal["float16", "float32"]
STORED: dict[Dtype, str] = {"float16": "<f2", "float32": "<f4"}

LARGEST_EXACT = 250_000
"""The most weights that are embedded as float32: 1.3 MB of base64. Larger models are rounded."""
LARGEST_HALF = 6e4
"""The largest float16."""


def embedded_dtype(layers: Layers) -> Dtype:
    """Return the dtype in which `embed` stores weights: float32 if they are few, or float16 cannot hold one; else float16."""
    arrays = _arrays(layers)
    # A comparison that NaN fails too.
    fits = all(bool(np.all(np.abs(array) <= LARGEST_HALF)) for array in arrays)
    return "float16" if fits and sum(array.size for array in arrays) > LARGEST_EXACT else "float32"


def embed(
    layers: Layers,
    dtype: Dtype | None = None,
    draws: Float[np.ndarray, "N Z"] | None = None,
    with_prior: bool | None = None,
    num_codes: int = 0,
) -> dict[str, Any]:
    """Return the argument of `VaeNetwork.load` in network.js, ready for `json.dumps`.

    Args:
        layers: see `Model.layers`.
        dtype: the dtype of the stored weights; None: `embedded_dtype`.
        draws: draws from the prior, for one that is learned and that the layers do not draw from.
        with_prior: True if the model has a prior; None: it has one if the encoder returns a logvar.
        num_codes: K, the values of each code of a discrete z; 0 for another.

    Returns:
        dtype; shape [H, W, C]; latent_dim Z, the size in which z is stored, or the number of codes; num_codes K;
        with_prior; with_logvar, true if the encoder returns mean and logvar, and not the noise-free z or its codes; encoder,
        decoder and prior, lists of {kind, output, numbers, arrays}, an array being {offset, shape} with the offset in numbers,
        not bytes; weights, the base64 of one little-endian buffer that holds all arrays; draws, `packed`, or null.
    """
    layers = fold_labels(layers)
    dtype, arrays, offsets = dtype or embedded_dtype(layers), _arrays(layers), {}
    for array, end in zip(arrays, np.cumsum([array.size for array in arrays]).tolist(), strict=True):
        offsets[id(array)] = end - array.size
    described = {name: [_describe(layer, offsets) for layer in side] for name, side in layers._asdict().items()}
    buffer = b"".join(array.astype(STORED[dtype]).tobytes() for array in arrays)
    latent_dim = num_inputs(layers.decoder)
    with_logvar = bool(layers.encoder) and layers.encoder[-1].output == (2 * latent_dim,)
    return {
        "dtype": dtype,
        "shape": list(layers.decoder[-1].output),
        "latent_dim": latent_dim,
        "num_codes": num_codes,
        "with_prior": with_logvar if with_prior is None else with_prior,
        "with_logvar": with_logvar,
        **described,
        "weights": base64.b64encode(buffer).decode(),
        "draws": None if draws is None else packed(draws),
    }


def fold_labels(layers: Layers) -> Layers:
    """Return layers whose dense encoder gets the label once, behind all pixels, and not beside each of them.

    The label is the same at every pixel, so the weights of a class are summed over pixels: the result is the same, and the
    encoder of a conditional model is a tenth as large. Other layers are returned as they are.
    """
    if [layer.kind for layer in layers.encoder[:3]] != ["label", "reshape", "dense"]:
        return layers
    label, flatten, dense, *rest = layers.encoder
    kernel, classes = dense.arrays["kernel"], label.numbers["classes"]
    by_pixel = kernel.reshape(-1, label.output[-1], kernel.shape[1])
    of_pixels = by_pixel[:, :-classes].reshape(-1, kernel.shape[1])
    of_classes = by_pixel[:, -classes:].sum(axis=0, dtype=np.float64).astype(kernel.dtype)
    folded = dense._replace(arrays=dense.arrays | {"kernel": np.concatenate([of_pixels, of_classes])})
    before = [flatten._replace(output=(len(of_pixels),)), label._replace(output=(len(of_pixels) + classes,))]
    return layers._replace(encoder=[*before, folded, *rest])


def packed(array: np.ndarray, dtype: Dtype | None = None) -> dict[str, Any]:
    """Return an array as `VaeNetwork.unpack` takes it: {dtype, shape, numbers}.

    Without a dtype it is stored like the weights: float16 if its numbers are many. Float16 takes only arrays that it can hold.
    """
    fits = bool(np.all(np.abs(array) <= LARGEST_HALF))
    rounded = array.size > LARGEST_EXACT if dtype is None else dtype == "float16"
    chosen: Dtype = "float16" if fits and rounded else "float32"
    numbers = base64.b64encode(array.astype(STORED[chosen]).tobytes()).decode()
    return {"dtype": chosen, "shape": list(array.shape), "numbers": numbers}


def _arrays(layers: Layers) -> list[np.ndarray]:
    """Return all arrays in their order, one that two layers share once."""
    found = [array for side in layers for layer in side for array in layer.arrays.values()]
    return list({id(array): array for array in found}.values())


def _describe(layer: Layer, offsets: dict[int, int]) -> dict[str, Any]:
    """Return the layer without its weights, which start at the offset of each array's id."""
    arrays = {name: {"offset": offsets[id(array)], "shape": list(array.shape)} for name, array in layer.arrays.items()}
    return {"kind": layer.kind, "output": list(layer.output), "numbers": layer.numbers, "arrays": arrays}
