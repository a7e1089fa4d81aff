"""A laboratory for autoencoders and variational autoencoders on images, in JAX.

`vae_jax.train_and_evaluate({"latent_dim": 2}, workdir)` trains a run and `vae_jax.load_run(workdir)` loads it; `vae-jax` lists
the same as commands.
`vae_jax.from_pretrained(name)` loads a model that somebody shared.
"""

import importlib
import os
from typing import TYPE_CHECKING, Any

from jaxlib.version import __version__ as jaxlib_version

if TYPE_CHECKING:
    from vae_jax.artifacts.notebook import explore, figure
    from vae_jax.artifacts.pretrained import from_pretrained, save_pretrained
    from vae_jax.runs.loading import load_run
    from vae_jax.runs.run import Run
    from vae_jax.train import train_and_evaluate

__all__ = ["Run", "explore", "figure", "from_pretrained", "load_run", "save_pretrained", "train_and_evaluate"]
_MODULES = {
    "explore": "artifacts.notebook",
    "figure": "artifacts.notebook",
    "from_pretrained": "artifacts.pretrained",
    "save_pretrained": "artifacts.pretrained",
    "train_and_evaluate": "train",
}
"""Name -> the module that has it; the others are in runs.loading."""

# These two take tuning preferences for missing features of the processor, and print an error for every program that is loaded
# from disk. JAX sets the level to 1 unless it is set.
if jaxlib_version in ("0.10.0", "0.10.1") and os.environ.get("TF_CPP_MIN_LOG_LEVEL", "1") == "1":
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"


def __getattr__(name: str) -> Any:
    # Loaded on first use: the list of the commands, for example, must not cost the import of JAX.
    if name in __all__:
        return getattr(importlib.import_module(f"vae_jax.{_MODULES.get(name, 'runs.loading')}"), name)
    raise AttributeError(f"module 'vae_jax' has no attribute {name!r}")


def __dir__() -> list[str]:
    # For TAB and help(): the names that are loaded on first use, and none of those that this file imports.
    return __all__
