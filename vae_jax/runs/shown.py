"""A run as HTML for a notebook: its numbers and the pictures of its directory."""

import base64
import html
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vae_jax.runs import workdir as workdir_lib
from vae_jax.system import disk
from vae_jax.system.formatting import format_value
from vae_jax.types import Config

MOST_BYTES = 2_000_000
"""The most bytes of pictures that are shown."""
KINDS = {".png": "image/png", ".gif": "image/gif"}


def as_html(config: Config, step: int, workdir: Path | None) -> str:
    """Return a heading, the table of results.json or of a shared model, and the pictures, as far as the directory has them."""
    name = html.escape(workdir.name if workdir else "a run without a directory")
    parts = [f"<p><b>{name}</b>: {config.model} on {html.escape(config.dataset)}, step {step:,}</p>"]
    if workdir is not None:
        shared = disk.read_object(workdir / workdir_lib.CONFIG).get("metrics", {})
        parts += [_table(workdir_lib.read_results(workdir) or shared)]
        parts += [_pictures(workdir / "figures"), _pictures(workdir)]
    return "\n".join(part for part in parts if part)


def picture_tag(name: str, content: bytes, width: str = "") -> str:
    """Return the tag that shows the bytes of a PNG or GIF file."""
    address = f"data:{KINDS[Path(name).suffix]};base64,{base64.b64encode(content).decode()}"
    return f'<img alt="{html.escape(name)}" title="{html.escape(name)}" src="{address}" style="max-width: {width or "100%"}">'


def _table(results: Mapping[str, Any]) -> str:
    splits = [split for split in ("train", "val", "test") if any(name.startswith(f"{split}/") for name in results)]
    metrics = dict.fromkeys(name.partition("/")[2] for name in results if name.partition("/")[0] in splits)
    if not splits:
        return ""
    lines = ["<tr><th></th>" + "".join(f"<th>{split}</th>" for split in splits) + "</tr>"]
    for metric in metrics:
        values = [results.get(f"{split}/{metric}") for split in splits]
        cells = "".join(f"<td>{'' if value is None else format_value(metric, value)}</td>" for value in values)
        lines.append(f"<tr><td>{html.escape(metric)}</td>{cells}</tr>")
    return f'<table cellpadding="4">{"".join(lines)}</table>'


def _pictures(folder: Path) -> str:
    shown, size = [], 0
    for path in sorted(folder.glob("*")) if folder.is_dir() else []:
        if path.suffix in KINDS and size + path.stat().st_size <= MOST_BYTES:
            size += path.stat().st_size
            shown.append(picture_tag(path.name, path.read_bytes(), "360px"))
    style = "display: flex; flex-wrap: wrap; gap: 8px; align-items: flex-start"
    return f'<div style="{style}">{"".join(shown)}</div>' if shown else ""
