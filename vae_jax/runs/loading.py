"""Loading of a run from its directory."""

import os
from pathlib import Path
from typing import Any, get_args

from vae_jax import config as config_lib
from vae_jax.config.registries import NAMES
from vae_jax.data.codes import folder_of
from vae_jax.errors import InputError
from vae_jax.models import init_shapes, make_model
from vae_jax.runs import workdir as workdir_lib
from vae_jax.runs.checkpoint import Checkpoints, Info, Which
from vae_jax.runs.checkpoint.ownership import assert_own, spec_of
from vae_jax.runs.pair import join
from vae_jax.runs.run import Run
from vae_jax.system import locks
from vae_jax.system.compilation import keep_compiled
from vae_jax.types import Config


def load_run(workdir: str | Path, which: Which = "best", step: int | None = None) -> Run:
    """Load a run's config, model and parameters, with jitted functions. Nothing is written.

    Args:
        workdir: the run's directory.
        which: the checkpoint with the best validation metric, or the latest.
        step: the step of a checkpoint to load, whatever `which` says.

    The run of a density (model=density) is the pair of the run whose codes it learned with that density as its prior.

    Raises:
        InputError: workdir is not a run, has no intact checkpoint or none of `step`, or its config is unknown to this
            version; or `which` is unknown.

    Example:
        >>> import vae_jax
        >>> run = vae_jax.load_run(workdir)
        >>> run.config.dataset, run.shape
        ('digits', (8, 8, 1))
        >>> images = run.sample(4, seed=1)
        >>> images.shape, run.latents(images).shape == (4, run.config.latent_dim)
        ((4, 8, 8, 1), True)
        >>> bool(abs(run.reconstruct(images) - images).mean() < 0.5)
        True
    """
    if which not in get_args(Which):
        raise InputError(f"which={which}: no such checkpoint; choices: {', '.join(get_args(Which))}")
    workdir = Path(os.path.expanduser(workdir))
    config = config_lib.validate(workdir_lib.read_config(workdir), NAMES)
    keep_compiled(config)

    def template_of(found: Info) -> Any:
        assert_own(found, config, ["spec"])
        spec = spec_of(found.info)
        return init_shapes(make_model(config, spec), spec)

    with Checkpoints(workdir / "checkpoints", read_only=True) as checkpoints:
        found = checkpoints.restore_params(template_of, which, step)
    if found is None:
        trainer = locks.holder(workdir)
        mend = f"resume it: {workdir_lib.resume_command(workdir)}"
        mend = f"{trainer} is training it; wait for its first checkpoint" if trainer else mend
        raise InputError(f"--workdir={workdir}: the run has no checkpoint yet; {mend}")
    spec = spec_of(found.info)
    model, folder = make_model(config, spec), workdir.absolute()
    if spec.codes is None:
        return Run(config, model, found.state, spec, found.step, folder)
    return join(load_parent(config), config, spec, model, found.state, found.step, folder)


def load_parent(config: Config) -> Run:
    """Load the finished run in `config.data_dir`, whose codes are the data.

    Raises:
        InputError: there is none, or its data are the codes of a run themselves.
    """
    folder = folder_of(config)
    try:
        own = workdir_lib.read_config(folder)
        if own.dataset == "codes":
            raise InputError(
                f"model={own.model}: the run there learned codes and has none of its own; choices: a run of images, such as "
                f"data_dir={own.data_dir}, whose codes it learned"
            )
        return load_run(folder)
    except InputError as error:
        raise InputError(
            f"data_dir={config.data_dir}: {str(error).removeprefix(f'--workdir={config.data_dir}: ')}"
        ) from None
