"""The pair of a finished run and a density that learned its codes: the run's model with that density as its prior."""

from copy import deepcopy
from pathlib import Path
from typing import Any, NamedTuple

from jaxtyping import PRNGKeyArray

from vae_jax.config import flatten
from vae_jax.config.common import OPTIMISATION
from vae_jax.config.table import ENTRIES
from vae_jax.data.digest import params_digest
from vae_jax.errors import InputError
from vae_jax.models.conditional import make_conditional
from vae_jax.models.density import OWN
from vae_jax.models.posteriors import log_ratio
from vae_jax.models.priors.rescaled import MOMENTS
from vae_jax.objectives import kl
from vae_jax.runs.run import Run
from vae_jax.types import Config, Model, Params, Prior, Rate, Spec

PAIR = "pair"
"""The trait of a model whose prior was learned afterwards."""
OF_PRIOR = "label of the prior"
"""The trait of a pair whose prior is given the class, and whose networks are not."""


def first_folder(pair: Run) -> str:
    """Return the folder of the run whose codes the density of a pair learned; "RUN" if it is not known, as of a shared pair."""
    return (pair.joined and pair.joined.config.data_dir) or "RUN"


class Joined(NamedTuple):
    """The two parts of a pair."""

    first: Run
    """The run whose codes were learned."""
    config: Config
    spec: Spec
    params: Params
    """The config, the data and the parameters of the density."""


def join(
    parent: Run, config: Config, spec: Spec, density: Model, params: Params, step: int, workdir: Path | None
) -> Run:
    """Return the run of the pair: `parent` with the density in the place of its prior.

    A parent without a prior, whose codes are points, keeps its objective: the pair has samples, and no rate.

    Args:
        parent: the run whose codes were learned.
        config, spec, density, params, step, workdir: those of the density.

    Raises:
        InputError: the parent has other parameters than those whose codes were learned.
    """
    assert density.prior is not None
    assert density.prior.log_prob is not None
    assert_learned(parent, config, spec)
    prior = _of_parent(parent.model, density.prior)
    assert prior.log_prob is not None
    own = parent.model.rate
    rate = None if own is None else Rate(log_ratio(prior.log_prob), lambda: ("kl",), own.log_posterior)
    traits = (parent.model.traits - {"columns"}) | (density.prior.traits - {"conv"}) | {PAIR}
    traits |= {OF_PRIOR} if parent.model.given is None and density.given is not None else set()
    model = parent.model._replace(prior=prior, rate=rate, penalty=None, traits=traits)
    if parent.model.given is not None or density.given is not None:
        model = make_conditional(model)  # the parent's own has the parent's prior
    learned = {name: params[name] for name in ("prior", MOMENTS) if name in params}
    pair = Run(_config_of(parent, config), model, parent.params | learned, parent.spec, step, workdir)
    pair.joined = Joined(parent, config, spec, params)
    return pair


def assert_learned(parent: Run, config: Config, spec: Spec) -> None:
    """Raise InputError if the parent has other parameters than those whose codes a density of this config and spec learned."""
    assert spec.codes is not None
    if (digest := params_digest(parent.params)) != spec.codes[2]:
        raise InputError(
            f"data_dir={config.data_dir}: the run there has other parameters ({digest}) than those whose codes were learned "
            f"({spec.codes[2]}); choices: the run as it was, or a new density of it in another folder"
        )


def _of_parent(model: Model, prior: Prior) -> Prior:
    """Return a prior of codes as that of the z that they are the codes of; one of latents as it is."""
    codes, from_codes, log_prob = model.codes, model.from_codes, prior.log_prob
    if codes is None or from_codes is None or log_prob is None:
        return prior

    def sample(params: Params, key: PRNGKeyArray, n: int, temperature: float = 1.0) -> Any:
        return from_codes(params, prior.sample(params, key, n, temperature))

    return prior._replace(log_prob=lambda params, z: log_prob(params, codes(params, z)), sample=sample)


def _config_of(parent: Run, config: Config) -> Config:
    """Return the parent's config with the density's prior, seed and way of training; the objective of a prior is the elbo."""
    merged, flat = deepcopy(parent.config), flatten(config)
    name = config.prior or OWN["prior"]
    # The parent's objective may have a critic or a weight of its own; the numbers of the pair are of its elbo.
    forgotten = (*ENTRIES["objective", parent.config.objective].keys, *kl.KEYS) if parent.model.rate is not None else ()
    values = {key.name: key.default for key in forgotten} | {"prior": name}
    values |= {} if parent.model.rate is None else {"objective": "elbo"}
    # A PixelCNN of pixels and one of codes have the same keys; the decoder's are the parent's.
    decoders = {key.name for key in ENTRIES["likelihood", parent.config.likelihood].keys}
    own = (key.name for key in (*OPTIMISATION, *ENTRIES["prior", name].keys) if key.name not in decoders)
    values |= {key: flat[key] for key in own}
    values |= {} if config.condition == "none" else {"condition": config.condition}
    for key, value in values.items():
        merged.update_from_flattened_dict({key: value})
    return merged
