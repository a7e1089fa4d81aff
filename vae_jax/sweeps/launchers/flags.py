"""The flags of the launchers on the command line, and the launcher that they choose."""

import argparse
import importlib.util
from collections.abc import Mapping

from vae_jax.errors import InputError, one_of
from vae_jax.sweeps.launchers.launcher import Launcher


def add(parser: argparse.ArgumentParser, launchers: Mapping[str, Launcher]) -> None:
    """Add --launcher and the flags of every launcher."""
    choices = ", ".join(launchers)
    parser.add_argument(
        "--launcher", default="local", metavar="NAME", help=f"where the runs are trained: {choices} (local)"
    )
    for launcher in launchers.values():
        for flag in launcher.flags:
            parser.add_argument(f"--{flag.name}", type=flag.parse, metavar=flag.metavar, help=flag.help)


def chosen(flags: argparse.Namespace, launchers: Mapping[str, Launcher]) -> tuple[Launcher, dict[str, object]]:
    """Return the launcher that the flags choose, and the values of its own flags.

    Raises:
        InputError: it is unknown or not installed, or a flag of another launcher was given.
    """
    name = one_of("--launcher", flags.launcher, launchers)
    for other, launcher in launchers.items():
        for flag in launcher.flags:
            if other != name and getattr(flags, flag.name) is not None:
                raise InputError(f"--{flag.name}: --launcher={name} does not read it; choices: --launcher={other}")
    found = launchers[name]
    if found.package and importlib.util.find_spec(found.package) is None:
        rest = ", ".join(each for each in launchers if each != name)
        raise InputError(
            f"--launcher={name}: needs the package {found.package}; pip install 'vae_jax[{name}]'; choices: {rest}"
        )
    given = {flag.name: getattr(flags, flag.name) for flag in found.flags}
    return found, {flag.name: flag.default if given[flag.name] is None else given[flag.name] for flag in found.flags}
