"""Programs compiled while other things are done, and kept on disk: a second start reads them instead of compiling."""

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
    """Keep what this process compiles in the cache folder's compiled/, and use what is there; results stay the same bits.

    Nothing is kept where that folder cannot be written, or with `compilation_cache` off. Where JAX was given a folder of
    its own (`JAX_COMPILATION_CACHE_DIR`), that one stays.
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
    """(`function`, which is jitted, with its program for arguments of these shapes compiled meanwhile, in a thread; a function
    that waits for the program and raises what `check` raised).

    Args:
        function: of `jax.jit`.
        arguments: arrays, or jax.ShapeDtypeStruct with the shardings of those that will come. The program of others is
            compiled when they come.
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
    """Remove programs that were written in part, and the oldest until the rest is no larger than most_bytes.

    JAX writes them in place, so a killed process leaves a part, for which JAX would warn at every later start. Each is
    checked once; those of the last minute again, as another process may be writing them.
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
    """Whether zlib, by which JAX compresses where zstandard is not installed, finds its end and checksum."""
    stream = zlib.decompressobj()
    if program[:1] != b"\x78":
        return len(program) > 0
    try:
        stream.decompress(program)
    except zlib.error:
        return False
    return stream.eof
