"""Train a run from the command line; `python -m vae_jax.main --help` lists the flags and keys."""

import sys

from vae_jax.system.command import run_command


def run(argv: list[str]) -> int:
    """Run a command line; return the exit code of `run_command`."""
    return run_command(lambda: _run(argv))


def _run(argv: list[str]) -> int:
    from pathlib import Path

    from vae_jax.system.console import Console

    # Several processes print nothing before they have joined.
    console = None if any(word.startswith("--distributed") for word in argv) else Console()
    if console and console.interactive and not {"-h", "--help"} & {*argv}:
        console.line("starting JAX ...")  # the imports take seconds
    from vae_jax import config, train
    from vae_jax.config import command_line
    from vae_jax.runs.workdir import read_config
    from vae_jax.system import joining

    say = console.line if console else lambda line: None
    flags = command_line.parse(argv)
    if flags.help:
        print(command_line.help_text(argv))
        return 0
    with joining.together(flags.distributed):
        if flags.config:
            settings = command_line.read_file(flags.config, flags.overrides, say)
        else:
            settings = command_line.overridden(read_config(Path(flags.workdir)), flags.overrides)
        workdir = flags.workdir or Path("runs", config.run_name(settings, Path(flags.config).stem))
        results = train.train_and_evaluate(settings, Path(workdir), console, argv if flags.config else ())
    return int("left_out" in results)


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:]))
