"""From a command line to a run: flags, config, `train.train_and_evaluate`. `python -m vae_jax.main --help`."""

import sys
from pathlib import Path

from vae_jax import cli, data
from vae_jax import config as config_lib
from vae_jax import workdir as workdir_lib
from vae_jax.likelihoods import LIKELIHOODS
from vae_jax.models import MODELS
from vae_jax.networks import ACTIVATIONS, NETWORKS
from vae_jax.objectives import OBJECTIVES
from vae_jax.run import continue_command
from vae_jax.train import train_and_evaluate
from vae_jax.types import Config


def read(flags: cli.Flags) -> Config:
    """The validated config of a command line: the file's or the run's, with its overrides."""
    config = config_lib.load_file(flags.config) if flags.config else workdir_lib.read_config(Path(flags.workdir))
    config: Config = config_lib.override(config, flags.overrides)
    registries = {"model": MODELS, "network": NETWORKS, "activation": ACTIVATIONS, "likelihood": LIKELIHOODS}
    registries |= {"objective": OBJECTIVES, "dataset": data.known_names(str(config.get("dataset", "")))}
    return config_lib.validate(config, registries)


def run(argv: list[str]) -> int:
    """Do what a command line says; the exit code is that of `cli.exit_code`."""
    workdir = None

    def body() -> None:
        nonlocal workdir
        flags = cli.parse(argv)
        if flags.help:
            print(cli.USAGE + config_lib.table())
            return
        config = read(flags)
        workdir = Path(flags.workdir or Path("runs", config_lib.run_name(config, Path(flags.config).stem)))
        train_and_evaluate(config, workdir)

    def stopped() -> str:
        begun = workdir is not None and (workdir / workdir_lib.CONFIG).exists()
        return (
            f"stopped; continue: {continue_command(workdir)}" if workdir and begun else "stopped; nothing was written"
        )

    return cli.exit_code(body, stopped)


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:]))
