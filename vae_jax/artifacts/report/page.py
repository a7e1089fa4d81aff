"""A template and its data made into one HTML file that needs nothing else."""

import base64
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

FOLDER = Path(__file__).parent / "page"
STYLES = ("vendor/uPlot.min.css", "page.css")


def render(template: str, scripts: tuple[str, ...], data: Mapping[str, Any], **values: Any) -> str:
    """The page's text.

    Nothing that a person named (a class, a folder, a config value) can become markup: the template escapes all it is
    given, the data have no `<`, and the browser is told to run the page's own scripts only, by their hashes.

    Args:
        template: a file of the folder page/.
        scripts: its scripts, run in this order at the end of the page.
        data: what the scripts read, as JSON.
        values: what the template shows.
    """
    # StrictUndefined: a value that is not there is our fault, and shows.
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(FOLDER), autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True
    )
    sources = [_read(name) for name in scripts]
    return environment.get_template(template).render(
        styles=[Markup(_read(name)) for name in STYLES],
        scripts=[(Path(name).name, Markup(source)) for name, source in zip(scripts, sources, strict=True)],
        hashes=" ".join(f"'sha256-{_digest(source)}'" for source in sources),
        data=Markup(as_json(data)),
        **values,
    )


def as_json(data: Any) -> str:
    """JSON that may stand within an HTML element: no character of it ends one."""
    text = json.dumps(data, allow_nan=False, separators=(",", ":"))
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def data_url(kind: str, content: bytes) -> str:
    """`data:image/png;base64,...`."""
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def _read(name: str) -> str:
    text = (FOLDER / name).read_text(encoding="utf-8")
    assert "</script" not in text, name
    assert "</style" not in text, name
    return text


def _digest(source: str) -> str:
    return base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()
