"""Run the command of vae_jax/commands/evaluate.py: `python -m experiments.evaluate --help`"""

from vae_jax import commands

if __name__ == "__main__":
    commands.run("evaluate")
