"""From a command line to a run: flags, config, `train.train_and_evaluate`. `python -m vae_jax.main --help`."""

import sys

from vae_jax import signals


def run(argv: list[str]) -> int:
    """Do what a command line says; the exit code: 0 done, 1 training failed, 2 bad input, 128 + n stopped by signal n."""
    with signals.leaving():
        # Inside: a Ctrl-C in the seconds that these imports take is answered like any other.
        from vae_jax.types import InputError, TrainingError

        try:
            return _run(argv)
        except (InputError, TrainingError) as error:
            print("\n".join(f"error: {line}" for line in str(error).splitlines()), file=sys.stderr)
            return 2 if isinstance(error, InputError) else 1
        except signals.Stopped as stopped:
            print(stopped)
            return 128 + stopped.signum


def _run(argv: list[str]) -> int:
    from pathlib import Path

    from vae_jax import cli, config, train

    flags = cli.parse(argv)
    if flags.help:
        print(cli.USAGE + config.table(cli.names("digits")))
        return 0
    settings = cli.read(flags)
    workdir = flags.workdir or Path("runs", config.run_name(settings, Path(flags.config).stem))
    train.train_and_evaluate(settings, Path(workdir))
    return 0


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:]))
