"""The step of the build that setup.cfg cannot describe: a wheel carries configs/ as vae_jax/configs."""

from setuptools import setup
from setuptools.command.build_py import build_py


class BuildWithConfigs(build_py):
    """build_py with one more package: its modules come from configs/, also when their list is made for an sdist."""

    def finalize_options(self) -> None:
        """Add the package, but not to an editable install, where the configs stay beside vae_jax."""
        super().finalize_options()
        if not self.editable_mode:
            self.packages = [*self.packages, "vae_jax.configs"]
            # A copy: the distribution's own table, from which an editable install is made, stays as it is.
            self.package_dir = {**self.package_dir, "vae_jax.configs": "configs"}


setup(cmdclass={"build_py": BuildWithConfigs})
