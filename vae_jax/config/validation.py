"""From a command line and a config file to a config: every problem named, all at once."""

import ast
import difflib
import math
import os
import unicodedata
import warnings
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

from ml_collections import ConfigDict

from vae_jax.config.folders import split_problems
from vae_jax.config.keys import BY_NAME, KEYS, LARGEST_REAL, Key, flatten, nest
from vae_jax.types import Config, InputError, shown

LONGEST_PATH, LONGEST_NAME = 4096 - 256, 255
"""In bytes, on most systems: beyond them the system refuses even to look; what lies in a folder has a longer path."""


def load_file(path: str) -> Config:
    """Run a config file's `get_config()`. It is Python: run only files that you trust.

    Raises:
        InputError: no such file, not Python, no `get_config`, or one that does not return a ConfigDict.
    """
    file = Path(path)
    if not os.path.isfile(path):  # Path's own raises where the name is too long or a folder must not be read
        near = sorted(str(p) for p in Path("configs").glob("*.py") if p.stem not in ("__init__", "base"))
        raise InputError(f"--config={path}: no such file{_choices(near)}")
    scope: dict[str, Any] = {"__name__": f"config_{file.stem}", "__file__": str(file)}
    try:
        code = compile(file.read_bytes(), str(file), "exec")
    except (OSError, SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise InputError(f"--config={path}: not a Python file: {shown(error)}") from None
    exec(code, scope)
    if not callable(scope.get("get_config")):
        raise InputError(f"--config={path}: the file has no function get_config()")
    config = scope["get_config"]()
    if not isinstance(config, ConfigDict):
        raise InputError(f"--config={path}: get_config() returns {type(config).__name__}, not a ConfigDict")
    return config


def override(config: Config, overrides: Iterable[tuple[str, str]]) -> Config:
    """A copy of config with the (name, text) pairs of a command line parsed by the types of their keys.

    Raises:
        InputError: one line for every unknown key and every value that does not parse.
    """
    flat, problems = flatten(config), []
    for name, text in overrides:
        key = BY_NAME.get(name)
        if key is None:
            problems.append(_unknown(name, text))
            continue
        try:
            flat[name] = _parse(key, text)
        except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError):  # the last two: nested too deeply
            problems.append(f"{name}={shown(text)}: not {_describe(key)}")
    if problems:
        raise InputError("\n".join(problems))
    return nest(flat)


def _parse(key: Key, text: str) -> Any:
    if key.kind is str:
        return text
    if key.kind is bool:
        words = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
        if text.lower() not in words:
            raise ValueError
        return words[text.lower()]
    if key.kind is tuple:
        with warnings.catch_warnings():  # Python's of its own syntax
            warnings.simplefilter("ignore")
            value = ast.literal_eval(text) if text.strip() else ()
        value = tuple(value) if isinstance(value, tuple | list) else (value,)
        return tuple(_as_float(v) for v in value) if key.element is float else value
    return key.kind(text)


def _as_float(value: Any) -> Any:
    return float(value) if type(value) is int and abs(value) <= LARGEST_REAL else value


def _describe(key: Key) -> str:
    """The values that a key takes, in words: "a whole number, at least 1 (epochs)"."""
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


def _choices(names: Iterable[str]) -> str:
    names = list(names)
    return "; choices: " + ", ".join(names) if names else ""


def _unknown(name: str, value: Any) -> str:
    return f"{shown(name)}={shown(value)}: unknown key{_nearest(name, BY_NAME) or '; --help lists the keys'}"


def validate(config: Config, registries: Mapping[str, Collection[str]]) -> Config:
    """A complete copy of config, every key checked: type, range, name in its registry, combinations.

    Args:
        config: what a config file returned, overrides applied; missing keys take their defaults.
        registries: key -> the names it may take, for the keys whose choices are registries.

    Raises:
        InputError: one line for every problem, naming key, value and choices.
    """
    given = as_reals(flatten(config))
    flat = {key.name: given.get(key.name, key.default) for key in KEYS}
    problems = key_problems(given, registries) or _combination_problems(flat)
    if problems:
        raise InputError("\n".join(problems))
    return nest(flat)


def as_reals(flat: Mapping[str, Any]) -> dict[str, Any]:
    """A flat config with floats for the whole numbers of keys that are real."""
    reals = dict(flat)
    for name, value in flat.items():
        key = BY_NAME.get(name)
        if key is not None and key.kind is float:
            reals[name] = _as_float(value)
        elif key is not None and key.element is float and isinstance(value, tuple):
            reals[name] = tuple(_as_float(v) for v in value)
    return reals


def key_problems(flat: Mapping[str, Any], registries: Mapping[str, Collection[str]]) -> list[str]:
    """A line for each name that is no key, and for each value that its key does not take, whatever the other keys are."""
    problems = [_unknown(name, value) for name, value in flat.items() if name not in BY_NAME]
    for name, key in BY_NAME.items():
        if name in flat:
            problems += _value_problems(key, flat[name], registries.get(name, ()))
    return problems


