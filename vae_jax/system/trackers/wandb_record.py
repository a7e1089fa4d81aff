"""Weights & Biases: its server, or with WANDB_MODE=offline files in the run's directory (or WANDB_DIR)."""

import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vae_jax.system.trackers.connection import PROJECT, SECONDS, Connection, Opening
from vae_jax.system.trackers.wandb_files import history


def start(opening: Opening) -> Connection:
    """Open the run's record in the project WANDB_PROJECT (`vae_jax`).

    The axis of all charts is our `step`. The step of W&B's own must grow with every row, pictures too, and is not shown.
    """
    import wandb  # pyright: ignore[reportMissingImports]

    folder, id_ = Path(os.environ.get("WANDB_DIR", opening.workdir)), opening.memo.get("id") or secrets.token_hex(4)
    # The console is ours. The time limits also hold at the end of the process.
    own = {"silent": True, "console": "off", "finish_timeout": float(SECONDS)}
    if "WANDB_INIT_TIMEOUT" not in os.environ:
        own["init_timeout"] = SECONDS - 5.0
    run = wandb.init(
        project=None if "WANDB_PROJECT" in os.environ else PROJECT,
        name=opening.name,
        id=id_,
        resume="allow",
        dir=folder,
        config=dict(opening.config),
        allow_val_change=True,
        reinit="create_new",  # the runs of a population are open at the same time
        settings=wandb.Settings(**own),
    )
    run.define_metric("*", step_metric="step")
    offline = run.offline
    rows = history(folder / "wandb", id_) if offline and opening.memo else []
    known = {(key, row.get("step")) for row in rows for key in row}
    least = 1 + max((row["_step"] for row in rows), default=-1)
    # From a server comes only the last value of each name.
    last: dict[str, Any] = {} if offline else dict(run.summary)

    def log(step: int, values: Mapping[str, Any]) -> None:
        run.log({"step": step, **values}, step=max(step, least, run.step), commit=True)

    return Connection(
        {"id": id_},
        f"offline, run {id_} in {folder / 'wandb'}; wandb sync {folder / 'wandb'}" if offline else str(run.url),
        lambda key, step: (key, step) in known if offline else key in last and step <= last.get("step", -1),
        log,
        lambda step, path: log(step, {path.stem: wandb.Image(str(path))}),
        lambda step, path: log(step, {path.stem: wandb.Html(str(path))}),
        run.finish,
    )
