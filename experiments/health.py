"""Run the command of vae_jax/commands/health.py: `python -m experiments.health --help`"""

from vae_jax import commands

if __name__ == "__main__":
    commands.run("health")
