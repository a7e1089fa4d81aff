"""Names of runs by what differs in their configs, and groups of runs that differ only in their seed."""

from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

from vae_jax.artifacts.report import facts
from vae_jax.config import KEYS, flatten
from vae_jax.config.table import ENTRIES, unread
from vae_jax.types import Config

MOST_KEYS = 3
"""The number of differing keys up to which all of them are in a name; of more, those that tell the runs apart."""
USUAL = 2 / 3
"""The share of runs from which a value is usual, and left out of a name with many keys."""
COUNTED = [key.name for key in KEYS if key.identity or key.name == "num_epochs"]
"""The keys that decide a run's numbers; the seed comes last in a name."""
FIRST = ("model", "dataset")
"""The keys that say most come first in a name."""
LARGEST_WHOLE = 1e9
"""The whole numbers up to which a name has all digits, such as the 12000 images of a val_fraction."""


class Named(NamedTuple):
    """A run's names: `latent_dim=20, seed 1` in the group `latent_dim=20`, or alone if the group has a seed twice."""

    name: str
    group: str
    place: int
    """The number of its group, in the order of the runs."""


def differing(configs: Sequence[Config]) -> list[str]:
    """Return the keys that have several values in the configs that read them: model and data first, the seed last."""
    values = [read_values(config) for config in configs]
    found = [name for name in COUNTED if len({repr(own[name]) for own in values if name in own}) > 1]
    return sorted(found, key=lambda name: (name == "seed", name not in FIRST))


def read_values(config: Config) -> dict[str, Any]:
    """Return the keys that decide the run's numbers, without those that its entries do not read."""
    flat = flatten(config)
    left_out = unread(flat)
    return {name: flat[name] for name in COUNTED if name not in left_out}


def named(configs: Sequence[Config], folders: Sequence[str]) -> list[Named]:
    """Name runs by what differs; runs of equal configs by their folders too.

    Runs that differ only in their seed are a group. If a seed is there twice, the runs are no sample of seeds, and each is
    its own group.
    """
    values = [read_values(config) for config in configs]
    keys = _telling(values, [name for name in differing(configs) if name != "seed"])
    usual = _usual(values, keys) if len(keys) > MOST_KEYS else {}
    seeds = "seed" in differing(configs)
    groups = [_text(own, keys, usual) for own in values]
    names = [
        ", ".join(filter(None, (group, f"seed {own['seed']}" * seeds)))
        for group, own in zip(groups, values, strict=True)
    ]
    counts = Counter(names)
    names = [f"{name} ({folder})" if counts[name] > 1 else name for name, folder in zip(names, folders, strict=True)]
    of = [repr([own.get(key) for key in keys]) for own in values]
    seen = Counter((one, own["seed"]) for one, own in zip(of, values, strict=True))
    repeated = {one for (one, _), count in seen.items() if count > 1}
    groups = [name if one in repeated else group for name, group, one in zip(names, groups, of, strict=True)]
    of = [f"{one} {i}" if one in repeated else one for i, one in enumerate(of)]
    places = {one: place for place, one in enumerate(dict.fromkeys(of))}
    return [
        Named(name.strip(), group.strip() or "all seeds", places[one])
        for name, group, one in zip(names, groups, of, strict=True)
    ]


def losses(configs: Sequence[Config]) -> list[str]:
    """Name the losses of runs by the model, the objective and its keys, as far as they differ: `beta=4`."""
    values = [read_values(config) for config in configs]
    of_objective = {key.name for config in configs for key in ENTRIES["objective", config.objective].keys}
    keys = [name for name in differing(configs) if name in ("model", "objective") or name in of_objective]
    return [_text(own, keys, {}) for own in values]


def short(value: Any) -> str:
    """Return a config value as text for a name, a real number that is not whole with at most 4 digits."""
    if not isinstance(value, float):
        return facts.shown(value)
    return f"{value:.0f}" if value.is_integer() and abs(value) < LARGEST_WHOLE else f"{value:.4g}"


def _telling(values: Sequence[dict[str, Any]], keys: list[str]) -> list[str]:
    """Return the keys, or of many those that tell runs apart that the keys before them do not."""
    if len(keys) <= MOST_KEYS:
        return keys
    kept: list[str] = []
    for key in keys:
        if _classes(values, [*kept, key]) > _classes(values, kept):
            kept.append(key)
    return kept


def _classes(values: Sequence[dict[str, Any]], keys: Sequence[str]) -> int:
    return len({repr([own.get(key) for key in keys]) for own in values})


def _usual(values: Sequence[dict[str, Any]], keys: Sequence[str]) -> dict[str, str]:
    """Return the values, as text, that most of the runs with a key have."""
    found = {}
    for key in keys:
        texts = [repr(own[key]) for own in values if key in own]
        text, count = Counter(texts).most_common(1)[0]
        if count >= USUAL * len(texts):
            found[key] = text
    return found


def _text(values: dict[str, Any], keys: Sequence[str], usual: dict[str, str]) -> str:
    own = [key for key in keys if key in values]
    rare = [key for key in own if repr(values[key]) != usual.get(key)]
    return ", ".join(f"{key}={short(values[key])}" for key in rare or own)
