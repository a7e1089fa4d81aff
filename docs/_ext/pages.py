"""Pages that are made when the site is built: one for each registry, and the pages of other folders."""

import importlib
import inspect
import json
import os
import re
from pathlib import Path
from typing import Any

from docstrings import linked

from vae_jax.config.registries import REGISTRIES
from vae_jax.keys import Entry, Key

DOCS = Path(__file__).parents[1]
ROOT = DOCS.parent
MADE = DOCS / "generated"
COPIED = {
    "experiments/README.md": "experiments",
    "experiments/benchmarks/README.md": "benchmarks",
    "experiments/reproduce/README.md": "reproduced",
    "CHANGELOG.md": "changelog",
    "CONTRIBUTING.md": "contributing",
}
"""A page of the repository -> the name of its copy."""
ABOUT = {
    "model": ("Models", "The kind of autoencoder: what its codes are, and which bound on log p(x) it has."),
    "posterior": (
        "Posteriors",
        "q(z|x), the family from which the encoder of a VAE chooses a distribution of codes for each image.",
    ),
    "prior": (
        "Priors",
        "p(z), the distribution of codes that samples are drawn from: fixed, or learned with the model.",
    ),
    "quantizer": ("Quantizers", "The map from the encoder's vectors to discrete codes, in a quantised autoencoder."),
    "network": ("Networks", "The networks of the encoder and the decoder."),
    "likelihood": (
        "Likelihoods",
        "p(x|z), the distribution of pixels that the decoder gives; it decides what log p(x) is.",
    ),
    "objective": ("Objectives", "The quantity that training minimises, nats per image."),
}
"""Registry -> the title of its page, and its first sentence."""
LINK = re.compile(r"(?P<image>!?)\[(?P<text>(?:[^\[\]]|\[[^\]]*\])*)\]\((?P<path>[^)#\s]*)(?P<anchor>#[^)\s]*)?\)")
RESULTS = ROOT / "experiments" / "reproduce" / "results"


def write_pages(app: Any) -> None:
    """Write docs/generated; a page that has not changed is left alone, so that it is not built again."""
    (MADE / "registries").mkdir(parents=True, exist_ok=True)
    measured = {row[0]: row for row in json.loads((RESULTS / "entries.json").read_text("utf-8"))["rows"]}
    made = {MADE / f"{name}.md": _copy(ROOT / source, MADE) for source, name in COPIED.items()}
    made |= {MADE / "registries" / f"{name}.md": registry_page(name, measured) for name in REGISTRIES}
    for path, text in made.items():
        if not path.is_file() or path.read_text("utf-8") != text:
            path.write_text(text, encoding="utf-8")


def _copy(source: Path, folder: Path) -> str:
    return with_links(source.read_text(encoding="utf-8"), source.parent, folder)


def with_links(text: str, base: Path, folder: Path) -> str:
    """Return a page that lay in `base` with its links as they are in `folder`.

    A page of the repository is linked in its copy on the site. Another file of the repository has no address here: its link
    becomes the text alone.
    """
    copies = {ROOT / source: MADE / f"{name}.md" for source, name in COPIED.items()}

    def one(found: re.Match[str]) -> str:
        path, anchor = found["path"], found["anchor"] or ""
        if not path or re.match(r"\w+:", path):
            return found.group()
        target = Path(os.path.normpath(base / path))
        target = copies.get(target, target)
        inside = target.suffix == ".md" and target.is_relative_to(DOCS)
        if inside or found["image"]:
            return f"{found['image']}[{found['text']}]({os.path.relpath(target, folder)}{anchor})"
        return found["text"]

    return LINK.sub(one, text)


def registry_page(registry: str, measured: dict[str, list[str]]) -> str:
    """Return the page of a registry: a section for each entry, made of its docstring, its keys and its small run."""
    entries = REGISTRIES[registry]
    (title, about), names = ABOUT[registry], ", ".join(f"[`{name}`](#{name})" for name in entries)
    parts = [f"# {title}\n\n{about} The key `{registry}` chooses one of {names}.\n"]
    for name, entry in entries.items():
        parts.append(_section(registry, name, entry, measured))
    return "\n".join(parts)


def _section(registry: str, name: str, entry: Entry, measured: dict[str, list[str]]) -> str:
    module = importlib.import_module(entry.make.__module__)
    about = linked((inspect.getdoc(module) or "").partition("\n\n")[0], "[{text}]({url})")
    function = f"{entry.make.__module__}.{entry.make.__qualname__}"
    parts = [f"## `{name}`", about, f"```{{eval-rst}}\n.. autofunction:: {function}\n```"]
    if entry.keys:
        parts.append(_keys_table(entry.keys))
    if f"{registry} {name}" in measured:
        parts.append(_run(registry, name, measured))
    return "\n\n".join(parts) + "\n"


def _keys_table(keys: tuple[Key, ...]) -> str:
    lines = ["| key | default | unit | meaning |", "|---|---|---|---|"]
    for key in keys:
        choices = f"; one of {', '.join(key.choices)}" if key.choices else ""
        lines.append(f"| `{key.name}` | `{_shown(key.default)}` | {key.unit} | {_cell(key.meaning + choices)} |")
    return "\n".join(lines)


def _shown(value: Any) -> str:
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value) or " "


def _cell(text: str) -> str:
    """Return a text for a cell of a Markdown table."""
    return text.replace("|", r"\|").replace("<", "&lt;")


def _run(registry: str, name: str, measured: dict[str, list[str]]) -> str:
    columns = ("elbo", "kl", "mse_mean")
    _, epochs, *values, parameters, flags = measured[f"{registry} {name}"]
    numbers = [f"{column} {value}" for column, value in zip(columns, values, strict=True) if value]
    said = f"{epochs} epochs, {parameters} parameters, of the test images: {', '.join(numbers)}"
    picture = os.path.relpath(RESULTS / "entries" / f"{registry}-{name}.png", MADE / "registries")
    commands = [f"vae-jax train {flags.strip('`')}".replace("data_dir=", "data_dir=runs/")]
    if parent := re.search(
        r"data_dir=([\w-]+)", flags
    ):  # the directory of another entry, see experiments.reproduce.entries
        first = measured[parent[1].replace("-", " ")][-1].strip("`")
        commands.insert(0, f"vae-jax train {first} --workdir=runs/{parent[1]}")
        said += ". The first command trains the run whose codes the second learns"
    block = "\n".join(commands)
    return f"On the digits, one seed: {said}.\n\n```sh\n{block}\n```\n\n![{registry} {name}]({picture})"


def relink(app: Any, name: str, source: list[str]) -> None:
    """Adapt the links of a page of docs/ that also is read in the repository."""
    if not name.startswith("generated/"):
        folder = (DOCS / name).parent
        source[0] = with_links(source[0], folder, folder)


def setup(app: Any) -> dict[str, Any]:
    """Connect to Sphinx."""
    app.connect("builder-inited", write_pages)
    app.connect("source-read", relink)
    return {"parallel_read_safe": True}
