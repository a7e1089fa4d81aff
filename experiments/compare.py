"""Run the command of vae_jax/commands/compare.py: `python -m experiments.compare --help`"""

from vae_jax import commands

if __name__ == "__main__":
    commands.run("compare")
