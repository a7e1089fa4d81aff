"""The site: every citation has its paper, every entry its formula and its run, and every link its target."""

import ast
import importlib
import inspect
import json
import re
import sys

import pytest
from support.paths import ROOT

from vae_jax.config.registries import REGISTRIES

DOCS = ROOT / "docs"
PAGES = [path for path in sorted(DOCS.rglob("*.md")) if not {"generated", "_build", "jupyter_execute"} & {*path.parts}]
SOURCES = sorted([*(ROOT / "vae_jax").rglob("*.py"), *(ROOT / "configs").glob("*.py")])
ENTRIES = [(registry, name) for registry, of in REGISTRIES.items() for name in of]
CITATION = re.compile(
    r"((?:van (?:den|der) |De )?[A-Z][\w-]+(?: and (?:De )?[A-Z][\w-]+| et al\.)?),? \(?((?:19|20)\d\d[a-z]?)\b"
)


@pytest.fixture(scope="module")
def site():
    """The modules of docs/_ext."""
    sys.path.insert(0, str(DOCS / "_ext"))
    yield importlib.import_module("docstrings"), importlib.import_module("pages")
    sys.path.remove(str(DOCS / "_ext"))


def docstrings(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
            yield " ".join((ast.get_docstring(node) or "").split())


def test_every_citation_of_a_docstring_is_in_the_references(site):
    cited = {found.groups() for path in SOURCES for text in docstrings(path) for found in CITATION.finditer(text)}
    assert len(cited) > 50
    assert cited - {*site[0].references()} == set()


def test_citations_become_links(site):
    linked = site[0].linked("by Kingma\nand Welling (2014, eq. 10), not Kingma 2014", "<{text}|{url}>")
    assert linked == "by <Kingma and Welling|https://arxiv.org/abs/1312.6114> (2014, eq. 10), not Kingma 2014"


@pytest.mark.parametrize(("registry", "name"), ENTRIES)
def test_every_entry_has_a_formula_and_a_run(registry, name):
    assert ".. math:: " in (inspect.getdoc(REGISTRIES[registry][name].make) or "")
    results = ROOT / "experiments" / "reproduce" / "results"
    assert f"{registry} {name}" in {row[0] for row in json.loads((results / "entries.json").read_text())["rows"]}
    assert (results / "entries" / f"{registry}-{name}.png").is_file()


@pytest.mark.parametrize("registry", REGISTRIES)
def test_the_page_of_a_registry_has_all_its_entries_and_keys(site, registry):
    measured = {row[0]: row for row in json.loads((site[1].RESULTS / "entries.json").read_text())["rows"]}
    page = site[1].registry_page(registry, measured)
    for name, entry in REGISTRIES[registry].items():
        section = page.partition(f"\n## `{name}`\n")[2].partition("\n## ")[0]
        assert f".. autofunction:: {entry.make.__module__}.{entry.make.__qualname__}\n" in section
        assert all(f"\n| `{key.name}` | " in section for key in entry.keys)
        assert "vae-jax train --config=" in section
        for run in re.findall(r"data_dir=(\S+)", section):  # the command before it trains the run that it names
            assert re.search(rf"^vae-jax train --config=.* --workdir={run}\nvae-jax train --config=", section, re.M)


def test_links_of_a_page_are_those_of_its_copy(site):
    text = "[a](../benchmarks/README.md#x), [b](docs/data.md), ![c](results/c.png), [d](bench.py), [e](https://e.org), [f](#f)"
    folder = ROOT / "experiments" / "reproduce"
    there = site[1].with_links(text.replace("docs/", "../../docs/"), folder, site[1].MADE)
    images = "../../experiments/reproduce/results/c.png"
    assert there == f"[a](benchmarks.md#x), [b](../data.md), ![c]({images}), d, [e](https://e.org), [f](#f)"


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(DOCS)))
def test_every_relative_link_of_a_page_has_a_target(site, page):
    made = {f"{name}.md" for name in site[1].COPIED.values()} | {f"registries/{name}.md" for name in REGISTRIES}
    for found in site[1].LINK.finditer(page.read_text()):
        path = found["path"]
        if not path or re.match(r"\w+:", path):
            continue
        _, inside, copy = path.partition("generated/")
        assert copy in made if inside else (page.parent / path).exists(), found.group()


def test_every_page_is_in_the_table_of_contents():
    index = (DOCS / "index.md").read_text()
    listed = {line for block in re.findall(r"```\{toctree\}\n(.*?)```", index, re.S) for line in block.split("\n")}
    assert {str(page.relative_to(DOCS).with_suffix("")) for page in PAGES} - {"index"} <= listed
    assert {f"generated/registries/{name}" for name in REGISTRIES} <= listed


def test_every_picture_of_the_gallery_has_a_whole_command():
    before, *rest = re.split(r"^!\[[^\]]*\]\(", (DOCS / "gallery.md").read_text(), flags=re.M)
    assert len(rest) > 8
    for about in (before, *rest[:-1]):
        command = re.search(r"`((?:vae-jax|python -m experiments\.)[^`]+)`\S*(?:, where .*)?\s*$", about)
        assert command, about
        needed = "--config=.* --over=" if "sweep" in command[1] else "--workdir=runs/|--photos=DIR"
        assert re.search(needed, command[1]), about


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(DOCS)))
def test_commands_on_a_page_have_the_flags_that_they_need(page):
    for command in re.findall(r"vae-jax (?:sweep|nll|health|visualize) --[^`\n]*", page.read_text()):
        assert ("--config=" if " sweep " in command else "--workdir=") in command, command
        assert "..." not in command.replace(" ...", ""), command
