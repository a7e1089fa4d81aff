"""A density of the codes of a finished run, which takes the place of that run's prior (Dai and Wipf 2019; Ghosh et al. 2020)."""

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Int32, PRNGKeyArray

from vae_jax.errors import InputError
from vae_jax.models.density_of_numbers import OWN, no_encoder, of_latents, of_points
from vae_jax.models.no_pixels import without_pixels
from vae_jax.models.priors import PRIOR, make_prior
from vae_jax.types import Config, Draw, Images, Model, Params, PerExample, Sample, Spec

KEYS = (PRIOR,)
IGNORED = (
    *("latent_dim", "likelihood", "network", "dropout", "dtype"),
    *("train_dir", "val_dir", "test_dir", "split", "split_target"),
    *("held_out", "val_fraction", "num_train", "split_seed"),
    *("image_size", "grayscale", "background", "skip_broken"),
    *("beta", "kl_warmup_epochs", "kl_cycles", "free_bits", "capacity", "capacity_epochs"),
)
"""The images of the codes, their splits and their networks are those of the run that made them, and the loss has no weights."""
CONTINUOUS = ("flow", "mixture", "standard")
FITTING = {"indices": ("pixelcnn",), "latents": CONTINUOUS, "points": CONTINUOUS}
"""The kind of codes -> the priors that are densities of them."""


def problems(flat: Mapping[str, Any]) -> list[str]:
    """Return the problems of data that are no codes, and of priors and objectives that need images."""
    found = []
    if flat["dataset"] != "codes":
        found.append(f"dataset={flat['dataset']}: model=density learns the codes of a run; choices: dataset=codes")
    if flat["prior"] in ("vamp", "sphere"):
        why = {"vamp": "encodes images, and the data are codes", "sphere": "has no parameters to learn"}[flat["prior"]]
        found.append(
            f"prior={flat['prior']}: it {why}; choices: prior=flow, mixture, standard, or pixelcnn for indices"
        )
    if flat["checkpoint.best_metric"] == "val/elbo":
        found.append("checkpoint.best_metric=val/elbo: model=density has a rate and no elbo; choices: auto, val/loss")
    if flat["objective"] != "elbo":
        found.append(f"objective={flat['objective']}: model=density has an exact density; choices: objective=elbo")
    if flat["condition"] != "none" and flat["prior"] != "pixelcnn":
        found.append(f"condition={flat['condition']}: only prior=pixelcnn is given the label; choices: condition=none")
    return found


def make_density(config: Config, spec: Spec) -> Model:
    r"""Make the model of the codes of a run: E_q[log q(z|x) - log p(z)] is the whole loss, the rate of the pair, nats per image.

    .. math:: L = \mathbb{E}_{q(z \mid x)}[\log q(z \mid x) - \log p(z)]

    What the decoder of that run adds to the loss of the pair does not depend on p(z). Discrete codes have q(z|x) = 1, so the
    rate is their code length -log p(z). Gaussian posteriors q(z|x) are the data, and a z is drawn from each in every step. The
    codes of an autoencoder are points: the loss is -log p(z), a density in the units of the codes and no rate, so the pair
    draws samples and has no log p(x) ("ex-post density estimation", Ghosh et al. 2020).

    Raises:
        InputError: the prior is not one of this kind of codes.
    """
    kind = "pixels" if spec.codes is None else spec.codes[0]
    fitting = FITTING.get(kind, ())
    name = config.prior or OWN["prior"]
    if name not in fitting:
        choices = f"prior={', '.join(fitting)}" if fitting else "dataset=codes"
        raise InputError(f"prior={name}: model=density has {kind} from data_dir={config.data_dir}; choices: {choices}")
    if name == "flow" and math.prod(spec.shape) == (2 if kind == "latents" else 1):
        raise InputError(
            f"prior=flow: the codes of data_dir={config.data_dir} have one dimension; choices: prior=mixture, standard"
        )
    return {"indices": _of_indices, "latents": of_latents, "points": of_points}[kind](config, spec)


class Known(NamedTuple):
    """The posterior of discrete codes, all of whose mass is on the codes themselves."""

    codes: Int32[Array, "B T"]


def _of_indices(config: Config, spec: Spec) -> Model:
    """Make the mass of discrete codes; z is i32[T]."""
    assert spec.codes is not None
    prior = make_prior(config, spec, no_encoder)

    def init(key: PRNGKeyArray, sample: Sample) -> Params:
        return {"likelihood": {}, "prior": prior.init(key, sample)}

    def encode(params: Params, x: Images, key: PRNGKeyArray | None = None) -> Known:
        return Known(x.reshape(x.shape[0], -1).astype(jnp.int32))

    def reparameterize(params: Params, key: PRNGKeyArray | None, posterior: Known) -> Draw:
        return Draw(posterior.codes, jnp.zeros(posterior.codes.shape[0]))

    def log_posterior(params: Params, posterior: Known, z: Int32[Array, "B T"]) -> PerExample:
        return jnp.where((posterior.codes == z).all(axis=1), 0.0, -jnp.inf)

    return without_pixels(prior, log_posterior)._replace(
        init=init,
        encode=encode,
        reparameterize=reparameterize,
        view=lambda params, z: z.astype(jnp.float32),
        place=None,
        codes=lambda params, z: z,
        from_codes=lambda params, codes: codes,
        num_codes=spec.codes[1],
        grid=spec.shape if spec.shape[2] > 1 else spec.shape[:2],
        traits=frozenset({"discrete", "deterministic", "no_pixels"}) | prior.traits,
    )
