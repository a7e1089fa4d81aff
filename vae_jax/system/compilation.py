"""Compilation in the background, and compiled programs kept on disk, so that a second start need not compile."""

import contextlib
import os
import time
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import jax

from vae_jax.errors import InputError
from vae_jax.system.cache_folder import cache_root
from vae_jax.types import Config

FOLDER = "compiled"
MOST_BYTES = 512 * 2**20
_CHECKED = ".checked"


def keep_compiled(config: Config) -> None:
    """Keep compiled programs in the cache folder's compiled/ and use those that are there; results stay the same bits.

    Nothing is kept if that folder cannot be written, or with `compilation_cache` off. A folder that was given to JAX
    (`JAX_COMPILATION_CACHE_DIR`) stays in use.
    """
    if not config.compilation_cache or jax.config.values["jax_compilation_cache_dir"]:
        return
    with contextlib.suppress(OSError, InputError):
        folder = cache_root(config) / FOLDER
        folder.mkdir(exist_ok=True, mode=0o700)
        sweep(folder)
        jax.config.update("jax_compilation_cache_dir", str(folder))
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
        jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)


def compile_ahead(
    function: Any, *arguments: Any, check: Callable[[Any], None] = lambda program: None
) -> tuple[Callable[..., Any], Callable[[], object]]:
    """Compile a jitted function in a thread, for arguments of these shapes.

    Returns `function`, which waits for the program when it is called, and a function that waits for the program and raises
    what `check` raised.

    Args:
        function: the result of `jax.jit`.
        arguments: arrays, or jax.ShapeDtypeStructs with the shardings of the later arguments. Other shapes are compiled when
            they come.
        check: called with the program.
    """

    def checked() -> Any:
        program = function.lower(*arguments).compile()
        check(program)
        return program

    pool = ThreadPoolExecutor(1)
    program = pool.submit(checked)
    pool.shutdown(wait=False)
    expected = _shapes(arguments)

    def call(*given: Any) -> Any:
        return (program.result() if _shapes(given) == expected else function)(*given)

    return call, program.result


def _shapes(arguments: Any) -> list[tuple[int, ...]]:
    return [leaf.shape for leaf in jax.tree.leaves(arguments)]


def sweep(folder: Path, most_bytes: int = MOST_BYTES) -> None:
    """Remove half-written programs, then the oldest ones until the rest is no larger than most_bytes.

    JAX writes in place, so a killed process leaves half a program, and JAX would warn about it at every later start. Each
    program is checked once; those of the last minute are checked again, because another process may be writing them.
    """
    marker = folder / _CHECKED
    checked = marker.stat().st_mtime if marker.exists() else 0.0
    left = most_bytes
    for path in sorted(folder.glob("*-cache"), key=os.path.getmtime, reverse=True):
        left -= path.stat().st_size
        if left < 0 or (path.stat().st_mtime > checked and not _whole(path.read_bytes())):
            path.unlink()
    marker.touch()
    before = time.time() - 60
    os.utime(marker, times=(before, before))


def _whole(program: bytes) -> bool:
    """Return True if zlib, which JAX uses if zstandard is not installed, finds the end and the checksum."""
    stream = zlib.decompressobj()
    if program[:1] != b"\x78":
        return len(program) > 0
    try:
        stream.decompress(program)
    except zlib.error:
        return False
    return stream.eof
