"""Run the command of vae_jax/commands/report.py: `python -m experiments.report --help`"""

from vae_jax import commands

if __name__ == "__main__":
    commands.run("report")
