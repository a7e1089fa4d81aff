"""MLflow: the store that MLFLOW_TRACKING_URI names, or else mlflow.db and mlruns/ in the current folder."""

import logging
import os
import time
from collections.abc import Mapping
from pathlib import Path

from vae_jax.system.trackers.connection import PROJECT, Connection, Opening

MOST_PARAMS = 100
"""The largest number of parameters that MLflow takes at once."""


def start(opening: Opening) -> Connection:
    """Open the run's record in the experiment MLFLOW_EXPERIMENT_NAME (`vae_jax`).

    The config becomes parameters. MLflow allows no change of a parameter, so a resumed run adds only new ones.
    """
    import mlflow  # pyright: ignore[reportMissingImports]
    from mlflow.entities import Metric, Param  # pyright: ignore[reportMissingImports]

    if "MLFLOW_LOGGING_LEVEL" not in os.environ:
        logging.getLogger("mlflow").setLevel(logging.WARNING)  # otherwise a line for each table of a new store
    given = os.environ.get("MLFLOW_TRACKING_URI") or opening.memo.get("uri")
    client = mlflow.MlflowClient(tracking_uri=given or f"sqlite:///{os.path.abspath('mlflow.db')}")
    experiment = opening.memo.get("experiment") or _experiment(client)
    if "id" in opening.memo:
        client.update_run(opening.memo["id"], status="RUNNING")
        run = client.get_run(opening.memo["id"])
    else:
        run = client.create_run(experiment, run_name=opening.name)
    id_, uri = run.info.run_id, client.tracking_uri
    params = [Param(key, str(value)) for key, value in opening.config.items() if key not in run.data.params]
    for i in range(0, len(params), MOST_PARAMS):
        client.log_batch(id_, params=params[i : i + MOST_PARAMS])
    known = {(key, metric.step) for key in run.data.metrics for metric in client.get_metric_history(id_, key)}

    def log(step: int, values: Mapping[str, float]) -> None:
        now = int(time.time() * 1000)
        client.log_batch(id_, metrics=[Metric(key, value, now, step) for key, value in values.items()])

    def file(folder: str | None, path: Path) -> None:
        client.log_artifact(id_, str(path), folder)  # one of the same name is replaced

    return Connection(
        {"id": id_, "uri": uri, "experiment": experiment},
        f"run {opening.name} ({id_}) at {uri}" + f"; mlflow ui --backend-store-uri {uri}" * ("://" in uri[:12]),
        lambda key, step: (key, step) in known,
        log,
        lambda step, path: file("figures", path),
        lambda step, path: file(None, path),
        lambda: client.set_terminated(id_),
    )


def _experiment(client: object) -> str:
    """Return the id of the experiment, which is made if it is missing."""
    name = os.environ.get("MLFLOW_EXPERIMENT_NAME", PROJECT)
    found = client.get_experiment_by_name(name)  # pyright: ignore[reportAttributeAccessIssue]
    return found.experiment_id if found else client.create_experiment(name)  # pyright: ignore[reportAttributeAccessIssue]
