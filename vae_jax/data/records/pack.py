"""A folder of images written as array_record shards, in the form of TFDS, without decoded copies on the disk."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from vae_jax.data.folders import Labelled, decode_splits, find, tell
from vae_jax.data.images import to_png
from vae_jax.data.tfds.errors import quiet
from vae_jax.errors import InputError, TrainingError
from vae_jax.system import disk, signals
from vae_jax.types import Config

_AT_ONCE = 1000  # images handed to the writer at a time


def pack_folder(config: Config, output: Path, per_shard: int) -> dict[str, int]:
    """Write the images of a config with dataset=folder as shards, and return the number of images of each split.

    The images are decoded, resized and split as for a run of this config, and stored as PNG, so that nothing is lost. The
    folder appears when it is complete.

    Args:
        config: validated.
        output: the new folder; it may be there if it is empty.
        per_shard: the images of a shard.

    Raises:
        InputError: as `load_folder`; or the folder cannot be written, or is not empty.
        TrainingError: the disk is full.
        signals.Stopped: SIGINT or SIGTERM; nothing is left of the folder.
    """
    if output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise InputError(f"--output={output}: there already, and not an empty folder; choices: a new one")
    found, parent = find(config), disk.make_folder("--output", output.absolute().parent)
    scratch = Path(tempfile.mkdtemp(prefix=f".{output.name}-", dir=parent))
    try:
        with quiet(), signals.deferred() as stop:
            writer = _Writer(scratch, found.class_names, per_shard, stop)
            left_out, notices = decode_splits(config, found, writer.store)
            writer.close()
        os.chmod(scratch, 0o755 & parent.stat().st_mode)
        os.replace(scratch, output.absolute())
    except OSError as error:
        if disk.is_full(error):
            raise TrainingError(disk.full_disk_message(parent, 0)) from error
        raise InputError(f"--output={output}: cannot be written: {error.strerror or error}") from error
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    tell(found, notices, left_out, f"the first: {left_out[0]}" if left_out else "")
    return writer.counts


class _Writer:
    """Writes the splits with TFDS's writer, whose description of the data needs the first image.

    Attributes:
        counts: the images written of each split.
    """

    def __init__(self, folder: Path, class_names: tuple[str, ...], per_shard: int, stop: signals.StopRequest) -> None:
        self.counts: dict[str, int] = {}
        self._folder, self._class_names, self._per_shard = folder, class_names, per_shard
        self._writer, self._stop = None, stop

    def store(self, name: str, images: Iterator[Labelled], most: int) -> None:
        """Write the images of a split, of which there are at most `most`."""
        pending: list[dict[str, Any]] = []
        self.counts[name] = 0
        for image, label in images:
            if self._stop.signum is not None:
                raise signals.Stopped(self._stop.signum, "stopped; nothing was written")
            writer = self._open(name, image.shape)
            pending.append({"image": to_png(image)} | ({"label": label} if self._class_names else {}))
            self.counts[name] += 1
            if len(pending) == _AT_ONCE:
                writer.add_examples({name: pending})
                pending = []
        if pending and self._writer is not None:
            self._writer.add_examples({name: pending})

    def close(self) -> None:
        """Finish the shards."""
        if self._writer is not None:
            self._writer.close_all()

    def _open(self, name: str, shape: tuple[int, ...]) -> Any:
        import tensorflow_datasets as tfds

        if self._writer is None:
            features: dict[str, Any] = {"image": tfds.features.Image(shape=shape, encoding_format="png")}
            if self._class_names:
                features["label"] = tfds.features.ClassLabel(names=list(self._class_names))
            identity = tfds.core.DatasetIdentity(
                name="packed", version=tfds.core.Version("1.0.0"), data_dir=str(self._folder), module_name=__name__
            )
            info = tfds.core.DatasetInfo(builder=identity, features=tfds.features.FeaturesDict(features))
            self._writer = tfds.core.SequentialWriter(info, self._per_shard, file_format="array_record")
        if self.counts[name] == 0:
            self._writer.initialize_splits([name])
        return self._writer
