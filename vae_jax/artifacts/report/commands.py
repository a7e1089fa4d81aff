"""The commands on a run's page."""

import json
import shlex
from pathlib import Path

from vae_jax.artifacts import about
from vae_jax.artifacts.report import facts
from vae_jax.config import flatten, nest
from vae_jax.runs import command
from vae_jax.runs import workdir as workdir_lib
from vae_jax.runs.run import Run
from vae_jax.types import Config

FIRST = "runs/first"
"""The folder of the first run of a pair in the commands of a shared one."""
TRAIN = ("python", "-m", "vae_jax.main")


def commands(run: Run, workdir: Path) -> list[tuple[str, str]]:
    """Return (purpose, command) rows."""
    if run.loaded_by is not None:  # a shared model, whose run is elsewhere
        *before, last = of_shared(run)
        return [*(("Train its first run again", text) for text in before), ("Train it again", last)]
    # The config of a pair is not that of the density that was trained.
    own = run.config if run.joined is None else run.joined.config
    return [
        ("Continue it", workdir_lib.resume_command(workdir)),
        ("Train it again, in another folder", again(own, workdir)),
        ("Write this page again", f"vae-jax report --workdir={shlex.quote(str(workdir))}"),
    ]


def again(config: Config, workdir: Path) -> str:
    """Return the command that trains the run again, without touching it.

    It is the command that started the run, with the keys that changed since, such as num_epochs, and a folder of its own. If
    that command is not known, every key that differs from its default is given.
    """
    started = command.read(workdir)
    if started is None:
        return reproduce_command(config)
    flags = dict(_flag(word) for word in started.arguments)
    now = {name: value for name, value in flatten(config).items() if name in started.config}
    changed = [name for name, value in now.items() if json.loads(json.dumps(value)) != started.config[name]]
    flags |= {f"--config.{name}": f"={facts.written(now[name])}" for name in changed}
    folder = flags.pop("--workdir", f"=runs/{workdir.resolve().name}").rstrip("/")
    words = [f"{flag}{value}" for flag, value in flags.items()]
    return shlex.join([*TRAIN, *words, f"--workdir{folder}-again"])


def _flag(word: str) -> tuple[str, str]:
    """Return ("--config.seed", "=1"); the last of several equal flags counts, as when they are read."""
    name, equals, value = word.partition("=")
    return name, equals + value


def reproduce_command(config: Config) -> str:
    """Return the command that trains the same run again: every key that differs from its default."""
    flags = [f"--config.{name}={facts.written(value)}" for name, value in facts.changed(config).items()]
    return shlex.join([*TRAIN, "--config=base", *flags])


def of_shared(run: Run) -> list[str]:
    """Return the commands that train a shared run from its config alone, of a pair both; they name images by `places`."""
    if run.joined is None:
        return [_with_places(run.config)]
    return [f"{_with_places(run.joined.first.config)} --workdir={FIRST}", _with_places(run.joined.config)]


def places(config: Config) -> dict[str, str]:
    """Return the keys that name a person's own images, and a name that stands for them; they go with `split`."""
    if config.dataset == "folder":
        return {"train_dir" if len(config.split) == 3 else "data_dir": "FOLDER"}
    names = {"arrays": "FILE.npz", "grain": "FOLDER", "codes": FIRST}
    return {"data_dir": names[config.dataset]} if config.dataset in names else {}


def _with_places(config: Config) -> str:
    return reproduce_command(nest(flatten(about.without_machine(config)) | places(config)))
