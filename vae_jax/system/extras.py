"""Packages that only some features need, and that an extra of vae_jax installs."""

from collections.abc import Iterator
from contextlib import contextmanager

from vae_jax.errors import InputError


@contextmanager
def extra(name: str, wanted_by: str) -> Iterator[None]:
    """Context manager: import packages of an extra; InputError if one is not installed.

    Args:
        name: the extra, such as "export".
        wanted_by: the flag, key or function that needs them, as the message begins.
    """
    try:
        yield
    except ImportError as error:
        needed = (error.name or str(error)).partition(".")[0]
        raise InputError(f"{wanted_by}: needs the package {needed}; pip install 'vae_jax[{name}]'") from None
