"""The files of an installation, and that it works from every folder; what a release names and pins."""

import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from configparser import ConfigParser
from pathlib import Path

import pytest
import yaml
from setuptools.config.setupcfg import read_configuration
from support.paths import ROOT

SETUP = ConfigParser()
SETUP.read(ROOT / "setup.cfg")
NEEDS_SETUPTOOLS = "pip install -e '.[test]' brings what builds the package"


def clone_to(clone: Path) -> None:
    """Copy what a build reads."""
    for name in ("vae_jax", "configs", "experiments"):
        shutil.copytree(ROOT / name, clone / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("setup.cfg", "setup.py", "pyproject.toml", "MANIFEST.in", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, clone)


def test_every_package_folder_is_installed_and_nothing_else(monkeypatch):
    monkeypatch.chdir(ROOT)
    packages = read_configuration("setup.cfg")["options"]["packages"]
    folders = {path.parent.relative_to(ROOT) for path in (ROOT / "vae_jax").rglob("*.py")}
    assert set(packages) == {".".join(folder.parts) for folder in folders}


def test_an_editable_install_works_from_the_parent_of_a_clone_called_vae_jax(tmp_path):
    pytest.importorskip("setuptools", minversion="77", reason=NEEDS_SETUPTOOLS)
    pip = [sys.executable, "-m", "pip"]
    if subprocess.run([*pip, "--version"], capture_output=True, check=False).returncode:
        pytest.skip("needs pip")
    clone, site = tmp_path / "vae_jax", tmp_path / "site"
    clone_to(clone)
    flags = ["--quiet", "--no-deps", "--no-build-isolation", f"--target={site}", f"--editable={clone}"]
    subprocess.run([*pip, "install", *flags], check=True)
    # Remove the entries of an installation that the tests may run in.
    others = "[p for p in sys.path if not os.path.isfile(os.path.join(p, 'vae_jax', '__init__.py'))]"
    code = f"import os, site, sys; sys.path[:] = {others}; site.addsitedir({str(site)!r})\n"
    code += "import vae_jax; print(vae_jax.__file__)"
    out = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    assert Path(out.strip()) == clone / "vae_jax" / "__init__.py"
    assert not list(site.glob("*finder*")), "an import hook, where a path entry is enough"
    assert not (clone / "vae_jax" / "configs").exists()
    assert (site / "bin" / "vae-jax").is_file()


@pytest.mark.slow
def test_a_wheel_carries_the_configs_inside_the_package_and_an_sdist_all_that_a_wheel_needs(tmp_path):
    pytest.importorskip("setuptools", minversion="77", reason=NEEDS_SETUPTOOLS)
    clone_to(tmp_path / "clone")

    def build(kind: str, source: Path) -> Path:
        code = f"from setuptools import build_meta; build_meta.build_{kind}({str(tmp_path / source.name)!r} + '-out')"
        subprocess.run([sys.executable, "-c", code], cwd=source, check=True, capture_output=True)
        (built,) = Path(f"{tmp_path / source.name}-out").glob("*.whl" if kind == "wheel" else "*.tar.gz")
        return built

    with tarfile.open(build("sdist", tmp_path / "clone")) as archive:
        archive.extractall(tmp_path, filter="data")
    (unpacked,) = tmp_path.glob("vae_jax-*[0-9]")
    wheels = [zipfile.ZipFile(build("wheel", source)) for source in (unpacked, tmp_path / "clone")]
    files, of_clone = ({name: wheel.read(name) for name in wheel.namelist()} for wheel in wheels)
    assert files == of_clone
    inside = {name.removeprefix("vae_jax/configs/") for name in files if name.startswith("vae_jax/configs/")}
    assert inside == {path.name for path in (ROOT / "configs").glob("*.py")}
    assert all(files[f"vae_jax/configs/{name}"] == (ROOT / "configs" / name).read_bytes() for name in inside)
    assert {name.partition("/")[0] for name in files} == {"vae_jax", unpacked.name + ".dist-info"}
    assert "vae_jax/py.typed" in files
    assert b"vae-jax = vae_jax.__main__:start" in files[f"{unpacked.name}.dist-info/entry_points.txt"]


def test_all_files_name_the_version():
    version = SETUP["metadata"]["version"]
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert cited["version"] == cited["preferred-citation"]["version"] == version
    (bibtex,) = re.findall(r"```bibtex\n(.*?)```", (ROOT / "README.md").read_text(), re.S)
    assert f"version = {{{version}}}" in bibtex
    for work in (cited, cited["preferred-citation"]):
        assert f"title = {{{work['title']}}}" in bibtex
        assert f"author = {{{{{work['authors'][0]['name']}}}}}" in bibtex
    assert f"year = {{{cited['preferred-citation']['year']}}}" in bibtex
    assert re.findall(r"^## \[(.+?)\]", (ROOT / "CHANGELOG.md").read_text(), re.M)[0] == version


def test_the_hooks_of_commits_have_the_bounds_of_the_extra_dev():
    bounds = dict(line.split(None, 1) for line in SETUP["options.extras_require"]["dev"].strip().splitlines())
    (repo,) = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    assert repo["repo"] == "local"
    for hook in repo["hooks"]:
        (needed,) = hook["additional_dependencies"]
        ((name, least),) = re.findall(r"^(\w+)(?:\[nodejs\])?(>=.*)$", needed)
        assert least == bounds[name].replace(" ", "")
        assert name in hook["entry"]


def test_a_release_runs_only_actions_pinned_by_commit_and_publishes_without_a_password():
    text = (ROOT / ".github" / "workflows" / "release.yml").read_text()
    jobs = yaml.safe_load(text)["jobs"]
    used = [step["uses"] for job in jobs.values() for step in job["steps"] if "uses" in step]
    assert len(used) == 5
    for action in used:
        assert re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}", action), action
        assert re.search(rf"{action}  # v\d+\.\d+\.\d+$", text, re.M), action
    assert jobs["publish"]["environment"] == "pypi"
    assert jobs["publish"]["permissions"] == {"id-token": "write"}
    assert "permissions" not in jobs["build"]  # those of the file: it only reads
    assert "secrets." not in text
