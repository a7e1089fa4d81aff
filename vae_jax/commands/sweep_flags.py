"""The flags of `vae-jax sweep`."""

from pathlib import Path
from typing import Any

from vae_jax import sweeps
from vae_jax.commands import arguments
from vae_jax.sweeps import search as searching
from vae_jax.sweeps.launchers import LAUNCHERS
from vae_jax.sweeps.launchers import flags as launcher_flags


def read_flags(argv: list[str], help_text: str | None) -> Any:
    """Parse the command line.

    `overrides` holds the (key, text) of --config.KEY=VALUE, `points` the values of --over, and `space` its ranges, if any.
    """
    parser = arguments.Parser(help_text)
    parser.add_config()
    parser.add_argument("--over", action="append", required=True, metavar="KEY=VALUE,...", help="a key and its values")
    parser.add_argument("--seeds", type=arguments.seeds, default=(0,), metavar="SEED,...", help="seeds per value (0)")
    parser.add_argument(
        "--output", type=arguments.path, default=Path("runs/sweeps"), metavar="DIR", help="their folder (runs/sweeps)"
    )
    population = "train runs that can join as one program; auto (the default): on an accelerator only"
    parser.add_argument("--population", choices=("auto", "on", "off"), default="auto", help=population)
    parser.add_argument("--search", default="grid", metavar="NAME", help="grid (the default), or optuna")
    parser.add_argument("--trials", type=arguments.count, metavar="N", help="the number of trials of --search=optuna")
    parser.add_argument(
        "--parallel", type=arguments.count, default=1, metavar="N", help="trials trained together by ray or slurm (1)"
    )
    launcher_flags.add(parser, LAUNCHERS)
    flags = parser.parse_config(argv)
    flags.launch, flags.of_launcher = launcher_flags.chosen(flags, LAUNCHERS)
    searching.check(flags)
    space = searching.parse_space(flags.over) if flags.search == "optuna" else {}
    flags.points = [] if space else sweeps.product(flags.over)
    keys = [key for name in space for key in name.split(":")] or [key for key, _ in flags.points[0]]
    flags.space, swept = space, {"seed": "--seeds", **dict.fromkeys(keys, "--over")}
    for key, value in flags.overrides:
        if key in swept:
            parser.error(f"--config.{key}={value}: {swept[key]} sets this key for each run")
    return flags
