"""Run the command of vae_jax/commands/export.py: `python -m experiments.export --help`"""

from vae_jax import commands

if __name__ == "__main__":
    commands.run("export")
