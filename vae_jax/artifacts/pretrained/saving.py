"""A run as a folder that goes to others."""

import json
import os
import re
from pathlib import Path
from typing import Any

from vae_jax.artifacts import about
from vae_jax.artifacts.pretrained import folder as folder_lib
from vae_jax.artifacts.pretrained import hub, weights
from vae_jax.artifacts.pretrained.card import model_card
from vae_jax.artifacts.pretrained.picture import picture
from vae_jax.errors import InputError, shown
from vae_jax.runs.run import Run
from vae_jax.system import disk
from vae_jax.system.versions import versions

LICENSE = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+-]*")


def save_pretrained(run: Run, folder: str | Path, license: str = "", *, name: str = "") -> list[Path]:
    """Write a model for others: config.json, safetensors, a picture and a model card, without any path of this machine.

    Args:
        run: the trained model, from `load_run`.
        folder: a new or empty folder, or that of a shared model, which is replaced.
        license: the identifier of a licence, such as "apache-2.0" or "mit", for the model card.
        name: the name it will have on the hub, "user/model", for the model card.

    Returns:
        The paths of the files.

    Raises:
        InputError: the folder holds something else or cannot be written, the licence is no identifier, or the package
            safetensors is missing.
        TrainingError: the disk is full.
    """
    assert_license(license)
    if name:
        hub.assert_name("name", name)
    place = Path(os.path.expanduser(folder))
    folder_lib.assert_writable(place)
    files, facts = _parts(run)
    facts |= _measured(run)
    pictures = picture(run)
    files |= pictures | {
        folder_lib.CARD: model_card(run, facts["metrics"], license, name, next(iter(pictures), "")).encode(),
        folder_lib.CONFIG: f"{json.dumps(facts, indent=2)}\n".encode(),
    }
    disk.make_folder("folder", place)
    for left in set(folder_lib.FILES) - files.keys():  # those of a model that was there before
        (place / left).unlink(missing_ok=True)
    for file, content in files.items():
        disk.write(place / file, content)
    return [place / file for file in files]


def _parts(run: Run) -> tuple[dict[str, bytes], dict[str, Any]]:
    """Return the files of the weights, and the content of config.json without the metrics."""
    if run.joined is None:
        files = {folder_lib.WEIGHTS: weights.as_bytes(run.params)}
        parts = _described(run, files[folder_lib.WEIGHTS])
    else:
        first, density = run.joined.first, run.joined
        files = {folder_lib.WEIGHTS: weights.as_bytes(density.params), folder_lib.FIRST: weights.as_bytes(first.params)}
        sha256 = weights.digest(files[folder_lib.WEIGHTS])
        parts = folder_lib.described(density.config, density.spec, run.step, sha256)
        parts["first"] = _described(first, files[folder_lib.FIRST])
    return files, {
        "format": folder_lib.FORMAT,
        "what": about.sentence(run),
        "versions": versions(about.PACKAGES),
        **parts,
    }


def _measured(run: Run) -> dict[str, Any]:
    """Return the numbers of this checkpoint, and the epochs of its training and of its best checkpoint."""
    if run.workdir is None:
        return {"metrics": {}}
    if run.loaded_by is not None:  # it was shared before
        facts = folder_lib.read(run.workdir)
        return {name: facts[name] for name in ("metrics", *folder_lib.EPOCHS) if name in facts}
    results = about.results_of(run, run.workdir)
    return {"metrics": about.metrics(run, run.workdir)} | {n: results[n] for n in folder_lib.EPOCHS if n in results}


def _described(run: Run, content: bytes) -> dict[str, Any]:
    return folder_lib.described(run.config, run.spec, run.step, weights.digest(content))


def assert_license(text: str) -> None:
    """Raise InputError unless the text is empty, or could be the identifier of a licence."""
    if text and not LICENSE.fullmatch(text):
        raise InputError(
            f"license={shown(text)}: not the identifier of a licence; choices: such as apache-2.0, mit, cc-by-4.0"
        )
