"""A run as a folder that goes to others."""

import json
import re
from pathlib import Path
from typing import Any

from vae_jax.artifacts import about
from vae_jax.artifacts.pretrained import folder as folder_lib
from vae_jax.artifacts.pretrained import hub, weights
from vae_jax.artifacts.pretrained.card import model_card
from vae_jax.artifacts.pretrained.picture import picture
from vae_jax.errors import InputError, one_of, shown
from vae_jax.runs.labelled import assert_run
from vae_jax.runs.run import Run
from vae_jax.system import disk
from vae_jax.system.versions import versions
from vae_jax.types import Spec

CARDS = ("keep", "replace")
LICENSE = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+-]*")


def save_pretrained(
    run: Run, folder: str | Path, license: str = "", *, name: str = "", class_names: bool = False, card: str = ""
) -> list[Path]:
    """Write a model for others: config.json, safetensors, a picture and a model card, without any path of this machine.

    Args:
        run: the trained model, from `load_run`.
        folder: a new or empty folder, or that of a shared model, which is replaced.
        license: the identifier of a licence, such as "apache-2.0" or "mit", for the model card.
        name: the name it will have on the hub, "user/model", for the model card.
        class_names: share the names of the classes of a person's own images, which are the names of folders; else they are
            numbered. Those of a public set are always shared.
        card: "keep" or "replace" a card in the folder that was edited since it was written; empty: refuse.

    Returns:
        The paths of the files.

    Raises:
        InputError: the folder holds something else, an edited card, or cannot be written; the licence is no identifier; not a
            Run; or the package safetensors is missing.
        TrainingError: the disk is full.
    """
    assert_run(run)
    assert_license(license)
    if name:
        hub.assert_name("name", name)
    place = folder_lib.path_of("folder", folder)
    folder_lib.assert_writable(place)
    kept = _keeps_card(place, card)
    run = run if class_names else without_own_names(run)
    files, facts = _parts(run)
    facts |= _measured(run)
    pictures = picture(run)
    text = model_card(run, facts["metrics"], license, name, next(iter(pictures), "")).encode()
    facts[folder_lib.WRITTEN] = weights.digest(text)
    if kept:
        facts[folder_lib.KEPT] = weights.digest((place / folder_lib.CARD).read_bytes())
    facts = folder_lib.sealed(facts)
    files |= pictures | {folder_lib.CARD: text, folder_lib.CONFIG: f"{json.dumps(facts, indent=2)}\n".encode()}
    disk.make_folder("folder", place)
    for left in set(folder_lib.FILES) - files.keys():  # those of a model that was there before
        (place / left).unlink(missing_ok=True)
    for file, content in files.items():
        if not (kept and file == folder_lib.CARD):
            disk.write(place / file, content)
    return [place / file for file in files]


def _keeps_card(place: Path, card: str) -> bool:
    """Return True if the folder has an edited card that stays as it is.

    Raises:
        InputError: there is an edited card, and `card` is empty; or `card` is neither that, keep nor replace.
    """
    if card:
        one_of("card", card, CARDS)
    if card == "replace" or not folder_lib.has_edited_card(place):
        return False
    if not card:
        path = place / folder_lib.CARD
        raise InputError(f"{path}: edited since it was written; choices: card=keep, card=replace")
    return True


def own_names(run: Run) -> tuple[str, ...]:
    """Return the names of the classes of a person's own images, unless they are numbers in order; none for a public set."""
    names = run.spec.class_names if run.config.dataset in about.OWN else ()
    return () if names == _numbered(names) else names


def without_own_names(run: Run) -> Run:
    """Return the run with numbers for the names of the classes of a person's own images."""
    if not own_names(run):
        return run

    def numbered(spec: Spec) -> Spec:
        return spec._replace(class_names=_numbered(spec.class_names))

    again = Run(run.config, run.model, run.params, numbered(run.spec), run.step, run.workdir)
    if run.joined is not None:
        first = without_own_names(run.joined.first)
        again.joined = run.joined._replace(first=first, spec=numbered(run.joined.spec))
    again.loaded_by = run.loaded_by
    return again


def _numbered(names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(map(str, range(len(names))))


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