def text_problems(name: str, text: str) -> list[str]:
    """A line if a text cannot be a name or a path: one with control characters or bytes that are not UTF-8."""
    if any(unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp") for c in text):
        return [f"{name}={shown(text)}: control characters, line breaks or bytes that are not UTF-8 are in it"]
    return _path_problems(name, text) if name.endswith("_dir") or name in ("--config", "--workdir") else []


def _path_problems(name: str, text: str) -> list[str]:
    if len(os.fsencode(text)) >= LONGEST_PATH or any(
        len(os.fsencode(part)) > LONGEST_NAME for part in Path(text).parts
    ):
        return [
            f"{name}={shown(text)}: longer than a path ({LONGEST_PATH} bytes) or a name in it ({LONGEST_NAME}) may be"
        ]
    try:
        Path(text).expanduser()
    except RuntimeError:
        return [f"{name}={shown(text)}: no such user as {Path(text).parts[0]}"]
    return []


def _value_problems(key: Key, value: Any, names: Collection[str]) -> list[str]:
    at = f"{key.name}={shown(value)}"
    if type(value) is not key.kind:
        return [f"{at}: {type(value).__name__} given, not {_describe(key)}"]
    problems = text_problems(key.name, value) if key.kind is str else []
    if problems:
        return problems
    if names and value not in names:
        few = names if len(names) <= 20 else sorted(names)[:0]
        return [f"{at}: unknown {key.name}{_nearest(value, names)}{_choices(few)}"]
    if key.choices and value not in key.choices:
        return [f"{at}: not {_describe(key)}{_nearest(value, key.choices)}"]
    if key.length and len(value) not in key.length:
        return [f"{at}: not {_describe(key)}"]
    numbers = value if key.kind is tuple else (value,) if key.kind in (int, float) else ()
    kind = key.element or key.kind
    for number in numbers:
        low_ok = type(number) is kind and (number > key.low if key.open_low else number >= key.low)
        if not low_ok or not number <= key.high:
            return [f"{at}: not {_describe(key)}"]
    return []


def _combination_problems(c: Mapping[str, Any]) -> list[str]:
    problems = split_problems(c)
    if c["binarize"] != "none" and c["likelihood"] != "bernoulli":
        problems.append(f"binarize={c['binarize']}: 0/1 pixels need likelihood=bernoulli, not {c['likelihood']}")
    if c["schedule"] == "cosine" and c["schedule_epochs"] <= c["warmup_epochs"]:
        problems.append(
            f"schedule_epochs={c['schedule_epochs']:g}: schedule={c['schedule']} needs its own length, more than "
            f"warmup_epochs={c['warmup_epochs']:g} (num_epochs={c['num_epochs']}, say); extending a run must not change its past"
        )
    if 0 < c["padded_latent_dim"] < c["latent_dim"]:
        problems.append(
            f"padded_latent_dim={c['padded_latent_dim']}: holds latent_dim={c['latent_dim']} dimensions; choices: 0, or at "
            f"least {c['latent_dim']}"
        )
    if c["padded_latent_dim"] and c["model"] == "two_layer":
        problems.append(f"padded_latent_dim={c['padded_latent_dim']}: model=two_layer cannot be padded; choices: 0")
    if c["val_fraction"] >= 1 and c["val_fraction"] != int(c["val_fraction"]):
        problems.append(f"val_fraction={c['val_fraction']:g}: from 1 on it is a count, a whole number")
    if c["val_fraction"] == 0:
        problems.append("val_fraction=0: the validation split would be empty; above 0: a fraction, from 1 a count")
    if not c["hidden_dims"] and c["network"] == "mlp" and c["dropout"] > 0:
        problems.append(f"dropout={c['dropout']:g}: hidden_dims=() leaves no hidden unit to drop")
    if not c["channels"] and c["network"] == "conv":
        problems.append(
            "channels=(): network=conv needs the channels of at least one convolution, as channels=(32, 64)"
        )
    if c["kl_cycles"] > 1 and c["kl_warmup_epochs"] == 0:
        problems.append(f"kl_cycles={c['kl_cycles']}: a cycle needs its length, kl_warmup_epochs above 0")
    if c["kernel_init"] != "he" and c["network"] != "mlp":
        problems.append(f"kernel_init={c['kernel_init']}: network={c['network']} starts with he's; choices: he")
    if c["num_samples"] % c["num_groups"]:
        problems.append(f"num_groups={c['num_groups']}: does not divide num_samples={c['num_samples']}")
    weighted = [name for name in ("free_bits", "kl_warmup_epochs", "capacity") if c[name]]
    if c["objective"] == "importance" and (c["beta"] != 1 or weighted):
        name = (weighted or ["beta"])[0]
        problems.append(f"{name}={c[name]:g}: objective=importance has no KL to weight; choices: objective=elbo")
    for name in ("free_bits", "kl_warmup_epochs"):
        if c["capacity"] > 0 and c[name] > 0:
            problems.append(
                f"{name}={c[name]:g}: capacity={c['capacity']:g} sets the KL by itself (and capacity_epochs its growth); "
                f"{name}=0, or capacity=0"
            )
    if c["objective"] == "denoising" and c["noise_std"] == 0 and c["noise_mean"] == 0:
        problems.append("noise_std=0: objective=denoising needs noise to remove, noise_std above 0 or noise_mean not 0")
    return problems
