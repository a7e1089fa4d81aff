"""Run the command of vae_jax/commands/sweep.py: `python -m experiments.sweep --help`"""

from vae_jax import commands

if __name__ == "__main__":
    commands.run("sweep")
