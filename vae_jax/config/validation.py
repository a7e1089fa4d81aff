"""Validation of a config: all problems are reported at once."""

import difflib
import math
import os
import unicodedata
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

from vae_jax.config.combinations import combination_problems
from vae_jax.config.table import BY_NAME, KEYS, RENAMED, flatten, nest, unread
from vae_jax.data import DATASETS
from vae_jax.errors import InputError, shown
from vae_jax.keys import LARGEST_REAL, Key
from vae_jax.types import Config

LONGEST_PATH, LONGEST_NAME = 4096 - 256, 255
"""The limits of most systems in bytes; 256 bytes are reserved for the names of files in a folder."""


def as_float(value: Any) -> Any:
    """Convert a whole number to a float unless it is too large; return anything else unchanged."""
    return float(value) if type(value) is int and abs(value) <= LARGEST_REAL else value


def describe(key: Key) -> str:
    """Describe the values of a key in words: "a whole number, at least 1 (epochs)"."""
    kind = {int: "a whole number", float: "a number", bool: "true or false", str: "a text", tuple: "a tuple"}[key.kind]
    if key.kind is tuple:
        kind = f"a tuple of {'whole ' if key.element is int else ''}numbers"
        if key.length:
            kind += " with " + " or ".join(str(n) for n in key.length) + " elements"
    if key.choices:
        return "one of " + ", ".join(key.choices)
    bounds = []
    if key.low > -math.inf:
        bounds.append(f"{'above' if key.open_low else 'at least'} {key.low:g}")
    if key.high < math.inf:
        bounds.append(f"at most {key.high:.10g}")
    return kind + (", " + " and ".join(bounds) if bounds else "") + (f" ({key.unit})" if key.unit else "")


def _nearest(name: str, names: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, list(names), n=1, cutoff=0.6)
    return f"; did you mean {near[0]}?" if near else ""


def choices(names: Iterable[str]) -> str:
    """Return `; choices: a, b`, or an empty text if there are none."""
    names = list(names)
    return "; choices: " + ", ".join(names) if names else ""


def unknown(name: str, value: Any) -> str:
    """Return the error line for an unknown key."""
    return f"{shown(name)}={shown(value)}: {no_key(name)}"


def no_key(name: str) -> str:
    """Return the message for an unknown key, with its new name or the nearest known one."""
    if name in RENAMED:
        return f"this key is now {RENAMED[name]}"
    return f"unknown key{_nearest(name, BY_NAME) or '; --help lists the keys'}"


def validate(config: Config, registries: Mapping[str, Collection[str]]) -> Config:
    """Return a complete copy of config with every key checked (type, range, registry, combinations) and absolute folders.

    Args:
        config: the result of a config file, with overrides; missing keys take their defaults.
        registries: key -> its choices, for the keys that name an entry of a registry.

    Raises:
        InputError: one line per problem, naming key, value and choices.
    """
    given = as_reals(flatten(config))
    flat = completed(given)
    problems = key_problems(given, registries) or unread_problems(flat) or combination_problems(flat)
    if problems:
        raise InputError("\n".join(problems))
    # A run is often continued or drawn in another current folder than the one it was started in.
    folders = {name: text for name, text in flat.items() if name.endswith("_dir") and text and "://" not in text}
    return nest(flat | {name: os.path.abspath(os.path.expanduser(text)) for name, text in folders.items()})


def as_reals(flat: Mapping[str, Any]) -> dict[str, Any]:
    """Return a flat config in which the whole numbers of real keys are floats."""
    reals = dict(flat)
    for name, value in flat.items():
        key = BY_NAME.get(name)
        if key is not None and key.kind is float:
            reals[name] = as_float(value)
        elif key is not None and key.element is float and isinstance(value, tuple):
            reals[name] = tuple(as_float(v) for v in value)
    return reals


def key_problems(flat: Mapping[str, Any], registries: Mapping[str, Collection[str]]) -> list[str]:
    """Return a line for each unknown key and for each value that its key does not allow."""
    problems = [unknown(name, value) for name, value in flat.items() if name not in BY_NAME]
    for name, key in BY_NAME.items():
        if name in flat:
            problems += _value_problems(key, flat[name], registries.get(name, ()))
    return problems


def completed(flat: Mapping[str, Any]) -> dict[str, Any]:
    """Return a flat config in which every key that is missing has its default; unknown keys are dropped."""
    return {key.name: flat.get(key.name, key.default) for key in KEYS}


def unread_problems(flat: Mapping[str, Any]) -> list[str]:
    """Return a line for each key that differs from its default and that no chosen entry reads."""
    reasons = unread(flat)
    return [
        f"{name}={shown(flat[name])}: {why}" for name, why in reasons.items() if flat[name] != BY_NAME[name].default
    ]


def text_problems(name: str, text: str) -> list[str]:
    """Return a line if a text cannot be a name or a path, because of control characters or bytes that are not UTF-8."""
    if any(unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp") for c in text):
        return [f"{name}={shown(text)}: contains control characters, line breaks or bytes that are not UTF-8"]
    return _path_problems(name, text) if name.endswith("_dir") or name in ("--config", "--workdir") else []


def _path_problems(name: str, text: str) -> list[str]:
    if len(os.fsencode(text)) >= LONGEST_PATH or any(
        len(os.fsencode(part)) > LONGEST_NAME for part in Path(text).parts
    ):
        return [
            f"{name}={shown(text)}: longer than a path ({LONGEST_PATH} bytes) or a name in it ({LONGEST_NAME} bytes) can be"
        ]
    try:
        Path(text).expanduser()
    except RuntimeError:
        return [f"{name}={shown(text)}: no such user: {Path(text).parts[0]}"]
    return []


def _value_problems(key: Key, value: Any, names: Collection[str]) -> list[str]:
    at = f"{key.name}={shown(value)}"
    if type(value) is not key.kind:
        return [f"{at}: expected {describe(key)}, not {type(value).__name__}"]
    problems = text_problems(key.name, value) if key.kind is str else []
    if problems:
        return problems
    if names and value not in names and value != key.default:
        few = names if key.name != "dataset" else (*DATASETS, "a set of TensorFlow Datasets")
        return [f"{at}: unknown {key.name}{_nearest(value, names)}{choices(few)}"]
    if key.choices and value not in key.choices:
        return [f"{at}: not {describe(key)}{_nearest(value, key.choices)}"]
    if key.length and len(value) not in key.length:
        return [f"{at}: not {describe(key)}"]
    numbers = value if key.kind is tuple else (value,) if key.kind in (int, float) else ()
    kind = key.element or key.kind
    for number in numbers:
        low_ok = type(number) is kind and (number > key.low if key.open_low else number >= key.low)
        if not low_ok or not number <= key.high:
            return [f"{at}: not {describe(key)}"]
    return []
