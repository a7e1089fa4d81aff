"""Run the command of vae_jax/commands/codes.py: `python -m experiments.codes --help`"""

from vae_jax import commands

if __name__ == "__main__":
    commands.run("codes")
