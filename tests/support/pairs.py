"""Pairs of a run of the digits with random parameters and an untrained density of its codes."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from conftest import small_config

from vae_jax import config as config_lib
from vae_jax import data
from vae_jax.data.digest import params_digest
from vae_jax.evaluation import codes as codes_lib
from vae_jax.models import make_model
from vae_jax.runs.pair import join
from vae_jax.runs.run import Run
from vae_jax.types import Sample


def pair_of(parent: Run, workdir: Path | None = None, **changes) -> Run:
    """Return the pair of a run that is said to lie in /parent; with `workdir` the config of the density is written there."""
    spec = codes_lib._spec_of_codes(parent, data.load(parent.config))
    assert spec.codes is not None
    (kind, num_codes, _), digest = spec.codes, params_digest(parent.params)
    spec = spec._replace(codes=(kind, num_codes, digest))
    own = (
        {"prior": "mixture"} if not num_codes else {"prior": "pixelcnn", "pixelcnn__features": 4, "pixelcnn__layers": 1}
    )
    config = small_config(model="density", dataset="codes", data_dir="/parent", **own | changes)
    density, images = make_model(config, spec), jnp.zeros((1, *spec.shape))
    params = density.init(jax.random.key(0), Sample(images[0], images, jnp.zeros(1, jnp.int32)))
    if workdir is not None:
        (workdir / "config.json").write_text(config_lib.to_json(config))
    return join(parent, config, spec, density, jax.tree.map(np.asarray, params), 7, workdir)
