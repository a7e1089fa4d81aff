"""A laboratory for autoencoders and variational autoencoders on images, in JAX.

`vae_jax.load_run(workdir)` loads a trained run in a notebook; `python -m vae_jax.main --help` says how to train one.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vae_jax.runs.loading import load_run
    from vae_jax.runs.run import Run

__all__ = ["Run", "load_run"]


def __getattr__(name: str) -> Any:
    # Loaded on first use: importing vae_jax.config, for example, must not cost the import of JAX.
    if name in __all__:
        from vae_jax.runs import loading

        return getattr(loading, name)
    raise AttributeError(f"module 'vae_jax' has no attribute {name!r}")
