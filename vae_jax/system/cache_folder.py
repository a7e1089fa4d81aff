"""The folder that keeps decoded data and compiled programs."""

import contextlib
import os
import tempfile
from pathlib import Path

from vae_jax.errors import InputError
from vae_jax.types import Config


def cache_root(config: Config) -> Path:
    """Return the cache folder, created if missing: cache_dir, $XDG_CACHE_HOME/vae_jax, ~/.cache/vae_jax, or a temporary one.

    Raises:
        InputError: config.cache_dir cannot be written.
    """
    if config.cache_dir:
        root = Path(config.cache_dir)
        try:
            _assert_writable(root)
        except OSError as error:
            raise InputError(f"cache_dir={config.cache_dir}: cannot be written: {error.strerror}") from error
        return root
    xdg = os.environ.get("XDG_CACHE_HOME", "")
    with contextlib.suppress(OSError, RuntimeError):  # RuntimeError: no home folder
        root = (Path(xdg) if os.path.isabs(xdg) else Path.home() / ".cache") / "vae_jax"
        _assert_writable(root)
        return root
    user = os.getuid() if hasattr(os, "getuid") else "user"
    root = Path(tempfile.gettempdir()) / f"vae_jax-{user}"
    _assert_writable(root)
    return root


def _assert_writable(root: Path) -> None:
    root.mkdir(parents=True, exist_ok=True, mode=0o700)
    with tempfile.TemporaryFile(dir=root):
        pass
