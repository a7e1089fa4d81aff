"""Image sets of TensorFlow Datasets in the cache. Those in MNIST's format (idx.py) never need TensorFlow, some others do."""

import os
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8

from vae_jax.data.cache import load_cached
from vae_jax.data.images import fit_image
from vae_jax.data.mapped import write_rows
from vae_jax.data.moved import assert_there
from vae_jax.data.source import Source
from vae_jax.data.tfds.downloads import impatient_downloads
from vae_jax.data.tfds.errors import IDX_SETS, files_wanted, one_line_errors, quiet
from vae_jax.errors import InputError
from vae_jax.system.cache_folder import cache_root
from vae_jax.types import Config, Split

_IDX_VERSION = "3.0.1"  # of TFDS's builders of these sets; here, so that a cached set loads without importing TFDS
_BATCH = 1000  # records read at once: array_record unpacks a whole group of records for each read


def builder_names() -> Collection[str]:
    """Return the names of all TFDS builders, images or not."""
    import tensorflow_datasets as tfds

    return tfds.list_builders(with_community_datasets=False)


def load_idx_set(config: Config) -> Source:
    """Load an MNIST-format set, u8[N, 28, 28, 1], from the cache, the files in `data_dir`, or the network.

    TFDS shuffles the images, always in the same way. With held_out=last they keep the order of the files.

    Raises:
        InputError: data_dir lacks the original files; no network; cache_dir cannot be written.
    """
    name = config.dataset
    _check_data_dir(config)
    root = cache_root(config)

    def build(scratch: Path) -> Source:
        from vae_jax.data.tfds.idx import make_idx_builder

        return _prepare(make_idx_builder(name, scratch, config.held_out == "last"), config, scratch, root / "downloads")

    return load_cached(root, name, _key(config, _IDX_VERSION), build)


def load_tfds(config: Config) -> Source:
    """Load any image set of TFDS by its builder's name, "cifar10" or "emnist/letters".

    Train and test come from TFDS's splits of these names; a published validation split is not used.

    Raises:
        InputError: no such builder; not a set of images; TensorFlow, network or files that it needs are missing; held_out=last.
    """
    if config.held_out == "last":
        raise InputError(
            f"held_out=last: TFDS shuffles the images of dataset={config.dataset}; choices: held_out=random"
        )
    import tensorflow_datasets as tfds

    _check_data_dir(config)
    root = cache_root(config)

    def build(scratch: Path) -> Source:
        builder = tfds.builder(config.dataset, data_dir=scratch, file_format="array_record")
        return _prepare(builder, config, scratch, root / "downloads")

    with one_line_errors(config):
        builder = tfds.builder(config.dataset, data_dir=root / "tfds")
        check_features(builder, config)
        version = str(builder.info.full_name)
    name = "".join(c if c.isalnum() else "_" for c in config.dataset)
    return load_cached(root, name, _key(config, version), build)


def _check_data_dir(config: Config) -> None:
    """Check data_dir on every load, cached or not, so that the same command gives the same result."""
    if not config.data_dir:
        return
    folder = Path(config.data_dir)
    assert_there({"data_dir": config.data_dir})
    if not os.path.isdir(folder):
        raise InputError(f"data_dir={config.data_dir}: not a folder")
    try:
        if not any(folder.iterdir()):
            raise InputError(f"data_dir={config.data_dir}: the folder is empty; it should hold {files_wanted(config)}")
        if config.dataset in IDX_SETS:
            from vae_jax.data.tfds.idx import check_files

            check_files(config.dataset, config.data_dir)
    except OSError as error:
        raise InputError(f"data_dir={config.data_dir}: cannot be read: {error.strerror}") from error


def _key(config: Config, version: str) -> dict[str, Any]:
    options = {"image_size": list(config.image_size), "grayscale": config.grayscale}
    order = {"order": "file"} if config.held_out == "last" else {}  # older entries have no order
    return {"source": f"tfds:{config.dataset}", "version": version, "options": options, **order}


def check_features(builder: Any, config: Config) -> None:
    """Raise InputError, before any download, unless the set holds 8-bit images of one shape."""
    import tensorflow_datasets as tfds

    at, features = f"dataset={config.dataset}", dict(builder.info.features or {})
    image = features.get("image")
    if not isinstance(image, tfds.features.Image):
        raise InputError(f"{at}: not a set of images; its features are {', '.join(features) or 'unknown'}")
    feature: Any = image
    if np.dtype(feature.np_dtype) != np.uint8:
        raise InputError(f"{at}: its images are {np.dtype(feature.np_dtype)}, not uint8")
    if None in feature.shape[:2] and not config.image_size:
        raise InputError(_vary(config))


def _vary(config: Config) -> str:
    return f"dataset={config.dataset}: its images vary in shape; give --config.image_size=HEIGHT,WIDTH"


def _prepare(builder: Any, config: Config, scratch: Path, downloads: Path) -> Source:
    """Let TFDS download and prepare below scratch, then decode train and test."""
    import tensorflow_datasets as tfds

    options = tfds.download.DownloadConfig(
        manual_dir=Path(config.data_dir) if config.data_dir else None,
        extract_dir=scratch / "extracted",
        try_download_gcs=False,
        force_checksums_validation=True,
    )
    with one_line_errors(config), quiet(), impatient_downloads():
        builder.download_and_prepare(download_dir=downloads, download_config=options)
        if "train" not in builder.info.splits:
            raise InputError(f"dataset={config.dataset}: no split named train, only {', '.join(builder.info.splits)}")
        train = _decode(builder, "train", config, scratch)
        test = _decode(builder, "test", config, scratch) if "test" in builder.info.splits else None
    return Source(train, test, tuple(builder.info.features["label"].names or ()) if has_labels(builder) else ())


def has_labels(builder: Any) -> bool:
    """Return True if the set's records have a class."""
    import tensorflow_datasets as tfds

    features = builder.info.features
    return "label" in features and isinstance(features["label"], tfds.features.ClassLabel)


def _decode(builder: Any, part: str, config: Config, scratch: Path) -> Split:
    """Decode a split; the images are a map of a scratch file, so that a large set need not fit in memory."""
    from tqdm import tqdm

    records, labelled = builder.as_data_source(part), has_labels(builder)
    labels = np.zeros(len(records), np.int32)
    # disable=None: a bar only where stderr is a terminal
    with tqdm(total=len(records), desc=f"decoding {config.dataset} {part}", disable=None, leave=False) as bar:

        def decoded() -> Iterator[UInt8[np.ndarray, "H W C"]]:
            shape = None
            for i, record in enumerate(_in_order(records)):
                image = fit_image(record["image"], tuple(config.image_size), config.grayscale)
                shape = shape or image.shape
                if image.shape != shape:
                    raise InputError(_vary(config))
                labels[i] = record["label"] if labelled else 0
                bar.update()
                yield image

        return Split(write_rows(scratch / f"{part}.npy", decoded(), len(records)), labels)


def _in_order(records: Any) -> Iterator[dict[str, Any]]:
    for start in range(0, len(records), _BATCH):
        yield from records.__getitems__(range(start, min(start + _BATCH, len(records))))
