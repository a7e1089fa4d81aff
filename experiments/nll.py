"""Run the command of vae_jax/commands/nll.py: `python -m experiments.nll --help`"""

from vae_jax import commands

if __name__ == "__main__":
    commands.run("nll")
