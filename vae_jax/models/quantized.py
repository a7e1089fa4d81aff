"""The autoencoder with discrete codes and a uniform prior (van den Oord et al. 2017)."""

import math
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int32, PRNGKeyArray

from vae_jax.data.preprocess import unit
from vae_jax.errors import InputError
from vae_jax.keys import count
from vae_jax.models.backbone import make_backbone
from vae_jax.models.conditional import LABEL
from vae_jax.models.networks import Layers
from vae_jax.models.quantizers import OWN, QUANTIZER, Quantized, Quantizer, Vectors, coded, make_quantizer
from vae_jax.types import Config, Draw, Images, Model, Outputs, Params, PerExample, Prior, Rate, Sample, Spec

CODES_PER_IMAGE = 4
KEYS = (
    QUANTIZER,
    count(
        "quantized.codes_per_image",
        0,
        f"vectors of an image, each replaced by a code, with network=mlp; 0: {CODES_PER_IMAGE}. A convolutional network has one "
        "for each place of its grid",
        "vectors",
    ),
)


class Nearest(NamedTuple):
    """The posterior, all of whose mass is on the codes of these vectors."""

    vectors: Vectors


def make_quantized(config: Config, spec: Spec) -> Model:
    r"""Make the model whose z is T codes, which replace the T vectors of an encoder, and whose prior is uniform over the codes.

    .. math:: \log p(x) \ge \log p(x \mid z_{c(x)}) - T \log K

    A convolutional network has a vector at each place of its grid; a dense one has a vector that is cut in
    `quantized.codes_per_image` parts. There are K^T possible z and q(z|x) is 1 for one of them, so the KL is T log K for
    every image, and -(reconstruction + T log K) is a bound on log p(x). If a vector has R codes, T counts them all.

    Raises:
        InputError: the number of codes is given for a network with a grid, or a codebook has more codes than all vectors.
    """
    quantizer, given = make_quantizer(config), config.quantized.codes_per_image
    backbone = make_backbone(config, spec, quantizer.width, quantizer.width, given or CODES_PER_IMAGE)
    _assert_as_many(config, backbone.grid)
    _assert_enough(config, quantizer, spec.num_train, math.prod(backbone.grid))
    prior, rate = _uniform(quantizer, quantizer.levels * math.prod(backbone.grid))

    def init(key: PRNGKeyArray, sample: Sample) -> Params:
        params = backbone.init(key, sample) | {"prior": prior.init(key, sample)}
        vectors = _vectors_of(sample, quantizer, encode, params)
        return params | {"quantizer": quantizer.init(jax.random.fold_in(key, 1), vectors)}

    def encode(params: Params, x: Images, key: PRNGKeyArray | None = None) -> Nearest:
        return Nearest(backbone.encode(params, x, key).mean)

    def reparameterize(params: Params, key: PRNGKeyArray | None, posterior: Nearest) -> Draw:
        return Draw(quantizer.quantize(params["quantizer"], posterior.vectors), jnp.zeros(posterior.vectors.shape[0]))

    def decode(params: Params, z: Quantized, key: PRNGKeyArray | None = None) -> Outputs:
        return backbone.decode(params, z.vectors, key)

    def penalty(params: Params, posterior: Nearest, draw: Draw) -> PerExample:
        assert quantizer.penalty is not None
        return quantizer.penalty(params["quantizer"], posterior.vectors, draw.z)

    def refit(key: PRNGKeyArray, params: Params, grads: Params, step: Int32[Array, ""]) -> dict[str, Params]:
        found = {} if backbone.refit is None else backbone.refit(key, params, grads, step)
        if quantizer.refit is not None:
            found["quantizer"] = quantizer.refit(key, params["quantizer"], grads["quantizer"], step)
        return found

    return backbone._replace(
        init=init,
        encode=encode,
        reparameterize=reparameterize,
        view=lambda params, z: z.vectors.reshape(z.vectors.shape[0], -1),
        place=None,
        codes=lambda params, z: z.indices,
        from_codes=lambda params, codes: Quantized(quantizer.vectors(params["quantizer"], codes), codes),
        num_codes=quantizer.num_codes,
        grid=backbone.grid if quantizer.levels == 1 else (*(1, *backbone.grid)[-2:], quantizer.levels),
        decode=decode,
        prior=prior,
        rate=rate,
        penalty=None if quantizer.penalty is None else penalty,
        refit=None if backbone.refit is None and quantizer.refit is None else refit,
        layers=_make_layers(backbone, quantizer) if backbone.layers else None,
        traits=backbone.traits | quantizer.traits | {"discrete", "deterministic"},
    )


