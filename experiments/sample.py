"""Run the command of vae_jax/commands/sample.py: `python -m experiments.sample --help`"""

from vae_jax import commands

if __name__ == "__main__":
    commands.run("sample")
