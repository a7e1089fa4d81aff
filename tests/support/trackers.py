"""What a tracker has of a run, read back by the tracker's own API, or for wandb from the file that it would upload."""

from pathlib import Path
from typing import Any, NamedTuple

from vae_jax.system.trackers.wandb_files import history, records


class Recorded(NamedTuple):
    rows: dict[str, list[tuple[int, float]]]
    """Name -> (step, value), in the order recorded."""
    media: list[str]
    """The names of pictures and pages, as often as they are there."""
    config: dict[str, Any]


def _sorted_out(rows: list[dict[str, Any]], config: dict[str, Any]) -> Recorded:
    """Return rows of name -> value as columns."""
    columns, media = {}, []
    for row in rows:
        for key, value in row.items():
            if isinstance(value, dict):
                media.append(key)
            elif key != "step" and not key.startswith("_") and isinstance(value, int | float):
                columns.setdefault(key, []).append((row["step"], value))
    return Recorded(columns, media, config)


def read_trackio(memo: dict[str, str], workdir: Path) -> Recorded:
    import trackio  # pyright: ignore[reportMissingImports]
    from trackio.sqlite_storage import SQLiteStorage  # pyright: ignore[reportMissingImports]

    (run,) = (run for run in trackio.Api().runs("vae_jax") if run.name == memo["name"])
    return _sorted_out(SQLiteStorage.get_logs("vae_jax", run_id=run.id), run.config)


def read_wandb(memo: dict[str, str], workdir: Path) -> Recorded:
    config = {}
    for path in sorted(workdir.glob(f"wandb/*/run-{memo['id']}.wandb")):
        for record in records(path):
            updates = [*record.run.config.update, *record.config.update]
            config |= {item.key or "/".join(item.nested_key): item.value_json for item in updates}
    return _sorted_out(history(workdir / "wandb", memo["id"]), config)


def read_mlflow(memo: dict[str, str], workdir: Path) -> Recorded:
    import mlflow  # pyright: ignore[reportMissingImports]

    client = mlflow.MlflowClient(memo["uri"])
    data = client.get_run(memo["id"]).data
    columns = {key: [(m.step, m.value) for m in client.get_metric_history(memo["id"], key)] for key in data.metrics}
    files = [file for folder in (None, "figures") for file in client.list_artifacts(memo["id"], folder)]
    return Recorded(columns, [Path(file.path).stem for file in files if not file.is_dir], data.params)


READERS = {"trackio": read_trackio, "wandb": read_wandb, "mlflow": read_mlflow}
