"""The commands on a run's page."""

import json
import shlex
from pathlib import Path

from vae_jax.artifacts.report import facts
from vae_jax.config import flatten
from vae_jax.runs import command
from vae_jax.runs import workdir as workdir_lib
from vae_jax.runs.run import Run
from vae_jax.types import Config

TRAIN = ("python", "-m", "vae_jax.main")


def commands(run: Run, workdir: Path) -> list[tuple[str, str]]:
    """Return (purpose, command) rows."""
    # The config of a pair is not that of the density that was trained.
    own = run.config if run.joined is None else run.joined.config
    if run.loaded_by is not None:  # a shared model, whose run is elsewhere
        return [("Train it again", reproduce_command(own))]
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
