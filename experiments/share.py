"""Run the command of vae_jax/commands/share.py: `python -m experiments.share --help`"""

from vae_jax import commands

if __name__ == "__main__":
    commands.run("share")
