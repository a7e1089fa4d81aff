"""The folders train/, val/ and test/ below a data_dir, and a line about everything else in it."""

import os
import shlex
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from vae_jax.data.allotment import NAMES, SPLIT_RULES
from vae_jax.data.folders.image_file import EXTENSIONS
from vae_jax.data.folders.listing import leads_outside
from vae_jax.errors import InputError, printable

_SHOWN = 20


def folders_below(given: str, folder: Path) -> tuple[dict[str, tuple[str, Path]], list[str]]:
    """Find train/, val/ and test/ in a folder: part -> (its name for messages, the folder), and lines to print.

    Raises:
        InputError: the folder cannot be read, has no train/ or no test/, or one of the three is a link that leads outside.
    """
    if not os.path.isdir(folder):
        raise InputError(f"{given}: not a folder")
    try:
        names = sorted(name for name in os.listdir(folder) if not name.startswith("."))
    except OSError as error:
        raise InputError(f"{given}: cannot be read: {error.strerror}") from error
    parts = {part: folder / part for part in NAMES if os.path.isdir(folder / part)}
    _refuse_links(given, folder, parts)
    others = _unused(folder, [name for name in names if name not in parts], parts.values())
    if not {"train", "test"} <= set(parts):
        found = all_of(parts) or "neither train/ nor test/"
        unused = f"; not used: {_few(others)}" if others else ""
        raise InputError(
            f"{given}: holds {found}, not train/ and test/ (and val/){unused}; choices: these, or {SPLIT_RULES}"
        )
    mend = "give --config.train_dir, --config.val_dir and --config.test_dir for other folders"
    notices = [f"{given}: only {all_of(parts)} are used, not {_few(others)}; {mend}"] if others else []
    return {part: (f"{given}/{part}", path) for part, path in parts.items()}, notices


def all_of(parts: Iterable[str]) -> str:
    """Return the folders of some parts in words: "train/ and test/"."""
    return " and ".join(f"{part}/" for part in NAMES if part in parts)


def _refuse_links(given: str, folder: Path, parts: Mapping[str, Path]) -> None:
    """Raise InputError if a part is a link that leads outside the folder, or to nothing."""
    links = {part: folder / part for part in NAMES if os.path.islink(folder / part)}
    missing = [
        f"{part} leads to {os.path.realpath(path)}, which is missing"
        for part, path in links.items()
        if part not in parts
    ]
    outside = [
        f"{part} leads to {os.path.realpath(path)}"
        for part, path in links.items()
        if part in parts and leads_outside(folder, path)
    ]
    if missing:
        raise InputError(f"{given}: a link to nothing: {', '.join(missing)}")
    if outside:
        flags = [f"--config.{part}_dir={shlex.quote(os.path.realpath(path))}" for part, path in parts.items()]
        raise InputError(
            f"{given}: links that lead outside are not followed: {', '.join(outside)}; in place of data_dir, give "
            f"{' '.join(flags)}"
        )


def _unused(folder: Path, names: Sequence[str], used: Iterable[Path]) -> list[str]:
    """Name the folders in `folder` that are not used, with the reason for links, and count its image files."""
    real = [Path(os.path.realpath(path)) for path in used]  # one may be a link to a folder that has another name here
    found, images = [], []
    for name in names:
        path = folder / name
        if os.path.isdir(path):
            if os.path.islink(path):
                found.append(f"{name}/ (a link to {os.path.realpath(path)})")
            elif not any(part.is_relative_to(path.resolve()) or part.samefile(path) for part in real):
                found.append(f"{name}/")
        elif not os.path.exists(path):
            found.append(f"{name} (a link to nothing)")
        elif os.path.splitext(name)[1].lower() in EXTENSIONS:
            images.append(name)
    if images:
        found.append(f"{len(images)} image file{'s' * (len(images) > 1)} ({images[0]}{', ...' * (len(images) > 1)})")
    return found


def _few(names: Sequence[str]) -> str:
    return printable(", ".join(names[:_SHOWN])) + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")
