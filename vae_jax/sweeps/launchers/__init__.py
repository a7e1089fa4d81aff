"""Launchers: they train the runs of a sweep, here or on other machines; one file each, one line in LAUNCHERS.

A launcher needs the package of the extra with its name, which is imported when the launcher is used.
"""

from vae_jax.sweeps.launchers import local, ray_cluster, slurm
from vae_jax.sweeps.launchers.launcher import Launcher, Sweep

LAUNCHERS: dict[str, Launcher] = {
    "local": local.LAUNCHER,
    "ray": ray_cluster.LAUNCHER,
    "slurm": slurm.LAUNCHER,
}
"""Name -> its function, flags and package."""
