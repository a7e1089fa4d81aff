"""The model families: one file each, one line in MODELS."""

import math
from typing import Any

import jax
import jax.numpy as jnp

from vae_jax.errors import InputError
from vae_jax.keys import Entry
from vae_jax.models import categorical, density, latent_grid, quantized, two_layer
from vae_jax.models.ae import make_ae
from vae_jax.models.conditional import given, make_conditional
from vae_jax.models.posteriors import POSTERIOR
from vae_jax.models.posteriors.family import LogPosterior
from vae_jax.models.priors import PRIOR
from vae_jax.models.quantizers import OWN, Quantizer, make_quantizer
from vae_jax.models.vae import make_vae
from vae_jax.types import Config, LogDensity, Model, Params, Prior, Rate, Sample, Spec

MODELS: dict[str, Entry] = {
    "ae": Entry(make_ae, title="Autoencoder"),
    "categorical": Entry(categorical.make_categorical, categorical.KEYS, categorical.problems, "Categorical VAE"),
    "density": Entry(
        density.make_density, density.KEYS, density.problems, "Density of codes", density.OWN, density.IGNORED
    ),
    "quantized": Entry(quantized.make_quantized, quantized.KEYS, title="Quantised autoencoder", own=OWN),
    "two_layer": Entry(two_layer.make_two_layer, two_layer.KEYS, title="Two-layer VAE"),
    "vae": Entry(
        make_vae,
        (POSTERIOR, PRIOR, latent_grid.LATENT_GRID),
        latent_grid.problems,
        title="Variational autoencoder",
    ),
}
"""(config, spec) -> Model."""


OBJECTIVE = "objective"
"""The name in the params of a run that trains of those that belong to the objective and not to the model."""


def model_params(params: Params) -> Params:
    """Return params without those of the objective."""
    return {name: tree for name, tree in params.items() if name != OBJECTIVE}


def make_model(config: Config, spec: Spec) -> Model:
    """Make the model named by `config.model`; a conditional one if `config.condition` says so."""
    model = MODELS[config.model].make(config, spec)
    return model if config.condition == "none" else make_conditional(model)


def init_shapes(model: Model, spec: Spec) -> Params:
    """Return the shapes and types of a model's parameters, and compute nothing."""
    images = jax.ShapeDtypeStruct(
        (sample_size(model, spec), *spec.shape), jnp.uint8 if spec.codes is None else jnp.float32
    )
    labels: Any = None if model.given is None else jax.ShapeDtypeStruct(images.shape[:1], jnp.int32)
    mean_image: Any = jax.ShapeDtypeStruct(spec.shape, jnp.float32)
    sample = Sample(mean_image, images, labels)  # pyright: ignore[reportArgumentType]
    return jax.eval_shape(model.init, jax.random.key(0), sample)


def sample_size(model: Model, spec: Spec) -> int:
    """Return the number of images in the `Sample` of a model: 0 unless it has the trait "sample"."""
    return spec.sample_size if "sample" in model.traits else 0


def prepared(model: Model, params: Params) -> Params:
    """Return params for many calls of the prior's functions: what they derive from all params is computed once."""
    return params if model.prior is None or model.prior.prepare is None else jax.jit(model.prior.prepare)(params)


def require_prior(model: Model, name: str = "") -> Prior:
    """Return the prior of a model, or raise InputError with the name of its family."""
    if model.prior is None:
        raise InputError(f"{_named(name)} has no prior, so there is nothing to sample; {_VARIATIONAL}")
    return model.prior


def require_rate(model: Model, name: str = "") -> tuple[LogDensity, Rate]:
    """Return log p(z) and the rate of a model, or raise InputError with the name of its family."""
    if model.prior is not None and model.rate is None:
        raise InputError(
            f"{_named(name)} has codes without noise, and a prior fitted to points gives samples but no log p(x) (Ghosh et al. "
            f"2020); {_VARIATIONAL}"
        )
    if model.prior is None or model.prior.log_prob is None or model.rate is None:
        lacks = "prior" if model.prior is None else "log p(z)"
        raise InputError(f"{_named(name)} has no {lacks}, so there is no log p(x); {_VARIATIONAL}")
    return model.prior.log_prob, model.rate


def require_euclidean(model: Model, need: str, name: str = "") -> None:
    """Raise InputError with the name of the model's family if z is discrete or on a sphere; `need` says what cannot be done."""
    for trait, words, choices in (
        ("discrete", "has discrete codes", "a model with continuous z, such as vae"),
        ("manifold", "has its z on a sphere", "posterior=diagonal"),
    ):
        if trait in model.traits:
            raise InputError(f"{_named(name)} {words}, {need}; choices: {choices}")


def require_log_posterior(model: Model, need: str, name: str = "") -> LogPosterior:
    """Return log q(z|x) of any z, or raise InputError with the name of the model's family; `need` says what it is for."""
    _, rate = require_rate(model, name)
    if rate.log_posterior is None:
        raise InputError(f"{_named(name)} knows log q(z|x) of its own draws only, {need}; choices: posterior=diagonal")
    return rate.log_posterior


def family_name(config: Config) -> str:
    """Return the name of a model's family: "vae", or "vae, posterior=planar" if it is chosen by a key."""
    return ", ".join([config.model, *(f"{key}={config[key]}" for key in ("posterior", "prior") if config[key])])


def against_dead_codes(config: Config) -> str:
    """Return the advice if most codes of a model are dead: that of its quantizer if it has one."""
    has_quantizer = "quantizer" in MODELS[config.model].own
    return make_quantizer(config).remedy if has_quantizer else Quantizer._field_defaults["remedy"]


def places_and_levels(model: Model) -> tuple[tuple[int, ...], int]:
    """Return the places of z, (h, w) or (T,), and the number R of codes at each; R is 1 unless the quantizer is residual."""
    return (model.grid[:2], model.grid[2]) if len(model.grid) == 3 else (model.grid, 1)


def describe_latents(model: Model, config: Config) -> str:
    """Return the size of z in words: `latent 20`, `latent 10 on a sphere`, `latent 7 x 7 x 4`, or `16 codes of 64`."""
    if model.num_codes:
        return f"{math.prod(model.grid)} codes of {model.num_codes:,}"
    if config.latent_grid:
        return f"latent {' x '.join(map(str, (*model.grid, config.latent_grid)))}"
    return f"latent {config.latent_dim}" + " on a sphere" * ("manifold" in model.traits)


_VARIATIONAL = "choices: a variational model, such as vae"


def _named(name: str) -> str:
    return f"model={name}:" if name else "the model"


def num_parameters(params: Params) -> int:
    """Return the number of scalars in a tree of arrays."""
    return sum(leaf.size for leaf in jax.tree.leaves(params))


def parameter_table(params: Params) -> list[tuple[str, str, int]]:
    """Return (path, shape, number of scalars) of every array of a tree, in the tree's order."""
    leaves = jax.tree_util.tree_leaves_with_path(params)
    return [(jax.tree_util.keystr(path, simple=True, separator="/"), str(a.shape), a.size) for path, a in leaves]
