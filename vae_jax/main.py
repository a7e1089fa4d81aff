"""From a command line to a run: flags, config, `train.train_and_evaluate`. `python -m vae_jax.main --help`."""

import sys

from vae_jax import entry


def run(argv: list[str]) -> int:
    """Do what a command line says; the exit code is that of `entry.exit_code`."""
    return entry.exit_code(lambda: _run(argv))


def _run(argv: list[str]) -> None:
    from pathlib import Path

    from vae_jax import cli, config, processes, train

    flags = cli.parse(argv)
    if flags.help:
        print(cli.USAGE + config.table(cli.names("digits")))
        return
    with processes.together(flags.distributed):
        settings = cli.read(flags)
        workdir = flags.workdir or Path("runs", config.run_name(settings, Path(flags.config).stem))
        train.train_and_evaluate(settings, Path(workdir))


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:]))
