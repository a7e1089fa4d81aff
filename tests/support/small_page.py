"""A page of a few parts of the report, made without a run: the same scripts and styles, and data of one's own."""

import json
from pathlib import Path
from typing import Any

from vae_jax.artifacts.report.page import FOLDER

STYLES = ("vendor/uPlot.min.css", "page.css", "curves.css", "figures.css")


def write_page(path: Path, body: str, scripts: tuple[str, ...], data: Any) -> str:
    """Write the page and return its address; `data` is what main.js reads."""
    styles = "".join(f"<style>{(FOLDER / name).read_text()}</style>" for name in STYLES)
    run = "".join(f"<script>{(FOLDER / name).read_text()}</script>" for name in scripts)
    head = f'<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">{styles}'
    stored = f'<script type="application/json" id="data">{json.dumps(data)}</script>'
    path.write_text(f"{head}<main>{body}</main>{stored}{run}", encoding="utf-8")
    return path.as_uri()
