"""Trackio: a local SQLite database, a Space of Hugging Face (TRACKIO_SPACE_ID) or a server (TRACKIO_SERVER_URL)."""

import contextlib
import io
import os
import secrets
from typing import Any

from vae_jax.system.trackers.connection import PROJECT, SECONDS, Connection, Opening


def start(opening: Opening) -> Connection:
    """Open the run's record in the project TRACKIO_PROJECT (`vae_jax`).

    Trackio finds a run by its name, so the memo is the name, which is made unique.
    """
    import trackio  # pyright: ignore[reportMissingImports]
    from trackio.sqlite_storage import SQLiteStorage  # pyright: ignore[reportMissingImports]
    from trackio.utils import TRACKIO_DIR  # pyright: ignore[reportMissingImports]

    project = opening.memo.get("project") or os.environ.get("TRACKIO_PROJECT", PROJECT)
    name = opening.memo.get("name") or opening.name
    if not opening.memo and name in SQLiteStorage.get_runs(project):
        name = f"{name}-{secrets.token_hex(3)}"  # another run, in a directory of the same name
    with _silent():
        resume = "allow" if opening.memo else "never"
        run: Any = trackio.init(project=project, name=name, config=dict(opening.config), resume=resume, embed=False)
    server = os.environ.get("TRACKIO_SPACE_ID") or os.environ.get("TRACKIO_SERVER_URL", "").partition("?")[0]
    logs = [] if not opening.memo else _remote_logs(run) if server else SQLiteStorage.get_logs(project, run_id=run.id)
    known = {(key, row["step"]) for row in logs for key in row}
    # A server gives a sample of a long record, with its last row.
    complete_below = max((row["step"] for row in logs), default=-1) if server else -1

    def finish() -> None:
        with _silent():
            run.finish()

    return Connection(
        {"project": project, "name": name},
        f"run {name} at {server}" if server else f"run {name} in {TRACKIO_DIR}; trackio show --project {project}",
        lambda key, step: (key, step) in known or step < complete_below,
        lambda step, values: run.log(dict(values), step=step),
        lambda step, path: run.log({path.stem: trackio.Image(str(path))}, step=step),
        lambda step, path: run.log({path.stem: trackio.Html(str(path), inject=False)}, step=step),
        finish,
    )


def _remote_logs(run: Any) -> list[dict[str, Any]]:
    """Return the rows of a record on a server, at most 3,000 of them."""
    run._wait_for_client_ready(SECONDS)
    names = [{"run": run.name, "run_id": run.id}]
    (found,) = run._client.predict(project=run.project, runs=names, api_name="/get_logs_batch")
    return found["logs"]


def _silent() -> contextlib.redirect_stdout:
    """Return a context without Trackio's own lines. A Console, which keeps its stream, still prints."""
    return contextlib.redirect_stdout(io.StringIO())
