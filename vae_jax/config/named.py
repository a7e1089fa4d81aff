"""The configs that come with the package, by name: `--config=vae` is the file vae.py among them."""

import os
from difflib import SequenceMatcher
from pathlib import Path

from vae_jax.errors import InputError, shown

PACKAGE = Path(__file__).parents[1]


def folder() -> Path:
    """Return the folder of the configs: in the package where a wheel is installed, beside it in a clone."""
    inside = PACKAGE / "configs"
    return inside if inside.is_dir() else PACKAGE.parent / "configs"


def nearest(text: str) -> list[str]:
    """Return the names of all configs, those most like a text first."""
    names = sorted(path.stem for path in folder().glob("*.py") if path.stem != "__init__")
    return sorted(names, key=lambda name: SequenceMatcher(None, text, name).ratio(), reverse=True)


def path_of(text: str) -> str:
    """Return the path of a config that is given as a name (no slash, no .py) or as a path.

    A name never means a file in the current directory.

    Raises:
        InputError: no config has this name, or there is no such file; the names are listed, the nearest first.
    """
    is_name = os.path.basename(text) == text and not text.endswith(".py")
    names = nearest(Path(text).stem)
    # A name is looked for in the list, because some file systems find vae.py as VAE.py, and a run is named after its config.
    if is_name and text in names:
        return str(folder() / f"{text}.py")
    if not is_name and os.path.isfile(text):  # Path.is_file raises if the name is too long or a folder cannot be read
        return text
    own = f"; did you mean {text}.py?" if is_name and os.path.isfile(f"{text}.py") else ""
    kind = "config" if is_name else "file"
    raise InputError(f"--config={shown(text)}: no such {kind}{shown(own)}; choices: {', '.join(names)}")
