"""Print the commands and the studies of this folder: `python -m experiments`"""

import sys

from vae_jax import commands
from vae_jax.system.command import run_command

STUDIES = {
    "faults": "Kill, starve and damage runs, and count what survives",
    "benchmarks": "Measure time and memory; see experiments/benchmarks/README.md",
    "reproduce": "Train published tables again; see experiments/reproduce/README.md",
}


def main() -> None:
    """Print a line for each command and each study."""
    print("commands, each with --help:")
    for name in commands.COMMANDS:
        print(f"  python -m experiments.{name:<10} {commands.summary(name)}")
    print("studies:")
    for name, text in STUDIES.items():
        print(f"  experiments/{name + '/':<20} {text}")


if __name__ == "__main__":
    sys.exit(run_command(main))
