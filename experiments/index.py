"""Run the command of vae_jax/commands/index.py: `python -m experiments.index --help`"""

from vae_jax import commands

if __name__ == "__main__":
    commands.run("index")
