"""The files of a shared folder, and what its config.json says."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from vae_jax.artifacts import about
from vae_jax.artifacts.pretrained import foreign, weights
from vae_jax.errors import InputError, shown
from vae_jax.runs.checkpoint.ownership import spec_of
from vae_jax.types import Config, Spec

FORMAT = 1
"""The format of config.json."""
CONFIG, CARD = "config.json", "README.md"
WEIGHTS, FIRST = "model.safetensors", "first.safetensors"
PICTURES = ("samples.png", "reconstructions.png")
SEAL = "sha256_of_the_rest"
"""The name in config.json of the SHA-256 of everything else in it."""
EPOCHS = ("epochs", "best_epoch")
"""The names in config.json of the epochs of a training, and of its best checkpoint, if it was evaluated."""
WRITTEN, KEPT = "card", "card_kept"
"""The names in config.json of the SHA-256 of the card that belongs to it, and of an edited card that stayed in its place."""
FILES = (CONFIG, CARD, WEIGHTS, FIRST, *PICTURES)
"""The names that a shared folder may have. No other file is written, pushed, pulled or read."""


class Part(NamedTuple):
    """A model in a shared folder: the shared one, or the first run of a pair."""

    config: Config
    spec: Spec
    step: int
    sha256: str
    """The SHA-256 of its weights' file."""


def described(config: Config, spec: Spec, step: int, sha256: str) -> dict[str, Any]:
    """Return the part of config.json that `part` reads; the config has no folders."""
    return {"config": about.portable(config), "spec": spec._asdict(), "step": step, "sha256": sha256}


def sealed(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Return the facts with the SHA-256 of their canonical JSON, whose names are sorted; one that is there is replaced."""
    rest = {name: value for name, value in facts.items() if name != SEAL}
    text = json.dumps(rest, sort_keys=True, separators=(",", ":"))
    return rest | {SEAL: weights.digest(text.encode())}


def read(folder: Path) -> dict[str, Any]:
    """Read config.json.

    Raises:
        InputError: it is missing, damaged, changed, of a run and not of a shared folder, or of a newer format.
    """
    path = folder / CONFIG
    try:
        facts = json.loads(path.read_bytes().decode())
    except FileNotFoundError:
        raise InputError(
            f"{folder}: not a shared model, it lacks {CONFIG}; choices: a folder from save_pretrained"
        ) from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: damaged, {shown(error)}") from None
    if not isinstance(facts, dict):
        raise InputError(f"{path}: damaged, not a JSON object")
    form = facts.get("format")
    if form is None and "model" in facts:
        raise InputError(f"{folder}: a run and not a shared model; choices: vae_jax.load_run")
    if not isinstance(form, int) or form < 1:
        raise InputError(f"{path}: not of a shared model, format={shown(form)}")
    if form > FORMAT:
        raise InputError(
            f"{path}: format={form}{writer(facts)}, this version reads format {FORMAT}; choices: a newer vae_jax"
        )
    if facts.get(SEAL) != sealed(facts)[SEAL]:
        raise InputError(f"{path}: damaged or changed: its content is not that of its SHA-256; choices: a new copy")
    if not _are_metrics(facts.get("metrics")) or any(type(facts.get(name, 1)) not in (int, float) for name in EPOCHS):
        raise InputError(f"{path}: damaged, its metrics are no numbers")
    return facts


def results(folder: Path, step: int) -> dict[str, Any] | None:
    """Return what config.json has of the results.json of its run; None if the run was not evaluated at this step."""
    facts = read(folder)
    epochs, best = (facts.get(name, 0) for name in EPOCHS)
    if not facts["metrics"] or min(epochs, best) <= 0:
        return None
    return facts["metrics"] | {"step": round(step * epochs / best), "epochs": epochs, "best_epoch": best}


def _are_metrics(values: Any) -> bool:
    """Return True for numbers by names such as test/elbo, and texts by other names."""
    return isinstance(values, dict) and all(
        value is None or type(value) in ((int, float) if "/" in name else (str,)) for name, value in values.items()
    )


def part(facts: Mapping[str, Any], path: Path) -> Part:
    """Return what config.json says of a model; `path` is for messages.

    Raises:
        InputError: it says not enough, or has a config that this version does not know.
    """
    try:
        spec, step, sha256 = spec_of(facts), facts["step"], facts["sha256"]
        numbers = (*spec.shape, spec.num_classes, spec.num_train, spec.levels, step)
        known = all(type(number) is int and number >= 0 for number in numbers) and min(spec.shape) > 0
        if not known or not isinstance(sha256, str) or not all(isinstance(name, str) for name in spec.class_names):
            raise ValueError
        if spec.codes is not None and tuple(map(type, spec.codes)) != (str, int, str):
            raise ValueError
    except (KeyError, TypeError, ValueError, AttributeError):
        raise InputError(f"{path}: damaged, it lacks the spec, the step or the SHA-256 of a model") from None
    config = foreign.config_of(facts.get("config"), path, writer(facts))
    if (config.dataset == "codes") != (spec.codes is not None):
        raise InputError(f"{path}: damaged, dataset={config.dataset} does not go with the spec's codes={spec.codes}")
    return Part(config, spec, step, sha256)


def writer(facts: Mapping[str, Any]) -> str:
    """Return the version of vae_jax that wrote a folder, as text."""
    versions = facts.get("versions")
    found = versions.get("vae_jax") if isinstance(versions, dict) else None
    return f", written by vae_jax {shown(found)}" if found else ""


def has_edited_card(folder: Path, since: str = WRITTEN) -> bool:
    """Return True if the folder has a card that was edited since the model wrote it, or since it was KEPT; or one without it."""
    path = folder / CARD
    if not path.is_file():
        return False
    try:
        facts = read(folder)
    except InputError:
        return True
    return weights.digest(path.read_bytes()) != facts.get(since, facts.get(WRITTEN))


def path_of(name: str, folder: object) -> Path:
    """Return the path of a folder that a person names; InputError, with the argument's name, for an empty one or no path."""
    if not isinstance(folder, str | os.PathLike) or not os.fspath(folder):
        raise InputError(f"{name}={shown(folder)}: not a folder; choices: its path, or . for the current folder")
    return Path(os.path.expanduser(folder))


def assert_writable(folder: Path) -> None:
    """Raise InputError if the folder holds other files than those of a shared model: none of a run's may be replaced."""
    names = [name for name in os.listdir(folder) if not name.startswith(".")] if os.path.isdir(folder) else []
    if not names:
        return
    try:
        read(folder)
    except InputError:
        raise InputError(
            f"{folder}: holds {shown(sorted(names)[0])}, and is no shared model; choices: a new or empty folder"
        ) from None
