"""A checkpoint's manifest: size and sha256 of every file, because orbax does not notice a flipped bit."""

import hashlib
import json
from pathlib import Path
from typing import Any

from vae_jax.system import disk

MANIFEST = "MANIFEST"
"""In a step's directory: a line with the sha256 of the rest, {"metric": .., "files": {path: [bytes, sha256]}}."""


def _fingerprint(path: Path) -> list:
    with path.open("rb") as file:
        return [path.stat().st_size, hashlib.file_digest(file, "sha256").hexdigest()]


def load(directory: Path) -> dict[str, Any]:
    """Read the manifest of a step's directory; if it is absent, return one that lists no files.

    Raises:
        OSError, ValueError: it is damaged.
    """
    path = directory / MANIFEST
    if not path.exists():
        return {"metric": None, "files": {}}
    digest, _, body = path.read_bytes().partition(b"\n")
    if digest.decode() != hashlib.sha256(body).hexdigest():
        raise ValueError
    return json.loads(body)


def metric_of(directory: Path) -> float | None:
    """Return a step's metric; None if the manifest is damaged or absent, or the metric was not finite."""
    try:
        return load(directory)["metric"]
    except (OSError, ValueError):
        return None


def seal(directory: Path, metric: float | None, committed: bool) -> None:
    """Add the files that the manifest does not list yet; files in the step's root may change until the commit."""
    files = load(directory)["files"]
    for path in sorted(directory.rglob("*")):
        name = path.relative_to(directory).as_posix()
        if path.is_file() and not name.startswith(MANIFEST) and name not in files and (committed or "/" in name):
            files[name] = _fingerprint(path)
    body = json.dumps({"metric": metric, "files": files}).encode()
    disk.write(directory / MANIFEST, hashlib.sha256(body).hexdigest().encode() + b"\n" + body)


def damage(directory: Path) -> str | None:
    """Return a line about what differs from the manifest, or None if the step is intact."""
    if not (directory / MANIFEST).exists():
        return f"{MANIFEST} is missing"
    name = MANIFEST
    try:
        for name, fingerprint in load(directory)["files"].items():
            if _fingerprint(directory / name) != fingerprint:
                return f"{name} has changed"
    except FileNotFoundError:
        return f"{name} is missing"
    except OSError as error:
        return f"{name} cannot be read: {error.strerror}"
    except ValueError:
        return f"{MANIFEST} is unreadable"
    return None
