"""The advice of a report, restricted to what the commands of a run take."""

import re
from collections.abc import Callable, Mapping
from typing import Any

from vae_jax.config import flatten
from vae_jax.config.combinations import combination_problems
from vae_jax.config.table import BY_NAME, unread
from vae_jax.config.validation import completed
from vae_jax.data.codes import folder_of
from vae_jax.evaluation.health import verdicts
from vae_jax.evaluation.health.verdicts import Line
from vae_jax.keys import Key
from vae_jax.runs.workdir import read_config
from vae_jax.types import Config

OF_THE_PRIOR = {
    verdicts.DIVERGENCE: "more epochs, another prior",
    verdicts.CODES: "more epochs, another prior",
    verdicts.GAP: "early_stopping",
}
"""Name of a line -> what may help if the prior was learned afterwards. All else that a pair can lack is its first run's."""
TRIAL = {int: 1, float: 0.5}
"""A value of a key that is advised, to see if other keys of the run forbid it."""


def make_fitting(config: Config) -> Callable[[Line], Line]:
    """Make a function (line) -> the line, whose advice names only keys that a run of this config takes.

    A key is left out that the run does not read, that its other keys forbid, or that is to be smaller and is 1 or 0 already. The
    advice on a density's pair says which part of it is for the first run, and where that is.

    Args:
        config: that of the run that was trained: of a density, and not of its pair.

    Raises:
        InputError: the folder of a density's first run is no run.
    """
    if config.dataset != "codes":
        flat = completed(flatten(config))
        return lambda line: line._replace(advice=_taken(flat, line.advice))
    first = completed(flatten(read_config(folder_of(config))))

    def of_pair(line: Line) -> Line:
        own = OF_THE_PRIOR.get(line.name, "") if line.verdict in verdicts.ILLNESSES else ""
        theirs = _taken(first, line.advice)
        theirs += f" in the first run ({config.data_dir})" * bool(theirs)
        return line._replace(advice=", or ".join(filter(None, (own, theirs))))

    return of_pair


def _taken(flat: Mapping[str, Any], advice: str) -> str:
    """Return the parts of an advice that a run with a flat config takes."""
    found = []
    for part in re.split(", (?!if )", advice):
        change, _, condition = part.partition(", if ")
        if (key := _key_in(condition)) is not None and key.name in unread(flat):
            part = change
        key = _key_in(change)
        if key is not None and key.unless and flat[key.unless]:
            part, key = part.replace(key.name, key.unless), BY_NAME[key.unless]
        if key is None or _takes(flat, key, part):
            found.append(part)
    return ", ".join(found)


def _key_in(text: str) -> Key | None:
    """Return the first key that a text names."""
    return next((BY_NAME[word] for word in re.findall(r"[a-z_.]+", text) if word in BY_NAME), None)


def _takes(flat: Mapping[str, Any], key: Key, part: str) -> bool:
    value = flat[key.name]
    if part.startswith(("a smaller", "fewer")) and value == (1 if key.kind is int else key.low):
        return False
    if part.startswith("a larger") and value == key.high:
        return False
    tried = {**flat, key.name: TRIAL.get(key.kind, value)}
    return key.name not in unread(flat) and not combination_problems(tried)
