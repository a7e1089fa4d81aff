"""The runs of a sweep, planned from `latent_dim=2,100,200`."""

import hashlib
import itertools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from vae_jax import config as config_lib
from vae_jax.errors import InputError
from vae_jax.sweeps.curve import Bars
from vae_jax.types import Config

Point = tuple[tuple[str, str], ...]
"""The (key, text) pairs of one point of a sweep."""


class Planned(NamedTuple):
    """One run of a sweep."""

    point: Point
    seed: int
    config: Config
    workdir: Path
    bars: Bars | None = None
    """The scores that end a run of a search which does not reach them; None: it is not judged."""


def parse_over(text: str) -> list[Point]:
    """Parse one flag: `beta=0.5,1,4`, or keys that change together, `latent_dim:num_epochs=2:50,100:100`.

    Commas in brackets belong to a value: `hidden_dims=(64,32),(512,256)`.

    Raises:
        InputError: a key or a value is missing, or the numbers of keys and values differ.
    """
    names, equals, values = text.partition("=")
    keys = names.split(":")
    if not equals or not values.strip() or not all(keys):
        raise InputError(f"--over={text}: expected KEY=VALUE,VALUE,... or KEY:KEY=VALUE:VALUE,...")
    points = []
    for value in _split(values):
        parts = value.split(":") if len(keys) > 1 else [value]
        if len(parts) != len(keys) or not all(parts):
            raise InputError(
                f"--over={text}: {value or 'an empty value'} does not have a value for each of {', '.join(keys)}"
            )
        points.append(tuple(zip(keys, parts, strict=True)))
    return points


def _split(text: str) -> list[str]:
    """Split at the commas outside brackets."""
    parts, depth = [""], 0
    for character in text:
        depth += (character in "([") - (character in ")]")
        if character == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += character
    return [part.strip() for part in parts]


def product(overs: Sequence[str]) -> list[Point]:
    """Return every combination of the points of several flags; the first flag changes slowest.

    Raises:
        InputError: a flag is malformed, two flags sweep the same key, or one sweeps the seed.
    """
    combined = [sum(parts, ()) for parts in itertools.product(*map(parse_over, overs))]
    names = [key for key, _ in combined[0]]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise InputError(f"--over: {', '.join(twice)} is swept twice")
    if "seed" in names:
        raise InputError(
            "--over: seed cannot be swept, because the table shows means over seeds; choices: --seeds=0,1,2"
        )
    return combined


def plan(
    points: Sequence[Point], seeds: Sequence[int], read: Callable[[Point], Config], name: str, root: Path
) -> list[Planned]:
    """Plan a run for every point and seed, in the directory that `vae_jax.main` would name.

    Args:
        points: the points of `product`.
        seeds: the values of the key `seed`.
        read: (overrides) -> validated config.
        name: the name of the config file.
        root: the folder of the runs' directories.

    Raises:
        InputError: a config is not valid, or two points are the same run.
    """
    runs, places = [], {}
    for point, seed in itertools.product(points, seeds):
        config = read((*point, ("seed", str(seed))))
        workdir = root / config_lib.run_name(config, name)
        if workdir in places:
            texts = [",".join(f"{key}={value}" for key, value in each) for each in (places[workdir], point)]
            if texts[0] == texts[1]:
                raise InputError(f"--over: {texts[0]} occurs twice")
            raise InputError(
                f"--over: {' and '.join(texts)} are the same run, {workdir.name}: these keys are not part of a run's identity"
            )
        places[workdir] = point
        runs.append(Planned(point, seed, config, workdir))
    return runs


def point_text(point: Point) -> str:
    """Return `latent_dim=2 num_epochs=50`."""
    return " ".join(f"{key}={value}" for key, value in point)


def folder_name(runs: Sequence[Planned], name: str) -> str:
    """Return the name of the folder of a sweep's report: the config file, the swept keys and a hash of the runs."""
    keys = "-".join(dict.fromkeys(key for key, _ in runs[0].point))
    digest = hashlib.sha256(" ".join(run.workdir.name for run in runs).encode()).hexdigest()[:6]
    return f"sweep-{name}-{keys}-{digest}"