def _vectors_of(
    sample: Sample, quantizer: Quantizer, encode: Callable[[Params, Images], Nearest], params: Params
) -> Float[Array, "N D"]:
    """Return the vectors of some images of a sample, or of none if the quantizer does not start from them."""
    if "sample" not in quantizer.traits:
        return jnp.zeros((0, quantizer.width))
    # K images are enough for one codebook: each has one vector or more. The next ones need vectors that are no codes yet.
    apart = max(1, len(sample.images) // (quantizer.num_codes * quantizer.levels**2))
    labelled = params if sample.labels is None else params | {LABEL: jnp.asarray(sample.labels)[::apart]}
    return encode(labelled, unit(jnp.asarray(sample.images)[::apart])).vectors.reshape(-1, quantizer.width)


def _make_layers(backbone: Model, quantizer: Quantizer) -> Callable[[Params], Layers]:
    """Make `Model.layers`."""
    height, width = (1, *backbone.grid)[-2:]

    def layers(params: Params) -> Layers:
        assert backbone.layers is not None
        return coded(backbone.layers(params), quantizer.coding(params["quantizer"], (height, width)))

    return layers


def _assert_as_many(config: Config, grid: tuple[int, ...]) -> None:
    given = config.quantized.codes_per_image
    if given not in (0, math.prod(grid)):
        places = " x ".join(map(str, grid))
        raise InputError(
            f"quantized.codes_per_image={given}: network={config.network} has a code for each of {places} places; choices: 0"
        )


def _assert_enough(config: Config, quantizer: Quantizer, images: int, places: int) -> None:
    """Raise InputError if a learned codebook could not be used up by all training images together."""
    if "sample" in quantizer.traits and images and quantizer.num_codes > images * places:
        raise InputError(
            f"{config.quantizer or OWN['quantizer']}.codes={quantizer.num_codes}: the codebook is larger than the sample, "
            f"{images * places:,} vectors of {images:,} training images; choices: 2 to {images * places}"
        )


def _uniform(quantizer: Quantizer, per_image: int) -> tuple[Prior, Rate]:
    """Return the prior that is uniform over K^T z, and the rate of posteriors that have all their mass on one of them."""
    nats = per_image * math.log(quantizer.num_codes)

    def sample(params: Params, key: PRNGKeyArray, n: int, temperature: float = 1.0) -> Quantized:
        indices = jax.random.randint(key, (n, per_image), 0, quantizer.num_codes, jnp.int32)
        return Quantized(quantizer.vectors(params["quantizer"], indices), indices)

    def log_prior(params: Params, z: Quantized) -> PerExample:
        return jnp.full(z.indices.shape[0], -nats)

    def log_posterior(params: Params, posterior: Nearest, z: Quantized) -> PerExample:
        own = quantizer.quantize(params["quantizer"], posterior.vectors).indices
        return jnp.where((own == z.indices).all(axis=1), 0.0, -jnp.inf)

    def kl_terms(params: Params, posterior: Nearest, draw: Draw) -> Float[Array, "B 1"]:
        return jnp.full((draw.z.indices.shape[0], 1), nats)

    prior = Prior(lambda key, sample: {}, log_prior, sample, is_standard=False)
    return prior, Rate(kl_terms, lambda: ("codes",), log_posterior)
