"""Config files and command-line values, read into a config that is not yet validated."""

import ast
import re
import traceback
import warnings
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any

from ml_collections import ConfigDict

from vae_jax.config import named
from vae_jax.config.table import BY_NAME, flatten, nest, unread
from vae_jax.config.validation import as_float, completed, describe, no_key, unknown
from vae_jax.errors import InputError, printable, shown
from vae_jax.keys import Key
from vae_jax.types import Config

MOST_SHOWN = 300
"""The largest number of characters of an error's message that are shown."""


def load_file(path: str) -> Config:
    """Run the `get_config()` of a config file. It is Python: run only files that you trust.

    Args:
        path: a file, or the name of a config that comes with the package, such as `vae`.

    Raises:
        InputError: no such file or name, not Python, no `get_config`, one that does not return a ConfigDict, or what the file
            raised and where.
    """
    file = Path(named.path_of(path))
    scope: dict[str, Any] = {"__name__": f"config_{file.stem}", "__file__": str(file)}
    try:
        code = compile(file.read_bytes(), str(file), "exec")
    except (OSError, SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise InputError(f"--config={path}: not a Python file: {shown(error)}") from None
    try:
        exec(code, scope)
        make = scope.get("get_config")
        if not callable(make):
            raise InputError(f"--config={path}: the file has no function get_config()")
        config = make()
    except InputError:
        raise
    except Exception as error:
        lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(file)]
        line = f"line {lines[-1]}: " if lines else ""  # get_config() takes an argument, or is another file's
        raise InputError(f"--config={path}: {line}{_message(error)}") from None
    if not isinstance(config, ConfigDict):
        raise InputError(f"--config={path}: get_config() returns {type(config).__name__}, not a ConfigDict")
    return config


def _message(error: Exception) -> str:
    """Return the error's message; for an unknown key a shorter one than that of ml_collections, which lists all keys."""
    name = re.search(r'Key "(.+?)" does not exist', str(error))
    if isinstance(error, AttributeError) and name:
        return f"{shown(name[1])}: {no_key(name[1])}"
    return f"{type(error).__name__}: {printable(' '.join(str(error).split())[:MOST_SHOWN])}"


def override(config: Config, overrides: Iterable[tuple[str, str]]) -> Config:
    """Return a copy of config with the (name, text) pairs of a command line, parsed by the types of their keys.

    Raises:
        InputError: one line for every unknown key and every value that does not parse.
    """
    flat, problems = flatten(config), []
    for name, text in overrides:
        key = BY_NAME.get(name)
        if key is None:
            problems.append(unknown(name, text))
            continue
        try:
            flat[name] = _parse(key, text)
        except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError):  # the last two: nested too deeply
            problems.append(f"{name}={shown(text)}: not {describe(key)}")
    if problems:
        raise InputError("\n".join(problems))
    return nest(flat)


def without_unread(config: Config, keep: Collection[str] = ()) -> tuple[Config, list[str]]:
    """Return config with the keys that no chosen entry reads at their defaults, and the names of those that differed.

    Keys of `keep` stay as they are; `validate` refuses them.
    """
    flat = flatten(config)
    reasons = unread(completed(flat))
    left = [name for name in reasons if name not in keep and flat.get(name) not in (None, BY_NAME[name].default)]
    return (nest(flat | {name: BY_NAME[name].default for name in left}) if left else config), left


def _parse(key: Key, text: str) -> Any:
    if key.kind is str:
        return text
    if key.kind is bool:
        words = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
        if text.lower() not in words:
            raise ValueError
        return words[text.lower()]
    if key.kind is tuple:
        with warnings.catch_warnings():  # warnings about the syntax
            warnings.simplefilter("ignore")
            value = ast.literal_eval(text) if text.strip() else ()
        value = tuple(value) if isinstance(value, tuple | list) else (value,)
        return tuple(as_float(v) for v in value) if key.element is float else value
    return key.kind(text)
