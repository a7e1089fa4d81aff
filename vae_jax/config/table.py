"""The table of configuration keys: name, type, default, range, unit, meaning, and if a key identifies a run.

The keys that every run has are in `common`; the others are beside the code that reads them, in the entries of the registries.
"""

import json
from collections.abc import Collection, Mapping
from typing import Any

from ml_collections import ConfigDict

from vae_jax.config.common import COMMON
from vae_jax.config.registries import REGISTRIES
from vae_jax.data import EMBEDDED
from vae_jax.keys import Entry, Key
from vae_jax.types import Config

RENAMED = {
    "upper_latent_dim": "two_layer.upper_latent_dim",
    "upper_hidden_dims": "two_layer.upper_hidden_dims",
    "normalization": "conv.normalization",
    "kernel_init": "mlp.kernel_init",
    "sigma": "gaussian.sigma",
    "sigma_mode": "gaussian.sigma_mode",
    "num_samples": "importance.num_samples",
    "num_groups": "importance.num_groups",
    "elbo_weight": "importance.elbo_weight",
    "gradient": "importance.gradient",
    "noise_mean": "denoising.noise_mean",
    "noise_std": "denoising.noise_std",
}
"""Old name -> new name."""

Choice = tuple[str, str]
"""An entry of a registry: the key that names it, and its name, as in ("prior", "vamp")."""

ENTRIES: dict[Choice, Entry] = {
    (by, name): entry for by, registry in REGISTRIES.items() for name, entry in registry.items()
}
BY_NAME: dict[str, Key] = {
    key.name: key for keys in (*COMMON.values(), *(entry.keys for entry in ENTRIES.values())) for key in keys
}
KEYS: tuple[Key, ...] = tuple(BY_NAME.values())


def chosen(flat: Mapping[str, Any]) -> list[Choice]:
    """Return the entries that a complete flat config chooses; none by a key that an entry before them ignores."""
    read, own = {key.name for keys in COMMON.values() for key in keys}, {}
    found: list[Choice] = []
    for by in REGISTRIES:  # in an order in which the entry that reads a choice comes before it
        choice = by, flat[by] or own.get(by, "")
        if by in read and choice in ENTRIES:
            found.append(choice)
            read |= {key.name for key in ENTRIES[choice].keys}
            own |= ENTRIES[choice].own
            read -= set(ENTRIES[choice].ignores)
    return found


def unread(flat: Mapping[str, Any]) -> dict[str, str]:
    """Return the keys that a run with a complete flat config does not read, each with the reason."""
    entries = {choice: ENTRIES[choice] for choice in chosen(flat)}
    read = {key.name for entry in entries.values() for key in entry.keys}
    ignored = {
        name: f"{by}={chosen_name} does not read this key"
        for (by, chosen_name), entry in entries.items()
        for name in entry.ignores
    }
    reasons = dict(ignored)
    for key in dict.fromkeys(key for entry in ENTRIES.values() for key in entry.keys):
        if key.name in read or key.name in ignored:
            continue
        readers = [choice for choice, entry in ENTRIES.items() if key in entry.keys]
        words = " or ".join(f"{by}={name}" for by, name in readers)
        asked = [by for by in dict.fromkeys(by for by, _ in readers) if by not in ignored]
        has = ", ".join(f"{by}={flat[by] or '(empty)'}" for by in asked)
        only = f"only {words} reads this key, and the run has {has}"
        reasons[key.name] = only if asked else ignored[readers[0][0]]
    for key in KEYS:
        if key.unless and flat[key.unless]:
            reasons[key.name] = f"{key.unless}={flat[key.unless]} takes its place"
        by, *values = key.only or ("",)
        if by and flat[by] not in values:
            words = " or ".join(f"{by}={value}" for value in values)
            reasons[key.name] = f"only {words} reads this key, and the run has {by}={flat[by]}"
    if flat["dataset"] in EMBEDDED:
        reasons["data_dir"] = f"dataset={flat['dataset']} comes with scikit-learn and reads no folder"
    return reasons


def defaults() -> Config:
    """Return every key at its default, as a locked ConfigDict; dots in a name become nesting."""
    return nest({key.name: key.default for key in KEYS})


def flatten(config: Config | Mapping[str, Any]) -> dict[str, Any]:
    """Flatten a nested config to {"eval.batch_size": 1000, ...}; lists become tuples, names texts."""
    flat: dict[str, Any] = {}
    for name, value in config.items():
        if isinstance(value, ConfigDict | Mapping):
            flat |= {f"{name}.{inner}": v for inner, v in flatten(value).items()}
        else:
            flat[str(name)] = tuple(value) if isinstance(value, list) else value
    return flat


def nest(flat: Mapping[str, Any]) -> Config:
    """Nest {"eval.batch_size": 1000, ...} to a locked ConfigDict; the inverse of `flatten`."""
    nested: dict[str, Any] = {}
    for name, value in flat.items():
        *folders, leaf = name.split(".")
        node = nested
        for folder in folders:
            node = node.setdefault(folder, {})
        node[leaf] = value
    return ConfigDict(nested).lock()


def key_table(registries: Mapping[str, Collection[str]], flat: Mapping[str, Any]) -> str:
    """Return a line per key for `--help`, by headings, those of the chosen entries first.

    Args:
        registries: key -> the names that it may have, for the keys that name an entry.
        flat: a complete flat config, whose values are shown, and whose entries come first.
    """
    first = chosen(flat)
    later = [choice for choice in ENTRIES if choice not in first]
    headed = [(f"{by}={name}", ENTRIES[by, name].keys) for by, name in first]
    headed += list(COMMON.items())
    headed += [(f"not chosen: {by}={name}", ENTRIES[by, name].keys) for by, name in later]
    shown, rows = set(), []
    for heading, keys in headed:
        new = [key for key in keys if key.name not in shown]
        shown |= {key.name for key in new}
        rows += [(heading, key) for key in new]
    described = [_row(key, flat[key.name], registries.get(key.name, key.choices)) for _, key in rows]
    wide = [max(len(row[i]) for row in described) for i in range(2)]
    lines, before = [], ""
    for (heading, _), (name, value, meaning) in zip(rows, described, strict=True):
        lines += [] if heading == before else [f"\n{heading}"]
        before = heading
        lines.append(f"  {name:<{wide[0]}}  {value:<{wide[1]}}  {meaning}")
    return "\n".join(lines)


def _row(key: Key, value: Any, choices: Collection[str]) -> tuple[str, str, str]:
    text = json.dumps(value) if key.kind is str else str(value)
    names = ", ".join(choices)
    notes = [f" ({names})" if names else "", f" [{key.unit}]" if key.unit else ""]
    return f"--config.{key.name}", text, key.meaning + "".join(notes)
