"""One self-contained HTML file, made from a template and its data."""

import base64
import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

import jinja2
import numpy as np
from jaxtyping import Float
from markupsafe import Markup

FOLDER = Path(__file__).parent / "page"
STYLES = {
    "report.html.j2": ("vendor/uPlot.min.css", "page.css", "curves.css", "figures.css"),
    "compare.html.j2": ("vendor/uPlot.min.css", "page.css", "curves.css", "runs.css"),
    "index.html.j2": ("page.css", "runs.css"),
}
"""The styles of each template, in their order."""


def render(template: str, scripts: tuple[str, ...], data: Mapping[str, Any], **values: Any) -> str:
    """Render the page.

    No name that a person chose (a class, a folder, a config value) can become markup: the template escapes its values, the
    data contain no `<`, and the browser runs only the page's own scripts, by their hashes.

    Args:
        template: a file in the folder page/.
        scripts: the page's scripts, run in this order at the end of the page.
        data: JSON values that the scripts read.
        values: values that the template shows.
    """
    # StrictUndefined: a missing value is our fault, and raises.
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(FOLDER), autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True
    )
    sources = [_read(name) for name in scripts]
    return environment.get_template(template).render(
        styles=[Markup(_read(name)) for name in STYLES[template]],
        scripts=[(Path(name).name, Markup(source)) for name, source in zip(scripts, sources, strict=True)],
        hashes=" ".join(f"'sha256-{_digest(source)}'" for source in sources),
        data=Markup(as_json(data)),
        **values,
    )


def as_json(data: Any) -> str:
    """Return JSON that is safe within an HTML element: no character in it can end the element."""
    text = json.dumps(data, allow_nan=False, separators=(",", ":"))
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def data_url(kind: str, content: bytes) -> str:
    """Return a file as `data:image/png;base64,...`."""
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def address(file: Path, folder: Path) -> str:
    """Return the address of a file for a page in `folder`: relative if possible, so that both can be moved together."""
    try:
        return quote(Path(os.path.relpath(file.resolve(), folder.resolve())).as_posix())
    except ValueError:  # another drive of Windows
        return file.resolve().as_uri()


def hexadecimal(rgba: Float[np.ndarray, " 4"]) -> str:
    """Return a colour as #rrggbb."""
    return "#" + "".join(f"{round(255 * part):02x}" for part in rgba[:3])


def _read(name: str) -> str:
    text = (FOLDER / name).read_text(encoding="utf-8")
    assert "</script" not in text, name
    assert "</style" not in text, name
    return text


def _digest(source: str) -> str:
    return base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()
