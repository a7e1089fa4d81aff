"""Run the command of vae_jax/commands/visualize.py: `python -m experiments.visualize --help`"""

from vae_jax import commands

if __name__ == "__main__":
    commands.run("visualize")
