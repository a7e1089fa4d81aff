"""A shared folder on the Hugging Face hub: pushed and pulled by huggingface_hub, with every failure as one line.

The address and the token are those of huggingface_hub: HF_ENDPOINT, and HF_TOKEN or `hf auth login`.
"""

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from vae_jax.artifacts.pretrained.folder import CARD, CONFIG, FILES, KEPT, has_edited_card
from vae_jax.errors import InputError, shown
from vae_jax.system.extras import extra

SECONDS = 10.0
"""The longest time to wait for an answer of the hub."""
NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*", re.ASCII)
COMMIT = re.compile(r"[0-9a-f]{40}")


def is_name(name: str) -> bool:
    """Return True if a text has the form of a name on the hub, user/model."""
    return NAME.fullmatch(name) is not None and "--" not in name and ".." not in name


def assert_name(flag: str, name: str) -> None:
    """Raise InputError unless the name has the form user/model."""
    if not is_name(name):
        raise InputError(f"{flag}={shown(name)}: not a name on the hub; choices: user/model")


def client(wanted_by: str) -> Any:
    """Return the package huggingface_hub; InputError, which begins with `wanted_by`, if it is not installed."""
    with extra("hub", wanted_by):
        import huggingface_hub.constants  # pyright: ignore[reportMissingImports]
        import huggingface_hub.errors  # pyright: ignore[reportMissingImports]
        import huggingface_hub.utils  # pyright: ignore[reportMissingImports]
    return huggingface_hub


def push(folder: Path, name: str, card: str = "") -> str:
    """Push the files of a shared folder to the model `name`, which is created if it is missing; return its address.

    Args:
        folder: the shared folder.
        name: user/model.
        card: "keep" or "replace" a card that was edited on the hub; empty: refuse.

    Raises:
        InputError: the hub cannot be reached or refuses, its card was edited, or huggingface_hub is missing.
    """
    huggingface_hub = client(f"push={name}")
    api = huggingface_hub.HfApi()
    with _asking(huggingface_hub, f"push={name}", "a token that may write there: HF_TOKEN, or hf auth login"):
        api.create_repo(name, exist_ok=True)
        kept = card != "replace" and _has_other_card(huggingface_hub, folder, name)
        if kept and not card:
            raise InputError("the card there was edited; choices: --card=keep, --card=replace")
        files = [file for file in FILES if not (kept and file == CARD)]
        # Files of an earlier push that this folder has not, such as first.safetensors, are removed.
        api.upload_folder(
            repo_id=name,
            folder_path=folder,
            allow_patterns=files,
            delete_patterns=files,
            commit_message="Pushed by vae_jax",
        )
    return f"{api.endpoint}/{name}"


def _has_other_card(huggingface_hub: Any, folder: Path, name: str) -> bool:
    """Return True if the hub has a card that was edited there, and is not that of the folder."""
    there = Path(huggingface_hub.snapshot_download(name, allow_patterns=[CONFIG, CARD], etag_timeout=SECONDS))
    return has_edited_card(there, KEPT) and (there / CARD).read_bytes() != (folder / CARD).read_bytes()


def pull(name: str, revision: str = "") -> Path:
    """Download a shared folder, unless it is in the hub's cache; return its path, which ends with its commit.

    Only FILES are downloaded. Without network the newest copy in the cache is returned.

    Args:
        name: user/model.
        revision: a branch, a tag or a commit; empty: the newest commit.

    Raises:
        InputError: there is no such model, the hub cannot be reached or refuses, or huggingface_hub is missing.
    """
    huggingface_hub = client(name)
    if COMMIT.fullmatch(revision) and (copy := _cached(huggingface_hub, name, revision)) is not None:
        return copy
    with _asking(huggingface_hub, name, "another name, or for a private model HF_TOKEN or hf auth login"):
        try:
            # Asked first, because snapshot_download waits for its first answer without limit.
            huggingface_hub.HfApi().model_info(name, revision=revision or None, timeout=SECONDS)
        except huggingface_hub.errors.HfHubHTTPError:
            raise
        except Exception:  # those of its HTTP library, whichever it is
            if (copy := _cached(huggingface_hub, name, revision)) is not None:
                return copy
            raise
        files = {"allow_patterns": list(FILES), "etag_timeout": SECONDS}
        return Path(huggingface_hub.snapshot_download(name, revision=revision or None, **files))


def _cached(huggingface_hub: Any, name: str, revision: str) -> Path | None:
    options = {"revision": revision or None, "allow_patterns": list(FILES), "local_files_only": True}
    try:
        return Path(huggingface_hub.snapshot_download(name, **options))
    except Exception:
        return None


@contextmanager
def _asking(huggingface_hub: Any, at: str, choices: str) -> Iterator[None]:
    """Context manager: ask the hub with a limit of time for each answer, and turn its errors into InputErrors.

    Args:
        huggingface_hub: the package.
        at: the beginning of a message.
        choices: the advice if the hub refuses.
    """
    session = huggingface_hub.get_session()
    before, session.timeout = session.timeout, SECONDS
    try:
        with _quiet(huggingface_hub.utils):
            yield
    except InputError as error:
        raise InputError(f"{at}: {error}") from None
    except Exception as error:
        raise InputError(f"{at}: {_reason(huggingface_hub, error, choices)}") from None
    finally:
        session.timeout = before


@contextmanager
def _quiet(utils: Any) -> Iterator[None]:
    """Context manager: without warnings, which repeat what an error says, and without bars where there is no terminal."""
    level, bars = utils.logging.get_verbosity(), not utils.are_progress_bars_disabled()
    utils.logging.set_verbosity_error()
    if not sys.stderr.isatty():
        utils.disable_progress_bars()
    try:
        yield
    finally:
        utils.logging.set_verbosity(level)
        if bars:
            utils.enable_progress_bars()


def _reason(huggingface_hub: Any, error: Exception, choices: str) -> str:
    endpoint, status = (
        huggingface_hub.constants.ENDPOINT,
        getattr(getattr(error, "response", None), "status_code", None),
    )
    text = shown(" ".join(str(getattr(error, "server_message", None) or error).split()) or type(error).__name__)
    if status is None:
        refused = isinstance(
            error, ValueError
        )  # by huggingface_hub itself, such as metadata that the hub does not accept
        return text if refused else f"{endpoint} cannot be reached: {type(error).__name__}: {text}"
    if isinstance(error, huggingface_hub.errors.RevisionNotFoundError):
        return f"{endpoint} has no such revision of this model"
    words = {401: "does not know you, or has no such model", 403: "gives no permission", 404: "has no such model"}
    if status in words:
        return f"{endpoint} {words[status]} (HTTP {status}); choices: {choices}"
    return f"{endpoint} refuses (HTTP {status}): {text}"
