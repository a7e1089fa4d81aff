"""The files of an installation, and that it works from every folder."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from setuptools.config.setupcfg import read_configuration
from support.paths import ROOT


def test_every_package_folder_is_installed_and_nothing_else(monkeypatch):
    monkeypatch.chdir(ROOT)
    packages = read_configuration("setup.cfg")["options"]["packages"]
    folders = {path.parent.relative_to(ROOT) for path in (ROOT / "vae_jax").rglob("*.py")}
    assert set(packages) == {".".join(folder.parts) for folder in folders}


def test_an_editable_install_works_from_the_parent_of_a_clone_called_vae_jax(tmp_path):
    pytest.importorskip("setuptools", minversion="77", reason="pip install -e '.[test]' brings what builds the package")
    pip = [sys.executable, "-m", "pip"]
    if subprocess.run([*pip, "--version"], capture_output=True, check=False).returncode:
        pytest.skip("needs pip")
    clone, site = tmp_path / "vae_jax", tmp_path / "site"
    shutil.copytree(ROOT / "vae_jax", clone / "vae_jax", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("setup.cfg", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, clone)
    flags = ["--quiet", "--no-deps", "--no-build-isolation", f"--target={site}", f"--editable={clone}"]
    subprocess.run([*pip, "install", *flags], check=True)
    # Remove the entries of an installation that the tests may run in.
    others = "[p for p in sys.path if not os.path.isfile(os.path.join(p, 'vae_jax', '__init__.py'))]"
    code = f"import os, site, sys; sys.path[:] = {others}; site.addsitedir({str(site)!r})\n"
    code += "import vae_jax; print(vae_jax.__file__)"
    out = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    assert Path(out.strip()) == clone / "vae_jax" / "__init__.py"
