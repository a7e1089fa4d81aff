"""Run the command of vae_jax/commands/pack.py: `python -m experiments.pack --help`"""

from vae_jax import commands

if __name__ == "__main__":
    commands.run("pack")
