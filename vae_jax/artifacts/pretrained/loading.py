"""A shared folder, or a model on the hub, as a Run."""

import os
from pathlib import Path

from vae_jax.artifacts.pretrained import folder as folder_lib
from vae_jax.artifacts.pretrained import hub, weights
from vae_jax.errors import InputError, shown
from vae_jax.models import init_shapes, make_model
from vae_jax.objectives import make_objective
from vae_jax.runs.pair import join
from vae_jax.runs.run import Run
from vae_jax.system.compilation import keep_compiled
from vae_jax.types import Model, Params


def from_pretrained(name: str | Path, revision: str = "") -> Run:
    """Load a model that `save_pretrained` wrote, from a folder or from the hub. Nothing in it is executed.

    Args:
        name: the folder, or the name on the hub, "user/model". A folder of this name comes first.
        revision: on the hub a branch, a tag or a commit; empty: the newest commit.

    Returns:
        A run as `load_run` returns it. Its config has no folders; its workdir is the folder, or the copy in the hub's cache.

    Raises:
        InputError: there is no such model, the hub cannot be reached, or the folder lacks a file, has a wrong SHA-256 or a
            config that this version does not know.
    """
    folder = folder_lib.path_of("name", name)
    if os.path.isdir(folder):
        if revision:
            raise InputError(
                f"revision={shown(revision)}: {folder} is a folder, which has no revisions; choices: a name on the hub"
            )
        return _load(folder.absolute(), str(folder.absolute()), "")
    if not isinstance(name, str) or not hub.is_name(name):
        raise InputError(f"{shown(name)}: no such folder, and no name on the hub such as user/model")
    try:
        copy = hub.pull(name, revision)
    except InputError as error:
        raise InputError(f"{name}: no such folder; on the hub: {str(error).removeprefix(f'{name}: ')}") from None
    return _load(copy, name, copy.name)


def _load(folder: Path, name: str, revision: str) -> Run:
    facts, path = folder_lib.read(folder), folder / folder_lib.CONFIG
    part = folder_lib.part(facts, path)
    keep_compiled(part.config)
    model, params = _model(part, folder / folder_lib.WEIGHTS, path)
    if part.spec.codes is None:
        run = Run(part.config, model, params, part.spec, part.step, folder)
    else:
        first = _first(facts.get("first"), folder, part.spec.codes[1])
        try:
            run = join(first, part.config, part.spec, model, params, part.step, folder)
        except InputError as error:
            raise InputError(f"{folder}: {str(error).removeprefix('data_dir=: ')}") from None
    run.loaded_by = (from_pretrained, (name, revision))
    return run


def _first(facts: object, folder: Path, num_codes: int) -> Run:
    """Load the run whose codes a density learned, so many different ones."""
    path = folder / folder_lib.CONFIG
    part = folder_lib.part(facts if isinstance(facts, dict) else {}, path)
    if part.spec.codes is not None:
        raise InputError(f"{path}: damaged, the first run has dataset=codes")
    model, params = _model(part, folder / folder_lib.FIRST, path)
    if model.num_codes != num_codes:
        raise InputError(f"{path}: damaged, the first run has {model.num_codes} codes, the density {num_codes}")
    return Run(part.config, model, params, part.spec, part.step, folder)


def _model(part: folder_lib.Part, file: Path, path: Path) -> tuple[Model, Params]:
    """Return a part's functions and parameters; `path` is that of config.json."""
    try:
        model = make_model(part.config, part.spec)
        template = init_shapes(model, part.spec)
        make_objective(part.config, model)  # as a Run does; some do not fit some models
    except Exception as error:  # valid values need not make a model: of a spec that was changed, for example
        raise InputError(f"{path}: its config makes no model of its spec: {shown(error)}") from None
    return model, weights.read(file, part.sha256, template)
