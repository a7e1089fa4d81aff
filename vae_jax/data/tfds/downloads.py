"""TFDS downloads that fail within two seconds without a network, instead of retrying for minutes."""

import contextlib
import socket
import threading
import urllib.parse
import urllib.request
from collections.abc import Iterator
from typing import Any

CONNECT_SECONDS = 1.8
READ_SECONDS = 60  # silence in the middle of a download


def probe(url: str, seconds: float = CONNECT_SECONDS) -> None:
    """Connect to the url's host, or to its proxy, and disconnect.

    Raises:
        ConnectionError: no connection within `seconds`, name resolution included.
    """
    parts = urllib.parse.urlsplit(url)
    proxy = urllib.request.getproxies().get(parts.scheme)
    if proxy and not urllib.request.proxy_bypass(parts.hostname or ""):
        parts = urllib.parse.urlsplit(proxy if "://" in proxy else f"http://{proxy}")
    port = parts.port or (443 if parts.scheme == "https" else 80)
    outcome: list[OSError | None] = []

    def connect() -> None:
        try:
            socket.create_connection((parts.hostname or "", port), timeout=seconds).close()
            outcome.append(None)
        except OSError as error:
            outcome.append(error)

    # in a thread, because name resolution has no timeout
    thread = threading.Thread(target=connect, daemon=True)
    thread.start()
    thread.join(seconds)
    if not outcome or outcome[0] is not None:
        reason = outcome[0] if outcome else f"no answer within {seconds:g} s"
        raise ConnectionError(f"no connection to {parts.hostname}: {reason}") from (outcome[0] if outcome else None)


@contextlib.contextmanager
def impatient_downloads() -> Iterator[None]:
    """Context manager: every TFDS download probes its host first, retries once, and gives up on a silent connection."""
    from tensorflow_datasets.core.download import downloader

    retries, open_url = downloader.MAX_RETRIES, downloader._open_url

    def probed(url: str, **options: Any) -> Any:
        probe(url)
        return open_url(url, timeout=(CONNECT_SECONDS, READ_SECONDS), **options)

    downloader.MAX_RETRIES, downloader._open_url = 1, probed
    try:
        yield
    finally:
        downloader.MAX_RETRIES, downloader._open_url = retries, open_url
