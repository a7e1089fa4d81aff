"""The pages agree with the code: commands parse, named files exist, and line counts are close to the real ones."""

import re
import shlex
from importlib.util import find_spec

import pytest
from support.paths import ROOT
from test_layering import ORDER

from vae_jax import commands
from vae_jax import config as config_lib
from vae_jax.config import command_line
from vae_jax.evaluation.per_image import METRICS

README = (ROOT / "README.md").read_text()
CODE = (ROOT / "docs" / "code.md").read_text()
DOCSTRINGS = "\n".join(
    path.read_text().split('"""')[1] for path in sorted((ROOT / "configs").glob("*.py")) if path.stat().st_size
)
PAGES = (
    ROOT / "README.md",
    *sorted((ROOT / "docs").glob("*.md")),
    *sorted((ROOT / "experiments").glob("**/README.md")),
)
ALL_PAGES = (*PAGES, ROOT / "CHANGELOG.md", ROOT / "CONTRIBUTING.md")
NEW_PRIOR = ROOT / "docs" / "new_prior.md"
"""A page about a file that is not there; test_new_prior.py writes the file and runs the page's commands."""
TEXT = re.sub(r"\s+--", " --", "\n".join([DOCSTRINGS, *(page.read_text() for page in PAGES if page != NEW_PRIOR)]))
COMMANDS = sorted(set(re.findall(r"(?:python -m vae_jax\.main|vae-jax train)((?: --[\w.]+(?:=[^\s`;&]+)?)+)", TEXT)))
LINES_OFF = 0.15
"""The largest relative error of a line count in the README, so that a small edit of a file needs no edit of the README."""


def test_the_bash_blocks_of_the_readme_are_the_two_expected_commands():
    blocks = re.findall(r"^```bash\n(.*?)\n```$", README, re.M | re.S)
    assert blocks == [
        "pip install -e . && python -m vae_jax.main --config=configs/vae.py",
        "pip install -e '.[test]' && pytest",
    ]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_is_accepted_by_the_program(command):
    flags = command_line.parse(shlex.split(command.replace("$s", "0")))
    if flags.help:
        return
    if flags.config:
        command_line.read_file(flags.config, flags.overrides)
    else:
        config_lib.override(config_lib.defaults(), flags.overrides)


def test_commands_are_found_in_the_pages():
    assert len(COMMANDS) >= 6


@pytest.mark.parametrize("page", ALL_PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_the_files_named_on_a_page_exist(page):
    for name in re.findall(r"(?:vae_jax|configs|tests|experiments)/[\w/]+\.(?:py|js)\b", page.read_text()):
        assert "NAME" in name or (ROOT / name).is_file() or page == NEW_PRIOR, name


@pytest.mark.parametrize("page", ALL_PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_the_commands_named_on_a_page_exist(page):
    for name in re.findall(r"python -m (experiments\.[\w.]*\w)", page.read_text()):
        assert find_spec(name), name
    for name in re.findall(r"\bvae-jax (\w+)", page.read_text()):
        assert name == "train" or name in commands.COMMANDS, name


@pytest.mark.parametrize("page", ALL_PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_the_links_on_a_page_point_to_existing_files_and_headings(page):
    for name, anchor in re.findall(r"\]\((?!https?:)([^)#\s]*)(?:#([^)\s]+))?\)", page.read_text()):
        if name.startswith("generated/"):
            continue  # made when the site is built; test_docs.py knows which pages there are
        target = page.parent / name if name else page
        assert target.is_file(), name
        if anchor:
            headings = re.findall(r"^#+ (.+)$", target.read_text(), re.M)
            assert anchor in {re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings}, anchor


def test_the_readme_has_fewer_than_250_lines_and_names_every_config_and_page():
    assert len(README.splitlines()) < 250
    for path in (ROOT / "configs").glob("*.py"):
        assert f"`configs/{path.name}`" in README or path.stem in ("__init__", "base"), path
    listed = (ROOT / "docs" / "index.md").read_text().split()
    for page in PAGES[1:]:  # the table of contents of the site lists the pages that are written for it
        assert f"({page.relative_to(ROOT)})" in README or page.stem in listed, page


def test_every_metric_is_explained():
    for metric in METRICS:
        assert f"`{metric}`" in README


def test_the_reading_path_lists_files_with_their_lengths():
    counts = {}
    for name, count in re.findall(r"^\| `(vae_jax/[\w/]+\.py)` \| (\d+) \|", CODE, re.M):
        counts[name] = len((ROOT / name).read_text().splitlines())
        assert abs(int(count) - counts[name]) <= LINES_OFF * counts[name], f"{name} has {counts[name]} lines"
    assert len(counts) >= 12
    assert sum(counts.values()) <= 1650  # short enough to read at once


def test_the_table_of_packages_has_the_order_of_imports():
    assert tuple(re.findall(r"^\| `(\w+)(?:/|\.py)` \|", CODE, re.M)) == ORDER
